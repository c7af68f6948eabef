"""How fast Stripe is asked: what happens by itself leaves a share of its limit to those who wait for an answer.

Stripe takes 25 requests a second at an endpoint, and more where it was asked to
(``STRIPE_REQUESTS_PER_SECOND``). The charges may begin 80 % of that
(``AUTOMATIC_SHARE``). As many workers as may run at once (``CHARGE_WORKERS``)
divide it evenly: each keeps a pace of its own and need not ask the others, and
however much has piled up, nothing goes out faster.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from shared import payments
from shared.edge import clock

T = TypeVar("T")
MADE_UP = timedelta(seconds=1)
"""A worker waits for its last answers before it gets the next batch: so long a wait is made up for, no longer one."""
WORKED_OFF = timedelta(seconds=800)
"""A sweep queues what is done within that time; the next one comes after 900 s."""
TRIES, QUICK_TRIES = 4, 2
"""How often a worker asks a Stripe that has too much to do, and how often a request that somebody waits for."""
_FIRST_PAUSE = 0.5  # seconds: in that time Stripe takes a dozen requests


def per_second() -> float:
    """How many charges all workers together begin in a second: 20, unless the account has another limit."""
    return int(os.environ["STRIPE_REQUESTS_PER_SECOND"]) * int(os.environ["AUTOMATIC_SHARE"]) / 100


def per_sweep() -> int:
    """How many charges a sweep may queue: no more than are done when the next one comes."""
    return int(per_second() * WORKED_OFF.total_seconds())


class Turns:
    """The pace of one worker, kept from batch to batch."""

    def __init__(self) -> None:
        self._next = datetime.min.replace(tzinfo=UTC)

    def take(self) -> None:
        """Wait until the next charge may begin."""
        step = timedelta(seconds=int(os.environ["CHARGE_WORKERS"]) / per_second())
        now = clock.now()
        late = now - self._next > MADE_UP
        begin = now if late else min(self._next, now + step)  # never longer, even if the clock was set back
        self._next = begin + step
        if begin > now:
            clock.sleep((begin - now).total_seconds())


def patiently(do: Callable[[], T], tries: int) -> T:
    """Do something at Stripe, and where that has too much to do (429), after a little while again.

    It is done anew: the clock and the table are asked again before the same key
    is sent. What is turned away to the last is left to its timer.
    """
    for attempt in range(tries - 1):
        try:
            return do()
        except payments.Throttled:
            clock.pause(attempt, _FIRST_PAUSE)
    return do()
