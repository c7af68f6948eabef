"""What must hold of all that lies in the table of one account, at any moment, and where it does not (C6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Protocol

from shared.domain.difference import Difference, Differs, found
from shared.domain.invoice import Invoice, InvoiceStatus
from shared.domain.periods import Period, nth_period
from shared.domain.refund import Refund, RefundStatus
from shared.domain.subscription import Subscription

OVERDUE = timedelta(days=2)
"""How long after its time a thing may wait for a sweep before somebody must look."""
_WAITING = (InvoiceStatus.WAITING_FOR_PAYER, InvoiceStatus.AWAITING_PAYMENT)
"""The two ways of being open without a timer."""
_UNDER_WAY = (RefundStatus.REQUESTED, RefundStatus.PENDING)


class Timed(Protocol):
    """What may stand in the due index: a subscription, an invoice, a refund, a checkout."""

    @property
    def account_id(self) -> str: ...  # noqa: D102
    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def due_at(self) -> datetime | None: ...  # noqa: D102


def of_account(things: Iterable[Timed], now: datetime) -> Iterator[Difference]:
    """All that is wrong with what lies in the table of one account."""
    known = list(things)
    bills = [thing for thing in known if isinstance(thing, Invoice)]
    for thing in known:
        if thing.due_at is not None and now - thing.due_at > OVERDUE:
            yield _difference(Differs.OVERDUE, thing, f"{thing.id} was due at {thing.due_at:%Y-%m-%dT%H:%MZ}", now)
        if _forgotten(thing):
            yield _difference(Differs.NO_TIMER, thing, f"{thing.id} is open and waits for nothing", now)
        if isinstance(thing, Subscription):
            if thing.parked:
                what = f"{thing.id} is not billed before somebody has looked at it"
                yield _difference(Differs.PARKED, thing, what, now)
            yield from _unpaid(thing, bills, now)
            yield from _periods(thing, bills, now)


def _forgotten(thing: Timed) -> bool:
    """Open, and nothing will ever bring it up again."""
    if isinstance(thing, Invoice):
        return thing.due_at is None and not thing.settled and thing.status not in _WAITING
    if isinstance(thing, Refund):
        return thing.due_at is None and thing.status in _UNDER_WAY
    return False


def _unpaid(subscription: Subscription, bills: list[Invoice], now: datetime) -> Iterator[Difference]:
    past_due = sum(bill.past_due for bill in bills if subscription.id in bill.subscription_ids)
    if past_due != subscription.unpaid:
        what = f"{subscription.id} counts {subscription.unpaid} unpaid invoices, there are {past_due}"
        yield _difference(Differs.UNPAID_COUNT, subscription, what, now)


def _periods(subscription: Subscription, bills: list[Invoice], now: datetime) -> Iterator[Difference]:
    """Every period is billed once, and the next begins where the last has ended."""
    whole = {nth_period(subscription.anchor, subscription.interval, n) for n in range(subscription.billed)}
    fees = Counter(fee for bill in bills for fee in _fees(bill, subscription.id) if fee[0] in whole)
    wrong = [
        f"{period} of {price} is billed {count} times" for (period, price), count in sorted(fees.items()) if count > 1
    ]
    billed = sorted({period for period, _ in fees})
    wrong += [f"{one} is followed by {other}" for one, other in pairwise(billed) if one.end != other.start]
    goes_on = billed and subscription.alive and subscription.fee.amount
    if goes_on and billed[-1].end != subscription.next_invoice_on:
        wrong.append(f"{billed[-1]} is billed, the next is from {subscription.next_invoice_on}")
    if wrong:
        yield _difference(Differs.PERIODS, subscription, f"{subscription.id}: {'; '.join(wrong)}", now)


def _fees(bill: Invoice, subscription_id: str) -> set[tuple[Period, str]]:
    """The fees of a period that began on the invoice's day; what was pending is of one that had begun before."""
    return {
        (line.period, line.price)
        for line in bill.lines
        if (line.subscription_id or bill.subscription_id) == subscription_id
        and line.period is not None
        and line.period.start == bill.date
    }


def _difference(differs: Differs, thing: Timed, what: str, now: datetime) -> Difference:
    return found(differs, thing.id, thing.account_id, what, now)
