"""What the daily counts lead to: the day on which the tier will be exceeded, and what that will cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from shared.domain import tiers
from shared.domain.catalog import Price
from shared.domain.money import Money
from shared.domain.recount import DailyCount
from shared.domain.tiers import Tier

LONGEST_VIEW = 366
"""A forecast for a day farther off says nothing."""
LOOKED_AT = 30
"""So many days back the growth is taken from."""


class Forecast(NamedTuple):
    """When the tier will be exceeded if it goes on like this, and what it will cost."""

    on: date
    tier: int | None = None  # what it will be then; None where no larger one is sold
    first: Money | None = None  # what is charged on the day after, for the rest of the period
    more: Money | None = None  # what that costs more, for each billing period


class Growth(NamedTuple):
    """By how many contacts the count has grown within so many days, up to the ``last`` one."""

    last: DailyCount
    contacts: int
    days: int

    def on(self, day: date) -> int:
        """How many there will be on a day."""
        return self.last.marketing + (day - self.last.day).days * self.contacts // self.days


def growth(series: Sequence[DailyCount]) -> Growth | None:
    """The growth of the last 30 days; ``None`` if there is none."""
    if not series:
        return None
    last = series[-1]
    first = next(count for count in series if (last.day - count.day).days <= LOOKED_AT)
    grown = Growth(last, last.marketing - first.marketing, (last.day - first.day).days)
    return grown if grown.contacts > 0 else None


def exceeds_on(grown: Growth | None, limit: int) -> date | None:
    """The day on which there will be one contact more than ``limit``, by the average growth."""
    if grown is None or grown.last.marketing > limit:
        return None
    ahead = (limit - grown.last.marketing) * grown.days // grown.contacts + 1
    return grown.last.day + timedelta(days=ahead) if ahead <= LONGEST_VIEW else None


def forecast(
    series: Sequence[DailyCount], tier: Tier, price: Price | None, maximum: int | None = None
) -> Forecast | None:
    """When the tier will be exceeded, and what the one costs that will hold the contacts then.

    It is the lower one that was asked for, where they will fit it when it
    begins. There is no day where the subscription is over by then, nor where a
    ``maximum`` of the customer's own is no more than the tier (F12).
    """
    grown, lower, reduction = growth(series), tiers.lowered(tier), tier.subscription.tier_reduction
    on = exceeds_on(grown, tier.limit)
    if lower and reduction:
        exceeded = exceeds_on(grown, lower.limit)
        if exceeded and exceeded > reduction.effective_on:
            on, tier = exceeded, lower
    ends_on = tier.subscription.ends_on
    if grown is None or on is None or (ends_on and on >= ends_on) or _kept_below(maximum, tier):
        return None
    count = grown.on(on)
    larger = tiers.next_tier(tier, price, count if maximum is None else min(count, maximum))
    if larger is None:
        return Forecast(on)
    return Forecast(on, larger.contacts, tiers.charged_first(tier, larger, on), tiers.costs_more(tier, larger))


def _kept_below(maximum: int | None, tier: Tier) -> bool:
    return maximum is not None and maximum <= tier.limit
