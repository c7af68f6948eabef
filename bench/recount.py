"""What counting a million contacts of one account costs: read units by the sizes of what is read, and time.

The contacts lie in the store of this process, put there past the API, or with
``--store ministack`` in that emulator; the handlers count them as on Lambda.
Read units are those of DynamoDB's published formula, page by page: 8 KB each at
eventual consistency.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import date, datetime
from typing import Any, NamedTuple

import boto3

from bench import units
from infra.local.cloud import Cloud
from infra.local.dynamodb_values import Item, item_size
from infra.local.invocations import Call
from infra.local.template import TABLE_NAME
from shared.domain.contacts import Contact
from shared.store import contacts
from shared.store.record import Record

COUNT = 1_000_000
START = datetime.fromisoformat("2026-04-15T15:00:00+00:00")
ACCOUNT = "0195f3a2-7b4c-7d1e-8f00-5b1c0e9d4a77"
"""An id as long as a UUID: it stands in the key of each contact."""
BUDGET = 15_000
"""Read units for a million contacts."""
PER_MILLION_UNITS = 0.125
"""USD for a million read requests on demand, in most regions."""
_STAFF = {"sub": "bench", "account": ACCOUNT, "permissions": "seller.admin"}


class Here:
    """The store of this process."""

    def __init__(self) -> None:
        self.cloud = Cloud(START)

    def put(self, items: list[Item]) -> None:
        """Put items into the table, past every client."""
        table = self.cloud.store.table(TABLE_NAME)
        for item in items:
            table.write((item["PK"]["S"], item["SK"]["S"]), item)

    def forget(self) -> None:
        """Count from now on."""
        self.cloud.store.units.clear()
        self.cloud.store.calls.clear()

    def read(self) -> tuple[float, int]:
        """The read units of the queries since then, and their pages."""
        return self.cloud.store.units["store.query"], self.cloud.store.calls["Query"]


class Ministack:
    """Ministack's DynamoDB, which pages by itself; units by the sizes of what it reads."""

    def __init__(self) -> None:
        bench = units.Bench()
        self.cloud, self.meter = bench.cloud, bench.meter
        self.cloud.now = START

    def put(self, items: list[Item]) -> None:
        """Put items into the table as a client does."""
        client = boto3.client("dynamodb")
        for start in range(0, len(items), 25):
            puts = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
            assert not client.batch_write_item(RequestItems={TABLE_NAME: puts})["UnprocessedItems"]

    def forget(self) -> None:
        """Count from now on."""
        self.meter.counts.clear()
        self.meter.asked.clear()

    def read(self) -> tuple[float, int]:
        """The read units of the queries since then, and their pages."""
        return self.meter.counts["half read units, Query"] / 2, self.meter.asked.count("Query")


STORES = {"here": Here, "ministack": Ministack}


def fill(store: Here | Ministack, count: int) -> int:
    """Put contacts into the table, nine of ten marketing contacts, one of a hundred about to leave; their bytes."""
    size = 0
    for start in range(0, count, 1000):
        items = [_contact(number) for number in range(start, min(start + 1000, count))]
        store.put(items)
        size += sum(map(item_size, items))
    return size


def _contact(number: int) -> Item:
    since = date(2026, 1, 1) if number % 10 else None
    until = date(2026, 5, 1) if number % 100 == 1 else None
    contact = Contact(ACCOUNT, f"0195f3a2-7b4c-7d1e-8f00-{number:012}", since, until)
    return Record.of(contact).serialize()


def call(cloud: Cloud, method: str, path: str, body: Any) -> Any:
    """A request of the seller's staff, which must succeed."""
    reply = cloud.request(Call(method, f"/v1{path}", json.dumps(body), {"Idempotency-Key": path}, _STAFF))
    assert reply.status < 300, reply.body
    return reply.json


class Figures(NamedTuple):
    """What a count took: contacts and their bytes, read units and pages, and seconds here."""

    count: int
    size: int
    units: float
    pages: int
    seconds: float

    @property
    def per_million(self) -> float:
        """The read units of a million such contacts."""
        return self.units / self.count * 1_000_000


def measure(count: int, store: Here | Ministack) -> Figures:
    """Fill an account with contacts, and let the handlers count them."""
    cloud = store.cloud
    call(cloud, "PUT", "/sellers/us", {"timezone": "America/New_York", "currency": "USD"})
    call(cloud, "PUT", f"/accounts/{ACCOUNT}", {"seller": "us"})
    call(cloud, "PUT", f"/accounts/{ACCOUNT}/contacts/the-first", {"marketing": True})
    size = fill(store, count)
    marketing = count - count // 10
    contacts.add(ACCOUNT, marketing, count)  # else they would be counted once more, and cost three times as much
    cloud.now = datetime.fromisoformat("2026-04-16T04:15:00+00:00")
    assert cloud.invoke("RecountSweepFunction", {}) == 1
    store.forget()
    start = time.perf_counter()
    cloud.drain()  # the worker, and nothing else
    seconds = time.perf_counter() - start
    read, pages = store.read()
    found = contacts.live(ACCOUNT)
    assert (found.marketing, found.total) == (marketing + 1, count + 1), found
    return Figures(count, size, read, pages, seconds)


def main() -> None:
    """Count, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=COUNT)
    parser.add_argument("--store", choices=STORES, default="here")
    asked = parser.parse_args()
    found = measure(asked.count, STORES[asked.store]())
    read, million = f"{found.units:,.0f} read units in {found.pages:,} pages", found.per_million
    print(f"{found.count:,} contacts of {found.size / found.count:.0f} bytes: {read}, {found.seconds:.1f} s")
    print(f"a million: {million:,.0f} read units ({million / 1e6 * PER_MILLION_UNITS:.4f} USD)")
    print(f"100 million: {million * 100:,.0f} read units ({million / 1e4 * PER_MILLION_UNITS:.2f} USD)")
    if million > BUDGET:
        sys.exit(f"more than the {BUDGET:,} read units that a million may cost")


if __name__ == "__main__":
    main()
