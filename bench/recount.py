"""What counting a million contacts of one account costs: read units by the sizes of what is read, and time.

The contacts lie in the store of this process, put there past the API; the
handlers count them as on Lambda. Read units are those of DynamoDB's published
formula, page by page: 8 KB each at eventual consistency.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import date, datetime
from typing import Any, NamedTuple

from infra.local.cloud import Cloud
from infra.local.invocations import Call
from infra.local.template import TABLE_NAME
from shared.domain.contacts import Contact
from shared.store import contacts
from shared.store.record import Record

COUNT = 1_000_000
ACCOUNT = "0195f3a2-7b4c-7d1e-8f00-5b1c0e9d4a77"
"""An id as long as a UUID: it stands in the key of each contact."""
BUDGET = 15_000
"""Read units for a million contacts."""
PER_MILLION_UNITS = 0.125
"""USD for a million read requests on demand, in most regions."""
_STAFF = {"sub": "bench", "account": ACCOUNT, "permissions": "seller.admin"}


def fill(cloud: Cloud, count: int) -> int:
    """Put contacts into the table, nine of ten marketing contacts, one of a hundred about to leave; their bytes."""
    table, size = cloud.store.table(TABLE_NAME), 0
    for number in range(count):
        since = date(2026, 1, 1) if number % 10 else None
        until = date(2026, 5, 1) if number % 100 == 1 else None
        item = Record.of(Contact(ACCOUNT, f"0195f3a2-7b4c-7d1e-8f00-{number:012}", since, until)).serialize()
        key = (item["PK"]["S"], item["SK"]["S"])
        table.write(key, item)
        size += table.size(key)
    return size


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


def measure(count: int) -> Figures:
    """Fill an account with contacts, and let the handlers count them."""
    cloud = Cloud(datetime.fromisoformat("2026-04-15T15:00:00+00:00"))
    call(cloud, "PUT", "/sellers/us", {"timezone": "America/New_York", "currency": "USD"})
    call(cloud, "PUT", f"/accounts/{ACCOUNT}", {"seller": "us"})
    call(cloud, "PUT", f"/accounts/{ACCOUNT}/contacts/the-first", {"marketing": True})
    size = fill(cloud, count)
    cloud.now = datetime.fromisoformat("2026-04-16T04:15:00+00:00")
    assert cloud.invoke("RecountSweepFunction", {}) == 1
    cloud.store.units.clear()
    cloud.store.calls.clear()
    start = time.perf_counter()
    cloud.drain()  # the worker, and nothing else
    seconds = time.perf_counter() - start
    found = contacts.live(ACCOUNT)
    assert (found.marketing, found.total) == (count - count // 10 + 1, count + 1), found
    return Figures(count, size, cloud.store.units["store.query"], cloud.store.calls["Query"], seconds)


def main() -> None:
    """Count, and print what it took."""
    found = measure(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
    units, million = f"{found.units:,.0f} read units in {found.pages:,} pages", found.per_million
    print(f"{found.count:,} contacts of {found.size / found.count:.0f} bytes: {units}, {found.seconds:.1f} s")
    print(f"a million: {million:,.0f} read units ({million / 1e6 * PER_MILLION_UNITS:.4f} USD)")
    print(f"100 million: {million * 100:,.0f} read units ({million / 1e4 * PER_MILLION_UNITS:.2f} USD)")
    if million > BUDGET:
        sys.exit(f"more than the {BUDGET:,} read units that a million may cost")


if __name__ == "__main__":
    main()
