"""An invoice: the fees of the period that starts and the pending items of the one that ended (D18)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from shared.domain.changes import Event
from shared.domain.money import Money, total
from shared.domain.periods import Period
from shared.domain.processor import can_charge
from shared.domain.subscription import PendingInvoiceItem, Subscription, SubscriptionItem

CARRIED = "carried"
MISMATCH = "payment_mismatch"


class InvoiceStatus(StrEnum):
    """What a customer sees of how far an invoice is paid."""

    OPEN = "open"
    PROCESSING = "processing"
    ACTION_REQUIRED = "action_required"
    WAITING_FOR_PAYER = "waiting_for_payer"
    AWAITING_PAYMENT = "awaiting_payment"
    PAID = "paid"
    UNCOLLECTIBLE = "uncollectible"
    VOID = "void"


class AttemptState(StrEnum):
    """Where the live attempt to collect an invoice stands (DESIGN 6)."""

    INTENT = "intent"  # about to be sent, perhaps sent: only Stripe knows
    PROCESSING = "processing"  # a bank debit on its way
    ACTION = "action"  # the payer must confirm
    DECLINED = "declined"  # to be tried again at the timer
    WAITING_FOR_PAYER = "waiting_for_payer"  # nothing happens by itself any more
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


class GiveUp(StrEnum):
    """Why an invoice is not to be collected any more, once nothing can capture."""

    WRITE_OFF = "write_off"  # the seller's staff said so
    CANCEL = "cancel"  # the last retry was declined and the seller ends the subscription then (D17)


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One thing that is owed; ``amount`` is rounded already."""

    description: str
    quantity: int
    amount: Money
    period: Period | None
    price: str
    kind: str
    subscription_id: str | None = None  # on a checkout's invoice: which one it belongs to


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to collect an invoice. Everything that is sent to Stripe is built from these facts alone.

    ``n`` makes keys; ``declines`` is what dunning counts. ``amount`` is frozen
    in Stripe's units. ``charge`` is Stripe's latest charge that was accounted
    for, so that an old decline is not counted twice. ``look``: an answer left
    it open what happened, so look before anything is sent again. ``replace``:
    its PaymentIntent was made for its payer; it must be cancelled before another
    is made that is charged without them. ``dead_method`` was declined for good.
    ``by_hand`` counts the attempts that somebody asked for.
    """

    n: int
    state: AttemptState
    t0: datetime
    amount: int
    customer: str
    payment_method: str | None
    on_session: bool = False
    payment_intent: str | None = None
    charge: str | None = None
    declines: int = 0
    by_hand: int = 0
    look: bool = False
    replace: bool = False
    dead_method: str | None = None
    action: str | None = None  # what the payer must do, in Stripe's words
    action_since: datetime | None = None
    error: str | None = None  # Stripe's code of the last decline
    message: str | None = None  # its sentence for the payer


@dataclass(frozen=True, slots=True)
class Dispute:
    """What the payer's bank demands back of a payment; ``status`` is Stripe's word."""

    id: str
    status: str
    amount: Money

    @property
    def closed(self) -> bool:
        """Whether it is decided, for good."""
        return self.status in ("won", "lost", "warning_closed", "prevented")

    @property
    def against_us(self) -> bool:
        """Whether the money is gone, or may be: nothing more is given back, and nothing charged by itself."""
        return self.status not in ("won", "warning_closed")


@dataclass(frozen=True, slots=True)
class Invoice:
    """What is owed, and how far it is collected. ``due_at`` is its timer in the due index."""

    account_id: str
    id: str
    seller: str
    date: date  # in the seller's zone
    currency: str
    lines: tuple[InvoiceLine, ...]
    status: InvoiceStatus = InvoiceStatus.OPEN
    subscription_id: str | None = None
    checkout_id: str | None = None
    payment_methods: tuple[str, ...] = ("card",)  # what its payer may pay with (R65)
    attempt: Attempt | None = None
    due_at: datetime | None = None
    submitted: bool = False  # on a checkout's invoice: paid or on its way, so its subscriptions are there (R72)
    past_due: bool = False  # counted among its subscriptions' unpaid invoices
    giving_up: GiveUp | None = None  # why its PaymentIntent is being cancelled
    paid_at: datetime | None = None
    refunded: int = 0  # in minor units, with what is on its way back
    credit_notes: int = 0  # how many there are
    disputes: tuple[Dispute, ...] = ()
    failures: int = 0
    error: str | None = None
    version: int = 0

    @property
    def total(self) -> Money:
        """The sum of the lines."""
        return total((line.amount for line in self.lines), self.currency)

    @property
    def live(self) -> Attempt:
        """The attempt that is being made."""
        assert self.attempt, f"{self.id} is not being collected"
        return self.attempt

    @property
    def subscription_ids(self) -> tuple[str, ...]:
        """The subscriptions it is owed for, once they are there: several on a checkout's first invoice."""
        if self.subscription_id:
            return (self.subscription_id,)
        named = dict.fromkeys(line.subscription_id for line in self.lines if line.subscription_id)
        return tuple(named) if self.submitted else ()

    @property
    def payable(self) -> bool:
        """Whether its payer can pay it: something is owed, and no debit is on its way."""
        return not (self.settled or self.giving_up or self.held or self.status is InvoiceStatus.PROCESSING)

    @property
    def held(self) -> bool:
        """Whether somebody must look first: Stripe has money for it that is not what was asked for."""
        return self.error == MISMATCH

    @property
    def settled(self) -> bool:
        """Whether nothing more will be collected."""
        return self.status in (InvoiceStatus.PAID, InvoiceStatus.UNCOLLECTIBLE, InvoiceStatus.VOID)


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """How an attempt ended that did not succeed."""

    account_id: str
    invoice_id: str
    n: int
    state: AttemptState
    at: datetime
    payment_intent: str | None
    charge: str | None
    error: str | None
    message: str | None


