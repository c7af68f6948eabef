"""What the table and Stripe say differently comes to light: daily from Stripe's side, weekly from ours (C8)."""

from dataclasses import replace

import boto3
import pytest
import stripe

from infra.local.cloud import STRIPE_KEY
from shared.domain import refund as refunding
from shared.domain.changes import Changes
from shared.domain.refund import Refund
from shared.payments import ledger
from shared.store import queries, table
from tests.edge.another_lambda import Meanwhile
from tests.world import World

ONE_SEAT = {"items": [{"price": "sales-seat"}]}
DAY_1, DAY_2, DAY_3 = (f"2026-01-{day}T00:00:00Z" for day in (26, 27, 28))


@pytest.fixture
def world():
    """Acme has five seats since 25 January 2026; 500.00 USD were paid."""
    world = World().sells()
    world.subscription = world.subscribed()
    world.cloud.settle()
    [world.bill] = queries.invoices("acme").items
    return world


def outside(world):
    """Somebody else who uses the seller's Stripe account: its dashboard, another program."""
    line = stripe.default_http_client
    assert line
    return stripe.StripeClient(STRIPE_KEY, http_client=line, max_network_retries=0).v1


def paid_outside(world, amount=500_00, account="acme", **metadata):
    """A payment that no function of ours made, with the metadata of ours unless others are named."""
    params = {"customer": queries.account("acme").customer, "payment_method": queries.account("acme").payment_method}
    metadata = {"account": account, "invoice": world.bill.id} | metadata
    made = outside(world).payment_intents.create(
        {"amount": amount, "currency": "usd", "confirm": True, "off_session": True, "metadata": metadata, **params}
    )
    return made.id


def alarms(account="acme"):
    """The alarms of an account: the code, and what differs with what where that is the code."""
    found = [event.data for _, event in queries.events(account).items if event.type == "alarm.raised"]
    return [tuple(data[name] for name in ("code", "differs", "thing") if name in data) for data in reversed(found)]


def differs(how, thing):
    return ("reconciliation_difference", how, thing)


def look(world, task):
    """Run a task now, to its end."""
    world.cloud.invoke("ReconcileBeginFunction", {"task": task})
    world.cloud.settle()
    assert world.cloud.queues.messages("ReconcileQueue") == []


def spoil(world, key, attribute, value):
    """Write into the table what no decision of ours writes."""
    boto3.client("dynamodb").update_item(
        TableName="prorata",
        Key={"PK": {"S": "ACCOUNT#acme"}, "SK": {"S": key}},
        UpdateExpression="SET #a = :v" if value else "REMOVE #a",
        ExpressionAttributeNames={"#a": attribute},
        **({"ExpressionAttributeValues": {":v": value}} if value else {}),
    )


# ---- daily: from Stripe to the table


def test_c8_a_success_that_no_webhook_told_of_is_applied_the_next_day(world):
    world.account("bolt", card=None)
    opened = world.call("POST", "/accounts/bolt/checkout", ONE_SEAT, account="bolt").json
    world.cloud.deliveries.lost_until = world.cloud.now.replace(month=6)
    intent = opened["payment"]["client_secret"].partition("_secret")[0]
    world.cloud.stripe.pay(intent, "pm_card_visa")
    world.on("2026-01-25T23:59:00Z")
    assert world.audit("bolt") == ["invoice.issued"]

    world.on(DAY_1)
    assert world.audit("bolt")[1:] == [
        "payment.succeeded", "invoice.paid", "checkout.completed", "subscription.started",
    ]  # fmt: skip
    assert queries.account("bolt").payment_method is not None
    assert alarms("bolt") == alarms() == []


def test_c8_a_success_is_applied_though_its_invoice_was_put_off_in_an_outage(world):
    world.on("2026-02-25T04:59:00Z")
    world.cloud.deliveries.lost_until = world.cloud.now.replace(month=6)
    world.cloud.faults.arm("stripe.create", "answer_lost", times=40)
    world.on("2026-02-25T06:30:00Z")
    bill = queries.invoice("acme", f"{world.subscription}-00001")
    assert (bill.status.value, bill.failures, bill.error[:8]) == ("open", 1, "NoAnswer")
    look(world, "ledger")
    assert queries.invoice("acme", bill.id).status.value == "paid"
    assert alarms() == [("collection_failed",)]


