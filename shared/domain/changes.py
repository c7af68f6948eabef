"""What a decision changes. The domain describes it; the store writes it, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an account, for the audit trail and for whoever listens.

    ``type`` is a past participle (``seats.added``); ``data`` holds JSON values,
    amounts as decimal strings and days as ISO 8601.
    """

    account_id: str
    type: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Changes:
    """Entities to write, to remove, and to hold unchanged while that happens, and the events of it."""

    put: tuple[Any, ...] = ()
    delete: tuple[Any, ...] = ()
    check: tuple[Any, ...] = ()
    events: tuple[Event, ...] = ()

    def __add__(self, other: Changes) -> Changes:
        return Changes(
            self.put + other.put,
            self.delete + other.delete,
            self.check + other.check,
            self.events + other.events,
        )
