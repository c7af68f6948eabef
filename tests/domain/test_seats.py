"""Seats: used at once, charged for the rest of the period with the next invoice."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import seats
from shared.domain.catalog import Catalog
from shared.domain.changes import Event
from shared.domain.checkout import LineItem
from shared.domain.errors import BillingError, Conflict
from shared.domain.money import Money, total
from shared.domain.periods import Interval, Period
from shared.domain.seats import Seats
from shared.domain.subscription import MOST_PENDING, Book, PendingInvoiceItem, Status
from tests.domain.examples import (
    CATALOG,
    PLAN,
    PRODUCTS,
    SEAT,
    SEAT_TYPES,
    YEARLY_SEAT,
    at,
    bill,
    bought,
    day,
    invoices,
    run,
    seat_price,
    started,
)

SEATLESS = replace(PLAN, seat_type=None, included_seats=0)


def add(book, quantity, on, catalog=CATALOG, seat_type="sales"):
    return seats.add(book, seat_type, quantity, catalog, day(on), at(on))


def test_r12_r13_a_seat_bought_on_the_7th_is_charged_on_the_25th_beside_the_next_period():
    book = bought(LineItem(SEAT, 5), on="2026-01-25")
    purchase = add(book, 1, "2026-02-07")
    assert purchase == seats.Purchase(
        seats=Seats("sales", included=0, additional=6),
        quantity=1,
        unit=Money(100_00, "USD"),
        charge=Money(58_06, "USD"),
        period=Period.parse("2026-02-07/2026-02-25"),
        whole=Period.parse("2026-01-25/2026-02-25"),
        cost=Money(600_00, "USD"),
        invoice_on=day("2026-02-25"),
        changes=purchase.changes,
    )
    six = replace(book.subscription.items[0], quantity=6)
    assert purchase.changes.put == (
        replace(book.subscription, items=(six,)),
        PendingInvoiceItem(
            account_id="acme",
            subscription_id="sub_1a",
            price="sales-seat",
            kind="seat",
            name="Sales Hub seat",
            unit=Money(100_00, "USD"),
            quantity=1,
            period=Period.parse("2026-02-07/2026-02-25"),
            whole=Period.parse("2026-01-25/2026-02-25"),
            day=day("2026-02-07"),
        ),
    )
    assert purchase.changes.events == (
        Event(
            "acme",
            "seats.added",
            {
                "subscription": "sub_1a",
                "seat_type": "sales",
                "quantity": 1,
                "total": 6,
                "amount": "58.06",
                "currency": "USD",
                "period": "2026-02-07/2026-02-25",
            },
        ),
    )
    [invoice] = run(book.after(purchase.changes), "2026-02-25").invoices
    assert bill(invoice) == [
        ("6 × Sales Hub seat", "600.00"),
        ("1 × Sales Hub seat, 18 of 31 days", "58.06"),
    ]


@pytest.mark.parametrize(
    ("cycle", "days", "charges"),
    [
        ("2025-02-25", 28, {"100.00": "64.29", "50.00": "32.14", "45.00": "28.93"}),
        ("2024-02-25", 29, {"100.00": "62.07", "50.00": "31.03", "45.00": "27.93"}),
        ("2025-04-25", 30, {"100.00": "60.00", "50.00": "30.00", "45.00": "27.00"}),
        ("2025-03-25", 31, {"100.00": "58.06", "50.00": "29.03", "45.00": "26.13"}),
    ],
)
def test_r13_the_7th_to_the_25th_in_months_of_every_length(cycle, days, charges):
    seventh = str((day(cycle) + timedelta(days=days)).replace(day=7))
    for price, charge in charges.items():
        seat = seat_price(price)
        purchase = add(bought(LineItem(seat), on=cycle), 1, seventh, Catalog(PRODUCTS, SEAT_TYPES, (seat,)))
        assert (purchase.period.days, purchase.whole.days) == (18, days)
        assert purchase.charge.decimal == charge


def test_d8_the_day_of_a_purchase_is_paid():
    book = bought(LineItem(SEAT), on="2026-04-01")
    assert add(book, 1, "2026-04-01").charge.decimal == "100.00"
    assert add(book, 1, "2026-04-02").charge.decimal == "96.67"
    assert add(book, 1, "2026-04-30").charge.decimal == "3.33"


def test_d8_a_price_per_year_is_shared_by_the_days_of_the_year():
    book = bought(LineItem(YEARLY_SEAT), on="2026-01-01")
    purchase = add(book, 2, "2026-12-01")
    assert (purchase.period.days, purchase.whole.days) == (31, 365)
    assert (purchase.charge.decimal, purchase.invoice_on) == ("152.88", day("2027-01-01"))


def test_f7_a_monthly_price_under_a_yearly_commitment_is_shared_by_the_days_of_the_month():
    book = bought(LineItem(SEAT, term=Interval.YEAR), on="2026-04-01")
    assert add(book, 1, "2026-04-16").charge.decimal == "50.00"


def test_d14_three_bought_one_by_one_cost_what_three_at_once_cost():
    seat = seat_price("45.00")
    sold = Catalog(PRODUCTS, SEAT_TYPES, (seat,))
    book = at_once = bought(LineItem(seat), on="2025-02-25")
    charges = []
    for _ in range(3):
        purchase = add(book, 1, "2025-03-07", sold)
        book = book.after(purchase.changes)
        charges.append(purchase.charge.decimal)
    three = add(at_once, 3, "2025-03-07", sold)
    at_once = at_once.after(three.changes)
    assert charges == ["28.93", "28.93", "28.93"]
    assert three.charge.decimal == "86.79"
    assert book.pending == at_once.pending
    assert bill(run(book, "2025-03-25").invoices[0])[1] == ("3 × Sales Hub seat, 18 of 28 days", "86.79")


@given(st.integers(1, 10_000), st.lists(st.integers(1, 9), min_size=1, max_size=10), st.integers(0, 30))
def test_d14_seats_of_one_day_are_rounded_once_however_they_were_bought(cents, quantities, later):
    seat = seat_price(Money(50 + cents, "USD").decimal)
    sold = Catalog(PRODUCTS, SEAT_TYPES, (seat,))
    on = str(day("2026-01-25") + timedelta(days=later))
    book = bought(LineItem(seat), on="2026-01-25")
    at_once = add(book, sum(quantities), on, sold)
    charges = []
    for quantity in quantities:
        purchase = add(book, quantity, on, sold)
        book = book.after(purchase.changes)
        charges.append(purchase.charge)
    assert total(charges, "USD") == at_once.charge
    [pending] = book.pending
    assert pending.amount == at_once.charge


histories = st.lists(st.tuples(st.integers(0, 89), st.integers(1, 20)), max_size=30)


@given(st.sampled_from(["100.00", "45.00", "0.01", "0.00", "33.33"]), histories)
def test_r13_what_previews_promised_is_what_the_next_invoice_charges(price, history):
    """Over a quarter that begins on a month's last day; what costs nothing is not written."""
    plan, seat = seat_price("10.00", Interval.QUARTER, id="first"), seat_price(price, Interval.QUARTER)
    sold = Catalog(PRODUCTS, SEAT_TYPES, (replace(plan, legacy=True), seat))
    book = bought(LineItem(plan), on="2025-12-31")
    promised = []
    for later, quantity in sorted(history):
        purchase = add(book, quantity, str(day("2025-12-31") + timedelta(days=later)), sold)
        book = book.after(purchase.changes)
        promised.append(purchase.charge)
    [invoice] = run(book, "2026-03-31").invoices
    charged = [line.amount for line in invoice.lines if line.period != Period.parse("2026-03-31/2026-06-30")]
    assert total(charged, "USD") == total(promised, "USD")


