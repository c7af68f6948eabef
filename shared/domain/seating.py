"""Who sits on which seat: giving and taking seats, and buying those that are missing in the same step."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from shared.domain import removal, seats
from shared.domain.catalog import Catalog
from shared.domain.changes import Changes, Event
from shared.domain.errors import Conflict, Invalid, NotFound
from shared.domain.money import Money, total
from shared.domain.seats import Purchase, Seats
from shared.domain.subscription import Book, PendingRemoval
from shared.domain.user import User

MOST_USERS = 40

Users = dict[str, User]


class Moves(NamedTuple):
    """Whom to give a seat of a type, and whom to take it from (R21)."""

    seat_type: str
    assign: tuple[str, ...] = ()
    unassign: tuple[str, ...] = ()


class Seating(NamedTuple):
    """What moving users comes to: shown before, and done after, in the same words."""

    subscription_id: str
    seats: Seats
    assigned: tuple[str, ...]  # who did not sit there before
    unassigned: tuple[str, ...]
    purchase: Purchase | None  # of the seats that were missing
    canceled: PendingRemoval | None  # one of its seats is needed again

    def events(self, account_id: str) -> Iterable[Event]:
        """What happened, the users in one event each way."""
        here = {"subscription": self.subscription_id, "seat_type": self.seats.type}
        if self.canceled:
            yield removal.canceled(self.canceled, "assigned")
        for name, users in (("seats.unassigned", self.unassigned), ("seats.assigned", self.assigned)):
            if users:
                yield Event(account_id, name, {**here, "users": list(users)})


class Moved(NamedTuple):
    """The users after moving them on one subscription, what it comes to, and what changes but the users."""

    users: Users
    seatings: tuple[Seating, ...]
    changes: Changes


def move(
    book: Book,
    users: Users,
    moves: Iterable[Moves],
    catalog: Catalog,
    on: date,
    now: datetime,
    *,
    at_once: bool = False,
) -> Moved:
    """Give and take seats of one subscription; as many are bought as are missing (R17, R19, R21).

    A seat that is taken stays, unassigned and paid for (R22, R23).
    """
    after, seatings, account_id = book, [], book.subscription.account_id
    changes = Changes()
    for each in moves:
        after, users, seating = _seat(after, users, each, catalog, on)
        if seating.purchase:
            changes += Changes(events=(seating.purchase.event(book.subscription),))
        changes += Changes(events=tuple(seating.events(account_id)))
        seatings.append(seating)
    changes = seats.settle(book, after, on, now, at_once=at_once) + changes
    told = (each._replace(purchase=each.purchase and _together(each.purchase, after, changes)) for each in seatings)
    return Moved(users, tuple(told), changes)


def _together(purchase: Purchase, after: Book, changes: Changes) -> Purchase:
    """A purchase with all that is decided: seats of two types that are bought in one step cost what both cost."""
    return seats.dated(purchase, changes)._replace(cost=after.subscription.fee)


def charged(seatings: Iterable[Seating], may_buy: int) -> Money | None:
    """What the missing seats are charged, if any; more of them than may be bought are refused, with their price."""
    missing = [each.purchase for each in seatings if each.purchase]
    if not missing:
        return None
    charge = total((each.charge for each in missing), missing[0].charge.currency)
    if sum(each.quantity for each in missing) > may_buy:
        wanted = " and ".join(seats.so_many(each.quantity, f"more {each.seats.type}") for each in missing)
        sentence = (
            f"No seat is free: it takes {wanted}, for {charge} until {missing[0].period.end}. Say how many to buy."
        )
        raise Conflict(sentence, code="no_free_seat")
    return charge


def changed(before: Users, after: Users) -> Changes:
    """The users who sit elsewhere now."""
    return Changes(put=tuple(user for id_, user in sorted(after.items()) if user != before.get(id_)))


def _seat(book: Book, users: Users, moves: Moves, catalog: Catalog, on: date) -> tuple[Book, Users, Seating]:
    """Move users on the seats of one type; the book and the users as they are then."""
    subscription, seat_type = book.subscription, moves.seat_type
    unlimited = catalog.seat_type(seat_type).unlimited
    here = seats.of_type(subscription, seat_type, unlimited=unlimited)
    if not (here.total or here.assigned or unlimited or moves.assign):  # the first of them may be bought
        raise NotFound(f"This subscription has no seats of type {seat_type[:80]!r}.", code="unknown_seat_type")
    joining, leaving = _joining(users, moves, subscription.id), _leaving(users, moves, subscription.id)
    if joining:
        seats.check_running(subscription)
    sitting = here.assigned + len(joining) - len(leaving)
    missing = 0 if unlimited else max(0, min(sitting - here.total, len(joining)))
    purchase = None
    if missing:
        book, purchase = seats.bought(book, seat_type, missing, catalog, on)
    book = book._replace(subscription=book.subscription.with_assigned(seat_type, sitting))
    waiting = removal.waiting(book, seat_type) if joining else None
    then = seats.of_type(book.subscription, seat_type, unlimited=unlimited)
    if waiting and waiting.quantity > then.available:
        removal.check_ahead(waiting, on)
        book = book._replace(removals=tuple(each for each in book.removals if each != waiting))
    else:
        waiting = None
    moved = users | {id_: users[id_].given(seat_type, subscription.id) for id_ in joining}
    moved |= {id_: users[id_].taken(seat_type) for id_ in leaving}
    return book, moved, Seating(subscription.id, then, joining, leaving, purchase, waiting)


def _joining(users: Users, moves: Moves, subscription_id: str) -> tuple[str, ...]:
    """Those to be given a seat who do not sit there yet."""
    both = set(moves.assign) & set(moves.unassign)
    if both:
        raise Invalid(f"{min(both)} cannot be given a seat and lose it at once.", code="invalid_moves")
    if len({*moves.assign, *moves.unassign}) > MOST_USERS:
        raise Invalid(f"At most {MOST_USERS} users can be moved at once.", code="too_many_users")
    everybody = [_known(users, id_) for id_ in dict.fromkeys(moves.assign)]
    return tuple(user.id for user in everybody if _can_join(user, moves.seat_type, subscription_id))


def _can_join(user: User, seat_type: str, subscription_id: str) -> bool:
    held = user.seat(seat_type)
    if held and held.subscription_id == subscription_id:
        return False
    if held:
        sentence = f"{user.id} sits on a {seat_type} seat of {held.subscription_id} already. Please take that first."
        raise Conflict(sentence, code="seat_held_elsewhere")
    if not user.active:
        raise Conflict(f"{user.id} is inactive: reactivate them to give them a seat.", code="user_inactive")
    return True


def _leaving(users: Users, moves: Moves, subscription_id: str) -> tuple[str, ...]:
    """Those who sit there and lose their seat; only whoever is active can (R24)."""
    found = []
    for id_ in dict.fromkeys(moves.unassign):
        held = _known(users, id_).seat(moves.seat_type)
        if held is None or held.subscription_id != subscription_id:
            continue
        if not users[id_].active:
            sentence = f"{id_} is inactive: reactivate them, take the seat, and deactivate them again."
            raise Conflict(sentence, code="user_inactive")
        found.append(id_)
    return tuple(found)


def _known(users: Users, id_: str) -> User:
    if id_ not in users:
        raise NotFound(f"There is no user {id_[:80]!r}.", code="unknown_user")
    return users[id_]
