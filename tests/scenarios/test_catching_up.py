"""Late, twice, or failing: whatever the sweeps missed is made up for, once, and before anybody decides on it."""

import boto3
import pytest

from infra.local.invocations import sqs_event
from infra.local.queues import Message
from shared.store import queries
from tests.world import World

BILLING_DAY = "2026-02-25T05:00:00Z"  # midnight in New York
FIVE_PAST = "2026-02-25T05:05:00Z"  # before the sweep that comes at a quarter past
SEAT = {"quantity": 1}


@pytest.fixture
def world():
    """Acme has five seats since 25 January 2026, billed on the 25th."""
    return World().sells()


def bills(world, account="acme"):
    """What a customer reads on each of the bills: its day, its total, its lines."""
    return [
        (invoice["date"], invoice["total"], [(line["amount"], line["period"]) for line in invoice["lines"]])
        for invoice in world.invoices(account)
    ]


# ---- nobody decides on a subscription that is due


def test_a_seat_bought_before_the_sweep_of_the_billing_day_is_billed_once(world):
    subscription = world.subscribed()

    world.suddenly(FIVE_PAST)
    bought = world.call("POST", f"/accounts/acme/subscriptions/{subscription}/seats/sales", SEAT)
    assert bought.json["charge"]["period"] == {"start": "2026-02-25", "end": "2026-03-25"}

    world.on("2026-03-25T04:00:00Z")
    assert bills(world) == [
        ("2026-01-25", "500.00", [("500.00", "2026-01-25/2026-02-25")]),
        ("2026-02-25", "500.00", [("500.00", "2026-02-25/2026-03-25")]),
        ("2026-03-25", "700.00", [("600.00", "2026-03-25/2026-04-25"), ("100.00", "2026-02-25/2026-03-25")]),
    ]
    assert {invoice["status"] for invoice in world.invoices()} == {"paid"}
    renewals = [type_ for type_ in world.audit() if type_ in ("subscription.renewed", "seats.added")]
    assert renewals == ["subscription.renewed", "seats.added", "subscription.renewed"]


def test_d15_a_seat_bought_after_an_outage_of_two_months_does_not_change_the_bills_of_the_past(world):
    subscription = world.subscribed()

    world.suddenly("2026-04-05T16:00:00Z")
    bought = world.call("POST", f"/accounts/acme/subscriptions/{subscription}/seats/sales", SEAT)
    assert (bought.json["charge"]["days"], bought.json["charge"]["of_days"]) == (20, 31)

    assert bills(world) == [
        ("2026-01-25", "500.00", [("500.00", "2026-01-25/2026-02-25")]),
        ("2026-02-25", "500.00", [("500.00", "2026-02-25/2026-03-25")]),
        ("2026-03-25", "500.00", [("500.00", "2026-03-25/2026-04-25")]),
    ]


def test_a_preview_of_what_is_due_decides_as_after_the_renewal_and_writes_nothing(world):
    seats = f"/accounts/acme/subscriptions/{world.subscribed()}/seats/sales"

    world.suddenly(FIVE_PAST)
    before = world.contents()
    preview = world.call("POST", f"{seats}/preview", SEAT).json
    assert (preview["total"], preview["charge"]["days"], preview["charge"]["amount"]) == (6, 28, "100.00")
    assert preview["charge"]["invoice_on"] == "2026-03-25"
    assert world.contents() == before

    assert world.call("POST", seats, SEAT).json == preview


def test_a_preview_on_the_last_day_of_a_period_is_of_that_day(world):
    seats = f"/accounts/acme/subscriptions/{world.subscribed()}/seats/sales"
    world.suddenly("2026-02-25T04:59:59Z")  # the 24th in New York, and the 25th in Greenwich
    preview = world.call("POST", f"{seats}/preview", SEAT).json
    assert (preview["charge"]["days"], preview["charge"]["amount"]) == (1, "3.23")
    assert preview["charge"]["invoice_on"] == "2026-02-25"


# ---- a run that comes twice, or late


def test_a_rollover_that_runs_twice_bills_once(world):
    subscription = world.subscribed()
    job = f'{{"kind": "subscription", "account": "acme", "id": "{subscription}"}}'
    twice = [Message(f"m-{n}", job, world.cloud.now, world.cloud.now, 1) for n in (1, 2)]

    world.suddenly(FIVE_PAST)
    for _ in range(2):
        answer = world.cloud.invoke("RolloverWorkFunction", sqs_event("RolloverQueue", twice))
        assert answer == {"batchItemFailures": []}
    world.on("2026-02-26T05:00:00Z")

    assert [bill[:2] for bill in bills(world)] == [("2026-01-25", "500.00"), ("2026-02-25", "500.00")]
    assert world.audit().count("payment.succeeded") == 2


def test_d15_a_rollover_two_months_late_bills_each_period_by_itself_the_oldest_first(world):
    world.subscribed()
    world.suddenly("2026-03-26T12:00:00Z").cloud.settle()
    assert bills(world) == [
        ("2026-01-25", "500.00", [("500.00", "2026-01-25/2026-02-25")]),
        ("2026-02-25", "500.00", [("500.00", "2026-02-25/2026-03-25")]),
        ("2026-03-25", "500.00", [("500.00", "2026-03-25/2026-04-25")]),
    ]
    charged = [intent["metadata"]["invoice"] for intent in world.cloud.stripe._account.payment_intents.values()]
    assert [invoice[-6:] for invoice in charged] == ["-00000", "-00001", "-00002"]