def test_r39_a_further_seat_takes_the_price_of_today_and_the_old_ones_keep_theirs():
    old = seat_price("80.00", id="old")
    book = bought(LineItem(old, 5), on="2026-01-25")
    purchase = add(book, 1, "2026-02-07")
    [subscription] = started(purchase.changes)
    assert [(item.price, item.quantity, item.unit.decimal) for item in subscription.items] == [
        ("old", 5, "80.00"),
        ("sales-seat", 1, "100.00"),
    ]
    assert (purchase.seats, purchase.charge.decimal) == (Seats("sales", 0, 6), "58.06")
    assert bill(run(book.after(purchase.changes), "2026-02-25").invoices[0]) == [
        ("5 × Sales Hub seat", "400.00"),
        ("1 × Sales Hub seat", "100.00"),
        ("1 × Sales Hub seat, 18 of 31 days", "58.06"),
    ]


def test_r15_r16_included_seats_and_additional_ones_are_told_apart():
    service = replace(SEAT, id="service-seat", seat_type="service")
    book = bought(LineItem(PLAN), LineItem(service, 2), on="2026-01-25")
    assert seats.count(book.subscription) == (Seats("sales", 3, 0), Seats("service", 0, 2))
    grown = book.after(add(book, 4, "2026-02-07").changes)
    assert seats.count(grown.subscription) == (Seats("sales", 3, 4), Seats("service", 0, 2))
    assert [each.total for each in seats.count(grown.subscription)] == [7, 2]


def test_what_is_no_seat_is_not_counted():
    assert seats.count(bought(LineItem(SEATLESS)).subscription) == ()


