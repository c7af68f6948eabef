"""Work that takes longer than a function may run: page by page, and what is left goes on in another message.

A message names a task, what it is about and the place where it goes on. Every
page is safe to do again, so one that breaks off in the middle loses nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from shared.edge.telemetry import logger

Task = Callable[[Mapping[str, Any], str | None], str | None]
"""Does the page at a place of something, and answers where the next one begins."""

ENOUGH_MILLISECONDS = 240_000
"""With less time left no further page is begun: Stripe may take 20 s for an answer, and a page may need several."""
_BATCH = 10  # of SQS


def begin(task: str, parts: Iterable[Mapping[str, Any]]) -> int:
    """Queue the parts of a task, each to be done from its beginning, and say how many."""
    messages = [{"task": task, "about": part, "after": None} for part in parts]
    for start in range(0, len(messages), _BATCH):
        _send(messages[start : start + _BATCH])
    logger.info("begun", task=task, parts=len(messages))
    return len(messages)


def work(event: dict[str, Any], context: Any, tasks: Mapping[str, Task]) -> Any:
    """Do the pages of each message until the time runs out; the rest goes on in another message."""

    def one(record: SQSRecord) -> None:
        message = json.loads(record.body)
        try:
            _do(message, context, tasks[message["task"]])
        except Exception:
            logger.exception("task failed", **message)
            raise

    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, one, processor, context)


def _do(message: dict[str, Any], context: Any, task: Task) -> None:
    """Page by page; ``message`` says at any moment where it goes on."""
    pages = 0
    while context.get_remaining_time_in_millis() > ENOUGH_MILLISECONDS:
        message["after"] = task(message["about"], message["after"])
        pages += 1
        if message["after"] is None:
            logger.info("task done", pages=pages, **message)
            return
    logger.info("task goes on", pages=pages, **message)
    _send([message])


def _send(messages: list[dict[str, Any]]) -> None:
    entries = [{"Id": str(n), "MessageBody": json.dumps(message)} for n, message in enumerate(messages)]
    answer = _sqs().send_message_batch(QueueUrl=os.environ["RECONCILE_QUEUE_URL"], Entries=entries)
    if answer.get("Failed"):
        raise RuntimeError(f"{len(answer['Failed'])} messages were not queued")


@cache
def _sqs() -> Any:
    return boto3.client("sqs")
