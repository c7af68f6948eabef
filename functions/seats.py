"""Seats: list, buy, remove; users, and who of them sits where."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.domain import removal, seats
from shared.domain import user as users
from shared.domain.changes import Changes
from shared.domain.errors import Forbidden, NotFound
from shared.domain.periods import local_day
from shared.domain.seating import Moves, charged
from shared.domain.seats import Purchase
from shared.domain.subscription import Book
from shared.domain.user import User
from shared.edge import seat_views, seating, upkeep, views
from shared.edge.api import Api, Decision, entry_point
from shared.edge.permissions import MODIFY, STAFF
from shared.edge.seat_schemas import Assign, BuySeats, MoveUsers, PutUser, RemoveSeats
from shared.edge.seating import Seated
from shared.store import queries

if TYPE_CHECKING:
    from shared.domain.removal import Removal
    from shared.edge import answers

api = Api()


@api.serve("GET /v1/accounts/{account}/subscriptions/{subscription}/seats")
def list_seats(account: str, subscription: str) -> answers.SeatList:
    """The seats of each type: included, additional, assigned, what they cost, what waits, who sits there."""
    book = upkeep.previewed(account, subscription, api.now).book
    return seat_views.seat_list(book, queries.seated_users(account, subscription), queries.catalog())


@api.serve("POST /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/preview")
def preview_seats(account: str, subscription: str, type: str, body: BuySeats) -> answers.Purchase:  # noqa: A002
    """What buying more seats comes to. Nothing is bought."""
    book = upkeep.previewed(account, subscription, api.now).book
    return seat_views.purchase(_purchase(book, type, body), book)


@api.serve("POST /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}", status=201)
def add_seats(account: str, subscription: str, type: str, body: BuySeats) -> answers.Purchase:  # noqa: A002
    """Buy more seats now; the rest of the period is charged with the next invoice (R12, R13)."""

    def decide() -> Decision[answers.Purchase]:
        book = upkeep.current(account, subscription, api.now)
        bought = _purchase(book, type, body)
        api.expect(body.expect_amount, bought.charge)
        return Decision(bought.changes, seat_views.purchase(bought, book))

    return api.once(account, decide, look_first=False)


# ---- removing


@api.serve("POST /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/removal/preview")
def preview_removal(account: str, subscription: str, type: str, body: RemoveSeats) -> answers.Removal:  # noqa: A002
    """The subscription now and after the update (R30). Nothing is scheduled."""
    it, _ = _removal(upkeep.previewed(account, subscription, api.now).book, type, body)
    return seat_views.removed(it, scheduled=False)


@api.serve("PUT /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/removal")
def schedule_removal(account: str, subscription: str, type: str, body: RemoveSeats) -> answers.Removal:  # noqa: A002
    """Remove unassigned, additional seats at the start of the next commitment term (R28, R29)."""

    def decide() -> Decision[answers.Removal]:
        it, changes = _removal(upkeep.current(account, subscription, api.now), type, body)
        return Decision(changes, seat_views.removed(it, scheduled=True))

    return api.once(account, decide, look_first=False)


@api.serve("DELETE /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/removal")
def cancel_removal(account: str, subscription: str, type: str) -> answers.Removal:  # noqa: A002
    """Withdraw the request: the seats stay (R32)."""

    def decide() -> Decision[answers.Removal]:
        book = upkeep.current(account, subscription, api.now)
        it, changes = removal.cancel(book, type, local_day(api.now, book.subscription.zone))
        return Decision(changes, seat_views.removed(it, scheduled=False))

    return api.once(account, decide, look_first=False)


# ---- giving and taking


@api.serve("PUT /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/users/{user}")
def assign_seat(account: str, subscription: str, type: str, user: str, body: Assign) -> answers.Seating:  # noqa: A002
    """Give a user a seat; where none is free, one is bought if ``buy`` says so (R17, R21)."""
    return _move(account, subscription, Moves(type, assign=(user,)), body)


@api.serve("DELETE /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/users/{user}")
def unassign_seat(account: str, subscription: str, type: str, user: str) -> answers.Seating:  # noqa: A002
    """Take a seat from an active user (R24). It stays, unassigned and paid for (R22)."""
    return _move(account, subscription, Moves(type, unassign=(user,)), Assign())


@api.serve("POST /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/assignments")
def move_users(account: str, subscription: str, type: str, body: MoveUsers) -> answers.Seating:  # noqa: A002
    """Give and take seats of many users in one step, and buy what is missing (R21)."""
    return _move(account, subscription, Moves(type, body.assign, body.unassign), body)


@api.serve("POST /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/assignments/preview")
def preview_moves(account: str, subscription: str, type: str, body: MoveUsers) -> answers.Seating:  # noqa: A002
    """What moving them comes to, and whether it takes a checkout (R21). Nobody is moved."""
    made = seating.one(account, subscription, Moves(type, body.assign, body.unassign), api.now, preview=True)
    return seat_views.seating(made.seatings[0])


# ---- users


@api.serve("GET /v1/accounts/{account}/users", query=("limit", "cursor"))
def list_users(account: str) -> answers.Page[answers.User]:
    """The users of an account, with the seats they sit on."""
    queries.account(account)
    page = queries.users(account, *api.listing())
    here = seating.there(account, {user.id: user for user in page.items})
    return views.page(page._replace(items=list(here.values())), seat_views.user)


@api.serve("POST /v1/accounts/{account}/users/{user}/preview")
def preview_user(account: str, user: str, body: PutUser) -> answers.ChangedUser:
    """What this user with these seats comes to: "Send" or "Checkout" (R19). Nothing is done."""
    return _changed(account, user, _put(account, user, body, preview=True))


@api.serve("PUT /v1/accounts/{account}/users/{user}")
def put_user(account: str, user: str, body: PutUser) -> answers.ChangedUser:
    """Make or change a user; with ``seats``, give them these in the same step, and buy what is missing (R19)."""

    def decide() -> Decision[answers.ChangedUser]:
        made = _put(account, user, body)
        _check_bought(made, body)
        return Decision(made.changes, _changed(account, user, made))

    return api.once(account, decide, look_first=False)


@api.serve("DELETE /v1/accounts/{account}/users/{user}")
def delete_user(account: str, user: str) -> answers.User:
    """Remove a user; not while they sit on a seat (R25)."""

    def decide() -> Decision[answers.User]:
        known = seating.there(account, queries.some_users(account, (user,))).get(user)
        if known is None:
            raise NotFound(f"There is no user {user!r}.", code="unknown_user")
        return Decision(users.deleted(known), seat_views.user(known))

    return api.once(account, decide, look_first=False)


def _purchase(book: Book, seat_type: str, wanted: BuySeats) -> Purchase:
    on = local_day(api.now, book.subscription.zone)
    at_once = seating.invoices_at_once(book.subscription, on)
    return seats.add(book, seat_type, wanted.quantity, queries.catalog(), on, api.now, at_once=at_once)


def _removal(book: Book, seat_type: str, wanted: RemoveSeats) -> tuple[Removal, Changes]:
    """R35: of what a customer cannot remove by themselves the seller's staff can."""
    it = book.subscription
    on = local_day(api.now, it.zone)
    if not api.may(STAFF):
        removal.check_self_service(it, queries.catalog(), queries.quotes(it.account_id), on)
    return removal.schedule(book, seat_type, wanted.quantity, queries.seller(it.seller).seats_leave_first, on)


