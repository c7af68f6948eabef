"""How long a year takes to simulate: of one account, and of a hundred."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PRICE = {"product": "sales", "kind": "seat", "seat_type": "sales", "interval": "month", "amount": "100.00"}


def story(accounts: int) -> dict[str, object]:
    """Each account buys five seats on 25 January, one more on 7 February, and is billed for a year."""
    names = [f"account_{number:03}" for number in range(accounts)]
    steps: list[dict[str, object]] = []
    for name in names:
        body = {"items": [{"price": "sales-seat", "quantity": 5}]}
        call = f"POST /accounts/{name}/checkout"
        steps.append({"at": "2026-01-25T10:00", "call": call, "body": body, "save": {name: "subscriptions.0.id"}})
    for name in names:
        call = f"POST /accounts/{name}/subscriptions/{{{name}}}/seats/sales"
        steps.append({"at": "2026-02-07T15:30", "call": call, "body": {"quantity": 1}})
    return {
        "seller": {"us": {"timezone": "America/New_York", "currency": "USD"}},
        "catalog": {"prices": {"sales-seat": PRICE}},
        "accounts": {name: {"payment_method": "card_ok"} for name in names},
        "steps": [*steps, {"until": "2027-01-26"}],
    }


def main() -> None:
    """Play each twice and print the better time."""
    for accounts in (1, 100):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "story.yaml"
            path.write_text(yaml.safe_dump(story(accounts), sort_keys=False))
            seconds = []
            for _ in range(2):
                start = time.perf_counter()
                command = [sys.executable, "-m", "infra.local", "simulate", str(path), "--format", "json"]
                told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
                seconds.append(time.perf_counter() - start)
        invoices = told.count('"type": "invoice.issued"')
        print(f"{accounts:>4} account(s), one year: {invoices:>5} invoices, {min(seconds):6.1f} s")


if __name__ == "__main__":
    main()
