"""The counts behind an import: the live count put right after it, and what a dry run would come to."""

from __future__ import annotations

from datetime import date

from shared.domain import renewal, tiers
from shared.domain.changes import Changes
from shared.domain.contact_import import ContactImport, Outcome
from shared.domain.counting import WRITTEN_WITHIN, Counting, ShardCount
from shared.domain.money import total
from shared.domain.periods import local_day, midnight
from shared.domain.subscription import Book, PendingInvoiceItem
from shared.edge import batch, clock
from shared.edge import contacts as edge
from shared.edge.contacts import Situation
from shared.store import contacts, queries
from shared.store import imports as stored
from shared.store.record import PARTS


def settle(account_id: str) -> None:
    """Count the contacts and put the live count right; nothing else follows from it.

    First it waits until whatever others have counted already is written.
    """
    summary = contacts.summary(account_id)
    if summary is None:
        return
    before = contacts.live(account_id)
    clock.sleep(WRITTEN_WITHIN.total_seconds())
    day = local_day(clock.now(), summary.zone)
    counting = Counting(day, before, _counted(account_id, day), waited=True)
    stored.correct(account_id, counting.tally(contacts.live(account_id)))


def outcome(it: ContactImport) -> Outcome:
    """What the next daily count would find after the import, and what follows from that (R54).

    Contacts that leave by then are not counted, and the subscriptions are taken
    as they will be on that day: begun, renewed, lowered or over by then.
    """
    known = edge.situation(it.account_id, clock.now())
    day = known.summary.next_count(clock.now())
    count = sum(part.marketing for part in _counted(it.account_id, day)) + it.tally.at_count
    books = _books_on(day, known, count)
    limit = known.tier.limit if known.tier else None
    held = tiers.of(each.subscription for each in books.values())
    price = edge.price_of(held) if held else None
    if held is None or price is None or count <= held.limit or day not in held.subscription.period:
        return Outcome(count, limit, held.limit if held else None)
    book = books[held.subscription.id]
    raised = tiers.upgrade(book, held.item, price, count, day)
    after = book.after(raised).subscription
    larger = tiers.of([after])
    if larger is None or not raised.put:
        return Outcome(count, limit, held.limit)
    owed = [each.amount for each in raised.put if isinstance(each, PendingInvoiceItem)]
    charge = total(owed, after.currency)
    return Outcome(count, limit, larger.limit, charge, after.fee - book.subscription.fee)


def _books_on(day: date, known: Situation, count: int) -> dict[str, Book]:
    """All that is about contacts, as it will be on a day that has so many of them."""
    begins = midnight(day, known.seller.zone)

    def tell(book: Book, counted: Changes) -> Book:
        return renewal.up_to_date(book.after(counted), begins).book

    found = [queries.book(known.account.id, each.id) for each in known.subscriptions]
    return tiers.after_count([renewal.up_to_date(book, begins).book for book in found], count, day, tell)


def _counted(account_id: str, day: date) -> tuple[ShardCount, ...]:
    """The contacts as they count on a day, and all of them, part by part."""

    def count_part(number: int) -> ShardCount:
        part = ShardCount()
        while not part.done:
            part = contacts.count(account_id, number, day, part, consistent=True)
        return part

    queries.connect()
    return tuple(batch.side_by_side(count_part, range(PARTS)))
