"""The rollover: a sweep finds the subscriptions that are due, a worker bills their next period."""

from __future__ import annotations

from typing import Any

from shared.domain import renewal
from shared.edge import clock, jobs, upkeep
from shared.edge.jobs import Job
from shared.edge.telemetry import logger, metrics, record
from shared.store import queries, table


@logger.inject_lambda_context
@metrics.log_metrics
def sweep(_event: dict[str, Any], _context: Any) -> int:
    """Queue every subscription that is due by now, however late: the catch-up after an outage is no special mode."""
    return jobs.sweep("rollover", "ROLLOVER_QUEUE_URL")


@logger.inject_lambda_context
@metrics.log_metrics
def work(event: dict[str, Any], _context: Any) -> Any:
    """Bring each subscription up to date; only the failed ones come back."""
    return jobs.work(event, _renew, _give_up)


def _renew(job: Job) -> None:
    try:
        upkeep.current(job.account_id, job.id, clock.now())
    except (table.Stale, upkeep.CatchingUp) as waiting:
        logger.info("left to the next sweep", subscription=job.id, reason=waiting.code)


def _give_up(job: Job, error: Exception) -> None:
    """Move it out of the way for a while and raise one alarm, so that it does not starve the rest."""
    now = clock.now()
    subscription = queries.book(job.account_id, job.id).subscription
    changes = renewal.postpone(subscription, f"{type(error).__name__}: {error}", now)
    if changes.put:
        table.commit(changes, now)
        record(changes.events)
