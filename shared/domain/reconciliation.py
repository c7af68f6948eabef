"""Whether the table knows of money that moved at Stripe: facts of both in, a difference out (C8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.difference import Difference, Differs, found
from shared.domain.invoice import Attempt, Dispute, Invoice, InvoiceStatus
from shared.domain.outcome import Payment
from shared.domain.refund import Refund
from shared.domain.repayment import Repayment

PAID_WITHIN = timedelta(days=9)
"""Stripe is asked every week about the invoices that were paid since then."""


@dataclass(frozen=True, slots=True)
class Charge:
    """A try to move money at Stripe as it stands now; ``status`` is ``pending``, ``succeeded`` or ``failed``.

    A bank debit is pending for days. What was given back in full needs nobody's
    attention any more.
    """

    id: str
    payment_intent: str
    status: str
    amount: int
    currency: str
    customer: str | None
    account_id: str
    invoice_id: str
    given_back: bool = False


@dataclass(frozen=True, slots=True)
class Disputed:
    """A dispute, and the payment that it is about."""

    payment_intent: str
    dispute: Dispute


def charged(charge: Charge, invoice: Invoice | None, now: datetime) -> Difference | None:
    """What an invoice says otherwise than a charge for it; ``invoice`` ``None``: there is none."""
    if charge.status == "failed" or charge.given_back:
        return None
    differs, what = _charged(charge, invoice)
    return found(differs, charge.payment_intent, charge.account_id, what, now) if differs else None


def _charged(charge: Charge, invoice: Invoice | None) -> tuple[Differs | None, str]:
    money = f"{charge.payment_intent} moved {charge.amount} {charge.currency}"
    if invoice is None:
        return Differs.UNKNOWN_INVOICE, f"{money} for {charge.invoice_id}, which is not in the table"
    attempt = invoice.attempt
    known = attempt is not None and attempt.payment_intent == charge.payment_intent
    paid = invoice.status is InvoiceStatus.PAID
    if invoice.settled and not paid:
        return Differs.PAID_THOUGH_CLOSED, f"{money} for {invoice.id}, which is {invoice.status}"
    if paid and not known:
        other = attempt.payment_intent if attempt else "nothing"
        return Differs.PAID_TWICE, f"{money} for {invoice.id}, which {other} has paid"
    if not known or (charge.status == "succeeded" and not paid):
        return Differs.UNPAID_HERE, f"{money} for {invoice.id}, which is {invoice.status}"
    assert attempt
    if (charge.amount, charge.currency, charge.customer) != _frozen(attempt, invoice):
        return Differs.AMOUNT, f"{money} for {invoice.id}, {attempt.amount} of {attempt.customer} were asked for"
    return None, ""


def repaid(said: Repayment, refund: Refund | None, now: datetime) -> Difference | None:
    """What our refund says otherwise than the one at Stripe that carries it out; ``None``: there is none."""
    money = f"{said.id} gives back {said.amount} {said.currency} of {said.invoice_id}"
    if refund is None:
        what = f"{money}, and {said.refund_id} is not in the table"
        return found(Differs.UNKNOWN_REFUND, said.id, said.account_id, what, now)
    if (refund.stripe_refund, refund.units) != (said.id, said.amount):
        what = f"{money}, and {refund.id} gives back {refund.units} by {refund.stripe_refund}"
        return found(Differs.REFUND, said.id, said.account_id, what, now)
    return None


def repaid_by_hand(said: Repayment, payment: Payment, invoice: Invoice | None, now: datetime) -> Difference | None:
    """A refund that nobody asked us for, of the payment that an invoice is paid by.

    Of any other payment (a second one, one for nothing) it is what was to be done.
    """
    own = invoice is not None and invoice.attempt is not None and invoice.attempt.payment_intent == payment.id
    if not own or said.status in ("failed", "canceled"):
        return None
    what = f"{said.id} gives back {said.amount} {said.currency} of {payment.invoice_id}, and was not made here"
    return found(Differs.UNKNOWN_REFUND, said.id, payment.account_id, what, now)


def disputed(seen: Disputed, payment: Payment, invoice: Invoice | None, now: datetime) -> Difference | None:
    """A dispute that the invoice does not know of."""
    one = seen.dispute
    if invoice and any(each.id == one.id for each in invoice.disputes):
        return None
    what = f"{one.id} demands back {one.amount} of {payment.invoice_id}, which does not know of it"
    return found(Differs.UNKNOWN_DISPUTE, one.id, payment.account_id, what, now)


def paid(invoice: Invoice, payment: Payment | None, now: datetime) -> Difference | None:
    """What Stripe says otherwise than an invoice that is paid; ``payment`` ``None``: it knows of none."""
    attempt = invoice.live
    if payment is None or payment.status != "succeeded":
        stands = payment.status if payment else "unknown"
        what = f"{invoice.id} is paid by {attempt.payment_intent}, which is {stands} at Stripe"
        return found(Differs.NO_PAYMENT, invoice.id, invoice.account_id, what, now)
    if (payment.amount, payment.currency, payment.customer) != _frozen(attempt, invoice):
        what = f"{invoice.id} is paid by {payment.id} with {payment.amount} {payment.currency}, not {attempt.amount}"
        return found(Differs.AMOUNT, invoice.id, invoice.account_id, what, now)
    return None


def paid_of_late(invoice: Invoice, now: datetime) -> bool:
    """Whether money was taken for it so lately that Stripe is to be asked of it."""
    taken = invoice.status is InvoiceStatus.PAID and invoice.attempt is not None
    return taken and invoice.paid_at is not None and now - invoice.paid_at < PAID_WITHIN


def _frozen(attempt: Attempt, invoice: Invoice) -> tuple[int, str, str]:
    return attempt.amount, invoice.currency.lower(), attempt.customer
