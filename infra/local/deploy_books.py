"""What an administrator makes of a subscription on a deployed stack, so that it is due; and what it comes to then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from shared.domain.changes import Changes
from shared.domain.money import Money, total
from shared.domain.periods import Period
from shared.domain.subscription import Book, PendingInvoiceItem

MONTH = timedelta(days=31)
"""A month of any length is over after so many days, and no second one."""


def a_month_earlier(book: Book) -> Changes:
    """The same subscription and what waits for its invoice, had all of it begun 31 days before."""
    subscription = replace(book.subscription, anchor=book.subscription.anchor - MONTH)
    moved = tuple(_item_earlier(item, subscription.period) for item in book.pending)
    return Changes(put=(subscription, *moved), delete=book.pending)


def _item_earlier(item: PendingInvoiceItem, whole: Period) -> PendingInvoiceItem:
    assert item.period
    assert item.day
    return replace(item, period=Period(item.period.start - MONTH, whole.end), whole=whole, day=item.day - MONTH)


def next_total(book: Book) -> Money:
    """What its next invoice must come to: the fees of a period, and what waits."""
    return total((book.subscription.fee, *(item.amount for item in book.pending)), book.subscription.currency)
