"""What each operation costs: calls, capacity units and bytes of the table, calls to Stripe.

Writes are counted as ministack counts them, reads from the sizes of what was
read by DynamoDB's published formula (ministack's are wrong). ``--record``
writes the figures to bench/units.json, which a test holds the code to, and
into docs/measured.md.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from ministack.services import dynamodb

from infra.local import aws, template
from infra.local.cloud import Cloud
from infra.local.dynamodb_values import item_size
from infra.local.invocations import Call, sqs_event
from infra.local.queues import Message

RECORDED = Path(__file__).with_name("units.json")
_HUB = Path(__file__).parents[1] / "infra/catalog/hub.yaml"
PAGE = Path(__file__).parents[1] / "docs/measured.md"
CHARGED = "a charged subscription in all"
SUMS = {
    CHARGED: ("renew", "charge"),
    "the same, with a pending item": ("renew, with a pending item", "charge"),
    "the same, with the webhook that follows": ("renew", "charge", "webhook of a success that is known"),
}
BUDGET = {
    CHARGED: {"write units": 14, "read units": 2.1, "Stripe calls": 1},
    "buy a seat": {"calls": 3, "write units": 9, "read units": 2},
    "buy a seat, of a plan with four items": {"calls": 3, "write units": 9, "read units": 2},
}
"""DESIGN 6; the floor of a charge is two items written. A seat takes one query, one get and one transaction."""
REMARKS = {
    "buy a seat": "budget: 9 write units, one query and one get",
    "buy a seat, of a plan with four items": "a user on a seat of each type",
    "give a seat": "the users by their ids in one call",
    CHARGED: "budget: 14 write units, 2.1 read units, 1 Stripe call",
    "the same, with a pending item": "2 more: the item goes in the transaction that draws its line",
    "the same, with the webhook that follows": "1 more: the invoice is read, and found paid",
}
_SEAT_TAKES = ["Query", "GetItem", "TransactWriteItems"]
"""The subscription with all that waits, the head of the catalogue, and the commit."""
_STAFF = {"sub": "bench", "account": "acme", "permissions": "seller.admin"}
_SEAT = {
    "product": "sales", "kind": "seat", "seat_type": "sales", "interval": "month", "amount": "100.00",
    "name": "Sales Hub seat",
}  # fmt: skip


class Meter:
    """A table in ministack that counts what it is asked."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.asked: list[str] = []
        dynamodb.reset()

    def answer(self, request: AWSPreparedRequest) -> AWSResponse:
        """Pass a request on, and count it."""
        operation, body = aws.operation(request), json.loads(request.body)
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        writes = operation not in _READS
        more = {"ReturnConsumedCapacity": "TOTAL"} if writes and operation != "CreateTable" else {}
        status, answer = _asked(headers, body | more)
        self.counts["calls"] += 1
        self.asked.append(operation)
        self.counts["bytes"] += len(request.body) + len(json.dumps(answer))
        if writes:
            self.counts["write units"] += int(sum(used["CapacityUnits"] for used in _consumed(answer)))
        else:
            read = _asked(headers, _unfiltered(body))[1] if "FilterExpression" in body else answer
            halves = _half_reads(body, read)
            self.counts["half read units"] += halves
            self.counts[f"half read units, {operation}"] += halves
        return aws.response(status, answer)


