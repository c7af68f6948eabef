"""Seats: list, preview, buy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain import seats
from shared.domain.periods import local_day
from shared.domain.seats import Purchase
from shared.domain.subscription import Book
from shared.edge import upkeep, views
from shared.edge.api import Api, Decision, entry_point
from shared.edge.schemas import BuySeats
from shared.store import queries

if TYPE_CHECKING:
    from shared.edge import answers

api = Api()


@api.serve("GET /v1/accounts/{account}/subscriptions/{subscription}/seats")
def list_seats(account: str, subscription: str) -> answers.SeatList:
    """The seats of each type: included, additional, in all."""
    return views.seat_list(queries.book(account, subscription))


@api.serve("POST /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/preview")
def preview_seats(account: str, subscription: str, type: str, body: BuySeats) -> answers.Purchase:  # noqa: A002
    """What buying more seats comes to. Nothing is bought."""
    book = upkeep.previewed(account, subscription, api.now).book
    return views.purchase(_purchase(book, type, body), book)


@api.serve("POST /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}", status=201)
def add_seats(account: str, subscription: str, type: str, body: BuySeats) -> answers.Purchase:  # noqa: A002
    """Buy more seats now; the rest of the period is charged with the next invoice (R12, R13)."""

    def decide() -> Decision[answers.Purchase]:
        book = upkeep.current(account, subscription, api.now)
        bought = _purchase(book, type, body)
        api.expect(body.expect_amount, bought.charge)
        return Decision(bought.changes, views.purchase(bought, book))

    return api.once(account, decide)


def _purchase(book: Book, seat_type: str, wanted: BuySeats) -> Purchase:
    on = local_day(api.now, book.subscription.zone)
    return seats.add(book, seat_type, wanted.quantity, queries.catalog(), on, api.now)


handler = entry_point(api)
