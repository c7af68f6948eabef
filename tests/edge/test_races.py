"""Many at once on one subscription: no seat is lost, no period is billed twice."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial

import pytest

from infra.local import template
from shared.domain import renewal, seats
from shared.domain.subscription import SubscriptionItem
from shared.edge import upkeep
from shared.store import queries, table
from shared.store.record import Record
from shared.store.records import EventRecord
from tests.edge.another_lambda import Meanwhile, side_by_side
from tests.world import SEAT, World

THREADS = 8
QUANTITY = [field.name for field in fields(SubscriptionItem)].index("quantity")  # where it stands in a stored row
MIDNIGHT = datetime(2026, 2, 25, 5, tzinfo=UTC)  # of New York, on which the second period begins


@pytest.fixture
def world():
    """Acme has five seats, paid until 25 February."""
    world = World().sells()
    world.subscription = world.subscribed()
    return world


def buy_one(subscription, now, key):
    """What the function does, without Powertools, which serves one request at a time."""
    once = table.Once("acme", key, "digest", {})
    while True:
        try:
            book = upkeep.current("acme", subscription, now)
            changes = seats.add(book, "sales", 1, queries.catalog(), now.date(), now).changes
            table.commit(changes, now, once)
        except table.Stale:
            continue
        return


def events_of(account="acme"):
    """The ids and the types of all that happened, commit by commit."""
    found = Record.query(f"ACCOUNT#{account}", Record.SK.startswith("EVENT#"), consistent_read=True)
    entries = [record for record in found if isinstance(record, EventRecord)]
    return [entry.id for entry in entries], [event["type"] for entry in entries for event in entry.events]


# -- threads on the store in this process ------------------------------------------------------------------


def test_eight_buyers_at_once_lose_no_seat(world, switching):
    now = datetime(2026, 2, 7, 15, tzinfo=UTC)
    world.on("2026-02-07T15:00:00Z")
    before = queries.book("acme", world.subscription).subscription.version

    def five_times(name):
        for number in range(5):
            buy_one(world.subscription, now, f"{name}-{number}")

    side_by_side(*[partial(five_times, name) for name in range(THREADS)])

    book = queries.book("acme", world.subscription)
    assert [(item.price, item.quantity) for item in book.subscription.items] == [("sales-seat", 45)]
    assert book.subscription.version == before + 40, "one version for each purchase"
    [pending] = book.pending
    assert (pending.quantity, str(pending.period)) == (40, "2026-02-07/2026-02-25")
    assert str(pending.amount) == "2322.58 USD", "18 of 31 days of 40 seats, rounded once"
    ids, types = events_of()
    assert types.count("seats.added") == 40
    assert len(set(ids)) == len(ids)


def test_buyers_and_workers_at_midnight_bill_everything_once(world, switching):
    world.suddenly("2026-02-25T05:00:00Z")

    def twice(name):
        for number in range(2):
            buy_one(world.subscription, MIDNIGHT, f"{name}-{number}")

    def work():
        for _ in range(5):
            try:
                upkeep.current("acme", world.subscription, MIDNIGHT)
            except table.Stale:
                continue

    buyers = [partial(twice, name) for name in range(THREADS // 2)]
    side_by_side(*buyers, *[work] * (THREADS // 2))

    assert bills(world) == [
        ("co", [("5 × Sales Hub seat", "500.00")]),
        ("sub", [("5 × Sales Hub seat", "500.00")]),
    ], "what was bought on the 25th is in neither: its period has just begun"
    world.on("2026-03-26")
    assert bills(world)[2:] == [
        ("sub", [("13 × Sales Hub seat", "1300.00"), ("8 × Sales Hub seat, 28 of 28 days", "800.00")])
    ]
    assert [invoice["status"] for invoice in world.invoices()] == ["paid"] * 3


def bills(world):
    """What acme reads on its invoices."""
    return [
        (bill["id"].split("_")[0], [(line["description"], line["amount"]) for line in bill["lines"]])
        for bill in world.invoices()
    ]


# -- one after the other, at the worst moment --------------------------------------------------------------


def test_a_seat_bought_while_the_period_turns_belongs_to_the_new_one(world):
    """It was asked for a moment before midnight; by the time it is decided, the worker has renewed."""
    seat = f"/accounts/acme/subscriptions/{world.subscription}/seats/sales"

    def midnight_comes():
        upkeep.current("acme", world.subscription, MIDNIGHT)

    world.suddenly("2026-02-25T04:59:59Z")
    Meanwhile(world).happens(midnight_comes)
    reply = world.call("POST", seat, {"quantity": 1})
    assert reply.status == 201
    assert reply.json["charge"] == {
        "amount": "100.00",
        "currency": "USD",
        "period": {"start": "2026-02-25", "end": "2026-03-25"},
        "days": 28,
        "of_days": 28,
        "invoice_on": "2026-03-25",
    }
    assert bills(world)[1:] == [("sub", [("5 × Sales Hub seat", "500.00")])]


def test_a_subscription_far_behind_is_brought_up_to_date_before_anything_is_bought():
    world = World().sells(weekly=SEAT | {"interval": "week"})
    subscription = world.subscribed({"price": "weekly", "quantity": 5})
    seat = f"/accounts/acme/subscriptions/{subscription}/seats/sales"
    world.suddenly("2026-10-20T15:00:00Z")

    for path in (f"{seat}/preview", seat):
        refused = world.call("POST", path, {"quantity": 1})
        assert (refused.status, refused.json["code"]) == (409, "catching_up")
    assert len(world.invoices()) == 1 + 36, "so many periods are done in one go"

    bought = world.call("POST", seat, {"quantity": 1})
    assert (bought.status, bought.json["charge"]["days"]) == (201, 5)
    assert len(world.invoices()) == 1 + 38


def test_whoever_buys_does_not_wait_for_a_renewal_that_was_put_off(world):
    subscription = queries.book("acme", world.subscription).subscription
    seat = f"/accounts/acme/subscriptions/{world.subscription}/seats/sales"
    world.suddenly("2026-02-25T05:00:00Z")
    table.commit(renewal.postpone(subscription, "DynamoDB did not answer", MIDNIGHT), MIDNIGHT)
    assert world.call("POST", seat, {"quantity": 1}).json["charge"]["days"] == 28
    assert bills(world)[1:] == [("sub", [("5 × Sales Hub seat", "500.00")])]


# -- interpreters of their own, on a table over HTTP -------------------------------------------------------


def race(address, tasks):
    """Interpreters of their own, told to start at once; what each answered."""
    environment = os.environ | {"AWS_ENDPOINT_URL_DYNAMODB": address, "POWERTOOLS_LOG_LEVEL": "CRITICAL"}
    with ExitStack() as racers:
        running = [
            racers.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.edge.racer", json.dumps(task)],
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for task in tasks
        ]
        for racer in running:
            assert racer.stdout.readline() == "ready\n"
        for racer in running:
            racer.stdin.write("start\n")
            racer.stdin.flush()
        return [[json.loads(line) for line in racer.stdout] for racer in running]


def test_lambdas_of_their_own_bill_everything_once_over_http(world, over_http):
    """Four buyers and two workers, at midnight, each an interpreter as on Lambda."""
    address, client = over_http
    client.create_table(**{
        name: value for name, value in {**template.read().table, "TableName": "prorata"}.items()
        if name in ("TableName", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    })  # fmt: skip
    for item in world.contents():
        client.put_item(TableName="prorata", Item=item)

    task = {"now": MIDNIGHT.isoformat(), "account": "acme", "subscription": world.subscription}
    buyers = [task | {"do": "buy", "name": f"buyer-{n}", "times": 5} for n in range(4)]
    workers = [task | {"do": "renew", "name": f"worker-{n}", "times": 3} for n in range(2)]
    answers = race(address, buyers + workers)

    statuses = [answer["statusCode"] for each in answers[:4] for answer in each]
    assert statuses == [201] * 20
    assert [answer for each in answers[4:] for answer in each] == [{"batchItemFailures": []}] * 6
    totals = sorted(json.loads(answer["body"])["total"] for each in answers[:4] for answer in each)
    assert totals == list(range(6, 26)), "each saw what all before it had bought"

    items = client.scan(TableName="prorata", ConsistentRead=True)["Items"]
    key = f"SUB#{world.subscription}#"
    assert [item["quantity"]["N"] for item in items if item["SK"]["S"].startswith(f"{key}ITEM#")] == ["20"]
    [subscription] = [item for item in items if item["SK"]["S"] == key]
    [item] = json.loads(subscription["items"]["S"])
    assert item[QUANTITY] == 25
    invoices = [item["SK"]["S"] for item in items if item["SK"]["S"].startswith("INVOICE#sub_")]
    assert invoices == [f"INVOICE#{world.subscription}-00001#"]
