"""Editions: beside a plan, what is sold of its own edition is bought, and of no other."""

from __future__ import annotations

from collections.abc import Iterable

from shared.domain.catalog import Kind
from shared.domain.errors import Conflict
from shared.domain.subscription import Subscription, SubscriptionItem


def check(bought: Iterable[Subscription], alive: Iterable[Subscription]) -> None:
    """Refuse seats (R14) and contacts (R55) of another edition than the plan that is there or bought with them.

    Each edition has a rate of its own. Beside no plan any may be bought.
    """
    bought = tuple(bought)
    plans = [item for each in (*bought, *alive) for item in each.items if item.kind is Kind.PLAN]
    for item in (item for each in bought for item in each.items if item.edition):
        editions = {plan.edition for plan in plans if _is_sold_beside(item, plan)}
        if editions and item.edition not in editions:
            sentence = f"{item.price} is the rate of the {item.edition} plan, which you neither have nor buy here."
            raise Conflict(f"{sentence} Please choose what is sold beside your own plan.", code="other_edition")


def _is_sold_beside(item: SubscriptionItem, plan: SubscriptionItem) -> bool:
    """Seats beside a plan of their product; contacts beside any paid one that includes some."""
    if item.kind is Kind.SEAT:
        return item.product == plan.product
    return item.kind is Kind.CONTACTS and bool(plan.contacts and plan.unit.amount)
