"""What an account has agreed to pay for, and until when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from shared.domain import periods
from shared.domain.catalog import Kind, Price
from shared.domain.changes import Changes
from shared.domain.money import Money, total
from shared.domain.periods import Interval, Period, nth_period

MOST_ITEMS = 20
MOST_UNITS = 1_000_000
MOST_PENDING = 50


class Status(StrEnum):
    """R78 to R83; ``past_due`` is shown as "Unpaid"."""

    SCHEDULED = "scheduled"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    PAUSED = "paused"
    CANCELED = "canceled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class SubscriptionItem:
    """So many units at the price they were bought at: a snapshot, later prices do not touch it."""

    price: str
    product: str
    kind: Kind
    name: str
    unit: Money  # per unit and interval
    quantity: int
    edition: str | None = None
    seat_type: str | None = None
    included_seats: int = 0
    contacts: int = 0  # how many the tier holds, or a plan includes
    minimum: int = 0  # the fewest seats that can be kept
    sends_per_contact: int = 0  # how many e-mails a month it allows for each of those (F20)

    @property
    def fee(self) -> Money:
        """What the item costs per interval."""
        return self.unit.times(self.quantity)


class TierReduction(NamedTuple):
    """A lower contact tier from the next term on, as was asked for (F11): ``item`` takes the place of the tier's.

    It takes effect only if the contacts fit then, so the renewal waits until
    they are counted: ``marketing`` of them on ``counted_on``. So many as
    ``beside`` are held by another tier of the account then.
    """

    item: SubscriptionItem
    effective_on: date
    marketing: int = 0
    counted_on: date | None = None
    beside: int = 0


@dataclass(frozen=True, slots=True)
class Subscription:
    """The aggregate: whatever changes below it bumps its version.

    ``anchor`` is the first day of the first period; ``billed`` counts the
    periods that were invoiced, so the next one begins at boundary ``billed``.
    ``seq`` numbers its invoices. ``unpaid`` counts the invoices that failed and
    are still owed. ``retry_at`` replaces the due instant after failures.
    ``extra_invoice_on`` is the day of an invoice between two boundaries.
    ``assigned`` counts the users who sit on its seats, by seat type; who they
    are stands on the users, and both are written together.
    """

    account_id: str
    id: str
    seller: str
    timezone: str
    currency: str
    status: Status
    anchor: date
    interval: Interval
    term: Interval
    items: tuple[SubscriptionItem, ...]
    payments: int | None = None  # R73: a fixed number of them
    customer: str | None = None
    payment_method: str | None = None
    payment_methods: tuple[str, ...] = ("card",)  # the types that its checkout accepted (R65)
    billed: int = 0
    seq: int = 0
    unpaid: int = 0
    disputes: tuple[str, ...] = ()  # because of these nothing is charged by itself
    dead_method: str | None = None  # was declined for good
    failures: int = 0
    retry_at: datetime | None = None
    error: str | None = None
    canceled_on: date | None = None
    invoiced_on: date | None = None  # the day of the last period that was billed
    parked: bool = False  # it would be billed beyond its terms: not before somebody has looked at it
    released: bool = False  # somebody has: its next invoice is not held to the bounds
    assigned: tuple[tuple[str, int], ...] = ()
    extra_invoice_on: date | None = None
    billed_between: int = 0  # minor units, by the invoices drawn since the last boundary
    tier_reduction: TierReduction | None = None
    version: int = 0

    @property
    def zone(self) -> ZoneInfo:
        """The zone of its seller entity."""
        return ZoneInfo(self.timezone)

    @property
    def automatic_method(self) -> str | None:
        """What is charged by itself: nothing while a payment is disputed, nor what was declined for good (D17)."""
        return None if self.disputes or self.payment_method == self.dead_method else self.payment_method

    @property
    def alive(self) -> bool:
        """Whether anything will ever be billed again."""
        return self.status not in (Status.CANCELED, Status.EXPIRED)

    @property
    def charged(self) -> bool:
        """Whether a way to pay is charged for it: it goes on, or something of it is past due."""
        return self.alive or self.unpaid > 0

    @property
    def next_invoice_on(self) -> date:
        """The day on which the next period begins (or the last one ended)."""
        return self.interval.after(self.anchor, self.billed)

    @property
    def ends_on(self) -> date | None:
        """R73: the day on which the payment after the last one would be due; ``None`` renews until cancelled."""
        return self.interval.after(self.anchor, self.payments) if self.payments else None

    @property
    def due_at(self) -> datetime | None:
        """The earliest instant at which there is something to do; the due index stands on it."""
        if not self.alive or self.parked:
            return None
        return self.retry_at or periods.midnight(self.due_on, self.zone)

    @property
    def due_on(self) -> date:
        """The day of the next invoice, whether it begins a period or not."""
        return min(self.next_invoice_on, self.extra_invoice_on or self.next_invoice_on)

    @property
    def period(self) -> Period:
        """The period that was invoiced last; before the start, the first one."""
        return nth_period(self.anchor, self.interval, max(self.billed - 1, 0))

    @property
    def periods_per_term(self) -> int:
        """A yearly commitment billed monthly has 12 (R104, F18)."""
        count = self.interval.fits(self.term)
        assert count, f"{self.term} is not a whole number of {self.interval}"
        return count

    @property
    def current_term(self) -> Period:
        """The commitment term that the last invoiced period belongs to."""
        first = max(self.billed - 1, 0) // self.periods_per_term * self.periods_per_term
        last = first + self.periods_per_term
        return Period(self.interval.after(self.anchor, first), self.interval.after(self.anchor, last))

    @property
    def fee(self) -> Money:
        """What a whole period costs."""
        return total((item.fee for item in self.items), self.currency)

    def assigned_of(self, seat_type: str) -> int:
        """How many users sit on its seats of a type."""
        return dict(self.assigned).get(seat_type, 0)

    def with_assigned(self, seat_type: str, count: int) -> Subscription:
        """This subscription with so many users on its seats of a type."""
        assert count >= 0, f"{self.id}: {count} users on {seat_type} seats"
        counts = {**dict(self.assigned), seat_type: count}
        return replace(self, assigned=tuple((each, counts[each]) for each in sorted(counts) if counts[each]))

    def with_item(self, item: SubscriptionItem) -> Subscription:
        """This subscription with more units at the price of ``item``."""
        for i, mine in enumerate(self.items):
            if mine.price == item.price:
                grown = replace(mine, quantity=mine.quantity + item.quantity)
                return replace(self, items=(*self.items[:i], grown, *self.items[i + 1 :]))
        return replace(self, items=(*self.items, item))


@dataclass(frozen=True, slots=True)
class PendingInvoiceItem:
    """Owed already, waiting for the next invoice.

    It holds no amount: that is rounded once, when the line is drawn, so that
    three purchases of one day cost what one of three costs (D9, D14). ``less``
    is what was paid for already, per unit: its share, rounded by itself, is
    taken off (D5). Without ``invoice_on`` it waits for the next boundary.
    """

    account_id: str
    subscription_id: str
    price: str
    kind: str
    name: str
    unit: Money
    quantity: int
    period: Period | None = None  # what is paid for; None: not a matter of days
    whole: Period | None = None  # the whole anchored period it is a share of
    day: date | None = None  # when it came to be
    less: Money | None = None
    invoice_on: date | None = None

    @property
    def factor(self) -> Fraction:
        """The share of the whole period that is owed."""
        return self.period.share_of(self.whole) if self.period and self.whole else Fraction(1)

    @property
    def amount(self) -> Money:
        """What the line will say: rounded once (D9)."""
        share = self.unit.times(self.quantity).share(self.factor)
        return share - self.less.times(self.quantity).share(self.factor) if self.less else share


class LeavesFirst(StrEnum):
    """Which seats leave first where they were bought at several prices: a policy of the seller entity (D4)."""

    NEWEST = "newest"
    OLDEST = "oldest"


@dataclass(frozen=True, slots=True)
class PendingRemoval:
    """So many seats fewer from the next commitment term on (R28, R29, D1): a difference, not a result.

    Seats that are bought meanwhile stay bought (D2).
    """

    account_id: str
    subscription_id: str
    seat_type: str
    quantity: int
    effective_on: date
    leaves_first: LeavesFirst = LeavesFirst.NEWEST


class Book(NamedTuple):
    """A subscription and everything that waits for its next invoice, or for its next term."""

    subscription: Subscription
    pending: tuple[PendingInvoiceItem, ...] = ()
    removals: tuple[PendingRemoval, ...] = ()

    def after(self, changes: Changes) -> Book:
        """What the store would answer if ``changes`` had been committed; for previews and late runs."""
        waiting: dict[Any, Any] = {_key(each): each for each in (*self.pending, *self.removals)}
        for gone in changes.delete:
            if isinstance(gone, (PendingInvoiceItem, PendingRemoval)):
                waiting.pop(_key(gone), None)
        subscription = self.subscription
        for entity in changes.put:
            if isinstance(entity, (PendingInvoiceItem, PendingRemoval)):
                waiting[_key(entity)] = entity
            elif isinstance(entity, Subscription):
                subscription = replace(entity, version=entity.version + 1)
        return Book.of(subscription, waiting.values())

    @classmethod
    def of(cls, subscription: Subscription, waiting: Iterable[Any]) -> Book:
        """A subscription with what waits for it, in the order in which it lies in the table."""
        found = sorted(waiting, key=_key)
        items = tuple(each for each in found if isinstance(each, PendingInvoiceItem))
        return cls(subscription, items, tuple(each for each in found if isinstance(each, PendingRemoval)))


def _key(waiting: Any) -> tuple[str, str]:
    if isinstance(waiting, PendingRemoval):
        return (waiting.seat_type, "")
    return (waiting.price, str(waiting.day))


def item_of(price: Price, quantity: int, currency: str) -> SubscriptionItem:
    """So many units at a price of the catalogue; of contacts, the tier that holds so many."""
    unit, contacts = price.unit(currency), price.included_contacts
    if price.kind is Kind.CONTACTS:
        contacts, unit = price.tier(quantity, currency)
        quantity = 1
    return SubscriptionItem(
        price=price.id,
        product=price.product,
        kind=price.kind,
        name=f"{price.name}, up to {contacts:,}" if price.kind is Kind.CONTACTS else price.name,
        unit=unit,
        quantity=quantity,
        edition=price.edition,
        seat_type=price.seat_type,
        included_seats=price.included_seats,
        contacts=contacts,
        minimum=price.minimum,
        sends_per_contact=price.sends_per_contact,
    )
