"""Bringing a subscription up to date before anybody decides on it."""

from __future__ import annotations

from datetime import datetime

from shared.domain import renewal
from shared.domain.errors import Conflict
from shared.domain.renewal import UpToDate
from shared.domain.subscription import Book
from shared.edge.telemetry import record
from shared.store import queries, table


class CatchingUp(Conflict):
    """More periods were missed than are billed in one go; the next sweep goes on."""

    code = "catching_up"


def current(account_id: str, subscription_id: str, now: datetime) -> Book:
    """The book with everything done that is due: no command decides on a subscription that is due.

    A run that is late does one period after another, at most 36 in one go.
    ``Stale`` means that somebody else is doing the same: ask again.
    """
    book = queries.book(account_id, subscription_id)
    for _ in range(renewal.MOST_PERIODS_BEHIND):
        changes = renewal.step(book, now)
        if changes is None:
            return book
        table.commit(changes, now)
        record(changes.events)
        book = book.after(changes)
    if renewal.step(book, now) is None:
        return book
    raise CatchingUp("This subscription is being brought up to date. Please try again in a minute.")


def previewed(account_id: str, subscription_id: str, now: datetime) -> UpToDate:
    """The same book, and the invoices that this draws, with nothing done."""
    return renewal.up_to_date(queries.book(account_id, subscription_id), now)
