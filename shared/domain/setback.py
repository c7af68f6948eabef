"""Leaving alone for a while what keeps failing, and raising one alarm about it."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.domain.changes import Event

BACK_OFF = (timedelta(hours=1), timedelta(hours=6), timedelta(days=1))
LONGEST_ERROR = 200


def still_due(due_at: datetime | None, now: datetime) -> bool:
    """Whether it is to be left alone at all; done or put off meanwhile, there is nothing to do."""
    return due_at is not None and due_at <= now


def delay(failures: int) -> timedelta:
    """How long it is left alone after so many earlier failures: 1 hour, 6 hours, then a day each time."""
    return BACK_OFF[min(failures, len(BACK_OFF) - 1)]


def cut(error: str) -> str:
    """The beginning of what went wrong: it lies on the record until it is mended."""
    return error[:LONGEST_ERROR]


def alarm(account_id: str, failures: int, code: str, error: str, **what: str) -> tuple[Event, ...]:
    """The alarm of a first failure; further ones are told by nobody."""
    data = {"code": code, **what, "what": cut(error)}
    return () if failures else (Event(account_id, "alarm.raised", data),)
