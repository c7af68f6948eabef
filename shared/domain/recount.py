"""The daily count: what it stores, whom it warns, and when it moves an account to a larger tier (R42, R54, R94)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from shared.domain import periods, setback, tiers
from shared.domain.account import UpdatePolicy
from shared.domain.catalog import Price
from shared.domain.changes import Changes, Event
from shared.domain.contacts import next_update
from shared.domain.counting import Counting, Tally
from shared.domain.errors import Conflict
from shared.domain.subscription import Book
from shared.domain.tiers import Tier

THRESHOLDS = (75, 90, 98)
"""Percent of the tier that billing contacts are told of when they are reached (R94)."""
EXCEEDED = 101
"""What is told when there is one contact more than the tier holds."""


@dataclass(frozen=True, slots=True)
class ContactSummary:
    """An account's contacts as they were last counted, what was told of it, and when they are counted next.

    ``warned`` is the highest threshold told of under ``tier``. ``progress`` is
    how far a long count got; nobody else begins one before ``busy_until``.
    """

    account_id: str
    timezone: str
    counts_at: datetime
    counted_on: date | None = None
    marketing: int = 0
    total: int = 0
    tier: int | None = None
    warned: int = 0
    maximum: int | None = None  # the customer's own (F12)
    maximum_told: bool = False
    progress: Counting | None = None
    busy_until: datetime | None = None
    failures: int = 0
    error: str | None = None
    version: int = 0

    @property
    def id(self) -> str:
        """What the due index calls it: there is one for each account."""
        return "contacts"

    @property
    def due_at(self) -> datetime:
        """When the contacts are counted next; while they are being counted, when somebody else would go on."""
        return max(self.counts_at, self.busy_until or self.counts_at)

    def next_count(self, now: datetime) -> date:
        """The day of the next count: that of today is still to come where today has just begun."""
        return periods.local_day(max(self.counts_at, now), self.zone)

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the seller entity."""
        return ZoneInfo(self.timezone)


@dataclass(frozen=True, slots=True)
class DailyCount:
    """How many contacts there were on a day: at the count, and at most since the one before (D12)."""

    account_id: str
    day: date
    marketing: int
    total: int
    peak: int
    tier: int | None = None


class Holding(NamedTuple):
    """What the count is held against: the tier's subscription as it stands, and the price that sells larger ones."""

    book: Book
    tier: Tier
    price: Price | None
    policy: UpdatePolicy


def begun(account_id: str, timezone: str, now: datetime) -> ContactSummary:
    """The summary of an account that has its first contact: counted at the next midnight of its seller."""
    return ContactSummary(account_id, timezone, _next_midnight(now, ZoneInfo(timezone)))


def counted(summary: ContactSummary, tally: Tally, holding: Holding | None) -> Changes:
    """What follows from a count: stored for the chart, told at each threshold, the tier raised (D10, D12).

    What is certain decides. Only the highest threshold crossed is told of;
    those below it count as passed. They are armed again when the tier changes,
    and when the count has fallen under them at an update date.
    """
    account_id, limit = summary.account_id, holding.tier.limit if holding else None
    warned = _still_warned(summary, tally, holding)
    reached = level(tally.certain, limit)
    facts = {"day": str(tally.day), "marketing": tally.marketing, "tier": limit}
    events = [Event(account_id, "contacts.counted", facts | {"total": tally.total, "peak": tally.peak})]
    if reached > warned:
        events.append(_told(account_id, reached, facts | {"marketing": tally.certain}))
    raised = _raised(holding, tally) if holding and reached == EXCEEDED else Changes()
    if raised.put or reached > warned:
        events += raised.events
    after = replace(
        summary,
        counts_at=periods.midnight(tally.day + timedelta(days=1), summary.zone),
        counted_on=tally.day,
        marketing=tally.marketing,
        total=tally.total,
        tier=limit,
        warned=0 if raised.put else max(warned, reached),
        maximum_told=summary.maximum_told and _at_maximum(summary, tally.marketing),
        progress=None,
        busy_until=None,
        failures=0,
        error=None,
    )
    stored = DailyCount(account_id, tally.day, tally.marketing, tally.total, tally.peak, limit)
    return Changes(put=(after, stored, *raised.put), events=tuple(events))


