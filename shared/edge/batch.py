"""Messages by the batch: sent ten at a time, and worked off so that only the failed ones come back.

Powertools has a processor of batches too. It does one message after the other,
and importing it costs a worker's cold start a quarter more (docs/measured.md).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import botocore.session

from shared.edge.telemetry import logger

T = TypeVar("T")
R = TypeVar("R")
_MOST = 10  # of SQS


def send(queue_variable: str, messages: Sequence[Mapping[str, Any]]) -> None:
    """Queue messages; RuntimeError if not all of them were taken."""
    for start in range(0, len(messages), _MOST):
        bodies = [json.dumps(message) for message in messages[start : start + _MOST]]
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        answer = _sqs().send_message_batch(QueueUrl=os.environ[queue_variable], Entries=entries)
        if answer.get("Failed"):
            raise RuntimeError(f"{len(answer['Failed'])} messages were not queued")


def work(
    event: dict[str, Any],
    do: Callable[[dict[str, Any], int], None],
    threads: int = 1,
    wait_for_turn: Callable[[], None] = lambda: None,
) -> dict[str, list[dict[str, str]]]:
    """Do each message at its turn, told how often it was received; which have failed (``batchItemFailures``).

    One after the other with one thread, side by side with more: a thread that
    is free again, with its open connections, takes the next one.
    """

    def fails(record: dict[str, Any]) -> bool:
        try:
            do(json.loads(record["body"]), int(record["attributes"]["ApproximateReceiveCount"]))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the others are done
            logger.warning("message comes back", id=record["messageId"], error=type(error).__name__)
            return True
        return False

    records = event["Records"]
    if threads == 1:
        failed = [fails(record) for record in _at_their_turns(records, wait_for_turn)]
    else:
        with ThreadPoolExecutor(threads) as pool:
            begun = [pool.submit(fails, record) for record in _at_their_turns(records, wait_for_turn)]
        failed = [each.result() for each in begun]
    back = [record["messageId"] for record, again in zip(records, failed, strict=True) if again]
    return {"batchItemFailures": [{"itemIdentifier": message} for message in back]}


def side_by_side(do: Callable[[T], R], things: Iterable[T]) -> list[R]:
    """Do the same with many things, as many at a time as a function is given (``SIDE_BY_SIDE``)."""
    threads = int(os.environ.get("SIDE_BY_SIDE", "1"))
    if threads == 1:
        return [do(thing) for thing in things]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(do, things))


def _at_their_turns(records: list[dict[str, Any]], wait_for_turn: Callable[[], None]) -> Iterator[dict[str, Any]]:
    for record in records:
        wait_for_turn()
        yield record


@cache
def _sqs() -> Any:
    return botocore.session.get_session().create_client("sqs")
