"""Removing additional seats: asked for at any time, done at the start of the next commitment term."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import NamedTuple

from shared.domain import seats, tiers
from shared.domain.catalog import Catalog, Kind
from shared.domain.changes import Changes, Event
from shared.domain.errors import Conflict, Invalid, NotFound
from shared.domain.money import Money
from shared.domain.quote import Quote
from shared.domain.seats import Seats
from shared.domain.subscription import (
    Book,
    LeavesFirst,
    PendingRemoval,
    Subscription,
    SubscriptionItem,
)


class Removal(NamedTuple):
    """What removing seats comes to: the subscription now and after the update (R30)."""

    pending: PendingRemoval
    now: Seats
    then: Seats
    cost_now: Money
    cost_then: Money  # with all that waits for the same day
    leaving: tuple[SubscriptionItem, ...]  # the lots, in the order in which they leave (D4)


def schedule(
    book: Book, seat_type: str, quantity: int, leaves_first: LeavesFirst, on: date
) -> tuple[Removal, Changes]:
    """Ask for seats to be removed at the start of the next commitment term (R28, R29, D1).

    Only seats that were bought beside the included ones (R16), that nobody sits
    on (R26, R27), and not below what the price demands (F2). One request for
    each seat type: to change its number it is cancelled and made anew (R33).
    """
    subscription = book.subscription
    seats.check_running(subscription)
    seats.in_period(subscription, on)
    if any(each.seat_type == seat_type for each in book.removals):
        sentence = f"A removal of {seat_type} seats is scheduled already. Cancel it to schedule another."
        raise Conflict(sentence, code="removal_pending")
    pending = PendingRemoval(
        account_id=subscription.account_id,
        subscription_id=subscription.id,
        seat_type=seat_type,
        quantity=quantity,
        effective_on=subscription.current_term.end,
        leaves_first=leaves_first,
    )
    _check(book, pending)
    after = book._replace(removals=(*book.removals, pending))
    event = Event(subscription.account_id, "seats.removal_scheduled", _told(pending))
    return effect(after, pending), Changes(put=(subscription, pending), events=(event,))


def check_self_service(subscription: Subscription, catalog: Catalog, quotes: list[Quote], on: date) -> None:
    """Refuse what the seller's staff must do: for a legacy subscription, and while a quote is ahead (R35)."""
    if any(catalog.is_legacy(item.product) for item in subscription.items):
        sentence = "This is a legacy subscription. Please ask your seller to remove seats."
        raise Conflict(sentence, code="legacy_subscription")
    ahead = next((quote for quote in quotes if quote.dated > on), None)
    if ahead:
        sentence = f"Quote {ahead.id} of {ahead.dated} is open. Please ask your seller to remove seats."
        raise Conflict(sentence, code="quote_open")


def _check(book: Book, wanted: PendingRemoval) -> None:
    """Refuse what cannot be removed, and say why."""
    subscription = book.subscription
    here = seats.of_type(subscription, wanted.seat_type)
    if wanted.quantity < 1:
        raise Invalid("The number of seats to remove must be at least 1.", code="invalid_quantity")
    if not here.total:
        sentence = f"This subscription has no seats of type {wanted.seat_type[:80]!r}."
        raise NotFound(sentence, code="unknown_seat_type")
    if not _has_a_next_term(subscription):
        sentence = f"This subscription ends on {subscription.ends_on}; there is no further term to have fewer seats."
        raise Conflict(sentence, code="no_next_term")
    fewest = minimum(book, wanted.seat_type)
    if here.total - wanted.quantity < fewest:
        sentence = f"Of {here.total} {here.type} seats {fewest} must stay; {here.total - fewest} can be removed."
        raise Conflict(sentence, code="below_minimum")
    if wanted.quantity > here.available:
        sentence = f"{here.available} of {here.total} {here.type} seats are unassigned. Please unassign more first."
        raise Conflict(sentence, code="seats_assigned")


def minimum(book: Book, seat_type: str) -> int:
    """The fewest seats of a type that can be kept (F2): the included ones, what a price demands, one at all.

    Without the last seat of a subscription nothing would be left: that is
    cancelling. What is to be removed of other types counts as gone. A price
    that demands more seats than there are keeps those.
    """
    here, lots = seats.of_type(book.subscription, seat_type), seats.lots(book.subscription, seat_type)
    others = applied(book.subscription, tuple(each for each in book.removals if each.seat_type != seat_type))
    alone = all(item in lots for item in others.items)
    return min(here.total, here.included + max(1 if alone else 0, *(lot.minimum for lot in lots), 0))


