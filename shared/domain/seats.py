"""Seats: how many there are, and buying more."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple

from shared.domain import bounds, collection, invoice
from shared.domain.catalog import Catalog, Kind, Price
from shared.domain.changes import Changes, Event
from shared.domain.errors import Conflict, Invalid, NotFound
from shared.domain.invoice import Invoice
from shared.domain.money import Money, total
from shared.domain.periods import Interval, Period
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

RUNNING = (Status.ACTIVE, Status.PAST_DUE, Status.TRIALING)


class Seats(NamedTuple):
    """The seats of one type on a subscription: those that come with it and those bought beside (R15, R16)."""

    type: str
    included: int
    additional: int
    assigned: int = 0
    unlimited: bool = False

    @property
    def total(self) -> int:
        """How many users can be given one."""
        return self.included + self.additional

    @property
    def available(self) -> int:
        """How many of them nobody sits on."""
        return self.total - self.assigned


class Purchase(NamedTuple):
    """What buying seats comes to: shown before, and done after, in the same words."""

    seats: Seats
    quantity: int
    unit: Money  # of the seats bought, per interval
    charge: Money  # what the next invoice will hold for the rest of this period
    period: Period  # what that pays for
    whole: Period  # the period it is a share of
    cost: Money  # of the subscription from then on, per interval
    invoice_on: date
    changes: Changes = Changes()

    def event(self, subscription: Subscription) -> Event:
        """That they were bought."""
        data = {
            "subscription": subscription.id,
            "seat_type": self.seats.type,
            "quantity": self.quantity,
            "total": self.seats.total,
            "amount": self.charge.decimal,
            "currency": self.charge.currency,
            "period": str(self.period),
        }
        return Event(subscription.account_id, "seats.added", data)


def count(subscription: Subscription, catalog: Catalog | None = None) -> tuple[Seats, ...]:
    """The seats of a subscription by type, in the order of its items; then those of which there is no end."""
    types = dict.fromkeys(item.seat_type for item in subscription.items if item.seat_type)
    unlimited = [known.id for known in catalog.seat_types if known.unlimited] if catalog else []
    types |= dict.fromkeys((*unlimited, *dict(subscription.assigned)))
    return tuple(of_type(subscription, each, unlimited=each in unlimited) for each in types)


def so_many(quantity: int, seat_type: str) -> str:
    """A number of seats, in words: ``1 sales seat``, ``2 sales seats``."""
    return f"{quantity} {seat_type} seat{'' if quantity == 1 else 's'}"


def of_type(subscription: Subscription, seat_type: str, *, unlimited: bool = False) -> Seats:
    """The seats of one type."""
    items = [item for item in subscription.items if item.seat_type == seat_type]
    included = sum(item.included_seats * item.quantity for item in items)
    return Seats(
        type=seat_type,
        included=included,
        additional=sum(lot.quantity for lot in lots(subscription, seat_type)),
        assigned=subscription.assigned_of(seat_type),
        unlimited=unlimited,
    )


def lots(subscription: Subscription, seat_type: str | None) -> tuple[SubscriptionItem, ...]:
    """The additional seats by the price they were bought at, in the order in which they were (R98)."""
    return tuple(item for item in subscription.items if item.kind is Kind.SEAT and item.seat_type == seat_type)


def legacy_discount(lot: SubscriptionItem, subscription: Subscription, catalog: Catalog) -> Money | None:
    """What a seat costs less than one costs today, because it was bought before (R98); nothing where none is sold."""
    if lot.kind is not Kind.SEAT or lot.seat_type is None:
        return None
    try:
        today = _price_like(lot, lot.seat_type, subscription, catalog).unit(subscription.currency)
    except Conflict:
        return None
    return today - lot.unit if today > lot.unit else None


def add(
    book: Book, seat_type: str, quantity: int, catalog: Catalog, on: date, now: datetime, *, at_once: bool = False
) -> Purchase:
    """Buy ``quantity`` more seats that can be used at once (R12 to R14).

    The account owes a share of the seat price for the rest of the current
    period, counted in days and including the day of purchase. It is charged
    with the next invoice, next to the full price of all seats. Seats bought on
    the 7th of a cycle that bills on the 25th therefore cost 7th to 25th (R13).
    The price is the one at which seats are sold today (R39). Seats bought one
    by one on a day cost what they cost together (D14). A removal that waits
    for the next term still waits (D2). Invoiced ``at_once`` it is where the
    seller does so, and the next invoice is ``far`` (D20).
    """
    after, purchase = bought(book, seat_type, quantity, catalog, on)
    changes = settle(book, after, on, now, at_once=at_once) + Changes(events=(purchase.event(book.subscription),))
    return dated(purchase, changes)


def bought(book: Book, seat_type: str, quantity: int, catalog: Catalog, on: date) -> tuple[Book, Purchase]:
    """The book with more seats, and what they come to if nothing else is decided with them."""
    subscription = book.subscription
    if quantity < 1:
        raise Invalid("The number of seats to add must be at least 1.", code="invalid_quantity")
    if subscription.status not in RUNNING:
        sentence = f"Seats cannot be bought while the subscription is {subscription.status.value}."
        raise Conflict(sentence, code="subscription_not_active")
    on = in_period(subscription, on)
    price = _current_price(subscription, seat_type, catalog)
    item = item_of(price, quantity, subscription.currency)
    before = _pending(book, item, on)
    after = replace(before, quantity=before.quantity + quantity)
    grown = _with_lot(subscription, item)
    waiting = [each for each in (*book.pending, *book.removals) if each != before]
    done = Book.of(grown, (*waiting, after))
    _check_limits(done, seat_type)
    purchase = Purchase(
        seats=of_type(grown, seat_type),
        quantity=quantity,
        unit=item.unit,
        charge=after.amount - before.amount,
        period=subscription.period.from_day(on),
        whole=subscription.period,
        cost=grown.fee,
        invoice_on=subscription.next_invoice_on,
    )
    return done, purchase


def far(subscription: Subscription, on: date) -> bool:
    """Whether the next invoice is more than a quarter away (D20)."""
    return Interval.QUARTER.after(on, 1) < subscription.next_invoice_on


def settle(before: Book, after: Book, on: date, now: datetime, *, at_once: bool = False) -> Changes:
    """What makes one book of the other: what was bought waits for the next invoice.

    When too much waits already, one is drawn of it now, within the same bounds as
    any; so it is ``at_once``, unless that is too little to charge. What has a day of
    its own to be invoiced on keeps it (R54).
    """
    gone = tuple(each for each in before.removals if each not in after.removals)
    crowded = len(after.pending) > MOST_PENDING
    if crowded or (at_once and after.pending != before.pending):
        drawn = invoice.draw(after.subscription, None, _undated(after), in_period(after.subscription, on), now)
        if why := bounds.beyond_fee(before.subscription, drawn):
            raise Conflict(f"This cannot be billed: {why}. Please ask your seller.", code="beyond_terms")
        if crowded or not drawn.carried:
            return collection.issue(drawn, _undated(before), now) + Changes(delete=gone)
    if after == before:
        return Changes()
    new = (each for each in (*after.pending, *after.removals) if each not in (*before.pending, *before.removals))
    return Changes(put=(after.subscription, *new), delete=gone)


def _undated(book: Book) -> tuple[PendingInvoiceItem, ...]:
    """The items that wait for the next invoice, whenever that is drawn."""
    return tuple(item for item in book.pending if item.invoice_on is None)


def dated(purchase: Purchase, changes: Changes) -> Purchase:
    """The purchase with all that is decided: where an invoice is drawn of it now, it does not wait for the next."""
    drawn = [entity.date for entity in changes.put if isinstance(entity, Invoice)]
    return purchase._replace(invoice_on=min((*drawn, purchase.invoice_on)), changes=changes)


def check_running(subscription: Subscription) -> None:
    """Refuse what only a running subscription has seats for."""
    if subscription.status not in RUNNING:
        sentence = f"Seats cannot be given or removed while the subscription is {subscription.status.value}."
        raise Conflict(sentence, code="subscription_not_active")


def in_period(subscription: Subscription, on: date) -> date:
    """The day as the period that runs has it."""
    on = max(on, subscription.period.start)  # asked for just before midnight, decided after the renewal
    if on not in subscription.period:  # its renewal is far behind, or fails
        raise catching_up()
    return on


def catching_up() -> Conflict:
    """The refusal of what cannot be decided before a renewal that is due."""
    return Conflict(
        "This subscription is being brought up to date. Please try again in a minute.", code="catching_up"
    )


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
    """What a further seat costs today: like the seats there are, or else those that come with the plan.

    Free seats are sold beside any item of their product.
    """
    kind = catalog.seat_type(seat_type)
    if kind.unlimited:
        raise Conflict(f"There is no end of {kind.name} seats: none need be bought.", code="seats_unlimited")
    sellers = {price.product for price in catalog.prices if price.seat_type == seat_type} if kind.free else ()
    like = [item for item in subscription.items if item.seat_type == seat_type]
    like = like or [item for item in subscription.items if item.product in sellers]
    if not like:
        sentence = f"This subscription has no seats of type {seat_type[:80]!r}."
        raise NotFound(f"{sentence} The first of a type are bought in a checkout.", code="unknown_seat_type")
    return _price_like(like[-1], seat_type, subscription, catalog)


def _price_like(item: SubscriptionItem, seat_type: str, subscription: Subscription, catalog: Catalog) -> Price:
    return catalog.seat_price(
        item.price,
        item.product,
        item.edition,
        seat_type,
        subscription.interval,
        subscription.term,
        subscription.currency,
    )


def _with_lot(subscription: Subscription, item: SubscriptionItem) -> Subscription:
    """The subscription with seats bought last: a lot of their own, unless the one before had the same price (D4)."""
    last = next((each for each in reversed(subscription.items) if each in lots(subscription, item.seat_type)), None)
    if last is None or last.price != item.price:
        return replace(subscription, items=(*subscription.items, item))
    grown = replace(last, quantity=last.quantity + item.quantity)
    return replace(subscription, items=tuple(grown if each is last else each for each in subscription.items))


def _check_limits(book: Book, seat_type: str) -> None:
    grown = book.subscription
    at_once = total((grown.fee, *(each.amount for each in book.pending)), grown.currency)
    if too_large(at_once):
        raise Conflict(f"{at_once} at a time is more than can be charged.", code="amount_too_large")
    if len(grown.items) > MOST_ITEMS:
        raise Conflict(f"A subscription holds at most {MOST_ITEMS} items.", code="too_many_items")
    if of_type(grown, seat_type).additional > MOST_UNITS:
        raise Conflict(f"At most {MOST_UNITS:,} seats of one type can be bought.", code="too_many_seats")
