"""Renewal: what the calendar brings, once, however often and however late it is asked."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import renewal, seats
from shared.domain.changes import Changes, Event
from shared.domain.checkout import LineItem
from shared.domain.invoice import AttemptState, InvoiceStatus
from shared.domain.money import Money
from shared.domain.periods import Interval
from shared.domain.subscription import Book, PendingInvoiceItem, PendingRemoval, Status
from tests.domain.examples import (
    CATALOG,
    SEAT,
    YEARLY_SEAT,
    at,
    bill,
    bought,
    day,
    run,
    run_daily,
    seat_price,
)

YEAR = Interval.YEAR


def add(book, quantity, on):
    return book.after(seats.add(book, "sales", quantity, CATALOG, day(on), at(on)).changes)


def told(invoice):
    """An invoice without what depends on the moment it was drawn."""
    return replace(invoice, due_at=None, attempt=None, paid_at=None)


def test_d18_a_renewal_bills_the_period_that_starts_in_advance():
    book = bought(LineItem(SEAT, 5), on="2026-01-25")
    changes = renewal.step(book, at("2026-02-25"))
    renewed, invoice = changes.put
    assert renewed == replace(book.subscription, billed=2, seq=1, invoiced_on=day("2026-02-25"))
    assert (invoice.id, invoice.date, invoice.status) == ("sub_1a-00001", day("2026-02-25"), InvoiceStatus.OPEN)
    assert [(line.description, line.amount.decimal, str(line.period)) for line in invoice.lines] == [
        ("5 × Sales Hub seat", "500.00", "2026-02-25/2026-03-25")
    ]
    assert (invoice.attempt.state, invoice.attempt.amount) == (AttemptState.INTENT, 500_00)
    assert changes.events == (
        Event(
            "acme",
            "subscription.renewed",
            {
                "subscription": "sub_1a",
                "period": "2026-02-25/2026-03-25",
                "term": "2026-02-25/2026-03-25",
                "term_renewed": True,
            },
        ),
        Event(
            "acme",
            "invoice.issued",
            {
                "invoice": "sub_1a-00001",
                "subscription": "sub_1a",
                "date": "2026-02-25",
                "total": "500.00",
                "currency": "USD",
            },
        ),
    )


@pytest.mark.parametrize(
    ("now", "due"),
    [("2026-02-24T23:59:59", False), ("2026-02-25T00:00", True), ("2026-02-25T23:59", True)],
)
def test_r51_it_is_due_from_the_sellers_midnight(now, due):
    book = bought(LineItem(SEAT), on="2026-01-25")
    assert book.subscription.due_at == at("2026-02-25T00:00")
    assert (renewal.step(book, at(now)) is not None) == due


def test_renewing_twice_is_renewing_once():
    once = run(bought(LineItem(SEAT), on="2026-01-25"), "2026-02-25")
    assert len(once.invoices) == 1
    assert renewal.step(once.book, at("2026-02-25")) is None


def test_d15_a_run_that_is_three_months_late_bills_each_month_as_if_it_had_been_in_time():
    late = run(bought(LineItem(SEAT), on="2026-01-31"), "2026-05-01")
    assert [(invoice.id, str(invoice.date), str(invoice.lines[0].period)) for invoice in late.invoices] == [
        ("sub_1a-00001", "2026-02-28", "2026-02-28/2026-03-31"),
        ("sub_1a-00002", "2026-03-31", "2026-03-31/2026-04-30"),
        ("sub_1a-00003", "2026-04-30", "2026-04-30/2026-05-31"),
    ]


@given(
    st.dates(day("2024-01-01"), day("2025-12-31")),
    st.sampled_from([(SEAT, None), (SEAT, YEAR), (YEARLY_SEAT, None), (seat_price("9.00", Interval.WEEK), None)]),
    st.one_of(st.none(), st.integers(1, 3)),
    st.integers(0, 800),
)
def test_d15_late_runs_and_daily_runs_come_to_the_same(anchor, goods, terms, later):
    price, term = goods
    per_term = price.interval.fits(term or price.interval)
    book = bought(LineItem(price, 3, term=term, payments=terms and terms * per_term), on=str(anchor))
    days = [str(anchor + timedelta(days=n)) for n in range(later + 1)]
    late, daily = run(book, days[-1]), run_daily(book, days)
    assert late.book == daily.book
    assert late.events == daily.events
    assert [told(invoice) for invoice in late.invoices] == [told(invoice) for invoice in daily.invoices]


@given(st.integers(0, 400))
def test_what_a_preview_decides_on_is_what_the_steps_come_to(later):
    book = add(bought(LineItem(SEAT, payments=12), on="2026-01-31"), 2, "2026-02-07")
    on = str(day("2026-02-07") + timedelta(days=later))
    done = run(book, on)
    assert renewal.up_to_date(book, at(on)) == (done.book, tuple(done.invoices))


def test_a_preview_goes_back_36_periods_at_most():
    book = bought(LineItem(seat_price("9.00", Interval.WEEK)), on="2026-01-05")
    assert renewal.up_to_date(book, at("2027-01-05")).book.subscription.billed == 37


def test_r104_f18_a_yearly_commitment_billed_monthly_renews_its_term_after_twelve_periods():
    book = bought(LineItem(SEAT, term=YEAR), on="2025-03-05")
    assert str(book.subscription.current_term) == "2025-03-05/2026-03-05"
    done = run(book, "2026-04-05")
    assert [str(invoice.date) for invoice in done.invoices] == [
        "2025-04-05", "2025-05-05", "2025-06-05", "2025-07-05", "2025-08-05", "2025-09-05", "2025-10-05",
        "2025-11-05", "2025-12-05", "2026-01-05", "2026-02-05", "2026-03-05", "2026-04-05",
    ]  # fmt: skip
    renewals = [event.data for event in done.events if event.type == "subscription.renewed"]
    assert [(data["period"], data["term"]) for data in renewals if "term_renewed" in data] == [
        ("2026-03-05/2026-04-05", "2026-03-05/2027-03-05")
    ]
    assert renewals[0]["term"] == "2025-03-05/2026-03-05"


def test_r82_a_scheduled_start_is_billed_on_its_day():
    book = bought(LineItem(SEAT, 5, starts_on=day("2026-03-01")), on="2026-01-25")
    assert renewal.step(book, at("2026-02-28")) is None
    done = run(book, "2026-03-01")
    assert (done.book.subscription.status, done.book.subscription.billed) == (Status.ACTIVE, 1)
    assert [event.type for event in done.events] == ["subscription.started", "invoice.issued"]
    assert [(invoice.id, str(invoice.lines[0].period)) for invoice in done.invoices] == [
        ("sub_1a-00001", "2026-03-01/2026-04-01")
    ]


def test_r73_r81_six_payments_from_1_march_expire_on_1_september():
    done = run(bought(LineItem(SEAT, payments=6), on="2026-03-01"), "2027-01-01")
    assert [str(invoice.date) for invoice in done.invoices] == [
        "2026-04-01", "2026-05-01", "2026-06-01", "2026-07-01", "2026-08-01",
    ]  # fmt: skip
    assert (done.book.subscription.status, done.book.subscription.due_at) == (Status.EXPIRED, None)
    assert done.events[-1] == Event("acme", "subscription.expired", {"subscription": "sub_1a", "on": "2026-09-01"})


def test_r81_seats_of_the_last_period_are_on_a_last_invoice():
    book = run(bought(LineItem(SEAT, payments=2), on="2026-03-01"), "2026-04-01").book
    done = run(add(book, 3, "2026-04-16"), "2026-05-01")
    [last] = done.invoices
    assert (last.id, str(last.date)) == ("sub_1a-00002", "2026-05-01")
    assert bill(last) == [("3 × Sales Hub seat, 15 of 30 days", "150.00")]
    assert [event.type for event in done.events] == ["subscription.expired", "invoice.issued"]
    assert done.book.pending == ()


@pytest.mark.parametrize("status", [Status.CANCELED, Status.EXPIRED])
def test_r83_what_has_ended_is_never_billed(status):
    book = bought(LineItem(SEAT), on="2026-01-25")
    ended = Book(replace(book.subscription, status=status))
    assert renewal.step(ended, at("2030-01-01")) is None
    assert ended.subscription.due_at is None


def test_d22_an_unpaid_subscription_goes_on():
    book = bought(LineItem(SEAT), on="2026-01-25")
    unpaid = Book(replace(book.subscription, status=Status.PAST_DUE, unpaid=1))
    done = run(unpaid, "2026-02-25")
    assert (len(done.invoices), done.book.subscription.status) == (1, Status.PAST_DUE)


def test_nothing_owed_makes_no_invoice():
    done = run(bought(LineItem(seat_price("0.00"), 5), on="2026-01-25"), "2026-03-25")
    assert (done.invoices, done.book.subscription.seq, done.book.subscription.billed) == ([], 0, 3)
    assert [event.type for event in done.events] == ["subscription.renewed", "subscription.renewed"]


def test_without_a_method_an_invoice_waits_for_its_payer():
    book = bought(LineItem(SEAT), on="2026-01-25")
    nobody = Book(replace(book.subscription, payment_method=None))
    [invoice] = run(nobody, "2026-02-25").invoices
    assert (invoice.status, invoice.due_at, invoice.attempt) == (InvoiceStatus.WAITING_FOR_PAYER, None, None)


def small_book(payments=None):
    """What costs 0.20 a month, beside something that made the first invoice large enough."""
    book = bought(LineItem(seat_price("0.20"), 5, payments=payments), on="2026-01-25")
    [item] = book.subscription.items
    return Book(replace(book.subscription, items=(replace(item, quantity=1),)))


def test_a_total_too_small_to_charge_is_carried_until_it_is_not():
    done = run(small_book(), "2026-04-25")
    assert [(bill(invoice), invoice.total.decimal, invoice.status) for invoice in done.invoices] == [
        ([("1 × Sales Hub seat", "0.20"), ("Carried to the next invoice", "-0.20")], "0.00", "paid"),
        (
            [
                ("1 × Sales Hub seat", "0.20"),
                ("Carried from sub_1a-00001", "0.20"),
                ("Carried to the next invoice", "-0.40"),
            ],
            "0.00",
            "paid",
        ),
        ([("1 × Sales Hub seat", "0.20"), ("Carried from sub_1a-00002", "0.40")], "0.60", "open"),
    ]
    assert done.book.pending == ()


def test_a_total_too_small_to_charge_is_waived_on_the_last_invoice():
    done = run(small_book(payments=2), "2026-03-25")
    assert [bill(invoice) for invoice in done.invoices] == [
        [("1 × Sales Hub seat", "0.20"), ("Carried to the next invoice", "-0.20")],
        [("Carried from sub_1a-00001", "0.20"), ("Too small to charge, waived", "-0.20")],
    ]
    assert (done.book.subscription.status, done.book.pending) == (Status.EXPIRED, ())


def credit(amount):
    return PendingInvoiceItem("acme", "sub_1a", "credit", "credit", "Credit", Money(amount, "USD"), 1)


def test_a_credit_larger_than_the_fees_is_carried():
    book = bought(LineItem(SEAT), on="2026-01-25")
    done = run(book._replace(pending=(credit(-150_00),)), "2026-03-25")
    assert [(bill(invoice), invoice.total.decimal) for invoice in done.invoices] == [
        (
            [("1 × Sales Hub seat", "100.00"), ("1 × Credit", "-150.00"), ("Carried to the next invoice", "50.00")],
            "0.00",
        ),
        ([("1 × Sales Hub seat", "100.00"), ("Carried from sub_1a-00001", "-50.00")], "50.00"),
    ]


def test_a_credit_as_large_as_the_fees_is_paid_without_stripe():
    book = bought(LineItem(SEAT), on="2026-01-25")
    [invoice] = run(book._replace(pending=(credit(-100_00),)), "2026-02-25").invoices
    assert bill(invoice) == [("1 × Sales Hub seat", "100.00"), ("1 × Credit", "-100.00")]
    assert (invoice.status, invoice.attempt, invoice.due_at) == (InvoiceStatus.PAID, None, None)


def test_what_keeps_failing_is_left_alone_for_longer_each_time_and_alarms_once():
    subscription, waits, events = bought(LineItem(SEAT), on="2026-01-25").subscription, [], []
    for _ in range(4):
        now = subscription.due_at
        changes = renewal.postpone(subscription, "ValueError: no", now)
        [subscription] = changes.put
        waits.append(subscription.due_at - now)
        events += changes.events
    assert waits == [timedelta(hours=1), timedelta(hours=6), timedelta(days=1), timedelta(days=1)]
    assert events == [
        Event("acme", "alarm.raised", {"code": "renewal_failed", "subscription": "sub_1a", "what": "ValueError: no"})
    ]
    assert (subscription.failures, subscription.error) == (4, "ValueError: no")


def test_a_renewal_that_works_again_forgets_the_failures():
    book = bought(LineItem(SEAT), on="2026-01-25")
    [put_off] = renewal.postpone(book.subscription, "ValueError: no", at("2026-02-25")).put
    renewed = run(Book(put_off), "2026-02-25").book.subscription
    assert (renewed.failures, renewed.retry_at, renewed.error) == (0, None, None)
    assert renewed.due_at == at("2026-03-25T00:00")


def test_what_was_renewed_meanwhile_waits_for_its_own_day():
    subscription = bought(LineItem(SEAT), on="2026-01-25").subscription
    assert renewal.postpone(subscription, "Stale: busy", at("2026-02-01")) == Changes()


def test_a_book_counts_versions_as_the_store_does():
    book = bought(LineItem(SEAT), on="2026-01-25")
    assert book.after(Changes(put=(book.subscription,))).subscription.version == 1
    assert book.after(Changes()) == book


def test_r81_what_has_expired_leaves_nothing_waiting():
    """A removal is refused for a term that does not come; whatever else left one, it is not kept for ever."""
    book = bought(LineItem(SEAT, 3, payments=1), on="2026-01-25")
    removal = PendingRemoval("acme", book.subscription.id, "sales", 1, day("2026-03-25"))
    left = run(book._replace(removals=(removal,)), "2026-02-25").book
    assert (left.subscription.status, left.pending, left.removals) == (Status.EXPIRED, (), ())