def test_d15_a_late_run_bills_what_runs_in_time_bill(world):
    seats = f"/accounts/acme/subscriptions/{world.subscribed()}/seats/sales"
    world.on("2026-02-07T20:30:00Z").call("POST", seats, SEAT)
    world.suddenly("2026-06-01T12:00:00Z").cloud.settle()
    late = [{**invoice, "id": None} for invoice in world.invoices()]

    punctual = World().sells()
    seats = f"/accounts/acme/subscriptions/{punctual.subscribed()}/seats/sales"
    punctual.on("2026-02-07T20:30:00Z").call("POST", seats, SEAT)
    punctual.on("2026-06-01T12:00:00Z")
    assert late == [{**invoice, "id": None} for invoice in punctual.invoices()]
    assert [invoice["total"] for invoice in late] == ["500.00", "658.06", "600.00", "600.00", "600.00"]


# ---- one that keeps failing


def test_a_subscription_that_cannot_be_renewed_ends_among_the_dead_letters_and_the_others_go_on(world):
    poisoned = world.subscribed()
    world.account("bolt").subscribed(account="bolt")
    spoil(poisoned)

    world.on("2026-02-25T05:15:00Z")
    assert [bill[:2] for bill in bills(world, "bolt")] == [("2026-01-25", "500.00"), ("2026-02-25", "500.00")]
    assert world.cloud.queues.messages("RolloverDeadLetters") == []

    world.on("2026-02-25T05:31:00Z")  # five receives, six minutes apart
    [dead] = world.cloud.queues.messages("RolloverDeadLetters")
    assert (poisoned in dead.body, dead.receives) == (True, 5)
    assert len(world.invoices()) == 1


def test_a_subscription_that_cannot_be_renewed_raises_one_alarm_and_is_left_alone_longer_each_time(world):
    poisoned = world.subscribed()
    spoil(poisoned)
    world.on("2026-02-27T05:00:00Z")
    subscription = queries.book("acme", poisoned).subscription
    assert subscription.error.startswith("AssertionError: week is not a whole number of month")
    assert subscription.retry_at > world.cloud.now
    assert world.audit().count("alarm.raised") == 1
    assert len(world.cloud.queues.messages("RolloverDeadLetters")) <= 8, "not one for each of 192 sweeps"


def test_a_redrive_after_the_repair_bills_what_was_missed(world):
    poisoned = world.subscribed()
    spoil(poisoned)
    world.on("2026-02-27T05:00:00Z")

    spoil(poisoned, term="month")  # repaired
    world.cloud.queues.redrive("RolloverQueue")
    world.on("2026-02-27T05:01:00Z")
    assert bills(world) == [
        ("2026-01-25", "500.00", [("500.00", "2026-01-25/2026-02-25")]),
        ("2026-02-25", "500.00", [("500.00", "2026-02-25/2026-03-25")]),
    ]
    subscription = queries.book("acme", poisoned).subscription
    assert (subscription.failures, subscription.error, subscription.retry_at) == (0, None, None)
    assert world.cloud.queues.messages("RolloverDeadLetters") == []

    world.on("2026-03-25T05:00:00Z")
    assert [bill[0] for bill in bills(world)] == ["2026-01-25", "2026-02-25", "2026-03-25"]


def test_a_subscription_that_cannot_even_be_read_is_left_alone_for_a_day_with_an_alarm(world):
    unreadable = world.subscribed()
    spoil(unreadable, term="a fortnight")
    world.on("2026-02-27T05:00:00Z")
    assert world.audit().count("alarm.raised") == 2, "one a day"
    assert len(world.cloud.queues.messages("RolloverDeadLetters")) == 4, "not one for each of 192 sweeps"

    spoil(unreadable, term="month")  # repaired
    world.on("2026-02-28T06:00:00Z")
    assert [bill[0] for bill in bills(world)] == ["2026-01-25", "2026-02-25"]


def test_a_checkout_that_cannot_be_given_up_is_left_alone_longer_each_time(world):
    world.account("bolt", card="pm_card_chargeCustomerFail")
    body = {"items": [{"price": "sales-seat"}]}
    opened = world.call("POST", "/accounts/bolt/checkout", body, account="bolt").json
    world.cloud.faults.arm("stripe.cancel", "request_lost", times=20)  # Stripe does not answer

    world.on("2026-01-26T16:30:00Z")  # it ended at three in the afternoon
    assert queries.checkout("bolt", opened["id"]).failures > 0
    assert world.audit("bolt").count("alarm.raised") == 1

    world.on("2026-01-29T15:00:00Z")
    assert queries.checkout("bolt", opened["id"]).status == "expired"
    assert [bill["status"] for bill in world.invoices("bolt")] == ["void"]


def spoil(subscription, term="week"):
    """Write into the table what no decision of ours writes: a commitment of a week that is billed monthly."""
    boto3.client("dynamodb").update_item(
        TableName="prorata",
        Key={"PK": {"S": "ACCOUNT#acme"}, "SK": {"S": f"SUB#{subscription}#"}},
        UpdateExpression="SET term = :term",
        ExpressionAttributeValues={":term": {"S": term}},
    )
