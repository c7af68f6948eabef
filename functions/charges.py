"""The charges: a sweep finds the invoices and checkouts that are due, a worker collects them or gives them up."""

from __future__ import annotations

from typing import Any

from shared import payments
from shared.edge import collect, jobs, pace
from shared.edge.jobs import Job
from shared.edge.telemetry import logger, metrics

turns = pace.Turns()


@logger.inject_lambda_context
@metrics.log_metrics
def sweep(_event: dict[str, Any], _context: Any) -> int:
    """Queue everything that is to be collected by now: new invoices, retries, payments to ask after."""
    return jobs.sweep("collection", "CHARGE_QUEUE_URL", pace.per_sweep())


@logger.inject_lambda_context
@metrics.log_metrics
def work(event: dict[str, Any], context: Any) -> Any:
    """Collect each invoice, many at once and each at its turn; only the failed ones come back."""
    payments.connect()
    return jobs.work(event, context, _patiently, collect.postpone, turns.take)


def _patiently(job: Job) -> None:
    pace.patiently(lambda: _collect(job), pace.TRIES)


def _collect(job: Job) -> None:
    if job.kind == "checkout":
        collect.expire(job.account_id, job.id)
    else:
        collect.collect(job.account_id, job.id)