def test_c8_a_way_to_pay_that_no_webhook_told_of_is_charged_the_next_day(world):
    past_due(world)
    entered = world.call("POST", "/accounts/acme/payment-method", {}).json["setup_intent"]
    world.cloud.stripe.save(entered, "pm_card_mastercard")
    world.on("2026-02-26T00:00:00Z")
    assert queries.payment_method("acme", queries.account("acme").payment_method).brand == "mastercard"
    assert queries.invoice("acme", f"{world.subscription}-00001").status.value == "paid"
    assert alarms() == []


def test_c8_a_way_to_pay_that_was_replaced_since_stays_so(world):
    both = [world.call("POST", "/accounts/acme/payment-method", {}).json["setup_intent"] for _ in range(2)]
    for setup_intent, method in zip(both, ("pm_card_visa", "pm_card_mastercard"), strict=True):
        world.cloud.stripe.save(setup_intent, method)
    world.cloud.settle()
    assert queries.payment_method("acme", queries.account("acme").payment_method).brand == "mastercard"
    world.on(DAY_1)
    assert queries.payment_method("acme", queries.account("acme").payment_method).brand == "mastercard"


def test_c8_a_way_to_pay_is_charged_though_others_changed_what_is_past_due_just_then(world):
    past_due(world)
    Meanwhile(world).happens(lambda: None, lambda: world.cloud.faults.arm("store.commit", "conflict"))
    assert world.call("POST", "/accounts/acme/payment-method", {"payment_method": "pm_card_mastercard"}).status == 201
    world.cloud.settle()
    assert queries.invoice("acme", f"{world.subscription}-00001").status.value == "paid"


def past_due(world):
    """The renewal of 25 February was declined for good, and no webhook comes."""
    world.on("2026-02-25T04:00:00Z")
    world.cloud.stripe.becomes(queries.account("acme").payment_method, "card_lost")
    world.on("2026-02-25T12:00:00Z")
    assert queries.invoice("acme", f"{world.subscription}-00001").status.value == "waiting_for_payer"
    world.cloud.deliveries.lost_until = world.cloud.now.replace(month=6)


def test_c8_money_for_an_invoice_that_is_not_there_raises_one_alarm(world):
    payment = paid_outside(world, invoice="sub_lost-00007")
    world.on(DAY_3)
    assert alarms() == [differs("unknown_invoice", payment)]
    events = [event.data for _, event in queries.events("acme").items if event.type == "alarm.raised"]
    assert events[0]["what"] == f"{payment} moved 50000 usd for sub_lost-00007, which is not in the table"


def test_c8_what_still_differs_after_thirty_days_is_told_again(world):
    look(world, "accounts")
    spoil(world, f"SUB#{world.subscription}#", "unpaid", {"N": "1"})
    told = []
    for instant in (DAY_1, "2026-02-02T00:00:00Z", "2026-02-20T00:00:00Z", "2026-02-25T00:00:01Z"):
        world.suddenly(instant)
        world.cloud.invoke("ReconcileBeginFunction", {"task": "accounts"})
        world.cloud.drain()
        told.append(len(alarms()))
    assert told == [1, 1, 1, 2]


def test_c8_money_for_an_account_that_is_not_there_is_logged_and_counted_once(world, logged):
    payment = paid_outside(world, account="nobody")
    world.on(DAY_3)
    assert alarms() == world.audit("nobody") == []
    [line] = logged("alarm.raised")
    assert (line["account"], line["facts"]["differs"]) == ("nobody", "unknown_invoice")
    assert line["facts"]["thing"] == payment


def test_c8_an_invoice_that_was_paid_twice_is_told_of_until_the_money_went_back(world):
    second = paid_outside(world)
    world.cloud.deliveries.lost_until = world.cloud.now.replace(month=6)
    world.on(DAY_2)
    assert sorted(alarms()) == [("captured_after_all",), differs("paid_twice", second)]
    assert queries.invoice("acme", world.bill.id).attempt == world.bill.attempt, "the first payment stands"


def test_c8_a_second_payment_that_was_given_back_in_time_is_nobodys_business(world):
    world.cloud.deliveries.lost_until = world.cloud.now.replace(month=6)
    outside(world).refunds.create({"payment_intent": paid_outside(world)})
    world.on(DAY_2)
    assert alarms() == []


