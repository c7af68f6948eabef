"""Reconciliation: daily from Stripe to the table, weekly through the table, and once after the table was put back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shared import payments
from shared.edge import adopt, clock, reconcile, relay
from shared.edge.telemetry import logger, metrics

TASKS = {
    "ledger": reconcile.ledger,
    "saved": reconcile.saved,
    "accounts": reconcile.accounts,
    "adopt": adopt.happened,
}


@logger.inject_lambda_context
@metrics.log_metrics
def begin(event: dict[str, Any], _context: Any) -> int:
    """Queue the parts of a task: ``{"task": "ledger"}`` daily, ``accounts`` weekly.

    ``{"task": "adopt", "since": "2026-02-25T05:10:00Z"}`` is for an operator who
    has put the table back to that instant (docs/operations.md).
    """
    now = clock.now()
    match event:
        case {"task": "ledger"}:
            return relay.begin("ledger", reconcile.days(now)) + relay.begin("saved", reconcile.days(now))
        case {"task": "accounts"}:
            return relay.begin("accounts", reconcile.segments())
        case {"task": "adopt", "since": str(since)}:
            return relay.begin("adopt", [adopt.since(datetime.fromisoformat(since), now)])
    raise ValueError(f"There is no task like {event}.")


@logger.inject_lambda_context
@metrics.log_metrics
def work(event: dict[str, Any], context: Any) -> Any:
    """Do what is in the queue, page by page."""
    payments.connect()
    return relay.work(event, context, TASKS)
