"""What callers get to see of contacts and tiers as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from shared.domain import tiers
from shared.domain import usage as forecasts
from shared.domain.catalog import Price
from shared.domain.contacts import Contact
from shared.domain.counting import LiveCount
from shared.domain.recount import DailyCount
from shared.domain.subscription import TierReduction
from shared.domain.tiers import Tier
from shared.edge.contacts import Done, Situation
from shared.edge.views import money

if TYPE_CHECKING:
    from shared.edge import answers


def contact(it: Contact, day: date, notice: str | None = None) -> answers.Contact:
    """A contact as it is on a day."""
    leaves_on = it.leaves_on(day)
    return {
        "id": it.id,
        "marketing": it.counts_on(day),
        "until_next_update": str(leaves_on) if leaves_on else None,
        "notice": notice,
    }


def contacts_set(done: Done, live: LiveCount) -> answers.ContactsSet:
    """What became of many contacts, and how many there are now."""
    return {
        "changed": done.changed,
        "marketing": live.marketing,
        "total": live.total,
        "held_back": list(done.held_back),
        "next_update_on": str(done.situation.today.next_update),
        "notice": done.notice,
    }


def usage(known: Situation, price: Price | None, live: LiveCount, series: Sequence[DailyCount]) -> answers.Usage:
    """R42 to R44, R52: what is counted, against what, and what it leads to."""
    tier = known.tier
    limit = tier.limit if tier else None
    asked = [reduction(known, each, lower, live) for each, lower in tiers.to_be_lowered(known.subscriptions)]
    return {
        "daily": _counted(series[-1]) if series else None,
        "live": {"marketing": live.marketing, "total": live.total},
        "tier": limit,
        "percent": live.marketing * 100 // limit if limit else None,
        "send_limit": tier.sends if tier else None,
        "maximum": known.summary.maximum,
        "next_update_on": str(known.today.next_update),
        "renews_on": str(tier.subscription.current_term.end) if tier else None,
        "reduction": asked[0] if asked else None,
        "forecast": _forecast(known, tier, price, series) if tier and known.account.marketing_contacts else None,
        "series": [_counted(each) for each in series],
    }


def reduction(known: Situation, tier: Tier, it: TierReduction, live: LiveCount) -> answers.Reduction:
    """R30: "Current subscription" and "After update", for contacts."""
    ask_until = tiers.business_days_before(it.effective_on, known.seller.tier_notice_days)
    return {
        "subscription": tier.subscription.id,
        "effective_on": str(it.effective_on),
        "current_tier": tier.limit,
        "current_cost": money(tier.item.fee),
        "tier_after": it.item.contacts,
        "cost_after": money(it.item.fee),
        "ask_until": str(ask_until),
        "fits_today": live.marketing <= max(it.item.contacts, tiers.beside(known.subscriptions, tier.subscription)),
    }


def _counted(it: DailyCount) -> answers.Counted:
    return {"on": str(it.day), "marketing": it.marketing, "total": it.total, "peak": it.peak}


def _forecast(
    known: Situation, tier: Tier, price: Price | None, series: Sequence[DailyCount]
) -> answers.Forecast | None:
    found = forecasts.forecast(series, tier, price, known.summary.maximum)
    if found is None:
        return None
    return {
        "exceeded_on": str(found.on),
        "tier": found.tier,
        "charge": money(found.first) if found.first else None,
        "costs_more": money(found.more) if found.more else None,
    }
