"""Marketing contacts: who counts on which day, and what a request makes of them (R40 to R53)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from itertools import count
from typing import NamedTuple

from shared.domain.account import UpdatePolicy
from shared.domain.periods import Interval
from shared.domain.subscription import Subscription

MOST_AT_ONCE = 1000
CONTACT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Wish(StrEnum):
    """What may be asked for a contact."""

    MARKETING = "marketing"
    NON_MARKETING = "non_marketing"
    DELETE = "delete"


class Command(NamedTuple):
    """What is asked for one contact."""

    contact: str
    wish: Wish


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody an account may write to. Whether it is a marketing contact follows from two days.

    ``since`` is the day on which it was last set as marketing. ``until`` is the
    update date from which it does not count any more, once it was set as
    non-marketing: nothing is rewritten on that day.
    """

    account_id: str
    id: str
    since: date | None = None
    until: date | None = None

    def counts_on(self, day: date) -> bool:
        """Whether it counts toward the tier on a day (R40, R47)."""
        return self.since is not None and (self.until is None or day < self.until)

    def leaves_on(self, day: date) -> date | None:
        """The property "Marketing contact until next update": that update date, as seen on a day (F13)."""
        return self.until if self.counts_on(day) else None


class Change(NamedTuple):
    """What becomes of one contact; ``None`` where there was none, or is none any more."""

    before: Contact | None
    after: Contact | None

    @property
    def contact(self) -> Contact:
        """Which one."""
        found = self.after or self.before
        assert found
        return found

    def marketing(self, day: date) -> int:
        """By how much the number of marketing contacts changes at once."""
        return _counts(self.after, day) - _counts(self.before, day)

    @property
    def total(self) -> int:
        """By how much the number of all contacts changes."""
        return (self.after is not None) - (self.before is not None)


@dataclass(frozen=True, slots=True)
class Today:
    """The day of a request, and the next update date as seen on it."""

    day: date
    next_update: date


class Plan(NamedTuple):
    """What a request comes to, before anything is written."""

    changes: tuple[Change, ...] = ()
    held_back: tuple[str, ...] = ()  # beyond the customer's own maximum, so non-marketing (F12)

    def marketing(self, day: date) -> int:
        """By how much the number of marketing contacts changes at once."""
        return sum(change.marketing(day) for change in self.changes)

    @property
    def total(self) -> int:
        """By how much the number of all contacts changes."""
        return sum(change.total for change in self.changes)


def plan(
    account_id: str, found: Mapping[str, Contact], commands: Iterable[Command], today: Today, room: int | None = None
) -> Plan:
    """What these commands make of the contacts that there are, one after the other: the last one wins (D11).

    Set as marketing, a contact counts at once; set as non-marketing, it counts
    until the next update date (R47); deleted, it counts no more (R53). With
    ``room`` for so many more only, further ones become non-marketing (F12).
    """
    after: dict[str, Contact | None] = {}
    held_back: dict[str, None] = {}
    for contact_id, wish in commands:
        before = after[contact_id] if contact_id in after else found.get(contact_id)
        beyond = room is not None and room <= 0 and not _counts(before, today.day)
        held_back.pop(contact_id, None)
        if wish is Wish.MARKETING and beyond:
            held_back[contact_id] = None
        becomes = Wish.NON_MARKETING if contact_id in held_back else wish
        after[contact_id] = _after(before or Contact(account_id, contact_id), becomes, today)
        if room is not None:
            room -= _counts(after[contact_id], today.day) - _counts(before, today.day)
    changes = (Change(found.get(contact_id), contact) for contact_id, contact in after.items())
    return Plan(tuple(change for change in changes if change.before != change.after), tuple(held_back))


def _counts(contact: Contact | None, day: date) -> bool:
    return contact is not None and contact.counts_on(day)


def _after(contact: Contact, wish: Wish, today: Today) -> Contact | None:
    if wish is Wish.DELETE:
        return None
    counted = contact.counts_on(today.day)
    if wish is Wish.MARKETING:
        return replace(contact, until=None) if counted else replace(contact, since=today.day, until=None)
    return replace(contact, until=today.next_update) if counted and contact.until is None else contact


def next_update(subscription: Subscription | None, policy: UpdatePolicy, after: date) -> date:
    """The first update date after a day (R49, R50, F8).

    A monthly commitment bought on 15 April is updated on 15 May; a yearly one
    on the 1st of each month, and so is an account without a subscription.
    """
    if subscription is None:
        return _first_of_next_month(after)
    if policy is UpdatePolicy.RENEWAL:
        return _next_boundary(subscription.anchor, subscription.term, after)
    if subscription.term in (Interval.WEEK, Interval.MONTH):
        return _next_boundary(subscription.anchor, subscription.term, after)
    return _first_of_next_month(after)


def _first_of_next_month(after: date) -> date:
    return (after.replace(day=1) + timedelta(days=32)).replace(day=1)


def _next_boundary(anchor: date, interval: Interval, after: date) -> date:
    longest = 7 if interval is Interval.WEEK else 366
    first = max((after - anchor).days // longest, 0)  # no boundary before it can be the one
    return next(day for day in (interval.after(anchor, k) for k in count(first)) if day > after)
