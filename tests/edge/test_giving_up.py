"""Writing an invoice off: nothing may capture afterwards, and what does meanwhile is taken."""

from datetime import date

import pytest

from infra.local.simulate import STAFF
from shared.domain.changes import Changes
from shared.domain.money import Money
from shared.domain.subscription import MOST_PENDING, PendingInvoiceItem
from shared.store import queries, table
from tests.world import World


@pytest.fixture
def world():
    """Acme's renewal of 25 February has been declined."""
    world = World().sells()
    world.bill = f"{world.subscribed()}-00001"
    world.cloud.stripe.becomes(queries.account("acme").payment_method, "card_declined")
    return world.on("2026-02-25T12:00:00Z")


def write_off(world):
    return world.call("POST", f"/accounts/acme/invoices/{world.bill}/write-off", permissions=STAFF).json["status"]


def status(world):
    return queries.invoice("acme", world.bill).status.value


def payments(world):
    found = [
        each
        for status in ("canceled", "succeeded", "requires_payment_method")
        for each in world.cloud.stripe.theirs("acme", "payment_intent", status)
    ]
    return [each["status"] for each in found if each["metadata"]["invoice"] == world.bill]


def test_the_payment_is_cancelled_first(world):
    assert write_off(world) == "uncollectible"
    assert payments(world) == ["canceled"]
    assert queries.book("acme", world.bill[:-6]).subscription.status.value == "active"


@pytest.mark.parametrize("how", ["request_lost", "answer_lost", "throttled", "error_500_before", "conflict"])
def test_while_stripe_does_not_answer_it_stays_open_and_is_seen_to_later(world, how):
    world.cloud.faults.arm("stripe.cancel", how, times=2 if how == "throttled" else 1)  # 429 is tried again at once
    assert write_off(world) == "open"
    assert queries.invoice("acme", world.bill).due_at == world.cloud.now
    world.on("2026-02-27T12:00:00Z")
    assert (status(world), payments(world)) == ("uncollectible", ["canceled"])


def test_a_payment_that_succeeds_meanwhile_is_taken(world):
    world.cloud.faults.arm("stripe.cancel", "request_lost", times=1)
    write_off(world)
    [waiting] = world.cloud.stripe.theirs("acme", "payment_intent", "requires_payment_method")
    world.cloud.stripe.pay(waiting["id"], "pm_card_visa")
    world.on("2026-02-27T12:00:00Z")
    assert (status(world), payments(world)) == ("paid", ["succeeded"])


def test_a_debit_on_its_way_is_waited_for_and_cancelled_when_it_fails(world):
    world.on("2026-02-25T13:00:00Z")
    bank = {"payment_method": "pm_usBankAccount_success", "payment_methods": ["us_bank_account"]}
    assert world.call("POST", "/accounts/acme/payment-method", bank).status == 201
    body = {"items": [{"price": "sales-seat"}], "payment_methods": ["us_bank_account"]}
    world.bill = world.call("POST", "/accounts/acme/checkout", body).json["invoice"]["id"]
    assert write_off(world) == "processing"
    world.on("2026-02-26T12:00:00Z")
    [debit] = world.cloud.stripe.theirs("acme", "payment_intent", "processing")
    world.cloud.stripe.fail(debit["id"])
    world.on("2026-02-26T13:00:00Z")
    assert (status(world), payments(world)) == ("uncollectible", ["canceled"])


def test_d17_ten_subscriptions_end_with_more_pending_than_one_transaction_deletes(world):
    ends = {"timezone": "America/New_York", "currency": "USD", "retry_days": [], "after_retries": "cancel"}
    world.staff("PUT", "/sellers/us", ends)
    world.account("bolt", card=None)
    bank = {"payment_method": "pm_usBankAccount_insufficientFunds", "payment_methods": ["us_bank_account"]}
    assert world.call("POST", "/accounts/bolt/payment-method", bank, account="bolt").status == 201
    items = [{"price": "sales-seat", "payments": count} for count in range(2, 12)]
    body = {"items": items, "payment_methods": ["us_bank_account"]}
    bought = world.call("POST", "/accounts/bolt/checkout", body, account="bolt").json
    subscriptions = [each["id"] for each in bought["subscriptions"]]
    for each in subscriptions:
        wait_for_the_next_invoice("bolt", each, world.cloud.now)
    world.on("2026-03-03T12:00:00Z")
    assert queries.invoice("bolt", bought["invoice"]["id"]).status.value == "uncollectible"
    left = [queries.book("bolt", each) for each in subscriptions]
    assert [(book.subscription.status.value, book.pending) for book in left] == [("canceled", ())] * 10


def wait_for_the_next_invoice(account, subscription, now):
    """As many items as may ever wait."""
    unit = Money(1_00, "USD")
    pending = [
        PendingInvoiceItem(account, subscription, f"seat-{n}", "seat", "Seat", unit, 1, day=date(2026, 2, 1))
        for n in range(MOST_PENDING)
    ]
    table.commit(Changes(put=tuple(pending)), now)
