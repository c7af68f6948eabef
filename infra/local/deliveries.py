"""Stripe's messages on their way to the webhook: lost, late, and sent again for three days (F33)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from infra.local.faults import Faults
from infra.local.stripe import Stripe

_AGAIN = [timedelta(minutes=5), timedelta(minutes=30), *[timedelta(hours=hours) for hours in (2, 5, 10)]]
_AGAIN += [timedelta(hours=12)] * 4
"""How long Stripe waits before it sends a message again that was not taken."""


@dataclass(frozen=True)
class _Delivery:
    at: datetime
    body: bytes
    tries: int = 0


class Deliveries:
    """What Stripe has said and nobody has taken yet."""

    def __init__(self, stripe: Stripe, faults: Faults, deliver: Callable[[bytes, dict[str, str]], bool]) -> None:
        self.lost_until: datetime | None = None
        self._stripe = stripe
        self._faults = faults
        self._deliver = deliver
        self._waiting: list[_Delivery] = []

    def send(self, now: datetime) -> None:
        """Deliver what is due; what is not taken comes again later."""
        self._waiting += [_Delivery(now, message.body) for message in self._stripe.webhooks()]
        for delivery in [each for each in self._waiting if each.at <= now]:
            self._waiting.remove(delivery)
            if not self._taken(delivery, now) and delivery.tries < len(_AGAIN):
                self._waiting.append(replace(delivery, at=now + _AGAIN[delivery.tries], tries=delivery.tries + 1))

    def next_at(self) -> datetime | None:
        """When the next one is sent again."""
        return min((delivery.at for delivery in self._waiting), default=None)

    def _taken(self, delivery: _Delivery, now: datetime) -> bool:
        if self.lost_until and now < self.lost_until:
            return False
        how = self._faults.take("webhook")
        if how and how not in ("crash_after", "answer_lost", "error_500_after"):
            return False
        taken = self._deliver(delivery.body, self._stripe.sign(delivery.body))
        return taken and how is None
