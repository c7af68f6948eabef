"""Moving users: loading what it concerns, and deciding it together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import NamedTuple

from shared.domain import seating, seats
from shared.domain.account import SeatsInvoiced
from shared.domain.changes import Changes
from shared.domain.errors import Conflict
from shared.domain.periods import local_day
from shared.domain.seating import Moves, Seating, Users
from shared.domain.subscription import Subscription
from shared.domain.user import HeldSeat
from shared.edge import upkeep
from shared.store import queries

MOST_WRITTEN = 90
"""A transaction holds 100 items, and the request's answer and events are some of them."""


class Seated(NamedTuple):
    """What moving users comes to on each seat type, and what it changes."""

    users: Users
    seatings: tuple[Seating, ...]
    changes: Changes

    def written(self, known: Users) -> Seated:
        """The same with the users who are not as they lie in the table."""
        after = self._replace(changes=self.changes + seating.changed(known, self.users))
        if len(after.changes.put) + len(after.changes.delete) > MOST_WRITTEN:
            sentence = "This is too much for one step. Please give the seats one after another."
            raise Conflict(sentence, code="too_much_at_once")
        return after


def moved(
    account_id: str, users: Users, wanted: dict[str, list[Moves]], now: datetime, *, preview: bool = False
) -> Seated:
    """Move users on subscriptions, each with its moves. The users themselves are still to be written."""
    seatings: list[Seating] = []
    changes = Changes()
    given = {each.seat_type for moves in wanted.values() for each in moves}
    users = there(account_id, users, lambda held: held.subscription_id in wanted or held.type not in given)
    for subscription_id, moves in wanted.items():
        if preview:
            book = upkeep.previewed(account_id, subscription_id, now).book
        else:
            book = upkeep.current(account_id, subscription_id, now)
        on = local_day(now, book.subscription.zone)
        at_once = invoices_at_once(book.subscription, on)
        done = seating.move(book, users, moves, queries.catalog(), on, now, at_once=at_once)
        users, changes = done.users, changes + done.changes
        seatings += done.seatings
    return Seated(users, tuple(seatings), changes)


def invoices_at_once(subscription: Subscription, on: date) -> bool:
    """Whether the seller invoices at once what would wait for long (D20); asked only where it would."""
    return seats.far(subscription, on) and queries.seller(subscription.seller).seats_invoiced is SeatsInvoiced.AT_ONCE


def there(account_id: str, users: Users, kept: Callable[[HeldSeat], bool] = lambda _: False) -> Users:
    """The users without the seats of subscriptions that have ended: there is nothing to sit on.

    Those that are ``kept`` nobody asks about; who still moves in an upgrade moves from there.
    """
    if all(kept(held) for user in users.values() for held in user.seats):
        return users
    alive = {each.id for each in queries.alive_subscriptions(account_id)}
    return {
        id_: user.keeping(lambda held: held.subscription_id in alive or kept(held)) for id_, user in users.items()
    }


def one(account_id: str, subscription_id: str, moves: Moves, now: datetime, *, preview: bool = False) -> Seated:
    """Move users on the seats of one type."""
    known = queries.some_users(account_id, (*moves.assign, *moves.unassign))
    return moved(account_id, known, {subscription_id: [moves]}, now, preview=preview).written(known)