def test_c8_money_that_is_not_ours_is_passed_over(world):
    paid_outside(world, invoice="")
    paid_outside(world, account="")
    look(world, "ledger")
    world.on(DAY_2)
    assert alarms() == []


def test_c8_another_amount_than_was_asked_for_is_told(world):
    spoil(world, f"INVOICE#{world.bill.id}#", "currency", {"S": "EUR"})
    world.on(DAY_1)
    assert alarms() == [differs("amount_differs", world.bill.attempt.payment_intent)]


def test_c8_one_that_cannot_be_applied_does_not_hide_the_others(world):
    spoil(world, f"INVOICE#{world.bill.id}#", "lines", {"S": "spoilt"})
    payment = paid_outside(world, invoice="sub_lost-00007")
    [card] = world.cloud.stripe.theirs("acme", "setup_intent", "succeeded")
    world.on(DAY_1)
    assert sorted(alarms()) == [
        differs("unchecked", world.bill.attempt.payment_intent),
        differs("unchecked", card["id"]),
        differs("unknown_invoice", payment),
    ]


def test_c8_a_run_that_was_missed_is_made_up_for_by_the_next(world):
    payment = paid_outside(world, invoice="sub_lost-00007")
    world.suddenly("2026-01-28T14:00:00Z")
    look(world, "ledger")
    assert alarms() == [differs("unknown_invoice", payment)]


@pytest.mark.parametrize(
    ("where", "how", "times"),
    [("store.get", "request_lost", 4), ("store.commit", "request_lost", 4), ("store.commit", "conflict", 1)],
)
def test_c8_a_table_that_does_not_answer_is_asked_again(world, where, how, times):
    payment = paid_outside(world, invoice="sub_lost-00007")
    world.cloud.faults.arm(where, how, times)
    world.on("2026-01-26T02:00:00Z")
    assert alarms() == [differs("unknown_invoice", payment)]


def test_c8_a_stripe_that_does_not_answer_is_asked_again(world):
    payment = paid_outside(world, invoice="sub_lost-00007")
    world.cloud.stripe.fail_next("stripe.other", "throttled", times=3)
    world.on("2026-01-26T01:00:00Z")
    assert alarms() == []
    assert len(world.cloud.queues.messages("ReconcileQueue")) == 3
    world.on("2026-01-26T03:00:00Z")
    assert alarms() == [differs("unknown_invoice", payment)]
    assert world.cloud.queues.messages("ReconcileQueue") == []


def test_c8_the_ledger_is_read_to_its_last_page(world, monkeypatch):
    monkeypatch.setattr(ledger, "PAGE", 2)
    payments = [paid_outside(world, invoice=f"sub_lost-{n:05}") for n in range(7)]
    before = world.cloud.stripe.calls["GET /v1/balance_transactions"]
    world.on(DAY_1)
    assert sorted(alarms()) == sorted(differs("unknown_invoice", payment) for payment in payments)
    assert world.cloud.stripe.calls["GET /v1/balance_transactions"] - before == 4 + 1 + 1


# ---- daily: what went back


def refund(world, amount=None):
    """The seller's staff give money back, as our API does it."""
    body = {"amount": {"amount": amount, "currency": "USD"}} if amount else {}
    return world.staff("POST", f"/accounts/acme/invoices/{world.bill.id}/refunds", body).json


def lost(world, kind):
    """The table loses its refunds, and the invoice what it knows of them."""
    table = world.cloud.store._tables["prorata"]
    for item in world.contents():
        if item["kind"]["S"] == kind:
            table.write((item["PK"]["S"], item["SK"]["S"]), None)


def test_c8_refunds_and_disputes_that_are_known_are_no_difference(world):
    refund(world, "20.00")
    refund(world)
    world.on("2026-02-26T00:00:00Z")
    world.cloud.stripe.dispute(queries.invoices("acme").items[1].live.payment_intent)
    world.on("2026-02-28T00:00:00Z")
    look(world, "accounts")
    assert alarms() == [("payment_disputed",)]


def test_c8_a_refund_that_was_made_by_hand_is_told(world):
    made = outside(world).refunds.create({"payment_intent": world.bill.live.payment_intent, "amount": 1000})
    world.on(DAY_3)
    assert alarms() == [differs("unknown_refund", made.id)]


def test_c8_a_refund_of_ours_that_is_lost_is_told(world):
    refund(world, "20.00")
    [made] = world.cloud.stripe._account.refunds
    world.cloud.settle()
    lost(world, "refund")
    world.on(DAY_3)
    assert alarms() == [differs("unknown_refund", made)]