def level(marketing: int, tier: int | None) -> int:
    """The highest threshold that a count has reached, ``EXCEEDED`` for one more than the tier holds.

    >>> [level(count, 1000) for count in (749, 750, 980, 1000, 1001)]
    [0, 75, 98, 98, 101]
    """
    if tier is None or not marketing:
        return 0
    if marketing > tier:
        return EXCEEDED
    return max((each for each in THRESHOLDS if marketing * 100 >= each * tier), default=0)


def with_maximum(summary: ContactSummary, maximum: int | None) -> Changes:
    """The customer's own maximum, or none (F12)."""
    if summary.maximum == maximum:
        return Changes()
    event = Event(summary.account_id, "contacts.maximum_set", {"maximum": maximum})
    return Changes(put=(replace(summary, maximum=maximum, maximum_told=False),), events=(event,))


def maximum_requested(summary: ContactSummary, maximum: int | None, by: str) -> Changes:
    """Somebody who may not set the maximum asks those who may for a higher one, or for none (F12)."""
    if summary.maximum is None:
        raise Conflict("This account has no maximum of its own.", code="no_maximum")
    if maximum is not None and maximum <= summary.maximum:
        sentence = f"The maximum is {summary.maximum:,} already; {maximum:,} is no more."
        raise Conflict(sentence, code="maximum_not_higher")
    data = {"maximum": summary.maximum, "requested": maximum, "by": by}
    return Changes(events=(Event(summary.account_id, "contacts.maximum_requested", data),))


def at_maximum(summary: ContactSummary) -> Changes:
    """Contacts were held back: told once, until the count is below the maximum again or that is changed (F12)."""
    if summary.maximum_told:
        return Changes()
    event = Event(summary.account_id, "contacts.maximum_reached", {"maximum": summary.maximum})
    return Changes(put=(replace(summary, maximum_told=True),), events=(event,))


def postpone(summary: ContactSummary, error: str, now: datetime) -> Changes:
    """Move a count that keeps failing out of the way (1 h, 6 h, 1 d) and raise one alarm."""
    if not setback.still_due(summary.counts_at, now):
        return Changes()
    again = now + setback.delay(summary.failures)
    put_off = replace(summary, failures=summary.failures + 1, counts_at=again, error=setback.cut(error))
    alarm = setback.alarm(summary.account_id, summary.failures, "recount_failed", error)
    return Changes(put=(put_off,), events=alarm)


def _raised(holding: Holding, tally: Tally) -> Changes:
    """The tier that holds so many; or an alarm that says why it does not rise."""
    subscription = holding.book.subscription
    if tiers.next_tier(holding.tier, holding.price) is None or holding.price is None:
        code = "no_larger_tier"
    elif tally.day not in subscription.period:
        code = "tier_not_raised"
    else:
        return tiers.upgrade(holding.book, holding.tier.item, holding.price, tally.certain, tally.day)
    data = {"code": code, "marketing": tally.certain, "subscription": subscription.id}
    return Changes(events=(Event(subscription.account_id, "alarm.raised", data),))


def _still_warned(summary: ContactSummary, tally: Tally, holding: Holding | None) -> int:
    """What was told of already: nothing under another tier; and no more than the count at an update date.

    All that was found stands against arming a warning again: nobody is told twice of what was never less.
    """
    limit, day = holding.tier.limit if holding else None, tally.day
    if limit != summary.tier:
        return 0
    since = summary.counted_on or day
    if holding and next_update(holding.book.subscription, holding.policy, since) <= day:
        return min(summary.warned, level(tally.marketing, limit))
    return summary.warned


def _at_maximum(summary: ContactSummary, marketing: int) -> bool:
    return summary.maximum is not None and marketing >= summary.maximum


def _told(account_id: str, reached: int, facts: dict[str, Any]) -> Event:
    if reached == EXCEEDED:
        return Event(account_id, "contacts.tier_exceeded", facts)
    return Event(account_id, "contacts.threshold_reached", facts | {"threshold": reached})


def _next_midnight(now: datetime, zone: ZoneInfo) -> datetime:
    return periods.midnight(periods.local_day(now, zone) + timedelta(days=1), zone)
