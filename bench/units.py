"""What each operation costs: calls, capacity units and bytes of the table, calls to Stripe.

Writes are counted as ministack counts them, reads from the sizes of what was
read by DynamoDB's published formula (ministack's are wrong). ``--record``
writes the figures to bench/units.json, which a test holds the code to.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from ministack.services import dynamodb

from infra.local import aws, template
from infra.local.cloud import Cloud
from infra.local.dynamodb_values import item_size
from infra.local.invocations import Call, sqs_event
from infra.local.queues import Message

RECORDED = Path(__file__).with_name("units.json")
BUDGET = {"a charged subscription in all": {"write units": 14, "read units": 2.1, "Stripe calls": 1}}
"""DESIGN 6; the floor is two items written."""
_STAFF = {"sub": "bench", "account": "acme", "permissions": "seller.admin"}
_SEAT = {
    "product": "sales", "kind": "seat", "seat_type": "sales", "interval": "month", "amount": "100.00",
    "name": "Sales Hub seat",
}  # fmt: skip


class Meter:
    """A table in ministack that counts what it is asked."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        dynamodb.reset()

    def answer(self, request: AWSPreparedRequest) -> AWSResponse:
        """Pass a request on, and count it."""
        operation, body = aws.operation(request), json.loads(request.body)
        writes = operation not in _READS
        asked = body | ({"ReturnConsumedCapacity": "TOTAL"} if writes and operation != "CreateTable" else {})
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        coroutine = dynamodb.handle_request("POST", "/", headers, json.dumps(asked).encode(), {})
        status, _, content = asyncio.run(coroutine)
        answer = json.loads(content)
        self.counts["calls"] += 1
        self.counts["bytes"] += len(request.body) + len(content)
        if writes:
            self.counts["write units"] += int(sum(used["CapacityUnits"] for used in _consumed(answer)))
        else:
            self.counts["half read units"] += _half_reads(body, answer)
        return aws.response(status, answer)


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

    def work(self, function: str, job: dict[str, str]) -> None:
        """One message through a worker."""
        message = Message("1", json.dumps(job), self.cloud.now, self.cloud.now, receives=1)
        assert self.cloud.invoke(function, sqs_event("bench", [message])) == {"batchItemFailures": []}


_CREATE = {"AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode"}


def measure() -> dict[str, dict[str, float]]:
    """What each operation costs, in the order in which they follow each other."""
    bench = Bench()
    bench.call("PUT /sellers/us", {"timezone": "America/New_York", "currency": "USD"})
    bench.call("PUT /catalog", {"prices": {"sales-seat": _SEAT}})
    bench.call("PUT /accounts/acme", {"seller": "us"})
    bench.call("POST /accounts/acme/payment-method", {"payment_method": "pm_card_visa"})
    bench.call("GET /catalog")  # a warm function knows it
    items = {"items": [{"price": "sales-seat", "quantity": 5}]}
    bought = bench.measure("check out, paid", lambda: bench.call("POST /accounts/acme/checkout", items))
    subscription = bought["subscriptions"][0]["id"]
    seats = f"/accounts/acme/subscriptions/{subscription}/seats/sales"
    bench.cloud.stripe.webhooks()
    bench.cloud.now = datetime.fromisoformat("2026-02-07T20:30:00+00:00")
    bench.measure("preview a seat", lambda: bench.call(f"POST {seats}/preview", {"quantity": 1}))
    bench.measure("buy a seat", lambda: bench.call(f"POST {seats}", {"quantity": 1}))
    for month, name in ((2, "renew, with a pending item"), (3, "renew")):
        bench.cloud.now = datetime.fromisoformat(f"2026-{month:02}-26T06:00:00+00:00")
        job = {"kind": "subscription", "account": "acme", "id": subscription}
        bench.measure(name, lambda: bench.work("RolloverWorkFunction", job))  # noqa: B023
        bill = {"kind": "invoice", "account": "acme", "id": f"{subscription}-{month - 1:05}"}
        bench.measure("charge", lambda: bench.work("ChargesWorkFunction", bill))  # noqa: B023
        bench.measure("webhook of a success", lambda: bench.cloud.deliveries.send(bench.cloud.now))
    figures = bench.figures
    whole = {unit: figures["renew"][unit] + figures["charge"][unit] for unit in figures["renew"]}
    return figures | {"a charged subscription in all": whole}


def main() -> None:
    """Print a table, and with ``--record`` keep it."""
    figures = measure()
    units = list(next(iter(figures.values())))
    print(f"{'':<32}" + "".join(f"{unit:>14}" for unit in units))
    for name, cost in figures.items():
        print(f"{name:<32}" + "".join(f"{cost[unit]:>14g}" for unit in units))
    for name, most in BUDGET.items():
        spent = (f"{figures[name][unit]:g} of {limit} {unit}" for unit, limit in most.items())
        print(f"\nbudget of {name}: {', '.join(spent)}")
    if "--record" in sys.argv:
        RECORDED.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
