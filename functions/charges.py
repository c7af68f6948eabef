"""The charges: a sweep finds the invoices, checkouts and refunds that are due, a worker sees to each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared import payments
from shared.edge import collect, jobs, pace, refunds
from shared.edge.jobs import Job
from shared.edge.telemetry import logger, metrics

turns = pace.Turns()


@logger.inject_lambda_context
@metrics.log_metrics
def sweep(_event: dict[str, Any], _context: Any) -> int:
    """Queue everything that is due by now: new invoices, retries, payments and refunds to ask after."""
    return jobs.sweep("collection", "CHARGE_QUEUE_URL", pace.per_sweep())


@logger.inject_lambda_context
@metrics.log_metrics
def work(event: dict[str, Any], _context: Any) -> Any:
    """See to each, many at once and each at its turn; only the failed ones come back."""
    payments.connect()
    return jobs.work(event, _patiently, _give_up, turns.take)


def _patiently(job: Job) -> None:
    pace.patiently(lambda: _collect(job), pace.TRIES)


def _collect(job: Job) -> None:
    _DO[job.kind](job.account_id, job.id)


def _give_up(job: Job, error: Exception) -> None:
    put_off = refunds.postpone if job.kind == "refund" else collect.postpone
    put_off(job, error)


_DO: dict[str, Callable[[str, str], object]] = {
    "invoice": collect.collect,
    "checkout": collect.expire,
    "refund": refunds.drive,
}
"""What is done about each kind of record that falls due here."""