def _asked(headers: dict[str, str], body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """What ministack makes of a request."""
    coroutine = dynamodb.handle_request("POST", "/", headers, json.dumps(body).encode(), {})
    status, _, content = asyncio.run(coroutine)
    return status, json.loads(content)


def _unfiltered(query: dict[str, Any]) -> dict[str, Any]:
    """The same query without its filter: what is read is paid for, not what is handed over."""
    used = set(re.findall(r"[#:]\w+", query["KeyConditionExpression"]))
    left_out = ("FilterExpression", "ProjectionExpression", "Select")
    plain = {name: value for name, value in query.items() if name not in left_out}
    for names in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        plain[names] = {name: value for name, value in query[names].items() if name in used}
    return plain


_READS = {"GetItem", "Query", "BatchGetItem"}


def _half_reads(asked: dict[str, Any], answer: dict[str, Any]) -> int:
    """Reads in halves: 4 KB each, rounded up, two halves where they are consistent."""
    if "Responses" in answer:
        items = [item for items in answer["Responses"].values() for item in items]
        return sum(2 * _pages([item]) for item in items)
    items = answer.get("Items", [answer["Item"]] if "Item" in answer else [])
    return _pages(items) * (2 if asked.get("ConsistentRead") else 1)


def _pages(items: list[dict[str, Any]]) -> int:
    return max(1, -(-sum(item_size(item) for item in items) // 4096))


def _consumed(answer: dict[str, Any]) -> list[dict[str, Any]]:
    used = answer.get("ConsumedCapacity", [])
    return used if isinstance(used, list) else [used]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class Bench:
    """The flows, each measured by itself."""

    def __init__(self) -> None:
        self.cloud = Cloud(datetime.fromisoformat("2026-01-25T15:00:00+00:00"))
        self.meter = Meter()
        aws.answering["dynamodb"] = self.meter.answer
        boto3.client("dynamodb").create_table(
            **{key: value for key, value in self.cloud.template.table.items() if key in _CREATE},
            TableName=template.TABLE_NAME,
        )
        self.figures: dict[str, dict[str, float]] = {}
        self._keys = 0

    def measure(self, name: str, flow: Callable[[], Any]) -> Any:
        """Run a flow and keep what it cost under its name."""
        self.meter.counts.clear()
        self.meter.asked.clear()
        self.cloud.stripe.calls.clear()
        result = flow()
        counts = self.meter.counts
        self.figures[name] = {
            "calls": counts["calls"],
            "write units": counts["write units"],
            "read units": counts["half read units"] / 2,
            "bytes": counts["bytes"],
            "Stripe calls": sum(self.cloud.stripe.calls.values()),
        }
        return result

    def call(self, route: str, body: Any = None) -> Any:
        """A request of the seller's staff, which must succeed."""
        method, path = route.split(" ")
        self._keys += 1
        headers = {"Idempotency-Key": f"bench-{self._keys}"}
        reply = self.cloud.request(Call(method, f"/v1{path}", json.dumps(body) if body else None, headers, _STAFF))
        assert reply.status < 300, reply.body
        return reply.json

    def work(self, function: str, kind: str, id_: str) -> Any:
        """One message through a worker; the messages that failed."""
        job = {"kind": kind, "account": "acme", "id": id_}
        message = Message("1", json.dumps(job), self.cloud.now, self.cloud.now, receives=1)
        return self.cloud.invoke(function, sqs_event("bench", [message]))["batchItemFailures"]

    def renew(self, month: int, subscription: str) -> None:
        """The billing date of a month."""
        self.cloud.now = datetime.fromisoformat(f"2026-{month:02}-26T06:00:00+00:00")
        assert self.work("RolloverWorkFunction", "subscription", subscription) == []

    def charge(self, month: int, subscription: str) -> Any:
        """Collect the invoice of a month; the messages that failed."""
        return self.work("ChargesWorkFunction", "invoice", f"{subscription}-{month - 1:05}")

    def hear_stripe(self) -> None:
        """All that Stripe has to say by itself."""
        self.cloud.deliveries.send(self.cloud.now)


_CREATE = {"AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode"}


def measure() -> dict[str, dict[str, float]]:
    """What each operation costs, in the order in which they follow each other."""
    bench = Bench()
    bench.call("PUT /sellers/us", {"timezone": "America/New_York", "currency": "USD"})
    bench.call("PUT /catalog", {"prices": {"sales-seat": _SEAT}})
    bench.call("PUT /accounts/acme", {"seller": "us"})
    saved = bench.call("POST /accounts/acme/payment-method", {"payment_method": "pm_card_visa"})
    bench.call("GET /catalog")  # a warm function knows it
    items = {"items": [{"price": "sales-seat", "quantity": 5}]}
    bought = bench.measure("check out, paid", lambda: bench.call("POST /accounts/acme/checkout", items))
    subscription = bought["subscriptions"][0]["id"]
    seats = f"/accounts/acme/subscriptions/{subscription}/seats/sales"
    bench.hear_stripe()
    bench.cloud.now = datetime.fromisoformat("2026-02-07T20:30:00+00:00")
    bench.measure("preview a seat", lambda: bench.call(f"POST {seats}/preview", {"quantity": 1}))
    bench.measure("buy a seat", lambda: bench.call(f"POST {seats}", {"quantity": 1}))
    assert bench.meter.asked == _SEAT_TAKES, bench.meter.asked
    bench.call("PUT /accounts/acme/users/ann", {})
    bench.measure("give a seat", lambda: bench.call(f"PUT {seats}/users/ann", {}))
    bench.measure("schedule a removal", lambda: bench.call(f"PUT {seats}/removal", {"quantity": 1}))
    bench.call(f"DELETE {seats}/removal")
    bench.measure("renew, with a pending item", lambda: bench.renew(2, subscription))
    assert bench.charge(2, subscription) == []
    bench.hear_stripe()
    bench.measure("renew", lambda: bench.renew(3, subscription))
    assert bench.measure("charge", lambda: bench.charge(3, subscription)) == []
    bench.measure("webhook of a success that is known", bench.hear_stripe)
    for month, name in ((4, "webhook of a success that is news"), (5, "webhook of a failure: Stripe is asked")):
        if month == 5:
            bench.cloud.stripe.becomes(saved["payment_method"]["id"], "card_declined")
        bench.renew(month, subscription)
        bench.cloud.faults.arm("stripe.create", "answer_lost")
        assert bench.charge(month, subscription), "its answer is lost"
        bench.measure(name, bench.hear_stripe)
    figures = bench.figures | _beside_four_items()
    for name, parts in SUMS.items():
        figures[name] = {unit: sum(figures[part][unit] for part in parts) for unit in figures["renew"]}
    return figures


def _beside_four_items() -> dict[str, dict[str, float]]:
    """A plan, core, sales and service seats with a user on each, in their second month: one seat more."""
    bench = Bench()
    bench.call("PUT /sellers/us", {"timezone": "America/New_York", "currency": "USD"})
    bench.call("PUT /catalog", yaml.safe_load(_HUB.read_text()))
    bench.call("PUT /accounts/acme", {"seller": "us"})
    bench.call("POST /accounts/acme/payment-method", {"payment_method": "pm_card_visa"})
    bench.call("PUT /accounts/acme/users/ann", {})
    prices = ("hub-professional", "core-seat-professional", "sales-seat-committed", "service-seat-committed")
    body = {"items": [{"price": price} for price in prices]}
    subscription = bench.call("POST /accounts/acme/checkout", body)["subscriptions"][0]["id"]
    seats = f"/accounts/acme/subscriptions/{subscription}/seats"
    for kind in ("core", "sales", "service"):
        bench.call(f"PUT {seats}/{kind}/users/ann", {})
    bench.renew(2, subscription)
    flow = "buy a seat, of a plan with four items"
    bench.measure(flow, lambda: bench.call(f"POST {seats}/sales", {"quantity": 1}))
    assert bench.meter.asked == _SEAT_TAKES, bench.meter.asked
    return bench.figures


def table(figures: dict[str, dict[str, float]]) -> str:
    """The figures as docs/measured.md has them."""
    units = list(next(iter(figures.values())))
    head = f"| operation | {' | '.join(units)} | |\n|{'---|' * (len(units) + 2)}\n"
    return head + "".join(_row(name, [cost[unit] for unit in units]) for name, cost in figures.items())


def _row(name: str, costs: list[float]) -> str:
    cells = [name, *(f"{cost:,g}" for cost in costs), REMARKS.get(name, "")]
    return f"| {' | '.join(cells).rstrip()} |\n"


def filled(page: str, figures: dict[str, dict[str, float]]) -> str:
    """A page with its table of units written anew."""
    before, begin, rest = page.partition("<!-- units -->\n")
    _, end, after = rest.partition("<!-- /units -->")
    return before + begin + table(figures) + end + after


def main() -> None:
    """Print the figures, and with ``--record`` keep them."""
    figures = measure()
    print(table(figures))
    if "--record" in sys.argv:
        RECORDED.write_text(json.dumps(figures, indent=1) + "\n")
        PAGE.write_text(filled(PAGE.read_text(), figures))


if __name__ == "__main__":
    main()
