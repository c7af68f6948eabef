"""A user of an account, and the seats they sit on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from shared.domain.changes import Changes, Event
from shared.domain.errors import Conflict


class HeldSeat(NamedTuple):
    """A seat that a user sits on: of a type at most one (R17)."""

    type: str
    subscription_id: str


@dataclass(frozen=True, slots=True)
class User:
    """Someone who works in an account. What they may do stands in their token; ``super_admin`` drives R20 alone."""

    account_id: str
    id: str
    active: bool = True
    super_admin: bool = False
    seats: tuple[HeldSeat, ...] = ()
    version: int = 0

    def seat(self, seat_type: str) -> HeldSeat | None:
        """The seat of a type that they sit on."""
        return next((held for held in self.seats if held.type == seat_type), None)

    def given(self, seat_type: str, subscription_id: str) -> User:
        """This user on a seat of a subscription."""
        return replace(self, seats=tuple(sorted((*self.seats, HeldSeat(seat_type, subscription_id)))))

    def taken(self, seat_type: str) -> User:
        """This user without their seat of a type."""
        return replace(self, seats=tuple(held for held in self.seats if held.type != seat_type))

    def keeping(self, kept: Callable[[HeldSeat], bool]) -> User:
        """This user on those of their seats alone that are kept."""
        return replace(self, seats=tuple(held for held in self.seats if kept(held)))


def put(before: User | None, after: User, *, with_seats: bool) -> tuple[Event, ...]:
    """What is told of making a user, or of changing one.

    A super admin gets no seat while they are made (R20). A seat stays with
    whoever is made inactive (D13).
    """
    if before is None and after.super_admin and with_seats:
        sentence = "A super admin is made first and given seats afterwards."
        raise Conflict(sentence, code="super_admin_at_creation")
    if before and (before.active, before.super_admin) == (after.active, after.super_admin):
        return ()
    data = {"user": after.id, "active": after.active, "super_admin": after.super_admin}
    return (Event(after.account_id, "user.changed" if before else "user.created", data),)


def deleted(user: User) -> Changes:
    """Remove a user from the account; not while they sit on a seat (R25)."""
    if user.seats:
        held = " and ".join(f"a {seat.type} seat" for seat in user.seats)
        sentence = f"{user.id} sits on {held}. Please take that first."
        raise Conflict(sentence, code="user_holds_seats")
    return Changes(delete=(user,), events=(Event(user.account_id, "user.deleted", {"user": user.id}),))
