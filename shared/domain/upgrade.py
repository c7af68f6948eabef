"""From free tools to something paid: the free seats go at once, their users move as far as there are seats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from shared.domain import cancellation, seats
from shared.domain.catalog import Catalog
from shared.domain.changes import Changes, Event
from shared.domain.checkout import Checkout, Offer
from shared.domain.errors import Conflict, Invalid
from shared.domain.seating import MOST_USERS
from shared.domain.subscription import Book, Status, Subscription
from shared.domain.user import HeldSeat, User


class Upgrade(NamedTuple):
    """The new subscriptions with who sits there now, the users as they are then, and who loses a seat (R37)."""

    started: tuple[Subscription, ...]
    users: tuple[User, ...]
    losing: tuple[str, ...]


def check(free: Book, made: Offer, users: list[User]) -> None:
    """Refuse what is no upgrade from free tools to something that is paid and starts today."""
    if not free.subscription.alive or free.subscription.fee.amount:
        raise Conflict("Only a free subscription that runs can be replaced.", code="not_free")
    if made.invoice is None or any(each.status is Status.SCHEDULED for each in made.checkout.subscriptions):
        raise Invalid("An upgrade is paid and starts today.", code="invalid_start")
    if free.removals:
        raise Conflict("A removal of free seats is scheduled. Please cancel it first.", code="removal_pending")
    if len(users) > MOST_USERS:
        sentence = f"More than {MOST_USERS} users sit on free seats. Please take some of them first."
        raise Conflict(sentence, code="too_much_at_once")


def moved(free: Subscription, users: Iterable[User], started: tuple[Subscription, ...], catalog: Catalog) -> Upgrade:
    """Give who sat on free seats the seats that were bought, in the order of their ids, as far as they go (R37)."""
    after, losing = [], []
    for user in sorted(users, key=lambda each: each.id):
        for held in [held for held in user.seats if held.subscription_id == free.id]:
            user = user.taken(held.type)  # noqa: PLW2901 - seat by seat
            there = next((i for i, each in enumerate(started) if _has_room(each, held, catalog)), None)
            if there is None:
                losing.append(user.id)
                continue
            room = started[there]
            grown = room.with_assigned(held.type, room.assigned_of(held.type) + 1)
            started = (*started[:there], grown, *started[there + 1 :])
            user = user.given(held.type, room.id)  # noqa: PLW2901
        after.append(user)
    return Upgrade(started, tuple(after), tuple(dict.fromkeys(losing)))


def carried_out(
    checkout: Checkout, completed: Changes, free: Book, users: list[User], catalog: Catalog, on: date
) -> Changes:
    """A completed checkout that takes the place of a free subscription; nothing more if that has ended meanwhile."""
    if not free.subscription.alive:
        return completed
    begun = tuple(entity for entity in completed.put if isinstance(entity, Subscription))
    done = moved(free.subscription, users[:MOST_USERS], begun, catalog)
    others = tuple(entity for entity in completed.put if not isinstance(entity, Subscription))
    ended = replace(cancellation.canceled(free.subscription, on), assigned=())
    data = {"subscription": ended.id, "checkout": checkout.id, "lost_seats": list(done.losing)}
    event = Event(ended.account_id, "subscription.upgraded", data)
    put = (*others, *done.started, ended, *done.users)
    return replace(completed, put=put, events=(*completed.events, event))


def _has_room(there: Subscription, held: HeldSeat, catalog: Catalog) -> bool:
    unlimited = catalog.seat_type(held.type).unlimited
    return unlimited or seats.of_type(there, held.type).available > 0
