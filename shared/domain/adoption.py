"""Taking over what happened at Stripe after the instant to which the table was put back."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

from shared.domain import collection, refund
from shared.domain.account import Account
from shared.domain.changes import Changes
from shared.domain.invoice import Invoice
from shared.domain.outcome import Payment
from shared.domain.processor import from_stripe
from shared.domain.refund import Refund
from shared.domain.repayment import Repayment


def customer(account: Account, customer_id: str, made_at: datetime) -> Changes:
    """The account with the customer that was made for it, unless it has one."""
    if account.customer is not None:
        return Changes()
    asked_at = account.customer_asked_at or made_at
    return Changes(put=(replace(account, customer=customer_id, customer_asked_at=asked_at),))


def refund_again(invoice: Invoice, said: Repayment, on: date, now: datetime) -> Changes:
    """A refund of ours that is lost, with its credit note, of today: what it gave back is on its way already."""
    amount = from_stripe(said.amount, invoice.currency)
    issued = refund.issue(replace(invoice, credit_notes=said.n - 1), amount, None, on, now)
    claimed = (
        replace(entity, stripe_refund=said.id, look=True) if isinstance(entity, Refund) else entity
        for entity in issued.put
    )
    return Changes(put=tuple(claimed), events=issued.events)


def claim(invoice: Invoice, payment: Payment, now: datetime) -> Changes:
    """The invoice knows its payment at Stripe before anything is asked or sent: there is never a second one.

    Until it is learned how the payment stands, and if its amount is another one
    for ever, the invoice is looked after by asking for that payment alone.
    """
    attempt = invoice.attempt
    if invoice.settled or payment.customer is None or (attempt and attempt.payment_intent):
        return Changes()
    if attempt is None:
        invoice = collection.freeze(invoice, payment.customer, payment.payment_method, now, on_session=True)
    claimed = replace(invoice, attempt=replace(invoice.live, payment_intent=payment.id, look=True))
    return Changes(put=(claimed,))
