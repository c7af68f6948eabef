"""What the daily counts lead to: the day on which the tier will be exceeded, and what that will cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from shared.domain import tiers
from shared.domain.money import Money
from shared.domain.recount import DailyCount
from shared.domain.subscription import SubscriptionItem
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


def exceeds_on(series: Sequence[DailyCount], limit: int) -> date | None:
    """The day on which there will be one contact more than ``limit``, by the average growth of the last 30 days."""
    if not series:
        return None
    last = series[-1]
    first = next(count for count in series if (last.day - count.day).days <= LOOKED_AT)
    days, growth = (last.day - first.day).days, last.marketing - first.marketing
    if growth <= 0 or last.marketing > limit:
        return None
    ahead = (limit - last.marketing) * days // growth + 1
    return last.day + timedelta(days=ahead) if ahead <= LONGEST_VIEW else None


def forecast(series: Sequence[DailyCount], tier: Tier, larger: SubscriptionItem | None) -> Forecast | None:
    """When the tier will be exceeded, and what the ``larger`` one after it will cost."""
    on = exceeds_on(series, tier.limit)
    if on is None or larger is None:
        return Forecast(on) if on else None
    return Forecast(on, larger.contacts, tiers.charged_first(tier, larger, on), tiers.costs_more(tier, larger))