def idle(book: Book, seat_type: str) -> int:
    """How many paid seats nobody sits on that could be removed, by staff at least, and are not going to be (R22)."""
    subscription, waits = book.subscription, waiting(book, seat_type)
    if subscription.status not in seats.RUNNING or not _has_a_next_term(subscription):
        return 0
    here = seats.of_type(subscription, seat_type)
    paid = sum(lot.quantity for lot in seats.lots(subscription, seat_type) if lot.unit.amount)
    free = min(here.available, here.total - minimum(book, seat_type)) - (waits.quantity if waits else 0)
    return max(0, min(paid, free))


def _has_a_next_term(subscription: Subscription) -> bool:
    """Whether there is a further term to have fewer seats."""
    return subscription.ends_on is None or subscription.current_term.end < subscription.ends_on


def effect(book: Book, pending: PendingRemoval) -> Removal:
    """What a removal that waits comes to, as things stand: it is shown before, after, and until it happens."""
    subscription = book.subscription
    together = tuple(each for each in book.removals if each.effective_on <= pending.effective_on)
    left, leaving = _without(subscription.items, pending)
    return Removal(
        pending=pending,
        now=seats.of_type(subscription, pending.seat_type),
        then=seats.of_type(replace(subscription, items=left), pending.seat_type),
        cost_now=subscription.fee,
        cost_then=_renewed(subscription, together, pending).fee,
        leaving=leaving,
    )


def cancel(book: Book, seat_type: str, on: date) -> tuple[Removal, Changes]:
    """Withdraw the request (R32)."""
    pending = waiting(book, seat_type)
    if pending is None:
        raise NotFound(f"No removal of {seat_type[:80]!r} seats is scheduled.", code="no_removal_pending")
    check_ahead(pending, on)
    changes = Changes(put=(book.subscription,), delete=(pending,), events=(canceled(pending, "asked"),))
    others = tuple(each for each in book.removals if each != pending)
    here, cost = seats.of_type(book.subscription, seat_type), book.subscription.fee
    return Removal(pending, here, here, cost, _renewed(book.subscription, others, pending).fee, ()), changes


def waiting(book: Book, seat_type: str) -> PendingRemoval | None:
    """The removal of a seat type that waits for the next term."""
    return next((each for each in book.removals if each.seat_type == seat_type), None)


def check_ahead(pending: PendingRemoval, on: date) -> None:
    """Refuse to keep what is to be gone already (R34): its renewal is held up, and does it once it is not."""
    if pending.effective_on <= on:
        raise seats.catching_up()


def canceled(pending: PendingRemoval, cause: str) -> Event:
    """That a removal is cancelled: somebody ``asked``, or one of its seats was ``assigned`` (R34, D2)."""
    return Event(pending.account_id, "seats.removal_canceled", {**_told(pending), "cause": cause})


def applied(subscription: Subscription, due: tuple[PendingRemoval, ...]) -> Subscription:
    """The subscription with fewer seats: at the start of a term."""
    for pending in due:
        items, _ = _without(subscription.items, pending)
        subscription = replace(subscription, items=items)
        here = seats.of_type(subscription, pending.seat_type)
        assert here.available >= 0, f"{subscription.id}: {here} would be assigned"
    return subscription


def _renewed(subscription: Subscription, together: tuple[PendingRemoval, ...], like: PendingRemoval) -> Subscription:
    """The subscription at the start of the term for which these wait, with the lower tier that waits for it too."""
    return tiers.reduced(applied(subscription, together), like.effective_on)[0]


def removed(subscription: Subscription, pending: PendingRemoval) -> Event:
    """That seats are gone."""
    total = seats.of_type(subscription, pending.seat_type).total
    return Event(pending.account_id, "seats.removed", {**_told(pending), "total": total})


def _without(
    items: tuple[SubscriptionItem, ...], pending: PendingRemoval
) -> tuple[tuple[SubscriptionItem, ...], tuple[SubscriptionItem, ...]]:
    """What is left of the items, and what leaves them: price by price, the newest or the oldest first (D4)."""
    newest = pending.leaves_first is LeavesFirst.NEWEST
    left, leaving, more = list(items), [], pending.quantity
    for i in reversed(range(len(items))) if newest else range(len(items)):
        lot = items[i]
        if lot.kind is Kind.SEAT and lot.seat_type == pending.seat_type and more:
            gone = min(more, lot.quantity)
            left[i] = replace(lot, quantity=lot.quantity - gone)
            leaving.append(replace(lot, quantity=gone))
            more -= gone
    return tuple(item for item in left if item.quantity), tuple(leaving)


def _told(pending: PendingRemoval) -> dict[str, str | int]:
    return {
        "subscription": pending.subscription_id,
        "seat_type": pending.seat_type,
        "quantity": pending.quantity,
        "effective_on": str(pending.effective_on),
    }
