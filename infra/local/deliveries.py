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
_HELD = {"held": timedelta(hours=1), "held_for_days": timedelta(days=3)}
"""Messages that come after those that were sent later."""


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
        while self.send_one(now):
            pass

    def send_one(self, now: datetime) -> bool:
        """Deliver the first that is due, and say whether there was one."""
        self._waiting += [_Delivery(now, message.body) for message in self._stripe.webhooks()]
        delivery = next((each for each in self._waiting if each.at <= now), None)
        if delivery is None:
            return False
        self._waiting.remove(delivery)
        how = self._faults.take("webhook")
        if how in _HELD:
            self._waiting.append(replace(delivery, at=now + _HELD[how]))
        elif how == "doubled":
            self._deliver(delivery.body, self._stripe.sign(delivery.body))
        taken = how in ("dropped", *_HELD) or self._taken(delivery, now, how)
        if not taken and delivery.tries < len(_AGAIN):
            again = now + _AGAIN[delivery.tries]
            self._waiting.append(replace(delivery, at=again, tries=delivery.tries + 1))
        return True

    def next_at(self) -> datetime | None:
        """When the next one is sent again."""
        return min((delivery.at for delivery in self._waiting), default=None)

    def _taken(self, delivery: _Delivery, now: datetime, how: str | None) -> bool:
        """Whether it is known to have arrived; with some faults it has, and nobody knows."""
        if self.lost_until and now < self.lost_until:
            return False
        if how and how not in ("doubled", "crash_after", "answer_lost", "error_500_after"):
            return False
        taken = self._deliver(delivery.body, self._stripe.sign(delivery.body))
        return taken and how in (None, "doubled")
