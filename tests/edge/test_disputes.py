"""Disputes: a payer's bank demands the money back, and nothing more is charged by itself until it is decided."""

import json

import pytest

from infra.local.simulate import STAFF
from shared.store import queries
from tests.edge.test_refunds import alarms, deliver, happened
from tests.edge.test_stripe_requests import connected


@pytest.fixture
def world():
    """Acme has paid 100.00 USD for a seat, on 25 January."""
    world = connected().sells()
    bought = world.call("POST", "/accounts/acme/checkout", {"items": [{"price": "sales-seat"}]}).json
    world.subscription, world.bill = bought["subscriptions"][0]["id"], bought["invoice"]["id"]
    return world


def disputed(world, number=0):
    """The bank takes the payment of an invoice back, and Stripe tells of it."""
    bills = [bill for bill in queries.invoices("acme").items if bill.attempt]
    dispute = world.cloud.stripe.dispute(bills[number].attempt.payment_intent)
    world.cloud.settle()
    return dispute


def decided(world, dispute, *, won):
    world.cloud.stripe.close_dispute(dispute, won=won)
    world.cloud.settle()


def held(world):
    return queries.book("acme", world.subscription).subscription.disputes


def bills(world):
    return [(bill["date"], bill["status"]) for bill in world.invoices()]


def test_a_dispute_stands_on_the_invoice_and_raises_one_alarm(world):
    dispute = disputed(world)
    shown = world.call("GET", f"/accounts/acme/invoices/{world.bill}").json
    amount = {"amount": "100.00", "currency": "USD"}
    assert shown["disputes"] == [{"id": dispute, "status": "needs_response", "amount": amount}]
    assert shown["status"] == "paid"
    assert held(world) == (dispute,)
    assert happened(world) == ["alarm.raised", "payment.disputed"]
    assert alarms(world) == ["payment_disputed"]
    refund = world.call("POST", f"/accounts/acme/invoices/{world.bill}/refunds", {}, permissions=STAFF)
    assert (refund.status, refund.json["code"]) == (409, "disputed")


def test_while_it_is_open_new_invoices_wait_for_their_payer(world):
    disputed(world)
    world.on("2026-03-26")
    assert bills(world) == [
        ("2026-01-25", "paid"),
        ("2026-02-25", "waiting_for_payer"),
        ("2026-03-25", "waiting_for_payer"),
    ]
    assert world.cloud.stripe.calls["POST /v1/payment_intents"] == 1


def test_a_retry_that_falls_due_meanwhile_is_left_to_the_payer(world):
    method = world.call("GET", "/accounts/acme").json["payment_method"]["id"]
    world.cloud.stripe.becomes(method, "card_declined")
    world.on("2026-02-26")
    assert bills(world)[1] == ("2026-02-25", "open"), "declined once, to be tried again on the 28th"
    disputed(world)
    world.on("2026-03-20")
    assert bills(world)[1] == ("2026-02-25", "waiting_for_payer")
    assert world.cloud.stripe.calls["POST /v1/payment_intents/{intent}/confirm"] == 0


def test_won_the_next_invoice_is_charged_again_and_what_waits_goes_on_waiting(world):
    dispute = disputed(world)
    world.on("2026-02-26")
    decided(world, dispute, won=True)
    assert held(world) == ()
    world.on("2026-03-26")
    assert [status for _, status in bills(world)] == ["paid", "waiting_for_payer", "paid"]
    assert happened(world) == ["alarm.raised", "payment.disputed", "payment.disputed"]
    refund = world.call("POST", f"/accounts/acme/invoices/{world.bill}/refunds", {}, permissions=STAFF)
    assert refund.json["status"] == "succeeded"


def test_lost_nothing_is_charged_by_itself_until_a_new_way_to_pay_is_saved(world):
    dispute = disputed(world)
    decided(world, dispute, won=False)
    shown = world.call("GET", f"/accounts/acme/invoices/{world.bill}").json
    assert [each["status"] for each in shown["disputes"]] == ["lost"]
    world.on("2026-02-26")
    assert bills(world)[1] == ("2026-02-25", "waiting_for_payer")
    world.call("POST", "/accounts/acme/payment-method", {"payment_method": "pm_card_mastercard"})
    assert held(world) == ()
    world.on("2026-03-26")
    assert [status for _, status in bills(world)] == ["paid", "paid", "paid"]


def test_every_subscription_of_the_checkout_is_held_back():
    world = connected().sells(**{
        f"{interval}ly": {"product": "sales", "kind": "addon", "interval": interval, "amount": "100.00"}
        for interval in ("month", "year")
    })  # fmt: skip
    bought = world.call(
        "POST", "/accounts/acme/checkout", {"items": [{"price": "monthly"}, {"price": "yearly"}]}
    ).json
    dispute = disputed(world)
    for each in bought["subscriptions"]:
        assert queries.book("acme", each["id"]).subscription.disputes == (dispute,)


def test_messages_lost_doubled_and_out_of_order_come_to_the_same(world):
    messages = []
    dispute = world.cloud.stripe.dispute(queries.invoice("acme", world.bill).attempt.payment_intent)
    world.cloud.stripe.close_dispute(dispute, won=True)
    messages = [each.body for each in world.cloud.stripe.webhooks() if each.type.startswith("charge.dispute.")]
    assert len(messages) == 4, "opened, withdrawn, reinstated, closed"
    for body in (*reversed(messages), *messages):
        assert deliver(world, body)
    assert held(world) == ()
    assert happened(world) == ["alarm.raised", "payment.disputed"], "Stripe was asked, and told that it is won"


@pytest.mark.parametrize("intent", [None, "pi_other"])
def test_a_dispute_of_what_is_none_of_ours_is_taken_note_of(world, intent):
    if intent:
        intent = world.cloud.stripe.answer(
            "POST",
            "/v1/payment_intents",
            {"Authorization": "Bearer sk_test_local"},
            "amount=4000&currency=usd&payment_method=pm_card_visa&confirm=true",
        ).body
        intent = json.loads(intent)["id"]
    before = world.contents()
    dispute = {"id": "du_1", "object": "dispute", "payment_intent": intent}
    said = {"type": "charge.dispute.created", "created": 1769353200, "data": {"object": dispute}}
    assert deliver(world, json.dumps(said).encode())
    assert world.contents() == before


def test_while_stripe_does_not_answer_a_dispute_is_to_be_told_again(world):
    world.cloud.stripe.dispute(queries.invoice("acme", world.bill).attempt.payment_intent)
    world.cloud.faults.arm("stripe.get", "request_lost")
    [body, *_] = [each.body for each in world.cloud.stripe.webhooks() if each.type == "charge.dispute.created"]
    assert not deliver(world, body)
    assert held(world) == ()
    assert deliver(world, body)
    assert len(held(world)) == 1