def past_attempt(invoice: Invoice, at: datetime) -> PastAttempt:
    """The live attempt of an invoice as it ended."""
    attempt = invoice.live
    return PastAttempt(
        account_id=invoice.account_id,
        invoice_id=invoice.id,
        n=attempt.n,
        state=attempt.state,
        at=at,
        payment_intent=attempt.payment_intent,
        charge=attempt.charge,
        error=attempt.error,
        message=attempt.message,
    )


class Drawn(NamedTuple):
    """A subscription with its invoice drawn, and what it carries to the next one."""

    subscription: Subscription
    invoice: Invoice | None
    carried: tuple[PendingInvoiceItem, ...] = ()


def draw(
    subscription: Subscription,
    fees: Period | None,
    pending: tuple[PendingInvoiceItem, ...],
    on: date,
    now: datetime,
    *,
    last: bool = False,
) -> Drawn:
    """The invoice of a day: the fees of ``fees``, then the pending items in order of their day.

    Lines of 0.00 are not written, and nothing owed makes no invoice. A total
    that cannot be charged (negative, or below Stripe's smallest charge) is
    carried to the next invoice as one line; on the ``last`` one it is waived.
    """
    owed = sorted(pending, key=lambda item: (str(item.day), item.price))
    fee_lines = [fee_line(item, fees) for item in subscription.items] if fees else []
    lines = tuple(line for line in (*fee_lines, *map(_pending_line, owed)) if line.amount.amount)
    if not lines:
        return Drawn(subscription, None)
    numbered = replace(subscription, seq=subscription.seq + 1)
    invoice = Invoice(
        account_id=subscription.account_id,
        id=f"{subscription.id}-{numbered.seq:05}",
        seller=subscription.seller,
        date=on,
        currency=subscription.currency,
        lines=lines,
        subscription_id=subscription.id,
        payment_methods=subscription.payment_methods,
        due_at=now,
    )
    if fees is None:
        numbered = replace(numbered, billed_between=numbered.billed_between + billed(invoice).amount)
    if invoice.total.amount == 0:
        return Drawn(numbered, paid(invoice, now))
    if invoice.total.amount > 0 and can_charge(invoice.total):
        return Drawn(numbered, invoice)
    why = "Too small to charge, waived" if last else "Carried to the next invoice"
    closed = paid(replace(invoice, lines=(*lines, _line(why, -invoice.total))), now)
    return Drawn(numbered, closed, () if last else (_carried(invoice),))


def billed(invoice: Invoice) -> Money:
    """What an invoice bills anew: all but what is carried from one before."""
    return total((line.amount for line in invoice.lines if line.kind != CARRIED), invoice.currency)


def fee_line(item: SubscriptionItem, period: Period | None) -> InvoiceLine:
    """The price of an item for a whole period (or once)."""
    return InvoiceLine(f"{item.quantity} × {item.name}", item.quantity, item.fee, period, item.price, item.kind.value)


def paid(invoice: Invoice, now: datetime) -> Invoice:
    """The invoice with nothing left to collect."""
    return replace(invoice, status=InvoiceStatus.PAID, paid_at=now, due_at=None, past_due=False, error=None)


def issued(invoice: Invoice) -> Event:
    """The event of a new invoice."""
    data = {
        "invoice": invoice.id,
        "subscription": invoice.subscription_id,
        "date": str(invoice.date),
        "total": invoice.total.decimal,
        "currency": invoice.currency,
    }
    return Event(invoice.account_id, "invoice.issued", data)


def settled(invoice: Invoice) -> Event:
    """The event of an invoice that is paid."""
    data = {
        "invoice": invoice.id,
        "subscription": invoice.subscription_id,
        "amount": invoice.total.decimal,
        "currency": invoice.currency,
    }
    return Event(invoice.account_id, "invoice.paid", data)


def _pending_line(item: PendingInvoiceItem) -> InvoiceLine:
    days = f", {item.period.days} of {item.whole.days} days" if item.period and item.whole else ""
    paid_already = f", {item.unit.decimal} less {item.less.decimal}" if item.less else ""
    text = item.name if item.kind == CARRIED else f"{item.quantity} × {item.name}{paid_already}{days}"
    return InvoiceLine(text, item.quantity, item.amount, item.period, item.price, item.kind)


def _line(text: str, amount: Money) -> InvoiceLine:
    return InvoiceLine(text, 1, amount, None, CARRIED, CARRIED)


def _carried(invoice: Invoice) -> PendingInvoiceItem:
    assert invoice.subscription_id
    return PendingInvoiceItem(
        account_id=invoice.account_id,
        subscription_id=invoice.subscription_id,
        price=f"{CARRIED}-{invoice.id}",
        kind=CARRIED,
        name=f"Carried from {invoice.id}",
        unit=invoice.total,
        quantity=1,
        day=invoice.date,
    )
