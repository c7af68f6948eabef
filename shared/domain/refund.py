"""Refunds: what was paid goes back, in full or in part, with a credit note.

Nothing more goes back than was paid, however many ask at once. A refund does
not touch the subscription: billing goes on (F30).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from shared.domain.changes import Changes, Event
from shared.domain.errors import Conflict, Invalid
from shared.domain.invoice import AttemptState, Invoice, InvoiceLine, InvoiceStatus
from shared.domain.money import Money, total
from shared.domain.periods import Period
from shared.domain.processor import from_stripe, to_stripe

MOST_REFUNDS = 50
"""Of one invoice."""
_NONE_ENDED: Mapping[str, date] = {}


class Reason(StrEnum):
    """Why money goes back, in Stripe's words."""

    REQUESTED_BY_CUSTOMER = "requested_by_customer"
    DUPLICATE = "duplicate"
    FRAUDULENT = "fraudulent"


class RefundStatus(StrEnum):
    """How far the money is."""

    REQUESTED = "requested"  # about to be sent, perhaps sent: only Stripe knows
    PENDING = "pending"  # on its way
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # it did not arrive: the credit note stands, and somebody must see to it


@dataclass(frozen=True, slots=True)
class CreditNote:
    """What is taken back of an invoice. It stands, whatever becomes of the refund that pays it out."""

    account_id: str
    invoice_id: str
    n: int
    date: date  # in the seller's zone
    amount: Money
    reason: Reason | None = None

    @property
    def id(self) -> str:
        """The number printed on it: ``sub_1a-00001-C01``."""
        return f"{self.invoice_id}-C{self.n:02}"


@dataclass(frozen=True, slots=True)
class Refund:
    """The payout of a credit note of the same number. What is sent to Stripe is built from these facts alone.

    ``units`` is the amount frozen in Stripe's units. ``attempt`` makes keys.
    ``look``: an answer left it open what happened, so look before anything is
    sent again. ``due_at`` is its timer in the due index.
    """

    account_id: str
    invoice_id: str
    n: int
    status: RefundStatus
    amount: Money
    units: int
    payment_intent: str
    t0: datetime
    attempt: int = 1
    reason: Reason | None = None
    stripe_refund: str | None = None
    look: bool = False
    due_at: datetime | None = None
    failures: int = 0
    error: str | None = None
    message: str | None = None
    version: int = 0

    @property
    def id(self) -> str:
        """``sub_1a-00001-R01``."""
        return f"{self.invoice_id}-R{self.n:02}"

    @property
    def credit_note_id(self) -> str:
        """The credit note that it pays out."""
        return f"{self.invoice_id}-C{self.n:02}"


def place(refund_id: str) -> tuple[str, int]:
    """The invoice that a refund belongs to, and its number there.

    >>> place("sub_1a-00001-R02")
    ('sub_1a-00001', 2)
    """
    invoice_id, _, n = refund_id.rpartition("-R")
    return invoice_id, int(n) if n.isdecimal() else 0


def left(invoice: Invoice) -> Money:
    """What can still be refunded: what Stripe captured less what was refunded or is on its way back."""
    attempt = invoice.attempt
    captured = attempt is not None and attempt.state is AttemptState.SUCCEEDED
    paid = from_stripe(attempt.amount, invoice.currency) if attempt and captured else Money(0, invoice.currency)
    return paid - Money(invoice.refunded, invoice.currency)


def unused(invoice: Invoice, on: date, ended: Mapping[str, date] = _NONE_ENDED) -> Money:
    """What was paid for the days after ``on``, a day that counts as used (D8, D9).

    Of each line that is a matter of days: what was paid less what was used,
    rounded. ``ended`` are the last days of subscriptions that ended before. What
    was refunded already counts against it: whoever asks twice gets it once.
    """
    _check_captured(invoice)
    lines = ((line, ended.get(_whose(invoice, line), on)) for line in invoice.lines)
    back = total((_unused(line, min(on, last)) for line, last in lines), invoice.currency)
    amount = min(back - Money(invoice.refunded, invoice.currency), left(invoice))
    if amount.amount <= 0:
        raise Conflict("No day that this invoice was paid for is left.", code="nothing_to_refund")
    return from_stripe(to_stripe(amount), invoice.currency)


