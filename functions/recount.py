"""The daily count of contacts: a sweep finds the accounts whose day has begun, a worker counts and acts on it."""

from __future__ import annotations

from functools import partial
from typing import Any

from shared.edge import batch, jobs, recount
from shared.edge.jobs import Job
from shared.edge.telemetry import logger, metrics

ENOUGH_MILLISECONDS = 60_000
"""With less time left no further page is counted."""


@logger.inject_lambda_context
@metrics.log_metrics
def sweep(_event: dict[str, Any], _context: Any) -> int:
    """Queue every account whose seller's midnight has passed, however long ago."""
    return jobs.sweep("recount", "RECOUNT_QUEUE_URL")


@logger.inject_lambda_context
@metrics.log_metrics
def work(event: dict[str, Any], context: Any) -> Any:
    """Count the contacts of each account; only those that failed come back."""
    return jobs.work(event, partial(_count, context), recount.postpone)


def _count(context: Any, job: Job) -> None:
    """As far as the time goes; the rest is counted by another run."""
    done = recount.count(job.account_id, lambda: context.get_remaining_time_in_millis() > ENOUGH_MILLISECONDS)
    if not done:
        batch.send("RECOUNT_QUEUE_URL", [{"kind": job.kind, "account": job.account_id, "id": job.id}])