def test_c8_a_refund_that_a_bank_sent_back_unheard_is_learned(world):
    refund(world, "20.00")
    [made] = world.cloud.stripe._account.refunds
    world.cloud.settle()
    world.cloud.deliveries.lost_until = world.cloud.now.replace(month=6)
    world.cloud.stripe.fail_refund(made)
    world.on(DAY_1)
    assert alarms() == [("refund_failed",)]


def test_c8_another_amount_given_back_than_was_asked_for_is_told(world):
    refund(world, "20.00")
    [made] = world.cloud.stripe._account.refunds.values()
    world.cloud.settle()
    made["amount"] = 2100
    world.on(DAY_1)
    assert sorted(alarms()) == [differs("refund_differs", made["id"]), ("refund_mismatch",)]


def test_c8_a_dispute_that_no_webhook_told_of_is_noted_the_next_day(world):
    world.cloud.deliveries.lost_until = world.cloud.now.replace(month=6)
    dispute = world.cloud.stripe.dispute(world.bill.live.payment_intent)
    world.on(DAY_1)
    assert [each.id for each in queries.invoice("acme", world.bill.id).disputes] == [dispute]
    assert alarms() == [("payment_disputed",)]


def test_c8_a_dispute_about_an_invoice_that_is_not_there_is_told(world):
    payment = paid_outside(world, invoice="sub_lost-00007")
    dispute = world.cloud.stripe.dispute(payment)
    world.on(DAY_1)
    assert sorted(alarms()) == [differs("unknown_dispute", dispute), differs("unknown_invoice", payment)]


# ---- weekly: through the table, and from what is paid there to Stripe


def test_c8_an_account_in_order_is_looked_through_without_a_word(world):
    before = world.contents()
    look(world, "accounts")
    assert world.contents() == before
    assert world.cloud.stripe.calls["GET /v1/payment_intents/{intent}"] == 1, "of what was paid, Stripe is asked"


def test_c6_what_lies_in_the_table_and_waits_for_nothing_is_found(world):
    key = f"INVOICE#{world.bill.id}#"
    spoil(world, key, "status", {"S": "processing"})
    back = refund_under_way(world)
    look(world, "accounts")
    assert sorted(alarms()) == [differs("no_timer", world.bill.id), differs("no_timer", back)]


def refund_under_way(world):
    """A refund that was forgotten before it was sent."""
    changes = refunding.issue(world.bill, None, None, world.bill.date, world.cloud.now)
    [made] = [entity for entity in changes.put if isinstance(entity, Refund)]
    table.commit(Changes(put=(replace(made, due_at=None),)), world.cloud.now)
    return made.id


def test_c8_what_is_paid_here_and_not_at_stripe_is_found(world):
    world.cloud.stripe._account.payment_intents[world.bill.attempt.payment_intent]["status"] = "canceled"
    look(world, "accounts")
    assert alarms() == [differs("paid_without_payment", world.bill.id)]


def test_c8_what_stripe_has_never_heard_of_is_found(world):
    del world.cloud.stripe._account.payment_intents[world.bill.attempt.payment_intent]
    look(world, "accounts")
    assert alarms() == [differs("paid_without_payment", world.bill.id)]


def test_c8_an_account_that_cannot_be_read_is_told_of_and_the_others_are_looked_through(world):
    world.account("bolt").subscribed(account="bolt")
    spoil(world, f"INVOICE#{world.bill.id}#", "lines", {"S": "spoilt"})
    [other] = queries.invoices("bolt").items
    world.cloud.stripe._account.payment_intents[other.attempt.payment_intent]["status"] = "canceled"
    look(world, "accounts")
    assert alarms() == [differs("unchecked", "acme")]
    assert alarms("bolt") == [differs("paid_without_payment", other.id)]


def test_c8_both_run_by_their_schedules(world):
    spoil(world, f"SUB#{world.subscription}#", "unpaid", {"N": "1"})
    payment = paid_outside(world, invoice="sub_lost-00007")
    world.suddenly("2026-01-27T23:00:00Z").cloud.skip = False
    world.on("2026-01-29T00:00:00Z")  # a Thursday: weeks are counted from one
    assert alarms() == [differs("unknown_invoice", payment), differs("unpaid_count", world.subscription)]
