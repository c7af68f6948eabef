"""What callers may send of seats and of those who sit on them.

``expect_amount`` is what the caller was shown: another price is refused, and nothing is bought.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from shared.edge.body import Amount, Body, Count, Id, Positive

Some = Annotated[tuple[Id, ...], Meta(max_length=40)]


class BuySeats(Body):
    """So many more seats."""

    quantity: Positive
    expect_amount: Amount | None = None


class RemoveSeats(Body):
    """So many seats fewer from the next commitment term on."""

    quantity: Positive


class Assign(Body):
    """Give a user a seat; ``buy`` says how many may be bought if none is free."""

    buy: Count = 0
    expect_amount: Amount | None = None


class MoveUsers(Assign):
    """Whom to give a seat, and whom to take it from, at most 40 in all; ``buy`` how many may be bought for it."""

    assign: Some = ()
    unassign: Some = ()


class GiveSeat(Body):
    """A seat of a type, of a subscription."""

    subscription: Id
    seat_type: Id


class PutUser(Assign):
    """A user; the ``seats`` are given beside those they sit on. ``buy`` says how many may be bought for it.

    A new user is active and no super admin; of one that is there, what is not named stays as it is.
    """

    active: bool | None = None
    super_admin: bool | None = None
    seats: Annotated[tuple[GiveSeat, ...], Meta(max_length=4)] = ()
