"""The table put back by some minutes or hours: what it lost is taken over from Stripe before anything is charged."""

import pytest

from infra.local.template import TABLE_NAME
from shared.store import queries
from tests.scenarios.test_reconciliation import alarms, outside
from tests.world import World

ONE_SEAT = {"items": [{"price": "sales-seat"}]}
MIDNIGHT = "2026-02-25T05:00:00Z"  # of New York: the second period begins
BEFORE, AFTER = "2026-02-25T05:10:00Z", "2026-02-25T05:15:00Z"  # the sweep comes at a quarter past
NEXT_DAY = "2026-02-26T11:15:00Z"  # 30 hours later: Stripe has forgotten every key
LATER = "2026-02-26T13:00:00Z"


@pytest.fixture
def world():
    """Acme has five seats since 25 January 2026; ten minutes into the next period nothing has been billed yet."""
    world = World().sells()
    world.subscription = world.subscribed()
    world.on("2026-02-25T04:59:00Z").suddenly(BEFORE)
    return world


def put_back(world, contents):
    """Point-in-time recovery: the table holds what it held then."""
    table = world.cloud.store._tables[TABLE_NAME]
    for key in [*table.base.entries]:
        table.write(key, None)
    for item in contents:
        table.write(table.key(item, exact=False), item)
    queries.forget()


def restored(world, do, to=NEXT_DAY):
    """Something happens in five minutes that the table loses; 30 hours pass, with nothing running."""
    contents = world.contents()
    do()
    put_back(world, contents)
    world.cloud.deliveries._waiting.clear()
    world.suddenly(to)


def renewed(world):
    """The sweep of a quarter past bills the period and charges it."""
    return lambda: world.on(AFTER)


def adopt(world, since=BEFORE):
    assert world.cloud.invoke("ReconcileBeginFunction", {"task": "adopt", "since": since}) == 1
    world.cloud.drain()
    for queue in ("ReconcileQueue", "ReconcileDeadLetters"):
        assert world.cloud.queues.messages(queue) == []


def charged(world):
    """What went off cards at Stripe: for which invoice, and how much."""
    intents = world.cloud.stripe._account.payment_intents.values()
    return [
        (intent["metadata"]["invoice"].partition("-")[2], intent["amount_received"])
        for intent in intents
        if intent["status"] == "succeeded" and intent["created"] > 1771900000  # 24 February
    ]


def statuses(world, account="acme"):
    return [(bill["id"].partition("-")[2], bill["status"]) for bill in world.invoices(account)]


def test_c8_without_taking_over_the_sweep_would_charge_a_second_time(world):
    """The danger itself: the key that kept the first charge from being repeated is 30 hours old."""
    restored(world, renewed(world))
    world.on(LATER)
    assert charged(world) == [("00001", 500_00), ("00001", 500_00)]


def test_c8_a_renewal_that_was_lost_is_drawn_again_and_the_payment_there_is_pays_it(world):
    restored(world, renewed(world))
    sent = world.cloud.stripe.calls["POST /v1/payment_intents"]
    adopt(world)
    assert statuses(world) == [("00000", "paid"), ("00001", "paid")]
    assert world.cloud.stripe.calls["POST /v1/payment_intents"] == sent, "nothing was sent to be charged"

    world.on(LATER)
    assert charged(world) == [("00001", 500_00)]
    assert alarms() == []
    world.on("2026-03-25T05:00:00Z")
    assert charged(world) == [("00001", 500_00), ("00002", 500_00)], "and it goes on as ever"


def test_c8_taking_over_twice_changes_nothing(world):
    restored(world, renewed(world))
    adopt(world)
    before = world.contents()
    adopt(world)
    assert world.contents() == before


def test_c8_an_invoice_that_is_there_learns_of_the_payment_that_came_after(world):
    world.cloud.invoke("RolloverSweepFunction", {})
    world.cloud.stripe.fail_next("stripe.create", "throttled")
    world.cloud.drain()
    restored(world, lambda: world.on("2026-02-25T05:45:00Z"))
    assert statuses(world)[1:] == [("00001", "open")]
    adopt(world)
    assert statuses(world)[1:] == [("00001", "paid")]
    world.on(LATER)
    assert charged(world) == [("00001", 500_00)]


def test_c8_a_decline_that_was_lost_is_known_again_and_dunning_goes_on_with_that_payment(world):
    card = queries.account("acme").payment_method
    world.cloud.stripe.becomes(card, "card_insufficient_funds")
    restored(world, renewed(world))
    adopt(world)
    assert statuses(world)[1:] == [("00001", "open")]
    invoice = queries.invoice("acme", f"{world.subscription}-00001")
    assert (invoice.past_due, invoice.live.declines) == (True, 1)

    world.cloud.stripe.becomes(card, "card_ok")
    world.on("2026-03-02T12:00:00Z")
    assert charged(world) == [("00001", 500_00)]
    assert len(world.cloud.stripe._account.payment_intents) == 2, "one for the checkout, one for the renewal"


def test_c8_another_amount_than_was_charged_raises_an_alarm_and_is_never_charged_again():
    world = World().sells()
    seats = f"/accounts/acme/subscriptions/{world.subscribed()}/seats/sales"

    def a_seat_and_its_renewal():
        assert world.call("POST", seats, {"quantity": 1}).status == 201
        world.on(AFTER)

    world.on("2026-02-24T12:00:00Z")
    restored(world, a_seat_and_its_renewal)
    adopt(world, since="2026-02-24T12:00:00Z")
    assert [code for code, *_ in alarms()] == ["payment_mismatch"], (
        "the seat is lost, the renewal is drawn without it"
    )

    world.on("2026-03-05T12:00:00Z")
    assert charged(world) == [("00001", 603_23)]
    assert statuses(world)[1:] == [("00001", "open")]
    assert {code for code, *_ in alarms()} == {"payment_mismatch", "reconciliation_difference"}


