"""Disputes: a payer's bank demands a payment back, so nothing more is taken from that payer by itself.

The subscriptions that the disputed invoice is for remember the dispute. While
they do, a new invoice of theirs waits for its payer, and so does one that a
retry falls due for. A dispute that is won is forgotten, and a new way to pay
makes a new beginning; what waits by then goes on waiting for its payer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from shared.domain.changes import Changes, Event
from shared.domain.invoice import Dispute, Invoice
from shared.domain.subscription import Subscription


def learned(invoice: Invoice, dispute: Dispute, subscriptions: Iterable[Subscription]) -> Changes:
    """What Stripe says of a dispute of an invoice's payment; nothing if it says nothing new.

    A dispute that is decided stays so, whatever is heard of it late.
    """
    known = next((each for each in invoice.disputes if each.id == dispute.id), None)
    if known and (known == dispute or known.closed):
        return Changes()
    held = [_held(subscription, dispute, new=known is None) for subscription in subscriptions]
    others = tuple(each for each in invoice.disputes if each.id != dispute.id)
    data = {
        "invoice": invoice.id,
        "dispute": dispute.id,
        "status": dispute.status,
        "amount": dispute.amount.decimal,
        "currency": dispute.amount.currency,
    }
    events = [Event(invoice.account_id, "payment.disputed", data)]
    if known is None:
        what = f"{dispute.amount} of {invoice.id} is disputed: answer it at Stripe in time"
        alarm = {"code": "payment_disputed", "invoice": invoice.id, "dispute": dispute.id, "what": what}
        events.append(Event(invoice.account_id, "alarm.raised", alarm))
    return Changes(put=(replace(invoice, disputes=(*others, dispute)), *held), events=tuple(events))


def _held(subscription: Subscription, dispute: Dispute, *, new: bool) -> Subscription:
    """The subscription, charged by itself no more; again, once the dispute is won."""
    if dispute.against_us:
        return replace(subscription, disputes=(*subscription.disputes, dispute.id)) if new else subscription
    return replace(subscription, disputes=tuple(each for each in subscription.disputes if each != dispute.id))
