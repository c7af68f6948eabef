"""The one place that reads the machine's clock, and the one that waits.

The local run puts its calendar here, so that everything below lives in its time.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

source: Callable[[], datetime] = lambda: datetime.now(UTC)  # noqa: E731 - replaced as a whole
sleep: Callable[[float], None] = time.sleep


def now() -> datetime:
    """The present instant, in UTC."""
    return source()


def pause(attempt: int, first: float = 0.02) -> None:
    """Wait a little before trying again, longer each time (a second at most) and never in step with others."""
    sleep(random.uniform(0, min(first * 2**attempt, 1.0)))  # noqa: S311 - jitter is no secret