def full_book():
    """A seat a day for 50 days of a year that began on 1 January: as many as may wait."""
    book = bought(LineItem(YEARLY_SEAT), on="2026-01-01")
    for n in range(MOST_PENDING):
        book = book.after(add(book, 1, str(day("2026-01-02") + timedelta(days=n))).changes)
    return book


def test_the_51st_pending_item_draws_an_invoice_at_once():
    book = full_book()
    assert (len(book.pending), book.subscription.seq) == (50, 0)
    promised = [item.amount for item in book.pending]

    purchase = add(book, 1, "2026-02-21")
    [invoice] = invoices(purchase.changes)
    assert (invoice.id, invoice.date, purchase.invoice_on) == ("sub_1a-00001", day("2026-02-21"), day("2026-02-21"))
    assert len(invoice.lines) == 51
    assert invoice.total == total([*promised, purchase.charge], "USD")
    assert bill(invoice)[-1] == ("1 × Sales Hub seat, 314 of 365 days", "774.25")
    assert [event.type for event in purchase.changes.events] == ["invoice.issued", "seats.added"]

    after = book.after(purchase.changes)
    assert after.pending == ()
    assert after.subscription.next_invoice_on == day("2027-01-01")
    assert bill(run(after, "2027-01-01").invoices[0]) == [("52 × Sales Hub seat", "46800.00")]


def test_d14_a_seat_on_a_day_that_waits_already_draws_none():
    purchase = add(full_book(), 1, "2026-02-20")
    assert invoices(purchase.changes) == []
    assert purchase.invoice_on == day("2027-01-01")


CROWDED = [LineItem(seat_price(f"{n}.00")) for n in range(1, 21)]


@pytest.mark.parametrize(
    ("book", "seat_type", "quantity", "code"),
    [
        (bought(LineItem(SEAT)), "sales", 0, "invalid_quantity"),
        (bought(LineItem(SEAT)), "sales", -1, "invalid_quantity"),
        (bought(LineItem(SEAT)), "service", 1, "unknown_seat_type"),
        (bought(LineItem(SEATLESS)), "sales", 1, "unknown_seat_type"),
        (bought(LineItem(SEAT, 9_999)), "sales", 1, "amount_too_large"),  # an invoice that Stripe would refuse
        (bought(LineItem(replace(SEAT, edition="starter", id="gone"))), "sales", 1, "not_sold"),
        (bought(*CROWDED), "sales", 1, "too_many_items"),
        (bought(LineItem(SEAT, starts_on=day("2026-03-01"))), "sales", 1, "subscription_not_active"),
    ],
)
def test_what_cannot_be_added_is_refused(book, seat_type, quantity, code):
    with pytest.raises(BillingError) as refusal:
        add(book, quantity, "2026-02-07", seat_type=seat_type)
    assert refusal.value.code == code


@pytest.mark.parametrize("status", [Status.CANCELED, Status.EXPIRED, Status.PAUSED, Status.SCHEDULED])
def test_seats_are_not_sold_on_what_is_not_running(status):
    book = bought(LineItem(SEAT))
    with pytest.raises(BillingError, match=status.value) as refusal:
        add(Book(replace(book.subscription, status=status)), 1, "2026-02-07")
    assert refusal.value.code == "subscription_not_active"


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.PAST_DUE, Status.TRIALING])
def test_r14_seats_can_be_bought_at_any_time_while_it_runs(status):
    seat = seat_price("31.00")
    sold = Catalog(PRODUCTS, SEAT_TYPES, (seat,))
    book = bought(LineItem(seat), on="2026-01-25")
    book = book._replace(subscription=replace(book.subscription, status=status))
    for n in range(31):
        purchase = add(book, 1, str(day("2026-01-25") + timedelta(days=n)), sold)
        assert (purchase.seats.total, purchase.charge) == (2 + n, Money((31 - n) * 1_00, "USD"))
        book = book.after(purchase.changes)


def test_as_many_seats_and_prices_as_may_be_bought():
    nineteen = [LineItem(seat_price(f"{n}.00")) for n in range(1, 20)]
    assert add(bought(*nineteen), 1, "2026-02-07").seats == Seats("sales", 0, 20)
    assert add(bought(LineItem(SEAT, 9_998)), 1, "2026-02-07").seats == Seats("sales", 0, 9_999)


def test_there_are_a_million_seats_of_one_price_at_most():
    cheap = seat_price("0.50", id="cheap-seat")
    sold, book = Catalog(PRODUCTS, SEAT_TYPES, (cheap,)), bought(LineItem(cheap, 999_999))
    assert add(book, 1, "2026-02-07", sold).seats == Seats("sales", 0, 1_000_000)
    with pytest.raises(Conflict) as refused:
        add(book, 2, "2026-02-07", sold)
    assert refused.value.code == "too_many_seats"
