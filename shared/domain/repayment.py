"""Paying a refund out exactly once: what to do next, and what an answer of Stripe means (DESIGN 6).

```
(issued) --T1--> REQUESTED --create--> PENDING --webhook, or a look every 6 h--> SUCCEEDED --its bank sends it back--+
                   |  time-out, crash, 429, 503, 409: stay, same key, same parameters, later                         |
                   |  500 or idempotency_error: look, never a new key                                                |
                   |  older than 20 h: look; found -> adopt; not found after 21 h -> attempt + 1                     |
                   +-> refused for good, failed, canceled ----------------------------------------------------> FAILED
```

It only ever moves to the right, so late news does no harm. Nothing here talks
to Stripe: the caller asks ``next_step``, does it, and hands what Stripe
answered to ``learned``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared.domain import setback
from shared.domain.changes import Changes, Event
from shared.domain.collection import QUIET, SAFE, Step
from shared.domain.outcome import ALARM_AGAIN, POLL
from shared.domain.refund import Refund, RefundStatus, facts


@dataclass(frozen=True, slots=True)
class Repayment:
    """What Stripe says of a refund, in our words; of one that is none of ours, ``account_id`` is empty."""

    id: str
    status: str
    amount: int
    currency: str
    payment_intent: str | None
    account_id: str
    invoice_id: str
    n: int
    error: str | None = None

    @property
    def refund_id(self) -> str:
        """Our refund that it carries out."""
        return f"{self.invoice_id}-R{self.n:02}"


_MEANING = {
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}
"""What each of Stripe's statuses of a refund means."""


def next_step(refund: Refund, now: datetime) -> Step:
    """What to do about a refund; asked again immediately before anything is sent, ``now`` by the clock."""
    if refund.status is RefundStatus.REQUESTED:
        return Step.LOOK if refund.look or now - refund.t0 >= SAFE else Step.CREATE
    due = refund.due_at is not None and now >= refund.due_at
    return Step.GET if refund.status is RefundStatus.PENDING and due else Step.NOTHING


def params(refund: Refund) -> dict[str, Any]:
    """The refund at Stripe, built from what is stored alone (C4)."""
    metadata = {"account": refund.account_id, "invoice": refund.invoice_id, "refund": str(refund.n)}
    reason = {"reason": refund.reason.value} if refund.reason else {}
    return {"payment_intent": refund.payment_intent, "amount": refund.units, "metadata": metadata, **reason}


def key(refund: Refund) -> str:
    """Its idempotency key: the same for whoever sends it, another for every refund and every attempt at it."""
    return f"{refund.account_id}:{refund.invoice_id}:refund:{refund.n}:{refund.attempt}"


def unclear(refund: Refund) -> Changes:
    """Stripe's answer leaves it open what happened: look before anything else is sent."""
    return Changes(put=(replace(refund, look=True),))


def learned(refund: Refund, repayment: Repayment | None, now: datetime) -> Changes:
    """What an answer of Stripe changes; nothing if it says nothing new.

    ``repayment`` ``None`` means that a look found none. Whatever it says counts
    only if amount, currency and payment equal what was frozen.
    """
    if repayment is None:
        return _not_found(refund, now)
    if not _same(refund, repayment):
        return _alarm(refund, f"{repayment.id} is not what was asked for", now)
    told = replace(refund, stripe_refund=repayment.id, look=False, failures=0, error=None, message=None)
    status = _MEANING[repayment.status]
    if status is RefundStatus.FAILED:
        return _failed(refund, told, repayment.error or repayment.status, f"{repayment.id} {repayment.status}")
    if refund.status is RefundStatus.SUCCEEDED or (refund.status is RefundStatus.FAILED and refund.stripe_refund):
        return Changes()  # late news
    if status is RefundStatus.PENDING:
        return Changes(put=(replace(told, status=status, due_at=now + POLL),))
    data = facts(refund) | {"payment": refund.payment_intent, "refund": repayment.id}
    event = Event(refund.account_id, "payment.refunded", data)
    return Changes(put=(replace(told, status=status, due_at=None),), events=(event,))


def refused(refund: Refund, code: str, message: str) -> Changes:
    """Stripe will never do this as asked, and has not: somebody must see to it."""
    return _failed(refund, replace(refund, message=message), code, message)


def postpone(refund: Refund, error: str, now: datetime) -> Changes:
    """Move a refund that keeps failing out of the way (1 h, 6 h, 1 d) and raise one alarm."""
    if not setback.still_due(refund.due_at, now):
        return Changes()
    again = now + setback.delay(refund.failures)
    put_off = replace(refund, failures=refund.failures + 1, due_at=again, error=setback.cut(error))
    alarm = setback.alarm(refund.account_id, refund.failures, "refunding_failed", error, invoice=refund.invoice_id)
    return Changes(put=(put_off,), events=alarm)


def _failed(before: Refund, refund: Refund, error: str, what: str) -> Changes:
    """It did not arrive, or came back: one alarm, for the money is still owed."""
    if before.status is RefundStatus.FAILED:
        return Changes()
    failed = replace(refund, status=RefundStatus.FAILED, due_at=None, look=False, error=error)
    data = {"code": "refund_failed", **facts(refund), "what": what}
    return Changes(put=(failed,), events=(Event(refund.account_id, "alarm.raised", data),))


def _not_found(refund: Refund, now: datetime) -> Changes:
    """Nothing came of it: wait until that is certain, then try with another key."""
    if refund.status is not RefundStatus.REQUESTED:
        return Changes()
    certain = refund.t0 + SAFE + QUIET
    if now < certain:
        return Changes(put=(replace(refund, due_at=certain),)) if refund.due_at != certain else Changes()
    return Changes(put=(replace(refund, attempt=refund.attempt + 1, t0=now, look=False, due_at=now),))


def _alarm(refund: Refund, what: str, now: datetime) -> Changes:
    code = "refund_mismatch"
    due_at = max(refund.due_at, now + ALARM_AGAIN) if refund.due_at else None  # never sooner than planned
    data = {"code": code, "invoice": refund.invoice_id, "what": what}
    event = Event(refund.account_id, "alarm.raised", data)
    return Changes(put=(replace(refund, error=code, due_at=due_at),), events=() if refund.error == code else (event,))


def _same(refund: Refund, repayment: Repayment) -> bool:
    frozen = (refund.units, refund.amount.currency.lower(), refund.payment_intent)
    said = (repayment.amount, repayment.currency, repayment.payment_intent)
    return frozen == said and refund.stripe_refund in (None, repayment.id)
