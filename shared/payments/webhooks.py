"""What Stripe says by itself, if it is Stripe who says it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import stripe

from shared.domain.errors import Invalid
from shared.payments.line import secret

TOLERANCE = timedelta(minutes=5)
"""How old the signature of a webhook may be."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Webhook(NamedTuple):
    """Something Stripe says by itself: a hint, and only of a success also the truth (C5)."""

    type: str
    object: dict[str, Any]
    at: datetime


def webhook(body: str, signature: str, now: datetime) -> Webhook:
    """A message of Stripe, if one of our secrets signed it (two, while they are being changed)."""
    secrets = secret("STRIPE_WEBHOOK_SECRETS_PARAMETER").split()
    signed = [secret for secret in secrets if _signed(body, signature, secret)]
    if not signed or abs(now - _signed_at(signature)) > TOLERANCE:
        raise Invalid("The signature of this message is not Stripe's.", code="invalid_signature")
    return told(json.loads(body))


def told(event: Mapping[str, Any]) -> Webhook:
    """An event of Stripe, as a webhook brings it or a list holds it."""
    return Webhook(event["type"], event["data"]["object"], _EPOCH + timedelta(seconds=event["created"]))


def _signed(body: str, signature: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret)
    except (stripe.SignatureVerificationError, TypeError):  # of letters that no signature has
        return False
    return True


def _signed_at(signature: str) -> datetime:
    """When it was signed: of several times, the first is the one that the signature holds."""
    seconds = next(part for part in signature.split(",") if part.startswith("t=")).removeprefix("t=")
    return _EPOCH + timedelta(seconds=int(seconds))
