"""The counts behind an import: the live count put right after it, and what a dry run would come to."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from shared.domain import renewal, tiers
from shared.domain.contact_import import ContactImport, Outcome
from shared.domain.counting import ShardCount
from shared.domain.money import total
from shared.domain.periods import local_day, midnight
from shared.domain.subscription import PendingInvoiceItem
from shared.edge import batch, clock
from shared.edge import contacts as edge
from shared.store import contacts, queries
from shared.store import imports as stored
from shared.store.record import PARTS


class Count(NamedTuple):
    """So many contacts."""

    marketing: int
    total: int


def settle(account_id: str) -> None:
    """Count the contacts and put the live count right; nothing else follows from it."""
    summary = contacts.summary(account_id)
    if summary is None:
        return
    before = contacts.live(account_id)
    found = _counted(account_id, local_day(clock.now(), summary.zone))
    stored.correct(before, found.marketing, found.total)


def outcome(it: ContactImport) -> Outcome:
    """What the next daily count would find after the import, and what follows from that (R54).

    Contacts that leave by then are not counted, and the subscription is taken
    as it will be on that day: renewed, if it is renewed until then.
    """
    known = edge.situation(it.account_id, clock.now())
    day = known.today.day + timedelta(days=1)
    count = _counted(it.account_id, day).marketing + it.tally.at_count
    tier = known.tier
    if tier is None:
        return Outcome(count)
    book = queries.book(it.account_id, tier.subscription.id)
    book = book.after(tiers.counted(book.subscription, count, day))
    book = renewal.up_to_date(book, midnight(day, known.seller.zone)).book
    held = tiers.of([book.subscription])
    price = edge.price_of(held) if held else None
    if held is None or price is None or count <= held.limit or day not in book.subscription.period:
        return Outcome(count, tier.limit, held.limit if held else None)
    raised = tiers.upgrade(book, held.item, price, count, day)
    after = book.after(raised).subscription
    larger = tiers.of([after])
    if larger is None or not raised.put:
        return Outcome(count, tier.limit, held.limit)
    owed = [each.amount for each in raised.put if isinstance(each, PendingInvoiceItem)]
    charge = total(owed, after.currency)
    return Outcome(count, tier.limit, larger.limit, charge, after.fee - book.subscription.fee)


def _counted(account_id: str, day: date) -> Count:
    """The contacts as they count on a day, and all of them."""

    def count_part(number: int) -> ShardCount:
        part = ShardCount()
        while not part.done:
            part = contacts.count(account_id, number, day, part, consistent=True)
        return part

    queries.connect()
    parts = batch.side_by_side(count_part, range(PARTS))
    return Count(sum(part.marketing for part in parts), sum(part.total for part in parts))