def test_c8_a_checkout_that_is_lost_and_was_not_paid_can_never_be_paid(world):
    world.account("bolt", card=None)
    opened = []

    def open_one():
        opened.append(world.call("POST", "/accounts/bolt/checkout", ONE_SEAT, account="bolt").json)

    restored(world, open_one)
    adopt(world)
    intent = opened[0]["payment"]["client_secret"].partition("_secret")[0]
    assert world.cloud.stripe._account.payment_intents[intent]["status"] == "canceled"
    with pytest.raises(ValueError, match="canceled"):
        world.cloud.stripe.pay(intent, "pm_card_visa")
    assert alarms("bolt") == []


def test_c8_a_checkout_that_is_lost_and_was_paid_raises_an_alarm(world):
    world.account("bolt")
    restored(world, lambda: world.subscribed(account="bolt"))
    adopt(world)
    [found] = [event.data for _, event in queries.events("bolt").items if event.type == "alarm.raised"]
    assert (found["differs"], found["thing"][:3]) == ("unknown_invoice", "pi_")
    assert found["what"].endswith("which is lost: refund it, or enter it")
    world.on("2026-03-01T00:00:00Z")
    assert len(alarms("bolt")) == 1, "the daily look knows that it was told"


def test_c8_a_checkout_that_was_opened_before_and_paid_after_starts_its_subscriptions(world):
    world.account("bolt", card=None)
    opened = world.call("POST", "/accounts/bolt/checkout", ONE_SEAT, account="bolt").json
    intent = opened["payment"]["client_secret"].partition("_secret")[0]
    restored(world, lambda: world.cloud.stripe.pay(intent, "pm_card_visa"), to="2026-02-25T11:00:00Z")
    adopt(world)
    assert statuses(world, "bolt") == [("00000", "paid")]
    assert world.audit("bolt")[-1] == "subscription.started"


def test_c8_a_customer_and_a_card_that_were_lost_are_known_again(world):
    world.account("bolt", card=None)
    saved = []

    def save():
        world.call("POST", "/accounts/bolt/payment-method", {"payment_method": "pm_card_visa"}, account="bolt")
        saved.append(queries.account("bolt"))

    restored(world, save)
    assert queries.account("bolt").customer is None
    adopt(world)
    account, lost = queries.account("bolt"), saved[0]
    assert (account.customer, account.payment_method) == (lost.customer, lost.payment_method)
    world.suddenly("2026-02-26T11:20:00Z").subscribed(account="bolt")
    assert world.cloud.stripe.calls["POST /v1/customers"] == 2, "Acme's and Bolt's"


def test_c8_a_payment_that_was_cancelled_and_replaced_is_known_by_the_last_one(world):
    card = queries.account("acme").payment_method
    world.cloud.stripe.becomes(card, "card_insufficient_funds")
    world.on(AFTER)
    first = queries.invoice("acme", f"{world.subscription}-00001").live.payment_intent

    def cancelled_by_hand_and_made_anew():
        outside(world).payment_intents.cancel(first)
        world.cloud.stripe.becomes(card, "card_ok")
        world.on("2026-02-28T06:00:00Z")

    restored(world, cancelled_by_hand_and_made_anew, to="2026-03-02T00:00:00Z")
    adopt(world, since=AFTER)
    live = queries.invoice("acme", f"{world.subscription}-00001").live
    assert (live.payment_intent == first, live.state) == (False, "succeeded")
    world.on("2026-03-20T00:00:00Z")
    assert charged(world) == [("00001", 500_00)]
    assert alarms() == []


def test_c8_refunds_that_were_lost_are_known_again_and_never_made_twice(world):
    world.on(AFTER)
    path = f"/accounts/acme/invoices/{world.subscription}-00001/refunds"

    def two_refunds():
        for amount in ("100.00", "50.00"):
            assert world.staff("POST", path, {"amount": {"amount": amount, "currency": "USD"}}).status == 201
        world.cloud.settle()

    restored(world, two_refunds)
    assert world.staff("GET", path).json["items"] == []
    adopt(world, since=AFTER)
    items = world.staff("GET", path).json["items"]
    given = [(each["id"][-3:], each["amount"]["amount"], each["status"]) for each in items]
    assert given == [("R01", "100.00", "succeeded"), ("R02", "50.00", "succeeded")]

    assert world.staff("POST", path, {}).json["amount"]["amount"] == "350.00", "no more than is left"
    world.on("2026-03-01T00:00:00Z")
    assert sum(each["amount"] for each in world.cloud.stripe._account.refunds.values()) == 500_00
    assert alarms() == []


def test_c8_a_dispute_that_was_lost_is_noted_again(world):
    world.on(AFTER)
    bill = queries.invoice("acme", f"{world.subscription}-00001")
    restored(world, lambda: (world.cloud.stripe.dispute(bill.live.payment_intent), world.cloud.settle()))
    assert queries.invoice("acme", bill.id).disputes == ()
    adopt(world, since=AFTER)
    assert [each.status for each in queries.invoice("acme", bill.id).disputes] == ["needs_response"]
    assert alarms() == [("payment_disputed",)]


def test_c8_a_task_that_nobody_knows_is_refused(world):
    for event in ({}, {"task": "adopt"}, {"task": "other"}):
        with pytest.raises(ValueError, match="There is no task"):
            world.cloud.invoke("ReconcileBeginFunction", event)
