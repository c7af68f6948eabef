"""From free tools to something paid: the free seats go at once, their users move as far as there are seats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple

from shared.domain import cancellation, removal, seats
from shared.domain.catalog import Catalog, Kind
from shared.domain.changes import Changes, Event
from shared.domain.checkout import Checkout, Offer
from shared.domain.errors import Conflict, Invalid
from shared.domain.subscription import Book, PendingRemoval, Status, Subscription
from shared.domain.user import HeldSeat, User

MOST_MOVED = 25
"""So many users move in one transaction, with all else that an upgrade may write; the others in the ones after it."""
MOST_NAMED = 1000
"""So many of those who lose a seat are named in its event, which tells how many they are."""


class _Plan(NamedTuple):
    """A plan of a subscription."""

    product: str
    free: bool
    subscription_id: str


class Moved(NamedTuple):
    """The free subscription and the new ones with who sits there then, the users, and who loses a seat (R37)."""

    free: Subscription
    started: tuple[Subscription, ...]
    users: tuple[User, ...]
    losing: tuple[str, ...]

    def events(self, before: Iterable[User]) -> Iterable[Event]:
        """Who left the free seats, and who sits where now."""
        left = {user.id: user for user in before}
        seats_left = [(self.free.id, held.type, id_) for id_, user in left.items() for held in user.seats]
        here = {subscription.id for subscription in self.started}
        found = {
            "seats.unassigned": [each for each in seats_left if each[0] == self.free.id],
            "seats.assigned": [
                (held.subscription_id, held.type, user.id)
                for user in self.users
                for held in user.seats
                if held.subscription_id in here and held not in left[user.id].seats
            ],
        }
        for name, moves in found.items():
            for place in dict.fromkeys((subscription, kind) for subscription, kind, _ in moves):
                users = [user for *there, user in moves if tuple(there) == place]
                data = {"subscription": place[0], "seat_type": place[1], "users": users}
                yield Event(self.free.account_id, name, data)


def replaced(made: Offer, alive: Iterable[Subscription], wanted: str | None) -> str | None:
    """The free subscription whose place a checkout takes: the one ``wanted``, or that of a product it buys a plan of.

    Free tools stand alone in their product (F3, F6): they are neither bought
    twice nor beside another plan of it, nor in one checkout with what is paid.
    """
    alive = list(alive)
    new, there = _plans(made.checkout.subscriptions), _plans(alive)
    for plan in new:
        if plan.free and any(other.product == plan.product for other in (*there, *new) if other is not plan):
            sentence = f"There is a plan of {plan.product} already: its free tools are not had beside it."
            raise Conflict(sentence, code="already_subscribed")
    if made.invoice and any(plan.free for plan in new):
        sentence = "Free tools are had by themselves: please buy the rest in a checkout of its own."
        raise Conflict(sentence, code="free_alone")
    found = {*_beside(made.checkout.subscriptions, alive), wanted} - {None}
    if len(found) > 1:
        raise Conflict("Please upgrade one free subscription after another.", code="too_much_at_once")
    return next(iter(found), None)


def caught_up(opened: Checkout, alive: Iterable[Subscription]) -> Checkout:
    """A checkout that is being paid, which takes the place of free tools that were bought while it was open too.

    Of those of several products it takes the first: they are upgraded one after another.
    """
    alive = list(alive)
    if opened.replaces in {each.id for each in alive}:
        return opened
    return replace(opened, replaces=next(iter(_beside(_started(opened), alive)), opened.replaces))


def _started(checkout: Checkout) -> list[Subscription]:
    return [each for each in checkout.subscriptions if each.status is not Status.SCHEDULED]


def _beside(bought: Iterable[Subscription], alive: Iterable[Subscription]) -> list[str]:
    """The free subscriptions of the products of which a paid plan is bought."""
    paid = {plan.product for plan in _plans(bought) if not plan.free}
    free = (each for each in alive if not each.fee.amount)
    return [plan.subscription_id for plan in _plans(free) if plan.free and plan.product in paid]


def check(free: Book, made: Offer) -> None:
    """Refuse what is no upgrade from free tools to something that is paid and starts today."""
    if not free.subscription.alive or free.subscription.fee.amount:
        raise Conflict("Only a free subscription that runs can be replaced.", code="not_free")
    if made.invoice is None or any(each.status is Status.SCHEDULED for each in made.checkout.subscriptions):
        raise Invalid("An upgrade from free tools is paid and starts today.", code="invalid_start")
    if free.removals:
        raise Conflict("A removal of free seats is scheduled. Please cancel it first.", code="removal_pending")


def moved(free: Subscription, users: Iterable[User], started: tuple[Subscription, ...], catalog: Catalog) -> Moved:
    """Give who sat on free seats those that were bought, as far as they go: the active first, by their ids (R37)."""
    after, losing = [], []
    for user in in_order(users):
        for held in [held for held in user.seats if held.subscription_id == free.id]:
            user = user.taken(held.type)  # noqa: PLW2901 - seat by seat
            free = free.with_assigned(held.type, free.assigned_of(held.type) - 1)
            there = next((i for i, each in enumerate(started) if _has_room(each, held, catalog)), None)
            if there is None:
                losing.append(user.id)
                continue
            room = started[there]
            grown = room.with_assigned(held.type, room.assigned_of(held.type) + 1)
            started = (*started[:there], grown, *started[there + 1 :])
            user = user.given(held.type, room.id)  # noqa: PLW2901
        after.append(user)
    return Moved(free, started, tuple(after), tuple(dict.fromkeys(losing)))


def in_order(users: Iterable[User]) -> list[User]:
    """Who is served first where there are fewer seats than users."""
    return sorted(users, key=lambda each: (not each.active, each.id))


def carried_out(
    checkout: Checkout,
    completed: Changes,
    free: Book,
    users: Iterable[User],
    catalog: Catalog,
    on: date,
    now: datetime,
) -> Changes:
    """A completed checkout that takes the place of a free subscription; nothing more if that is none any more.

    What waited for the free one is dropped. Users whom one transaction does
    not hold move in those after it (``go_on``), for which the checkout is due.
    """
    if not free.subscription.alive or free.subscription.fee.amount:
        return completed
    begun = tuple(Book(entity) for entity in completed.put if isinstance(entity, Subscription))
    others = tuple(entity for entity in completed.put if not isinstance(entity, (Checkout, Subscription)))
    [done] = (entity for entity in completed.put if isinstance(entity, Checkout))
    ended = cancellation.canceled(free.subscription, on)
    losing = moved(ended, users, tuple(book.subscription for book in begun), catalog).losing
    told = {"subscription": ended.id, "checkout": checkout.id, "lost": len(losing)}
    event = Event(ended.account_id, "subscription.upgraded", {**told, "lost_seats": list(losing[:MOST_NAMED])})
    step = go_on(done, ended, users, begun, catalog, now)
    waited = Changes(delete=(*free.pending, *free.removals), events=(*completed.events, event))
    return replace(completed, put=others, events=()) + waited + step


def go_on(
    checkout: Checkout,
    ended: Subscription,
    users: Iterable[User],
    started: tuple[Book, ...],
    catalog: Catalog,
    now: datetime,
) -> Changes:
    """Move the next users of a free subscription whose place a checkout has taken; the last step ends it.

    A removal that was asked for meanwhile is cancelled where its seats are needed (R34).
    """
    waiting = in_order(users)
    these = waiting[:MOST_MOVED]
    before = tuple(book.subscription for book in started)
    done = moved(ended, these, before, catalog)
    rest = replace(checkout, retry_at=now if waiting[MOST_MOVED:] else None, failures=0, error=None)
    changed = tuple(each for each in done.started if not each.version or each not in before)
    there = zip(done.started, started, strict=True)
    gone = tuple(each for after, book in there for each in book.removals if _needed(after, each))
    events = (*done.events(these), *(removal.canceled(each, "assigned") for each in gone))
    return Changes(put=(rest, *changed, done.free, *done.users), delete=gone, events=events)


def _needed(subscription: Subscription, waiting: PendingRemoval) -> bool:
    return waiting.quantity > seats.of_type(subscription, waiting.seat_type).available


def _plans(subscriptions: Iterable[Subscription]) -> list[_Plan]:
    return [
        _Plan(item.product, not item.unit.amount, subscription.id)
        for subscription in subscriptions
        for item in subscription.items
        if item.kind is Kind.PLAN
    ]


def _has_room(there: Subscription, held: HeldSeat, catalog: Catalog) -> bool:
    if there.status not in seats.RUNNING:
        return False
    unlimited = catalog.seat_type(held.type).unlimited
    return unlimited or seats.of_type(there, held.type).available > 0
