"""What callers get to see of seats and of those who sit on them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from shared.domain import removal, seats
from shared.domain.catalog import Catalog
from shared.domain.removal import Removal
from shared.domain.seating import Seating
from shared.domain.seats import Purchase, Seats
from shared.domain.subscription import Book, Subscription, SubscriptionItem
from shared.domain.user import User
from shared.edge.views import discount, money, period

if TYPE_CHECKING:
    from shared.edge import answers


def seat_list(book: Book, users: list[User], catalog: Catalog) -> answers.SeatList:
    """R15, R16, R21: the seats of each type, what they cost, who sits there, and what is worth knowing of them."""
    here = seats.count(book.subscription, catalog)
    return {
        "subscription": book.subscription.id,
        "seats": [_standing(each, book, users, catalog) for each in here],
    }


def purchase(bought: Purchase, book: Book) -> answers.Purchase:
    """What buying seats comes to: the same before and after."""
    free = bought.seats.available - bought.quantity
    waits = removal.waiting(book, bought.seats.type)
    notice = None
    if free > 0:
        notice = f"{seats.so_many(free, bought.seats.type)} {'is' if free == 1 else 'are'} unassigned already."
        if waits:
            notice += f" {waits.quantity} will still be removed on {waits.effective_on}."
    return {
        "subscription": book.subscription.id,
        **counts(bought.seats),
        **_bought(bought),
        "notice": notice,
        "pending_removal": _pending(removal.effect(book.after(bought.changes), waits)) if waits else None,
    }


def removed(it: Removal, *, scheduled: bool) -> answers.Removal:
    """R30, R31: the subscription now and after the update; the same before and after."""
    return {
        "subscription": it.pending.subscription_id,
        "seat_type": it.pending.seat_type,
        "scheduled": scheduled,
        **_pending(it),
        "current": {"seats": it.now.total, "cost": money(it.cost_now)},
        "after_update": {"seats": it.then.total, "cost": money(it.cost_then)},
    }


def seating(it: Seating) -> answers.Seating:
    """Who sits where now, and what had to be bought for it."""
    return {
        "subscription": it.subscription_id,
        **counts(it.seats),
        "action": "checkout" if it.purchase else "save",
        "joined": list(it.assigned),
        "left": list(it.unassigned),
        "purchase": _bought(it.purchase) if it.purchase else None,
        "removal_canceled": it.canceled.quantity if it.canceled else None,
    }


def user(it: User) -> answers.User:
    """A user, with the seats they sit on."""
    return {
        "id": it.id,
        "active": it.active,
        "super_admin": it.super_admin,
        "seats": [{"seat_type": held.type, "subscription": held.subscription_id} for held in it.seats],
    }


def changed_user(it: User, seatings: Iterable[Seating]) -> answers.ChangedUser:
    """A user with the seats that were given in the same step (R19)."""
    shown = [seating(each) for each in seatings]
    bought, new = any(each["purchase"] for each in shown), it.version == 0
    return {**user(it), "action": "checkout" if bought else "send" if new else "save", "given": shown}


def counts(it: Seats) -> answers.Seats:
    """How many there are, and how many of them nobody sits on; ``null`` where there is no end of them."""
    return {
        "seat_type": it.type,
        "included": it.included,
        "additional": it.additional,
        "total": None if it.unlimited else it.total,
        "assigned": it.assigned,
        "available": None if it.unlimited else it.available,
    }


def _bought(it: Purchase) -> answers.Bought:
    return {
        "quantity": it.quantity,
        "unit_price": money(it.unit),
        "charge": {
            **money(it.charge),
            "period": period(it.period),
            "days": it.period.days,
            "of_days": it.whole.days,
            "invoice_on": str(it.invoice_on),
        },
        "cost_from_then": money(it.cost),
    }


def _pending(it: Removal) -> answers.PendingRemoval:
    return {
        "quantity": it.pending.quantity,
        "effective_on": str(it.pending.effective_on),
        "leaving": [_leaving(lot) for lot in it.leaving],
        "cost_from_then": money(it.cost_then),
    }


def _leaving(lot: SubscriptionItem) -> answers.LeavingLot:
    return {"price": lot.price, "quantity": lot.quantity, "unit_price": money(lot.unit)}


def _standing(it: Seats, book: Book, users: list[User], catalog: Catalog) -> answers.SeatsOfType:
    here = [each for each in users if (held := each.seat(it.type)) and held.subscription_id == book.subscription.id]
    waits = removal.waiting(book, it.type)
    if not book.subscription.alive:
        it = it._replace(assigned=len(here))  # whoever has gone elsewhere is not counted off here any more
    return {
        **counts(it),
        "name": catalog.seat_type(it.type).name,
        "minimum": removal.minimum(book, it.type),
        "lots": [_lot(lot, book.subscription, catalog) for lot in seats.lots(book.subscription, it.type)],
        "pending_removal": _pending(removal.effect(book, waits)) if waits else None,
        "users": [{"user": each.id, "active": each.active} for each in here],
        "warnings": list(_warnings(it, here, book)) if book.subscription.alive else [],
    }


def _lot(lot: SubscriptionItem, subscription: Subscription, catalog: Catalog) -> answers.Lot:
    return {**_leaving(lot), "name": lot.name, "discount": discount(lot, subscription, catalog)}


def _warnings(it: Seats, here: list[User], book: Book) -> Iterable[answers.SeatWarning]:
    """D13, R22: seats that bring nothing."""
    inactive = [each.id for each in here if not each.active]
    if inactive:
        detail = "Inactive users sit on seats. To free one, reactivate the user, take the seat and deactivate them."
        yield {"code": "held_by_inactive", "detail": detail, "quantity": len(inactive), "users": inactive}
    idle = 0 if it.unlimited else removal.idle(book, it.type)
    if idle:
        detail = "Nobody sits on these seats, and they are being paid for. They can be removed at the next renewal."
        yield {"code": "unassigned_and_paid", "detail": detail, "quantity": idle, "users": []}
