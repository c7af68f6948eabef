"""Seats: how many there are, and buying more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from shared.domain import collection, invoice
from shared.domain.catalog import Catalog, Kind, Price
from shared.domain.changes import Changes, Event
from shared.domain.errors import Conflict, Invalid, NotFound
from shared.domain.money import Money
from shared.domain.periods import Period
from shared.domain.processor import too_large
from shared.domain.subscription import (
    MOST_ITEMS,
    MOST_PENDING,
    MOST_UNITS,
    Book,
    PendingInvoiceItem,
    Status,
    Subscription,
    SubscriptionItem,
    item_of,
)


@dataclass(frozen=True, slots=True)
class Seats:
    """The seats of one type on a subscription: those that come with it and those bought beside (R15, R16)."""

    type: str
    included: int
    additional: int

    @property
    def total(self) -> int:
        """How many users can be given one."""
        return self.included + self.additional


@dataclass(frozen=True, slots=True)
class Purchase:
    """What buying seats comes to: shown before, and done after, in the same words."""

    seats: Seats
    unit: Money  # of the seats bought, per interval
    charge: Money  # what the next invoice will hold for the rest of this period
    period: Period  # what that pays for
    whole: Period  # the period it is a share of
    invoice_on: date
    changes: Changes


def count(subscription: Subscription) -> tuple[Seats, ...]:
    """The seats of a subscription by type, in the order of its items."""
    types = dict.fromkeys(item.seat_type for item in subscription.items if item.seat_type)
    return tuple(_of_type(subscription, seat_type) for seat_type in types)


def add(book: Book, seat_type: str, quantity: int, catalog: Catalog, on: date, now: datetime) -> Purchase:
    """Buy ``quantity`` more seats that can be used at once (R12 to R14).

    The account owes a share of the seat price for the rest of the current
    period, counted in days and including the day of purchase. It is charged
    with the next invoice, next to the full price of all seats. Seats bought on
    the 7th of a cycle that bills on the 25th therefore cost 7th to 25th (R13).
    The price is the one at which seats are sold today (R39). Seats bought one
    by one on a day cost what they cost together (D14).
    """
    subscription = book.subscription
    if quantity < 1:
        raise Invalid("The number of seats to add must be at least 1.", code="invalid_quantity")
    if subscription.status not in (Status.ACTIVE, Status.PAST_DUE, Status.TRIALING):
        sentence = f"Seats cannot be bought while the subscription is {subscription.status.value}."
        raise Conflict(sentence, code="subscription_not_active")
    on = max(on, subscription.period.start)  # asked for just before midnight, decided after the renewal
    if on not in subscription.period:  # its renewal is far behind, or fails
        sentence = "This subscription is being brought up to date. Please try again in a minute."
        raise Conflict(sentence, code="catching_up")
    price = _current_price(subscription, seat_type, catalog)
    item = item_of(price, quantity, subscription.currency)
    before = _pending(book, item, on)
    after = replace(before, quantity=before.quantity + quantity)
    grown = subscription.with_item(item)
    _check_limits(grown, item)
    seats = _of_type(grown, seat_type)
    charge = after.amount - before.amount
    data = {
        "subscription": subscription.id,
        "seat_type": seat_type,
        "quantity": quantity,
        "total": seats.total,
        "amount": charge.decimal,
        "currency": charge.currency,
        "period": str(after.period),
    }
    event = Event(subscription.account_id, "seats.added", data)
    changes = _change(book, grown, after, on, now) + Changes(events=(event,))
    period = subscription.period
    invoice_on = on if changes.delete else subscription.next_invoice_on
    return Purchase(seats, item.unit, charge, period.from_day(on), period, invoice_on, changes)


def _change(book: Book, grown: Subscription, item: PendingInvoiceItem, on: date, now: datetime) -> Changes:
    """The purchase waits for the next invoice; when too many wait already, one is drawn of them now."""
    waiting = book.after(Changes(put=(item,))).pending
    if len(waiting) <= MOST_PENDING:
        return Changes(put=(grown, item))
    return collection.issue(invoice.draw(grown, None, waiting, on, now), book.pending, now)


def _pending(book: Book, item: SubscriptionItem, on: date) -> PendingInvoiceItem:
    """What was bought at this price on this day already."""
    subscription = book.subscription
    for pending in book.pending:
        if (pending.price, pending.day) == (item.price, on):
            return pending
    return PendingInvoiceItem(
        account_id=subscription.account_id,
        subscription_id=subscription.id,
        price=item.price,
        kind=item.kind.value,
        name=item.name,
        unit=item.unit,
        quantity=0,
        period=subscription.period.from_day(on),
        whole=subscription.period,
        day=on,
    )


def _current_price(subscription: Subscription, seat_type: str, catalog: Catalog) -> Price:
    """What a further seat costs today: like the seats there are, or else those that come with the plan."""
    for item in reversed(subscription.items):
        if item.seat_type == seat_type:
            return catalog.seat_price(
                item.price,
                item.product,
                item.edition,
                seat_type,
                subscription.interval,
                subscription.term,
                subscription.currency,
            )
    raise NotFound(f"This subscription has no seats of type {seat_type[:80]!r}.", code="unknown_seat_type")


def _of_type(subscription: Subscription, seat_type: str) -> Seats:
    items = [item for item in subscription.items if item.seat_type == seat_type]
    included = sum(item.included_seats * item.quantity for item in items)
    additional = sum(item.quantity for item in items if item.kind is Kind.SEAT)
    return Seats(seat_type, included, additional)


def _check_limits(grown: Subscription, item: SubscriptionItem) -> None:
    if too_large(grown.fee):
        raise Conflict(f"{grown.fee} at a time is more than can be charged.", code="amount_too_large")
    if len(grown.items) > MOST_ITEMS:
        raise Conflict(f"A subscription holds at most {MOST_ITEMS} different prices.", code="too_many_items")
    if any(mine.quantity > MOST_UNITS for mine in grown.items if mine.price == item.price):
        raise Conflict(f"At most {MOST_UNITS:,} seats of one type can be bought.", code="too_many_seats")
