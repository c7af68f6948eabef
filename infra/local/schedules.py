"""When schedules fire on this machine, and which of them look for what is due."""

from __future__ import annotations

import importlib
import inspect
import re
from datetime import UTC, datetime, timedelta
from functools import cache

from infra.local import template

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def sweeps(schedule: template.Schedule) -> bool:
    """Whether a schedule looks for what is due, as those do that come again within the hour."""
    return template.every(schedule.expression) <= timedelta(hours=1)


@cache
def swept(handler: str) -> str:
    """The part of the due index that a sweep goes through: with nothing there it need not run."""
    module, _, name = handler.rpartition(".")
    found = re.search(r'jobs\.sweep\("(\w+)"', inspect.getsource(getattr(importlib.import_module(module), name)))
    return f"{found[1]}#" if found else ""


def next_tick(after: datetime, step: timedelta) -> datetime:
    """The first multiple of ``step`` later than an instant."""
    seconds = int(step.total_seconds())
    count = int((after - _EPOCH) / timedelta(seconds=1)) // seconds + 1
    return _EPOCH + timedelta(seconds=count * seconds)
