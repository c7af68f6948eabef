"""Refunds and disputes at Stripe: money on its way back, because we send it or because a bank demands it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shared.domain import repayment as repaying
from shared.domain.invoice import Dispute
from shared.domain.processor import from_stripe
from shared.domain.refund import Refund
from shared.domain.repayment import Repayment
from shared.payments.line import PAGE, ask, client, every, once, version


def repay(refund: Refund) -> Repayment:
    """Send the money of a refund back."""
    params: Any = repaying.params(refund)
    options = once(repaying.key(refund))
    return repayment_of(ask(lambda: client().v1.refunds.create(params, options)).to_dict())


def repayment(stripe_refund: str) -> Repayment:
    """A refund as it is now."""
    return repayment_of(ask(lambda: client().v1.refunds.retrieve(stripe_refund, options=version())).to_dict())


def repayments(payment_intent: str) -> Iterator[Repayment]:
    """All refunds of a payment, to the last page (C7)."""
    params: Any = {"payment_intent": payment_intent, "limit": PAGE}
    found = ask(lambda: client().v1.refunds.list(params, version()))
    return map(repayment_of, every(found))


def find_repayment(refund: Refund) -> Repayment | None:
    """What came of a refund, if it ever reached Stripe."""
    ours = (refund.account_id, refund.id)
    found = (each for each in repayments(refund.payment_intent) if (each.account_id, each.refund_id) == ours)
    return next(found, None)


def repayment_of(refund: Mapping[str, Any]) -> Repayment:
    """A refund of Stripe in our words, as a call answers it or a webhook holds it."""
    metadata = refund.get("metadata") or {}
    number = metadata.get("refund", "")
    return Repayment(
        id=refund["id"],
        status=refund["status"],
        amount=refund["amount"],
        currency=refund["currency"],
        payment_intent=refund.get("payment_intent"),
        account_id=metadata.get("account", "") if number.isdecimal() else "",
        invoice_id=metadata.get("invoice", ""),
        n=int(number) if number.isdecimal() else 0,
        error=refund.get("failure_reason"),
    )


def disputes(payment_intent: str) -> list[Dispute]:
    """All disputes of a payment as they are now, to the last page."""
    params: Any = {"payment_intent": payment_intent, "limit": PAGE}
    found = ask(lambda: client().v1.disputes.list(params, version()))
    return [dispute_of(each) for each in every(found)]


def dispute_of(dispute: Mapping[str, Any]) -> Dispute:
    """A dispute of Stripe in our words."""
    amount = from_stripe(dispute["amount"], dispute["currency"].upper())
    return Dispute(dispute["id"], dispute["status"], amount)
