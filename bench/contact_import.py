"""What importing a file of contacts costs: units for each row, rows a second here, and memory at the most.

The file is imported by the real handlers against the store of this process.
Units are those of DynamoDB's published formula; the time is mostly that of the
store in place of DynamoDB, so it says how much the handlers themselves take.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import Counter
from datetime import datetime
from typing import Any

from infra.local.cloud import Cloud
from infra.local.invocations import Call

ROWS = 100_000
WRITES_A_ROW = 1.1
"""Write units that a row may cost: its contact is one, and all else of a page of thousands little."""
READS_A_ROW = 1.1
"""Read units: a contact is looked at before it is written."""
PROJECTED = 10_000_000
WRITES_A_SECOND = 8_000
"""What the eight partitions of an account's contacts take."""
_STAFF = {"sub": "bench", "account": "acme", "permissions": "seller.admin"}


def call(cloud: Cloud, method: str, path: str, body: Any = None) -> Any:
    """A request of the seller's staff, which must succeed."""
    sent = None if body is None else json.dumps(body)
    reply = cloud.request(Call(method, f"/v1{path}", sent, {"Idempotency-Key": f"{path} {sent}"}, _STAFF))
    assert reply.status < 300, reply.body
    return reply.json


def run(cloud: Cloud, path: str, *, dry_run: bool) -> tuple[float, Counter[str], Any]:
    """Take a file as far as it goes: seconds, units, and what the import says then."""
    call(cloud, "POST", f"{path}/start", {"dry_run": dry_run})
    cloud.store.units.clear()
    start = time.perf_counter()
    cloud.drain()  # the worker, and nothing else
    return time.perf_counter() - start, Counter(cloud.store.units), call(cloud, "GET", path)


def main() -> None:
    """Upload, check, import, and print what it took."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    cloud = Cloud(datetime.fromisoformat("2026-04-15T15:00:00+00:00"))
    call(cloud, "PUT", "/sellers/us", {"timezone": "America/New_York", "currency": "USD"})
    call(cloud, "PUT", "/accounts/acme", {"seller": "us"})
    text = "contact,marketing\n" + "".join(f"0195f3a2-7b4c-7d1e-8f00-{n:012},true\n" for n in range(count))
    opened = call(cloud, "POST", "/accounts/acme/contacts/imports", {"bytes": len(text)})
    cloud.files.put(opened["upload"], text.encode())
    path, too_much = f"/accounts/acme/contacts/imports/{opened['id']}", False
    for dry_run in (True, False):
        seconds, units, shown = run(cloud, path, dry_run=dry_run)
        assert (shown["rows"], shown["marketing"]) == (count, count), shown
        writes = units["store.commit"] / count
        reads = (units["store.get"] + units["store.query"]) / count
        too_much = too_much or writes > WRITES_A_ROW or reads > READS_A_ROW
        name = "dry run" if dry_run else "import"
        print(f"{name}: {count:,} rows in {seconds:.1f} s ({count / seconds:,.0f} a second)")
        print(f"  a row: {writes:.3f} write units, {reads:.3f} read units; {dict(units)}")
        print(f"  ten million: {writes * PROJECTED:,.0f} write units, {reads * PROJECTED:,.0f} read units")
        if not dry_run:
            print(f"  at {WRITES_A_SECOND:,} writes a second: {PROJECTED / WRITES_A_SECOND / 60:.0f} minutes")
    print(f"memory at the most: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB, the table in it")
    if too_much:
        sys.exit("more units a row than there may be")


if __name__ == "__main__":
    main()
