"""Queued work: a sweep finds what is due, a worker does it; twice, late or side by side."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from shared.edge import batch, clock
from shared.edge.telemetry import logger
from shared.store import queries, table
from shared.store.record import SHARDS

MOST_TRIES = 5
"""After so many a message goes to the dead-letter queue; template.yaml says the same."""


class Job(NamedTuple):
    """One piece of work: a kind of record, its account and its id. When it was queued says nothing."""

    kind: str
    account_id: str
    id: str


def sweep(due_kind: str, queue_variable: str, most: int | None = None) -> int:
    """Queue a message for everything in the due index that is due now, and say how many.

    Never more than the workers can do before the next sweep, which finds the rest
    and what was not queued.
    """
    limit = min(int(os.environ["SWEEP_LIMIT"]), most or sys.maxsize)
    jobs = [
        {"kind": due.kind, "account": due.account_id, "id": due.id}
        for due in queries.due(due_kind, clock.now(), limit // SHARDS)
    ]
    batch.send(queue_variable, jobs)
    logger.info("swept", due=len(jobs), kind=due_kind)
    return len(jobs)


def work(
    event: dict[str, Any],
    do: Callable[[Job], None],
    give_up: Callable[[Job, Exception], None],
    wait_for_turn: Callable[[], None] = lambda: None,
) -> Any:
    """Do each message of a batch at its turn; only the failed ones come back (``batchItemFailures``).

    A message that fails for the last time is handed to ``give_up`` as well, so
    that what it is about does not block the rest until someone looks at it.
    """

    def one(message: dict[str, Any], tries: int) -> None:
        job = Job(message["kind"], message["account"], message["id"])
        try:
            do(job)
        except Exception as error:
            logger.exception("job failed", job=job._asdict())
            if tries >= MOST_TRIES:
                _leave_alone(job, error, give_up)
            raise

    queries.connect()
    return batch.work(event, one, int(os.environ.get("WORKER_THREADS", "1")), wait_for_turn)


def _leave_alone(job: Job, error: Exception, give_up: Callable[[Job, Exception], None]) -> None:
    try:
        give_up(job, error)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it must not starve the rest
        logger.exception("cannot be read", job=job._asdict())
        table.put_off(job.kind, job.account_id, job.id, clock.now())
