"""Work that takes longer than a function may run: page by page, and what is left goes on in another message.

A message names a task, what it is about and the place where it goes on. Every
page is safe to do again, so one that breaks off in the middle loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from shared.edge import batch
from shared.edge.telemetry import logger

Task = Callable[[Mapping[str, Any], str | None], str | None]
"""Does the page at a place of something, and answers where the next one begins."""

ENOUGH_MILLISECONDS = 240_000
"""With less time left no further page is begun: Stripe may take 20 s for an answer, and a page may need several."""
_QUEUE = "RECONCILE_QUEUE_URL"


def begin(task: str, parts: Iterable[Mapping[str, Any]]) -> int:
    """Queue the parts of a task, each to be done from its beginning, and say how many."""
    messages = [{"task": task, "about": part, "after": None} for part in parts]
    batch.send(_QUEUE, messages)
    logger.info("task begun", task=task, parts=len(messages))
    return len(messages)


def work(event: dict[str, Any], context: Any, tasks: Mapping[str, Task]) -> Any:
    """Do the pages of each message until the time runs out; the rest goes on in another message."""

    def one(message: dict[str, Any], _tries: int) -> None:
        try:
            _do(message, context, tasks[message["task"]])
        except Exception:
            logger.exception("task failed", **message)
            raise

    return batch.work(event, one)


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
    batch.send(_QUEUE, [message])
