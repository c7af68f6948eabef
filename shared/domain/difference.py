"""A difference between the table and Stripe, or between two things of the table: told once, mended by a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.changes import Event
from shared.domain.setback import cut

TOLD_FOR = timedelta(days=30)
"""How long one alarm is enough; what still stands then is told again."""


class Differs(StrEnum):
    """What can differ; ``docs/operations.md`` says of each what to do."""

    UNKNOWN_INVOICE = "unknown_invoice"  # money moved for an invoice that the table does not have
    UNPAID_HERE = "unpaid_here"  # Stripe has the money, the invoice stays open
    PAID_TWICE = "paid_twice"  # a second payment of a paid invoice
    PAID_THOUGH_CLOSED = "paid_though_closed"  # money came for what was given up
    AMOUNT = "amount_differs"  # another amount, currency or customer than was frozen
    UNKNOWN_REFUND = "unknown_refund"  # money went back, and there is no refund of ours for it
    REFUND = "refund_differs"  # another refund at Stripe, or another amount, than ours says
    UNKNOWN_DISPUTE = "unknown_dispute"  # a bank took money back, and its invoice cannot say so
    UNCHECKED = "unchecked"  # seeing to it failed: it cannot be read, or not be applied
    NO_PAYMENT = "paid_without_payment"  # paid here, not at Stripe
    NO_TIMER = "no_timer"  # open, and nothing would ever bring it up again
    OVERDUE = "overdue"  # its time came days ago, and nobody did it
    PARKED = "parked"  # would have been billed beyond its terms, and nobody has looked at it
    UNPAID_COUNT = "unpaid_count"  # a subscription counts other unpaid invoices than there are
    PERIODS = "periods"  # a period billed twice, or not at all


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs, about which thing: Stripe's id of a movement of money, or ours of what lies in the table."""

    differs: Differs
    thing: str
    account_id: str
    what: str
    expires_at: datetime  # until then one alarm is enough

    @property
    def event(self) -> Event:
        """Its alarm."""
        data = {"code": "reconciliation_difference", "differs": self.differs, "thing": self.thing, "what": self.what}
        return Event(self.account_id, "alarm.raised", data)


def found(differs: Differs, thing: str, account_id: str, what: str, now: datetime) -> Difference:
    """A difference as it is found now."""
    return Difference(differs, thing, account_id, cut(what), now + TOLD_FOR)
