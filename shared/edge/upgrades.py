"""Upgrades from free tools: what a paid checkout does to the free subscription whose place it takes (R37)."""

from __future__ import annotations

from shared.domain import upgrade
from shared.domain.changes import Changes
from shared.domain.checkout import Checkout, CheckoutStatus
from shared.domain.periods import local_day
from shared.domain.user import User
from shared.edge import clock
from shared.edge.telemetry import record
from shared.store import queries, table

_MOST_STEPS = 200
"""Of 25 users each; whoever is left after these moves with the next sweep."""


def begun(opened: Checkout, done: Changes) -> Changes:
    """A checkout that is completed, and all that it takes from the free subscription in the same transaction."""
    assert opened.replaces
    free = queries.book(opened.account_id, opened.replaces)
    now = clock.now()
    on = local_day(now, free.subscription.zone)
    users = queries.seated_users(opened.account_id, opened.replaces)
    return upgrade.carried_out(opened, done, free, users, queries.catalog(), on, now)


def go_on(account_id: str, checkout_id: str) -> None:
    """Move the users whom that transaction did not hold; whoever comes twice or late finds the rest of them."""
    for attempt in range(_MOST_STEPS):
        opened = queries.checkout(account_id, checkout_id)
        if opened.status is not CheckoutStatus.COMPLETE or opened.due_at is None or opened.due_at > clock.now():
            return
        try:
            changes = _next(opened, queries.seated_users(account_id, str(opened.replaces)))
            table.commit(changes, clock.now())
        except table.Stale:
            clock.pause(min(attempt, 3))
        else:
            record(changes.events)


def _next(opened: Checkout, users: list[User]) -> Changes:
    ids = [str(opened.replaces), *(each.id for each in opened.subscriptions)]
    ended, *started = [queries.book(opened.account_id, each) for each in ids]
    return upgrade.go_on(opened, ended.subscription, users, tuple(started), queries.catalog(), clock.now())
