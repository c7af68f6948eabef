"""What a subscription's calendar brings: its start, every further period, an invoice in between, its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any, NamedTuple

from shared.domain import bounds, collection, invoice, removal, setback, tiers
from shared.domain.changes import Changes, Event
from shared.domain.errors import Conflict
from shared.domain.invoice import Invoice
from shared.domain.periods import local_day, nth_period
from shared.domain.subscription import Book, Status, Subscription

MOST_PERIODS_BEHIND = 36


class UpToDate(NamedTuple):
    """A book with everything done that is due, and the invoices drawn on the way."""

    book: Book
    drawn: tuple[Invoice, ...]


def step(book: Book, now: datetime) -> Changes | None:
    """The oldest thing that is due; ``None`` when nothing is.

    Doing it twice is harmless: the second time it is no longer due. A run that
    comes late does one period per step, each with an invoice of its own dated
    on its own first day (D15), so the caller repeats until ``None``.
    """
    subscription = book.subscription
    on = subscription.due_on
    if not subscription.alive or subscription.parked or local_day(now, subscription.zone) < on:
        return None
    if on < subscription.next_invoice_on:
        return _bill_between(book, on, now)
    if tiers.waits_for_count(subscription, on):
        return None
    if subscription.payments is not None and subscription.billed >= subscription.payments:
        return _expire(book, on, now)
    return _bill(book, on, now)


def up_to_date(book: Book, now: datetime) -> UpToDate:
    """The book once everything due is done, without doing it: what a preview decides on."""
    drawn: list[Invoice] = []
    for _ in range(MOST_PERIODS_BEHIND):
        changes = step(book, now)
        if changes is None:
            break
        book = book.after(changes)
        drawn += (entity for entity in changes.put if isinstance(entity, Invoice))
    return UpToDate(book, tuple(drawn))


def postpone(subscription: Subscription, error: str, now: datetime) -> Changes:
    """Move a subscription that keeps failing out of the way (1 h, 6 h, 1 d) and raise one alarm."""
    if not setback.still_due(subscription.due_at, now):
        return Changes()
    failures, again = subscription.failures, now + setback.delay(subscription.failures)
    put_off = replace(subscription, failures=failures + 1, retry_at=again, error=setback.cut(error))
    alarm = setback.alarm(subscription.account_id, failures, "renewal_failed", error, subscription=subscription.id)
    return Changes(put=(put_off,), events=alarm)


def _bill(book: Book, on: date, now: datetime) -> Changes:
    """The fees of the period that starts and the pending items of the one that ended, on one invoice (D18)."""
    subscription = book.subscription
    period = nth_period(subscription.anchor, subscription.interval, subscription.billed)
    started = subscription.status is Status.SCHEDULED
    moved = replace(
        subscription,
        status=Status.ACTIVE if started else subscription.status,
        billed=subscription.billed + 1,
        invoiced_on=on,
        extra_invoice_on=None,
        billed_between=0,
        released=False,
        failures=0,
        retry_at=None,
        error=None,
    )
    due = tuple(each for each in book.removals if each.effective_on <= on)
    moved = removal.applied(moved, due)
    moved, lowered = tiers.reduced(moved, on)
    data: dict[str, Any] = {"subscription": subscription.id, "period": str(period), "term": str(moved.current_term)}
    name = "subscription.started" if started else "subscription.renewed"
    if not started and moved.current_term != subscription.current_term:
        data["term_renewed"] = True
    events = (Event(subscription.account_id, name, data), *(removal.removed(moved, each) for each in due))
    drawn = invoice.draw(moved, period, book.pending, on, now)
    if why := bounds.beyond_terms(subscription, drawn, on):
        return _park(subscription, why)
    return Changes(delete=due, events=(*events, *lowered)) + collection.issue(drawn, book.pending, now)


def _bill_between(book: Book, on: date, now: datetime) -> Changes:
    """What is to be invoiced on a day within a period: a tier's upgrade, on the day after it (R54)."""
    subscription = book.subscription
    dated = tuple(item for item in book.pending if item.invoice_on and item.invoice_on <= on)
    moved = replace(subscription, extra_invoice_on=None, released=False, failures=0, retry_at=None, error=None)
    drawn = invoice.draw(moved, None, dated, on, now)
    if why := bounds.beyond_fee(subscription, drawn):
        return _park(subscription, why)
    return collection.issue(drawn, dated, now)


def _park(subscription: Subscription, why: str) -> Changes:
    data = {"code": "billing_parked", "subscription": subscription.id, "what": why}
    event = Event(subscription.account_id, "alarm.raised", data)
    return Changes(put=(replace(subscription, parked=True),), events=(event,))


def release(subscription: Subscription) -> Changes:
    """Somebody has looked at it: its next invoice is drawn as it is."""
    if not subscription.parked:
        raise Conflict("This subscription is not parked.", code="not_parked")
    event = Event(subscription.account_id, "subscription.released", {"subscription": subscription.id})
    return Changes(put=(replace(subscription, parked=False, released=True),), events=(event,))


def _expire(book: Book, on: date, now: datetime) -> Changes:
    """Charged for the whole original term (R81): only what is still pending is invoiced."""
    ended = replace(book.subscription, status=Status.EXPIRED, failures=0, retry_at=None, error=None)
    event = Event(ended.account_id, "subscription.expired", {"subscription": ended.id, "on": str(on)})
    drawn = invoice.draw(ended, None, book.pending, on, now, last=True)
    if why := bounds.beyond_terms(book.subscription, drawn, on):
        return _park(book.subscription, why)
    return Changes(delete=book.removals, events=(event,)) + collection.issue(drawn, book.pending, now)