def issue(invoice: Invoice, amount: Money | None, reason: Reason | None, on: date, now: datetime) -> Changes:
    """T1: a credit note, its refund about to be sent, and the invoice with so much less left to refund.

    ``amount`` ``None`` is all that is left. The invoice's version holds it
    together: of two refunds at once, the second decides on what the first left.
    """
    _check_captured(invoice)
    rest = left(invoice)
    wanted = rest if amount is None else amount
    _check_amount(wanted, rest)
    n = invoice.credit_notes + 1
    if n > MOST_REFUNDS:
        raise Conflict(f"An invoice is refunded at most {MOST_REFUNDS} times.", code="too_many_refunds")
    attempt = invoice.live
    assert attempt.payment_intent
    note = CreditNote(invoice.account_id, invoice.id, n, on, wanted, reason)
    refund = Refund(
        account_id=invoice.account_id,
        invoice_id=invoice.id,
        n=n,
        status=RefundStatus.REQUESTED,
        amount=wanted,
        units=to_stripe(wanted),
        payment_intent=attempt.payment_intent,
        t0=now,
        reason=reason,
        due_at=now,
    )
    lowered = replace(invoice, refunded=invoice.refunded + wanted.amount, credit_notes=n)
    event = Event(invoice.account_id, "credit_note.issued", facts(refund) | {"reason": reason and reason.value})
    return Changes(put=(lowered, note, refund), events=(event,))


def facts(refund: Refund) -> dict[str, Any]:
    """What events tell of a refund."""
    return {
        "invoice": refund.invoice_id,
        "credit_note": refund.credit_note_id,
        "amount": refund.amount.decimal,
        "currency": refund.amount.currency,
    }


def _check_captured(invoice: Invoice) -> None:
    """Only money that is here can go back."""
    if invoice.attempt and invoice.attempt.state is AttemptState.PROCESSING:
        sentence = "This bank debit is still on its way. It can be refunded once it has arrived."
        raise Conflict(sentence, code="payment_pending")
    if invoice.status is not InvoiceStatus.PAID:
        sentence = f"Only what was paid can be refunded: {invoice.id} is {invoice.status.value}."
        raise Conflict(sentence, code="not_paid")
    if any(dispute.against_us for dispute in invoice.disputes):
        sentence = "This payment is disputed: the payer's bank decides who gets the money."
        raise Conflict(sentence, code="disputed")


def _check_amount(wanted: Money, rest: Money) -> None:
    if wanted.currency != rest.currency:
        sentence = f"This invoice was paid in {rest.currency}, so it is refunded in {rest.currency}."
        raise Conflict(sentence, code="wrong_currency")
    if rest.amount <= 0:
        raise Conflict("Nothing is left to refund of this invoice.", code="nothing_to_refund")
    if wanted.amount <= 0:
        raise Invalid(f"A refund is more than nothing: not {wanted}.", code="invalid_amount")
    if wanted > rest:
        raise Conflict(f"Of this invoice {rest} is left to refund: {wanted} is more.", code="refund_too_large")
    exact = from_stripe(to_stripe(wanted), wanted.currency)
    if exact != wanted:
        raise Invalid(f"{wanted} cannot be paid out to the last digit; {exact} can.", code="invalid_amount")


def _whose(invoice: Invoice, line: InvoiceLine) -> str:
    """The subscription that a line is of; of a checkout's first invoice there may be several."""
    return line.subscription_id or invoice.subscription_id or ""


def _unused(line: InvoiceLine, on: date) -> Money:
    if line.period is None:
        return line.amount - line.amount
    end = max(line.period.start, min(line.period.end, on + timedelta(days=1)))
    return line.amount - line.amount.share(Period(line.period.start, end).share_of(line.period))
