"""A quote that the seller's staff have made out: as long as its day is ahead, they alone remove seats (R35)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from shared.domain.changes import Changes, Event


@dataclass(frozen=True, slots=True)
class Quote:
    """An open quote, dated on the day from which it is to hold."""

    account_id: str
    id: str
    dated: date
    version: int = 0

    def event(self, what: str) -> Event:
        """That it was ``opened``, ``changed`` or ``closed``."""
        return Event(self.account_id, f"quote.{what}", {"quote": self.id, "dated": str(self.dated)})


def opened(before: Quote | None, after: Quote) -> Changes:
    """Make out a quote, or give it another date."""
    if before == after:
        return Changes()
    return Changes(put=(after,), events=(after.event("changed" if before else "opened"),))


def closed(quote: Quote) -> Changes:
    """It was accepted, turned down or withdrawn."""
    return Changes(delete=(quote,), events=(quote.event("closed"),))
