"""Counting an account's contacts: how far a count got, and how much of what it found is certain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

WRITTEN_WITHIN = timedelta(seconds=30)
"""A request that has counted a contact has written it by then, or never will: no request may run for longer."""
MOST_AGAIN = 3
"""So often it is counted again, before what is in doubt is left to the next day."""


class ShardCount(NamedTuple):
    """How far a part of an account's contacts is counted; ``after`` is where it goes on, empty at the beginning."""

    marketing: int = 0
    total: int = 0
    after: str = ""
    done: bool = False


@dataclass(frozen=True, slots=True)
class LiveCount:
    """An account's contacts as they are now: the daily count and what has changed since.

    A request counts first and writes then. So it may be off by one that broke
    off in between; the next count puts it right.
    ``peak`` is the most since the last one. ``gained`` and ``made`` only ever
    grow: how many contacts became marketing contacts, and how many came to be.
    """

    account_id: str
    marketing: int = 0
    total: int = 0
    peak: int = 0
    gained: int = 0
    made: int = 0


class Tally(NamedTuple):
    """What a count found for a day.

    At least ``certain`` were marketing contacts when it began. The live count
    is off by ``marketing_off`` and ``total_off``, as far as the count can tell
    (``is_off``): by requests that broke off, or are under way.
    """

    day: date
    marketing: int
    total: int
    certain: int
    peak: int
    marketing_off: int = 0
    total_off: int = 0

    @property
    def is_off(self) -> bool:
        """Whether the live count says something else, and what changed meanwhile does not explain it."""
        return bool(self.marketing_off or self.total_off)

    def in_doubt(self, limits: Iterable[int]) -> bool:
        """Whether one of these is exceeded by what was found, but not by what is certain."""
        return any(self.certain <= limit < self.marketing for limit in limits)


@dataclass(frozen=True, slots=True)
class Counting:
    """A count under way of the contacts as they are on ``day``; ``before`` is the live count when it began.

    The first count may miss what was written a moment ago, see what was deleted
    then, and pass nine contacts that ``before`` has counted already and that are
    about to be written. So what would cost money is counted ``again``, and what
    the live count does not say once more: by reads that see everything, after
    whatever was under way at ``before`` is over (``waited``).
    """

    day: date
    before: LiveCount
    parts: tuple[ShardCount, ...]
    again: int = 0
    waited: bool = False

    @property
    def done(self) -> bool:
        """Whether every part is counted."""
        return all(part.done for part in self.parts)

    @property
    def consistent(self) -> bool:
        """Whether its reads see everything that is written."""
        return self.waited

    def tally(self, after: LiveCount) -> Tally:
        """What was found, with the live count as it is now that all is counted.

        A contact that was deleted behind the count and one that was set in front
        of it are both in it, though there never were both. But whoever became a
        marketing contact meanwhile stands in ``gained`` before being one: so
        without those, what was found was there when the count began. Where
        nothing changed, that is all of it.
        """
        before = self.before
        marketing, total = sum(part.marketing for part in self.parts), sum(part.total for part in self.parts)
        gained, made = after.gained - before.gained, after.made - before.made
        lost, gone = before.marketing + gained - after.marketing, before.total + made - after.total
        return Tally(
            day=self.day,
            marketing=marketing,
            total=total,
            certain=marketing - gained,
            peak=max(after.peak, marketing),
            marketing_off=_beyond(marketing - before.marketing, -lost, gained),
            total_off=_beyond(total - before.total, -gone, made),
        )


def _beyond(difference: int, least: int, most: int) -> int:
    """By how much a difference is more than what changed meanwhile explains.

    >>> [_beyond(n, -2, 3) for n in (-5, -2, 0, 3, 4)]
    [-3, 0, 0, 0, 1]

    Where less than nothing was lost, somebody else has put it right meanwhile.
    """
    if least > 0:
        return 0
    return difference - min(max(difference, least), most)
