"""Queued work: a sweep finds what is due, a worker does it; twice, late or side by side."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from shared.edge import clock
from shared.edge.telemetry import logger
from shared.store import queries, table
from shared.store.record import SHARDS

MOST_TRIES = 5
"""After so many a message goes to the dead-letter queue; template.yaml says the same."""
_BATCH = 10  # of SQS


class Job(NamedTuple):
    """One piece of work: a kind of record, its account and its id. When it was queued says nothing."""

    kind: str
    account_id: str
    id: str


def sweep(due_kind: str, queue_variable: str, most: int | None = None) -> int:
    """Queue a message for everything in the due index that is due now, and say how many.

    Never more than the workers can do before the next sweep, which finds the rest.
    """
    limit = min(int(os.environ["SWEEP_LIMIT"]), most or sys.maxsize)
    jobs = [
        {"kind": due.kind, "account": due.account_id, "id": due.id}
        for due in queries.due(due_kind, clock.now(), limit // SHARDS)
    ]
    for start in range(0, len(jobs), _BATCH):
        entries = [
            {"Id": str(n), "MessageBody": json.dumps(job)} for n, job in enumerate(jobs[start : start + _BATCH])
        ]
        answer = _sqs().send_message_batch(QueueUrl=os.environ[queue_variable], Entries=entries)
        if answer.get("Failed"):
            raise RuntimeError(f"{len(answer['Failed'])} messages were not queued; the next sweep finds them again")
    logger.info("swept", due=len(jobs), kind=due_kind)
    return len(jobs)


def work(
    event: dict[str, Any],
    context: Any,
    do: Callable[[Job], None],
    give_up: Callable[[Job, Exception], None],
    wait_for_turn: Callable[[], None] = lambda: None,
) -> Any:
    """Do each message of a batch at its turn; only the failed ones come back (``batchItemFailures``).

    A message that fails for the last time is handed to ``give_up`` as well, so
    that what it is about does not block the rest until someone looks at it.
    """

    def one(record: SQSRecord) -> None:
        message = json.loads(record.body)
        job = Job(message["kind"], message["account"], message["id"])
        try:
            do(job)
        except Exception as error:
            logger.exception("job failed", job=job._asdict())
            if int(record.attributes.approximate_receive_count or 1) >= MOST_TRIES:
                _leave_alone(job, error, give_up)
            raise

    processor = _Pooled(int(os.environ.get("WORKER_THREADS", "1")), wait_for_turn)
    return process_partial_response(event, one, processor, context)


def _leave_alone(job: Job, error: Exception, give_up: Callable[[Job, Exception], None]) -> None:
    try:
        give_up(job, error)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it must not starve the rest
        logger.exception("cannot be read", job=job._asdict())
        table.put_off(job.kind, job.account_id, job.id, clock.now())


class _Pooled(BatchProcessor):
    """Powertools' batch processor, waiting for many answers at once."""

    def __init__(self, threads: int, wait_for_turn: Callable[[], None]) -> None:
        super().__init__(EventType.SQS, raise_on_entire_batch_failure=False)
        self.threads = threads
        self.wait_for_turn = wait_for_turn

    def process(self) -> list[Any]:
        """Each record at its turn: one after the other with one thread, side by side with more.

        A thread that is free again, with its open connections, takes the next one.
        """
        if self.threads == 1:
            return [self._process_record(record) for record in self._at_their_turns()]
        queries.connect()
        with ThreadPoolExecutor(self.threads) as pool:
            begun = [pool.submit(self._process_record, record) for record in self._at_their_turns()]
        return [each.result() for each in begun]

    def _at_their_turns(self) -> Iterator[Any]:
        for record in self.records:
            self.wait_for_turn()
            yield record


@cache
def _sqs() -> Any:
    return boto3.client("sqs")
