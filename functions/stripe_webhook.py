"""What Stripe says by itself: of payments, refunds and disputes, and that a way to pay was saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import payments
from shared.domain.errors import Invalid, NotFound
from shared.edge import clock, collect, methods, refunds
from shared.edge.api import Api, Unavailable, entry_point
from shared.edge.telemetry import logger

if TYPE_CHECKING:
    from shared.edge import answers

api = Api()
TOLD = frozenset(
    f"payment_intent.{what}" for what in ("succeeded", "payment_failed", "processing", "requires_action", "canceled")
)
"""What is told of payments. That one was created says nothing: whoever created it knows."""


@api.serve("POST /v1/stripe/webhook")
def receive() -> answers.Received:
    """Apply a success as it stands; of anything else ask Stripe how things are now (C5).

    Messages come twice, late and out of order; each is safe to apply again. One
    that concerns nothing of ours, or something that Stripe does not know any
    more, is taken note of and answered 200, so that Stripe does not send it for
    three days.
    """
    signature = api.current_event.headers.get("stripe-signature")
    if not signature:
        raise Invalid("The Stripe-Signature header is missing.", code="invalid_signature")
    said = payments.webhook(api.text, signature, clock.now())
    try:
        if said.type in TOLD:
            _payment(said)
        elif said.type == "setup_intent.succeeded":
            methods.learn(payments.setup_of(said.object))
        elif said.type.startswith("refund."):
            _repaid(said)
        elif said.type.startswith("charge."):
            _of_charge(said)
    except (NotFound, payments.Refused) as unknown:
        logger.info("not ours", type=said.type, reason=unknown.code)
    except (payments.NoAnswer, payments.Unclear) as error:
        raise Unavailable("Stripe does not answer. Please send this again.") from error
    return {"received": True}


def _payment(said: payments.Webhook) -> None:
    payment = payments.payment_of(said.object)
    if not payment.invoice_id:
        return
    if payment.status != "succeeded":
        payment = payments.get(payment.id)
    collect.learn(payment.account_id, payment.invoice_id, payment)


def _repaid(said: payments.Webhook) -> None:
    if payments.repayment_of(said.object).account_id:
        refunds.learn(payments.repayment(str(said.object["id"])))


def _of_charge(said: payments.Webhook) -> None:
    intent = said.object.get("payment_intent")
    if intent and said.type == "charge.refunded":
        refunds.learn_all(intent)
    elif intent and said.type.startswith("charge.dispute."):
        refunds.dispute_all(intent)


handler = entry_point(api)