def _move(account: str, subscription: str, moves: Moves, wanted: Assign) -> answers.Seating:
    def decide() -> Decision[answers.Seating]:
        made = seating.one(account, subscription, moves, api.now)
        _check_bought(made, wanted)
        return Decision(made.changes, seat_views.seating(made.seatings[0]))

    return api.once(account, decide, look_first=False)


def _put(account: str, user: str, wanted: PutUser, *, preview: bool = False) -> Seated:
    if wanted.seats and not api.may(MODIFY):
        raise Forbidden(f"To give seats needs the permission {MODIFY}.", code="permission_missing")
    known = queries.some_users(account, (user,))
    before = known.get(user)
    if before is None:
        queries.account(account)
    after = before or User(account, user)
    after = replace(
        after,
        active=after.active if wanted.active is None else wanted.active,
        super_admin=after.super_admin if wanted.super_admin is None else wanted.super_admin,
    )
    told = Changes(events=users.put(before, after, with_seats=bool(wanted.seats)))
    moves: dict[str, list[Moves]] = {}
    for seat in wanted.seats:
        moves.setdefault(seat.subscription, []).append(Moves(seat.seat_type, assign=(user,)))
    made = seating.moved(account, {user: after}, moves, api.now, preview=preview)
    return made._replace(changes=told + made.changes).written(known)


def _changed(account: str, user: str, made: Seated) -> answers.ChangedUser:
    here = {each.subscription_id for each in made.seatings}
    shown = seating.there(account, made.users, lambda held: held.subscription_id in here)
    return seat_views.changed_user(shown[user], made.seatings)


def _check_bought(made: Seated, wanted: Assign) -> None:
    charge = charged(made.seatings, wanted.buy)
    if charge:
        api.expect(wanted.expect_amount, charge)


handler = entry_point(api)
