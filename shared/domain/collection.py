"""Collecting an invoice exactly once: what to do next (DESIGN 6).

```
(drawn) --T1--> INTENT(n=1) --create(confirm)--> SUCCEEDED => paid (absorbing)
                  |  time-out, crash, 429, 503, 409: stay, same key, same parameters, later
                  |  500 or idempotency_error: look, never a new key
                  |  older than 20 h: look; found -> adopt; not found after 21 h -> abandoned -> n+1
                  +-> DECLINED --dunning timer--> INTENT(n+1): confirm the same PaymentIntent
                  +-> PROCESSING --webhook, or a look every 6 h--> SUCCEEDED | DECLINED
                  +-> ACTION: the payer must confirm; after 3 days it counts as a decline
                  +-> WAITING_FOR_PAYER: open, nothing happens by itself
```

Nothing here talks to Stripe: the caller asks ``next_step``, does it, and hands
what Stripe answered to ``outcome.learned``.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from shared.domain import setback
from shared.domain.changes import Changes, Event
from shared.domain.invoice import (
    Attempt,
    AttemptState,
    Drawn,
    Invoice,
    InvoiceStatus,
    issued,
    past_attempt,
    settled,
)
from shared.domain.processor import to_stripe
from shared.domain.subscription import PendingInvoiceItem, Status, Subscription

SAFE = timedelta(hours=20)
"""Stripe forgets a key after 24 hours (F33); with an older one nothing is sent any more."""
QUIET = timedelta(hours=1)
"""How much longer a request may still be on its way before it is held never to have arrived."""


class Step(StrEnum):
    """What to do next about an invoice."""

    NOTHING = "nothing"
    CREATE = "create"  # send the PaymentIntent
    CONFIRM = "confirm"  # send a confirmation of the one there is
    GET = "get"  # ask for the one there is
    LOOK = "look"  # list the customer's and match
    RETRY = "retry"  # begin the next attempt, then ask again


def freeze(
    invoice: Invoice,
    customer: str | None,
    payment_method: str | None,
    now: datetime,
    *,
    on_session: bool = False,
) -> Invoice:
    """T1: the invoice with its first attempt, the amount frozen as Stripe will be asked for it (C1).

    With nothing to charge, or without a saved method to charge by itself, it
    waits for its payer.
    """
    if invoice.settled:
        return invoice
    if customer is None or (payment_method is None and not on_session):
        return replace(invoice, status=InvoiceStatus.WAITING_FOR_PAYER, due_at=None)
    attempt = Attempt(
        n=1,
        state=AttemptState.INTENT,
        t0=now,
        amount=to_stripe(invoice.total),
        customer=customer,
        payment_method=payment_method,
        on_session=on_session,
    )
    return replace(invoice, attempt=attempt, due_at=now)


def issue(drawn: Drawn, replaced: tuple[PendingInvoiceItem, ...], now: datetime) -> Changes:
    """T1: a drawn invoice, ready to be collected, in the place of the pending items it holds."""
    subscription, bill, carried = drawn
    if bill is None:
        return Changes(put=(subscription,), delete=replaced)
    frozen = freeze(bill, subscription.customer, subscription.payment_method, now)
    told = (issued(frozen), *([settled(frozen)] if frozen.settled else []))
    return Changes(put=(subscription, frozen, *carried), delete=replaced, events=told)


def next_step(invoice: Invoice, now: datetime) -> Step:
    """What to do about an invoice; asked again immediately before anything is sent, ``now`` by the clock."""
    attempt = invoice.attempt
    if invoice.settled or attempt is None:
        return Step.NOTHING
    if attempt.state is AttemptState.INTENT:
        if attempt.look or now - attempt.t0 >= SAFE:
            return Step.GET if attempt.payment_intent else Step.LOOK
        return Step.CONFIRM if attempt.payment_intent else Step.CREATE
    if attempt.state in (AttemptState.PROCESSING, AttemptState.ACTION):
        return Step.GET
    due = invoice.due_at is not None and now >= invoice.due_at
    return Step.RETRY if attempt.state is AttemptState.DECLINED and due else Step.NOTHING


def create_params(invoice: Invoice) -> dict[str, Any]:
    """The PaymentIntent of an invoice, built from what is stored alone (C4)."""
    attempt = invoice.live
    params: dict[str, Any] = {
        "amount": attempt.amount,
        "currency": invoice.currency.lower(),
        "customer": attempt.customer,
        "payment_method_types": ["card"],
        "metadata": {"account": invoice.account_id, "invoice": invoice.id, "attempt": str(attempt.n)},
    }
    if attempt.on_session:
        params["setup_future_usage"] = "off_session"
    if attempt.payment_method:
        params |= {"payment_method": attempt.payment_method, "confirm": True}
        if not attempt.on_session:
            params["off_session"] = True
    return params


def confirm_params(invoice: Invoice) -> dict[str, Any]:
    """A further attempt on the invoice's one PaymentIntent, with the method that was current when it began."""
    attempt = invoice.live
    return {"payment_method": attempt.payment_method, "off_session": True}


