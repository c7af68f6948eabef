"""Billing periods: half-open ranges of local days, always counted from the anchor.

A day is a civil date in the seller's zone. An instant is a UTC ``datetime``.
Only ``midnight`` and ``local_day`` cross from one to the other.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from fractions import Fraction
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.domain.errors import Invalid


class Interval(StrEnum):
    """How often a price bills, or how long a commitment lasts."""

    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    HALF_YEAR = "half-year"
    YEAR = "year"

    def after(self, anchor: date, count: int) -> date:
        """Boundary ``count``: that many intervals after the anchor, clamped to the month's end (D7).

        >>> [str(Interval.MONTH.after(date(2026, 1, 31), k)) for k in range(4)]
        ['2026-01-31', '2026-02-28', '2026-03-31', '2026-04-30']
        """
        if self is Interval.WEEK:
            return anchor + timedelta(weeks=count)
        return _months_after(anchor, count * _MONTHS[self])

    def fits(self, longer: Interval) -> int | None:
        """How many of these make one of the ``longer``; ``None`` where they do not fit evenly.

        >>> Interval.MONTH.fits(Interval.YEAR), Interval.YEAR.fits(Interval.MONTH), Interval.WEEK.fits(Interval.MONTH)
        (12, None, None)
        """
        if self is longer:
            return 1
        if Interval.WEEK in (self, longer):
            return None
        count, rest = divmod(_MONTHS[longer], _MONTHS[self])
        return None if rest else count


_MONTHS = {Interval.MONTH: 1, Interval.QUARTER: 3, Interval.HALF_YEAR: 6, Interval.YEAR: 12}


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """The days from ``start`` up to, but not including, ``end``."""

    start: date
    end: date

    @property
    def days(self) -> int:
        """How many days."""
        return (self.end - self.start).days

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    def __str__(self) -> str:
        return f"{self.start}/{self.end}"

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read an ISO 8601 interval of days, ``2026-02-07/2026-02-25``."""
        start, end = text.split("/")
        return cls(date.fromisoformat(start), date.fromisoformat(end))

    def from_day(self, day: date) -> Period:
        """What is left of this period on the morning of ``day``: the day of a change is paid (D8)."""
        assert day in self, f"{day} is not in {self}"
        return Period(day, self.end)

    def share_of(self, whole: Period) -> Fraction:
        """The factor of a proration: these days over the days of the whole anchored period (D8)."""
        assert whole.start <= self.start <= self.end <= whole.end
        return Fraction(self.days, whole.days)


def nth_period(anchor: date, interval: Interval, n: int) -> Period:
    """The n-th billing period after ``anchor``, counted from 0.

    Both ends are counted from the anchor itself and not from the neighbouring
    period, so that a subscription of 31 January bills on 28 February and on
    31 March, and does not drift to the 28th for good.

    >>> str(nth_period(date(2026, 1, 31), Interval.MONTH, 1))
    '2026-02-28/2026-03-31'
    """
    assert n >= 0
    return Period(interval.after(anchor, n), interval.after(anchor, n + 1))


def known_zone(name: str) -> ZoneInfo:
    """The time zone of that name in the zone database; an unknown one is refused.

    >>> known_zone("America/New_York").key
    'America/New_York'
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        sentence = f"{name[:60]!r} is not a time zone. Use a name like 'Europe/Dublin'."
        raise Invalid(sentence, code="unknown_timezone") from None


def local_day(now: datetime, zone: ZoneInfo) -> date:
    """Which day it is for the seller at an instant."""
    assert now.tzinfo is not None, "an instant has a zone"
    return now.astimezone(zone).date()


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which ``day`` begins for the seller (D3).

    A midnight that does not exist is the first instant of the day; of one that
    occurs twice it is the first.

    >>> midnight(date(2023, 10, 1), ZoneInfo("America/Asuncion")).isoformat()
    '2023-10-01T04:00:00+00:00'
    >>> midnight(date(2026, 11, 1), ZoneInfo("America/Havana")).isoformat()
    '2026-11-01T04:00:00+00:00'
    """
    start = datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
    before, after = 0, 24 * 60 * 60  # seconds back from ``start``: on the day already, and not yet on it
    if local_day(start - timedelta(seconds=1), zone) < day:
        return start
    while after - before > 1:
        middle = (before + after) // 2
        if local_day(start - timedelta(seconds=middle), zone) < day:
            after = middle
        else:
            before = middle
    return start - timedelta(seconds=before)


def _months_after(anchor: date, months: int) -> date:
    year, month0 = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    last = calendar.monthrange(year, month0 + 1)[1]
    return date(year, month0 + 1, min(anchor.day, last))
