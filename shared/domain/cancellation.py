"""Ending a subscription before its time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple

from shared.domain import collection, invoice
from shared.domain.changes import Changes, Event
from shared.domain.errors import Conflict
from shared.domain.invoice import AttemptState, Invoice, InvoiceStatus
from shared.domain.money import Money, total
from shared.domain.periods import Period
from shared.domain.processor import too_large
from shared.domain.subscription import Book, PendingInvoiceItem, Status, Subscription, SubscriptionItem

_UNDER_WAY = (AttemptState.INTENT, AttemptState.ACTION, AttemptState.PROCESSING)
"""Asked for already, or about to be: cancelling does not stop that."""


class Cancellation(NamedTuple):
    """What cancelling comes to: shown before, and done after, in the same words."""

    subscription: Subscription
    charge: Money  # the rest of the commitment, and what is owed already; charged at once
    committed_until: date | None
    under_way: tuple[Invoice, ...]  # being charged, and neither stopped nor refunded by it (R86)
    owed: tuple[Invoice, ...]  # declined, or waiting for the payer: owed as before
    changes: Changes


def at_once(
    book: Book, invoices: tuple[Invoice, ...], on: date, now: datetime, *, waive: bool = False
) -> Cancellation:
    """End a subscription today; nothing is charged any more (R80, R84).

    Where it is committed for longer than it has been billed, the rest of the
    commitment and what waits for the next invoice are invoiced at once, unless
    the seller waives them (D16). What is owed for a period that had begun stays
    owed: a payment that is on its way stays so, neither stopped nor refunded
    (R86). ``invoices`` are those not settled.
    """
    subscription = book.subscription
    if not subscription.alive:
        sentence = f"This subscription has ended already: it is {subscription.status.value}."
        raise Conflict(sentence, code="subscription_ended")
    rest = () if waive else _rest_of_the_commitment(subscription, on)
    owed = (*book.pending, *rest) if rest else ()
    charge = total((item.amount for item in owed), subscription.currency)
    if too_large(charge):
        raise Conflict(f"{charge} at once is more than can be charged.", code="amount_too_large")
    ended = canceled(subscription, on)
    data = {
        "subscription": subscription.id,
        "on": str(on),
        "charge": charge.decimal,
        "currency": subscription.currency,
    }
    drawn = invoice.draw(ended, None, owed, on, now, last=True)
    told = Event(subscription.account_id, "subscription.canceled", data)
    changes = Changes(delete=book.removals, events=(told,))
    changes += collection.issue(drawn, book.pending, now)
    until = rest[0].period.end if rest and rest[0].period else None
    left = [bill for bill in invoices if not bill.giving_up or bill.status is InvoiceStatus.PROCESSING]
    under_way = tuple(bill for bill in left if bill.attempt and bill.attempt.state in _UNDER_WAY)
    owed_before = tuple(bill for bill in left if bill not in under_way)
    return Cancellation(ended, charge, until, under_way, owed_before, changes)


def canceled(subscription: Subscription, on: date) -> Subscription:
    """The subscription, ended by decision (D22)."""
    return replace(
        subscription, status=Status.CANCELED, canceled_on=on, failures=0, retry_at=None, error=None, parked=False
    )


def unpaid(book: Book, bill: Invoice, on: date) -> Changes:
    """The last retry was declined, and the seller ends the subscription then (D17)."""
    subscription = book.subscription
    if not subscription.alive:
        return Changes(put=(subscription,))
    data = {"subscription": subscription.id, "on": str(on), "invoice": bill.id}
    event = Event(subscription.account_id, "subscription.canceled", data)
    return Changes(put=(canceled(subscription, on),), delete=(*book.pending, *book.removals), events=(event,))


def _rest_of_the_commitment(subscription: Subscription, on: date) -> tuple[PendingInvoiceItem, ...]:
    """What is still to be billed of the term that has begun: so many whole periods of each item."""
    if not subscription.billed:
        return ()
    per_term = subscription.periods_per_term
    periods = -subscription.billed % per_term
    if not periods:
        return ()
    rest = Period(subscription.next_invoice_on, subscription.current_term.end)
    owed = (_periods_of(subscription, item, periods, rest, on) for item in subscription.items)
    return tuple(item for item in owed if item.amount.amount)


def _periods_of(
    subscription: Subscription, item: SubscriptionItem, periods: int, rest: Period, on: date
) -> PendingInvoiceItem:
    return PendingInvoiceItem(
        account_id=subscription.account_id,
        subscription_id=subscription.id,
        price=f"{item.price}-rest",
        kind=item.kind.value,
        name=f"{item.name}, {periods} further periods of the commitment",
        unit=item.unit.times(periods),
        quantity=item.quantity,
        period=rest,
        day=on,
    )