def key(invoice: Invoice) -> str:
    """The idempotency key of the live attempt: the same for whoever sends it, another for every attempt."""
    return f"{invoice.account_id}:{invoice.id}:{invoice.live.n}"


def unclear(invoice: Invoice) -> Changes:
    """Stripe's answer leaves it open what happened: look before anything else is sent."""
    return Changes(put=(replace(invoice, attempt=replace(invoice.live, look=True)),))


def retry(invoice: Invoice, payment_method: str | None, now: datetime) -> Changes:
    """Begin the next attempt, with the method that is current now (C2: only after one that ended)."""
    attempt = invoice.live
    assert attempt.state is AttemptState.DECLINED
    following = replace(
        attempt,
        n=attempt.n + 1,
        state=AttemptState.INTENT,
        t0=now,
        payment_method=payment_method or attempt.payment_method,
        on_session=False,
        look=False,
    )
    return Changes(put=(replace(invoice, attempt=following, due_at=now), past_attempt(invoice, now)))


def never_arrived(invoice: Invoice, now: datetime) -> bool:
    """Whether a request that nothing came of is too old to have any effect still."""
    return now - invoice.live.t0 >= SAFE + QUIET


def standing(before: Invoice, after: Invoice, subscription: Subscription) -> Changes:
    """What a failed or settled invoice means for its subscription: Unpaid from the first failure until paid (R79)."""
    step = after.past_due - before.past_due
    unpaid = subscription.unpaid + step
    status = subscription.status
    events: tuple[Event, ...] = ()
    data = {"subscription": subscription.id, "invoice": after.id}
    if unpaid and status is Status.ACTIVE:
        status = Status.PAST_DUE
        events = (Event(subscription.account_id, "subscription.past_due", data),)
    elif not unpaid and status is Status.PAST_DUE:
        status = Status.ACTIVE
        events = (Event(subscription.account_id, "subscription.recovered", data),)
    return Changes(put=(replace(subscription, unpaid=unpaid, status=status),), events=events)


def bring_up(invoice: Invoice, customer: str | None, payment_method: str, now: datetime) -> Changes:
    """A new method was saved: what is past due is charged by it now (F28)."""
    if invoice.settled or not invoice.past_due:
        return Changes()
    attempt = invoice.attempt
    if attempt is None:
        return Changes(put=(freeze(invoice, customer, payment_method, now),))
    if attempt.state not in (AttemptState.DECLINED, AttemptState.WAITING_FOR_PAYER):
        return Changes()
    declined = replace(attempt, state=AttemptState.DECLINED)
    return Changes(put=(replace(invoice, status=InvoiceStatus.OPEN, attempt=declined, due_at=now),))


def postpone(invoice: Invoice, error: str, now: datetime) -> Changes:
    """Move an invoice that keeps failing out of the way (1 h, 6 h, 1 d) and raise one alarm."""
    if not setback.still_due(invoice.due_at, now):
        return Changes()
    again = now + setback.delay(invoice.failures)
    put_off = replace(invoice, failures=invoice.failures + 1, due_at=again, error=setback.cut(error))
    alarm = setback.alarm(invoice.account_id, invoice.failures, "collection_failed", error, invoice=invoice.id)
    return Changes(put=(put_off,), events=alarm)


def void(invoice: Invoice) -> Changes:
    """Nothing will be collected: its PaymentIntent is cancelled already, or was never made."""
    attempt = invoice.attempt and replace(invoice.attempt, state=AttemptState.CANCELED)
    closed = replace(invoice, status=InvoiceStatus.VOID, attempt=attempt, due_at=None)
    return Changes(put=(closed,), events=(Event(invoice.account_id, "invoice.voided", {"invoice": invoice.id}),))
