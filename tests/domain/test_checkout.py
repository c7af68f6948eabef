"""Checkout: line items bought together, grouped into subscriptions, on one first invoice."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain import checkout
from shared.domain.account import PaymentMethod
from shared.domain.catalog import Kind, Price, Tier
from shared.domain.changes import Changes, Event
from shared.domain.checkout import CheckoutStatus, LineItem
from shared.domain.errors import BillingError, Conflict, Invalid
from shared.domain.invoice import AttemptState, InvoiceStatus
from shared.domain.money import Money
from shared.domain.periods import Interval
from shared.domain.subscription import Status
from tests.domain.examples import (
    ACME,
    ONBOARDING,
    PLAN,
    SEAT,
    SELLER,
    YEARLY_SEAT,
    at,
    bill,
    bought,
    day,
    invoices,
    offered,
    seat_price,
    started,
)

MONTH, YEAR = Interval.MONTH, Interval.YEAR
SERVICE_SEAT = replace(SEAT, id="service-seat", product="service", seat_type="service", name="Service Hub seat")
CONTACTS = Price(
    "contacts", "sales", Kind.CONTACTS, interval=MONTH, included_contacts=2000, step=Tier(5000, "250.00")
)
CARD = PaymentMethod("acme", "pm_new", "card", "visa", "4242", "2030-04", customer="cus_acme")


@pytest.mark.parametrize(
    ("first", "second", "subscriptions"),
    [
        (LineItem(SEAT), LineItem(SERVICE_SEAT), 1),
        (LineItem(SEAT), LineItem(SEAT), 1),
        (LineItem(SEAT, term=YEAR), LineItem(replace(SERVICE_SEAT, term=YEAR)), 1),
        (LineItem(SEAT), LineItem(SERVICE_SEAT, starts_on=day("2026-01-25")), 1),
        (LineItem(SEAT), LineItem(YEARLY_SEAT), 2),
        (LineItem(SEAT), LineItem(SEAT, term=YEAR), 2),
        (LineItem(SEAT, payments=6), LineItem(SERVICE_SEAT, payments=12), 2),
        (LineItem(SEAT), LineItem(SERVICE_SEAT, payments=12), 2),
        (LineItem(SEAT), LineItem(SERVICE_SEAT, starts_on=day("2026-02-01")), 2),
    ],
)
def test_r71_line_items_share_a_subscription_if_frequency_term_payments_and_start_are_the_same(
    first, second, subscriptions
):
    assert len(offered(first, second).checkout.subscriptions) == subscriptions


def test_r71_one_first_invoice_however_many_subscriptions():
    made = offered(LineItem(SEAT, 5), LineItem(YEARLY_SEAT, 2), LineItem(SERVICE_SEAT), LineItem(ONBOARDING))
    assert made.due_now == Money(5400_00, "USD")
    assert made.invoice
    assert (made.invoice.id, str(made.invoice.date)) == ("co_1-00000", "2026-01-25")
    assert [
        (line.subscription_id, line.description, str(line.amount), str(line.period)) for line in made.invoice.lines
    ] == [
        ("sub_1a", "5 × Sales Hub seat", "500.00 USD", "2026-01-25/2026-02-25"),
        ("sub_1a", "1 × Service Hub seat", "100.00 USD", "2026-01-25/2026-02-25"),
        ("sub_1b", "2 × Sales Hub seat", "1800.00 USD", "2026-01-25/2027-01-25"),
        (None, "1 × Onboarding", "3000.00 USD", "None"),
    ]


def test_the_day_of_a_checkout_is_the_sellers():
    in_tokyo = replace(SELLER, timezone="Asia/Tokyo")
    made = checkout.offer(ACME, in_tokyo, [LineItem(SEAT)], "co_1", at("2026-01-25T23:00"))
    assert str(made.checkout.on) == "2026-01-26"
    assert str(made.checkout.subscriptions[0].period) == "2026-01-26/2026-02-26"


def test_r73_renewing_until_cancelled_has_no_end():
    assert bought(LineItem(SEAT), on="2026-03-01").subscription.ends_on is None


@pytest.mark.parametrize(
    ("line", "on", "ends_on"),
    [
        (LineItem(SEAT, payments=6), "2026-03-01", "2026-09-01"),
        (LineItem(SEAT, payments=1), "2026-01-31", "2026-02-28"),
        (LineItem(SEAT, payments=2), "2026-01-31", "2026-03-31"),
        (LineItem(SEAT, payments=24, term=YEAR), "2024-02-29", "2026-02-28"),
        (LineItem(YEARLY_SEAT, payments=4), "2024-02-29", "2028-02-29"),
    ],
)
def test_r73_a_fixed_number_of_payments_ends_when_the_next_one_would_be_due(line, on, ends_on):
    assert bought(line, on=on).subscription.ends_on == day(ends_on)


def test_r77_r82_a_later_start_is_scheduled_and_nothing_is_due_now():
    made = offered(LineItem(SEAT, 5, starts_on=day("2026-03-01")))
    assert (made.invoice, made.due_now) == (None, Money(0, "USD"))
    changes = checkout.begin(ACME, made, at("2026-01-25"))
    [subscription] = started(changes)
    assert (subscription.status, subscription.due_at) == (Status.SCHEDULED, at("2026-03-01T00:00"))
    assert changes.events == (Event("acme", "checkout.completed", {"checkout": "co_1", "subscriptions": ["sub_1a"]}),)


def test_r77_only_what_starts_today_is_on_the_first_invoice():
    made = offered(LineItem(SEAT, starts_on=day("2026-03-01")), LineItem(SERVICE_SEAT, 2))
    assert bill(made.invoice) == [("2 × Service Hub seat", "200.00")]
    assert [each.status for each in made.checkout.subscriptions] == [Status.SCHEDULED, Status.ACTIVE]


def test_what_is_paid_once_starts_no_subscription():
    made = offered(LineItem(ONBOARDING))
    assert bill(made.invoice) == [("1 × Onboarding", "3000.00")]
    assert made.checkout.subscriptions == ()


def test_seats_at_one_price_are_added_up():
    [subscription] = offered(LineItem(SEAT, 2), LineItem(SERVICE_SEAT), LineItem(SEAT, 3)).checkout.subscriptions
    assert [(item.price, item.quantity) for item in subscription.items] == [("sales-seat", 5), ("service-seat", 1)]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], "nothing_to_buy"),
        ([LineItem(replace(ONBOARDING, amount="0.00"))], "nothing_to_buy"),
        ([LineItem(SEAT, 0)], "invalid_quantity"),
        ([LineItem(SEAT, -1)], "invalid_quantity"),
        ([LineItem(SEAT, 1_000_001)], "invalid_quantity"),
        ([LineItem(SEAT, 600_000), LineItem(SEAT, 400_001)], "invalid_quantity"),
        ([LineItem(PLAN, 2)], "invalid_quantity"),
        ([LineItem(PLAN), LineItem(PLAN)], "invalid_quantity"),
        ([LineItem(CONTACTS, 1000), LineItem(CONTACTS, 7000)], "invalid_quantity"),
        ([LineItem(replace(SEAT, legacy=True))], "not_sold"),
        ([LineItem(replace(SEAT, currency="EUR"))], "wrong_currency"),
        ([LineItem(ONBOARDING, term=YEAR)], "paid_once"),
        ([LineItem(ONBOARDING, payments=2)], "paid_once"),
        ([LineItem(ONBOARDING, starts_on=day("2026-03-01"))], "paid_once"),
        ([LineItem(YEARLY_SEAT, term=MONTH)], "wrong_term"),
        ([LineItem(replace(SEAT, interval=Interval.WEEK), term=MONTH)], "wrong_term"),
        ([LineItem(replace(SEAT, term=YEAR), term=MONTH)], "wrong_term"),
        ([LineItem(SEAT, payments=0)], "invalid_payments"),
        ([LineItem(SEAT, payments=1201)], "invalid_payments"),
        ([LineItem(SEAT, payments=6, term=YEAR)], "invalid_payments"),
        ([LineItem(SEAT, starts_on=day("2026-01-24"))], "invalid_start"),
        ([LineItem(SEAT, starts_on=day("2028-01-28"))], "invalid_start"),
        ([LineItem(seat_price("0.49"))], "amount_too_small"),
        ([LineItem(seat_price("10000000.01"), 1_000_000)], "amount_too_large"),
        ([LineItem(seat_price("1000000.00"))], "amount_too_large"),
        ([LineItem(SEAT, payments=n) for n in range(1, 12)], "too_many_groups"),
        ([LineItem(seat_price(f"{n}.00")) for n in range(1, 22)], "too_many_items"),
    ],
)
def test_what_cannot_be_bought_is_refused(lines, code):
    with pytest.raises(BillingError) as refusal:
        offered(*lines)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "lines",
    [
        [LineItem(seat_price("0.50"), 1_000_000)],
        [LineItem(seat_price("999999.99"))],
        [LineItem(PLAN), LineItem(CONTACTS, 7000)],
        [LineItem(SEAT, payments=1200, term=YEAR)],
        [LineItem(SEAT, starts_on=day("2028-01-27"))],
        [LineItem(seat_price("0.50"))],
        [LineItem(seat_price("0.00"))],
        [LineItem(SEAT, payments=n) for n in range(1, 11)],
        [LineItem(seat_price(f"{n}.00")) for n in range(1, 21)],
    ],
)
def test_what_is_just_within_the_limits_can_be_bought(lines):
    assert offered(*lines).checkout.subscriptions


def test_a_committed_price_brings_its_term():
    [subscription] = offered(LineItem(replace(SEAT, term=YEAR))).checkout.subscriptions
    assert (subscription.term, str(subscription.current_term)) == (YEAR, "2026-01-25/2027-01-25")


def test_an_account_has_at_most_80_subscriptions():
    made = offered(LineItem(SEAT), LineItem(YEARLY_SEAT))
    checkout.check_room(made.checkout, alive=78)
    with pytest.raises(Conflict) as refusal:
        checkout.check_room(made.checkout, alive=79)
    assert refusal.value.code == "too_many_subscriptions"


def test_an_opened_checkout_waits_a_day_for_its_one_payment():
    made = offered(LineItem(SEAT, 5))
    changes = checkout.begin(ACME, made, at("2026-01-25"))
    [frozen] = invoices(changes)
    assert changes == Changes(
        put=(made.checkout, frozen),
        events=(
            Event(
                "acme",
                "invoice.issued",
                {
                    "invoice": "co_1-00000",
                    "subscription": None,
                    "date": "2026-01-25",
                    "total": "500.00",
                    "currency": "USD",
                },
            ),
        ),
    )
    assert made.checkout.due_at == at("2026-01-25") + timedelta(hours=24)
    assert frozen.attempt
    assert frozen == replace(made.invoice, attempt=frozen.attempt, due_at=at("2026-01-25"), checkout_id="co_1")
    assert (frozen.attempt.state, frozen.attempt.on_session) == (AttemptState.INTENT, True)


def test_r74_paid_everything_starts_at_once_with_the_method_that_paid():
    made = offered(LineItem(SEAT, 5), LineItem(YEARLY_SEAT, starts_on=day("2026-03-01")))
    newcomer = replace(ACME, payment_method=None)
    changes = checkout.complete(made.checkout, newcomer, CARD)
    monthly, yearly = made.checkout.subscriptions
    assert changes == Changes(
        put=(
            replace(made.checkout, status=CheckoutStatus.COMPLETE),
            replace(monthly, customer="cus_acme", payment_method="pm_new"),
            replace(yearly, customer="cus_acme", payment_method="pm_new"),
            CARD,
            replace(newcomer, payment_method="pm_new"),
        ),
        events=(
            Event("acme", "checkout.completed", {"checkout": "co_1", "subscriptions": ["sub_1a", "sub_1b"]}),
            Event(
                "acme",
                "subscription.started",
                {"subscription": "sub_1a", "period": "2026-01-25/2026-02-25", "term": "2026-01-25/2026-02-25"},
            ),
        ),
    )


def test_r74_a_saved_method_that_paid_is_kept():
    changes = checkout.complete(offered(LineItem(SEAT)).checkout, ACME, None)
    assert [each.payment_method for each in started(changes)] == ["pm_visa"]


def test_r74_the_method_that_paid_takes_the_place_of_one_that_was_declined():
    changes = checkout.complete(offered(LineItem(SEAT)).checkout, ACME, CARD)
    assert [each.payment_method for each in started(changes)] == ["pm_new"]
    assert CARD in changes.put
    assert replace(ACME, payment_method="pm_new") in changes.put


@pytest.mark.parametrize("customer", [None, "cus_other"])
def test_r74_what_is_not_saved_with_the_customer_paid_this_once(customer):
    opened = offered(LineItem(SEAT)).checkout
    assert checkout.complete(opened, ACME, replace(CARD, customer=customer)) == checkout.complete(opened, ACME, None)


@pytest.mark.parametrize("status", [CheckoutStatus.COMPLETE, CheckoutStatus.EXPIRED])
def test_a_checkout_starts_its_subscriptions_once(status):
    over = replace(offered(LineItem(SEAT)).checkout, status=status)
    assert checkout.complete(over, ACME, CARD) == Changes()
    assert over.due_at is None


def test_a_checkout_that_nobody_pays_leaves_a_void_invoice_and_nothing_else():
    opened = checkout.begin(ACME, offered(LineItem(SEAT)), at("2026-01-25"))
    [frozen] = invoices(opened)
    changes = checkout.expire(opened.put[0], frozen)
    [void] = invoices(changes)
    assert (void.status, void.due_at, void.attempt.state) == (InvoiceStatus.VOID, None, AttemptState.CANCELED)
    assert changes == Changes(
        put=(replace(opened.put[0], status=CheckoutStatus.EXPIRED), void),
        events=(
            Event("acme", "checkout.expired", {"checkout": "co_1"}),
            Event("acme", "invoice.voided", {"invoice": "co_1-00000"}),
        ),
    )


def test_a_free_checkout_that_expires_has_no_invoice():
    later = offered(LineItem(SEAT, starts_on=day("2026-03-01"))).checkout
    assert checkout.expire(later, None).put == (replace(later, status=CheckoutStatus.EXPIRED),)


def test_more_contacts_than_are_sold_are_refused():
    bands = replace(CONTACTS, step=None, tiers=(Tier(7000, "250.00"),))
    with pytest.raises(Invalid) as refusal:
        offered(LineItem(bands, 7001))
    assert refusal.value.code == "too_many_contacts"
