"""Collecting an invoice exactly once: what to do next (DESIGN 6).

```
(drawn) --T1--> INTENT(n=1) --create(confirm)--> SUCCEEDED => paid (absorbing)
                  |  time-out, crash, 429, 503, 409: stay, same key, same parameters, later
                  |  500 or idempotency_error: look, never a new key
                  |  older than 20 h: look; found -> adopt; not found after 21 h -> abandoned -> n+1
                  +-> DECLINED --dunning timer--> INTENT(n+1): confirm the same PaymentIntent;
                  |                one that was made for its payer is cancelled, and another made
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
from shared.domain.errors import Conflict
from shared.domain.invoice import (
    MISMATCH,
    Attempt,
    AttemptState,
    Drawn,
    GiveUp,
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
MOST_BY_HAND = 3
HARD_DECLINES = frozenset({
    "lost_card", "stolen_card", "pickup_card", "restricted_card", "revocation_of_authorization",
    "revocation_of_all_authorizations", "stop_payment_order", "account_closed", "bank_account_closed",
    "no_account", "debit_not_authorized", "no_such_payment_method",
})  # fmt: skip
"""Declines that no retry can mend: they wait for a new method (D17)."""
_LEFT = (AttemptState.DECLINED, AttemptState.WAITING_FOR_PAYER)
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
    CANCEL = "cancel"  # see that nothing can capture any more, then write it off
    REPLACE = "replace"  # see that the one there is cannot capture any more, then make another
    REMIND = "remind"  # say once more that somebody must look


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
    return replace(invoice, status=InvoiceStatus.OPEN, attempt=attempt, due_at=now)


def issue(drawn: Drawn, replaced: tuple[PendingInvoiceItem, ...], now: datetime) -> Changes:
    """T1: a drawn invoice, ready to be collected, in the place of the pending items it holds."""
    subscription, bill, carried = drawn
    if bill is None:
        return Changes(put=(subscription,), delete=replaced)
    frozen = freeze(bill, subscription.customer, subscription.automatic_method, now)
    told = (issued(frozen), *([settled(frozen)] if frozen.settled else []))
    if frozen.status is InvoiceStatus.WAITING_FOR_PAYER:  # there is nothing to charge it by
        frozen = replace(frozen, past_due=True)
        return Changes(put=(frozen, *carried), delete=replaced, events=told) + standing(bill, frozen, subscription)
    return Changes(put=(subscription, frozen, *carried), delete=replaced, events=told)


def next_step(invoice: Invoice, now: datetime) -> Step:
    """What to do about an invoice; asked again immediately before anything is sent, ``now`` by the clock."""
    attempt = invoice.attempt
    if invoice.giving_up and not invoice.settled:
        return Step.CANCEL
    if invoice.settled or attempt is None:
        return Step.NOTHING
    due = invoice.due_at is not None and now >= invoice.due_at
    if invoice.held:
        return Step.REMIND if due else Step.NOTHING
    if attempt.state is AttemptState.INTENT:
        return _sending(invoice, now)
    if attempt.state in (AttemptState.PROCESSING, AttemptState.ACTION):
        return Step.GET
    return Step.RETRY if attempt.state is AttemptState.DECLINED and due else Step.NOTHING


def _sending(invoice: Invoice, now: datetime) -> Step:
    attempt = invoice.live
    if attempt.replace:
        return Step.REPLACE
    look, send = (Step.GET, Step.CONFIRM) if attempt.payment_intent else (Step.LOOK, Step.CREATE)
    return look if attempt.look or now - attempt.t0 >= SAFE else send


def create_params(invoice: Invoice) -> dict[str, Any]:
    """The PaymentIntent of an invoice, built from what is stored alone (C4)."""
    attempt = invoice.live
    params: dict[str, Any] = {
        "amount": attempt.amount,
        "currency": invoice.currency.lower(),
        "customer": attempt.customer,
        "payment_method_types": list(invoice.payment_methods),
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
    """A further attempt on the invoice's one PaymentIntent, with the method that was current when it began.

    Stripe refuses this for one that is to save what pays it (``setup_future_usage``): that one is replaced before.
    """
    attempt = invoice.live
    return {"payment_method": attempt.payment_method, "off_session": True}


def key(invoice: Invoice) -> str:
    """The idempotency key of the live attempt: the same for whoever sends it, another for every attempt."""
    return f"{invoice.account_id}:{invoice.id}:{invoice.live.n}"


def unclear(invoice: Invoice) -> Changes:
    """Stripe's answer leaves it open what happened: look before anything else is sent."""
    return Changes(put=(replace(invoice, attempt=replace(invoice.live, look=True)),))


def retry(invoice: Invoice, payment_method: str | None, now: datetime) -> Changes:
    """Begin the next attempt, with the method that is current now (C2: only after one that ended).

    One that was declined for good is left alone: that waits for a new method (D17).
    """
    attempt = invoice.live
    assert attempt.state is AttemptState.DECLINED
    method = payment_method or attempt.payment_method
    if (method is None and attempt.payment_intent) or (method and method == attempt.dead_method):
        return leave_to_payer(invoice)
    following = replace(
        attempt,
        n=attempt.n + 1,
        state=AttemptState.INTENT,
        t0=now,
        payment_method=method,
        on_session=False,
        look=False,
        replace=attempt.payment_intent is not None and (attempt.on_session or attempt.replace),
    )
    return Changes(put=(replace(invoice, attempt=following, due_at=now), past_attempt(invoice, now)))


def replaced(invoice: Invoice, now: datetime) -> Invoice:
    """The PaymentIntent that its payer did not pay is proven cancelled: the attempt makes another (C3)."""
    anew = replace(invoice.live, payment_intent=None, replace=False, t0=now)
    return replace(invoice, attempt=anew, due_at=now)


def offer_to_payer(invoice: Invoice, customer: str, now: datetime) -> Changes:
    """An attempt for its payer to confirm, where there is no PaymentIntent that they could (C3)."""
    attempt = invoice.attempt
    if attempt is None:
        return Changes(put=(freeze(invoice, customer, None, now, on_session=True),))
    if attempt.payment_intent or attempt.state not in _LEFT:
        return Changes()
    following = replace(
        attempt, n=attempt.n + 1, state=AttemptState.INTENT, t0=now, payment_method=None, on_session=True, look=False
    )
    return Changes(put=(replace(invoice, attempt=following, due_at=now), past_attempt(invoice, now)))


def leave_to_payer(invoice: Invoice) -> Changes:
    """Nothing happens by itself any more: it stays open until its payer does something."""
    waiting = replace(invoice.live, state=AttemptState.WAITING_FOR_PAYER)
    return Changes(put=(replace(invoice, attempt=waiting, status=InvoiceStatus.WAITING_FOR_PAYER, due_at=None),))


def pay(invoice: Invoice, customer: str | None, payment_method: str | None, now: datetime) -> Changes:
    """Somebody asks for an invoice to be charged now, at most three times (F29).

    What is on its way already is left alone, and so is what its payer must
    confirm. Without a saved method its PaymentIntent is made, so that the payer
    can pay it on the page.
    """
    if invoice.status in (InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE) or invoice.giving_up:
        raise Conflict("Nothing is collected of this invoice any more.", code="invoice_closed")
    if invoice.held:
        raise Conflict(
            "A payment that Stripe has does not fit this invoice: the seller must look at it.", code=MISMATCH
        )
    attempt = invoice.attempt
    if invoice.settled or (attempt and attempt.state not in _LEFT):
        return Changes()
    if attempt is None:
        return Changes(put=(freeze(invoice, customer, payment_method, now, on_session=payment_method is None),))
    if payment_method is None and attempt.payment_intent:
        return Changes()
    if attempt.by_hand >= MOST_BY_HAND:
        sentence = f"This invoice was tried by hand {MOST_BY_HAND} times. Please save another way to pay."
        raise Conflict(sentence, code="too_many_retries")
    if payment_method is not None and payment_method == attempt.dead_method:
        sentence = "This way to pay was declined for good. Please save another one."
        raise Conflict(sentence, code="method_declined_for_good")
    return _again(invoice, replace(attempt, by_hand=attempt.by_hand + 1), payment_method, now)


def write_off(invoice: Invoice, now: datetime) -> Changes:
    """Begin to give an invoice up: first its PaymentIntent is cancelled, so that nothing captures afterwards."""
    if invoice.checkout_id and not invoice.submitted:
        raise Conflict("A checkout that nobody pays ends by itself.", code="checkout_open")
    if invoice.status is InvoiceStatus.PAID:
        raise Conflict("This invoice is paid.", code="invoice_paid")
    if invoice.settled or invoice.giving_up:
        return Changes()
    return Changes(put=(replace(invoice, giving_up=GiveUp.WRITE_OFF, due_at=now),))


def written_off(invoice: Invoice) -> Changes:
    """Nothing can capture any more: it will never be collected, and is not past due."""
    attempt = invoice.attempt and replace(invoice.attempt, state=AttemptState.CANCELED)
    closed = replace(invoice, status=InvoiceStatus.UNCOLLECTIBLE, attempt=attempt, due_at=None, past_due=False)
    data = {
        "invoice": invoice.id,
        "subscription": invoice.subscription_id,
        "amount": invoice.total.decimal,
        "currency": invoice.currency,
    }
    return Changes(put=(closed,), events=(Event(invoice.account_id, "invoice.uncollectible", data),))


def never_arrived(invoice: Invoice, now: datetime) -> bool:
    """Whether a request that nothing came of is too old to have any effect still."""
    return now - invoice.live.t0 >= SAFE + QUIET


def standing(before: Invoice, after: Invoice, subscription: Subscription) -> Changes:
    """What a failed or settled invoice means for its subscription: Unpaid from the first failure until paid (R79).

    What was declined for good is not charged for its next invoices either.
    """
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
    dead = (after.attempt and after.attempt.dead_method) or subscription.dead_method
    return Changes(put=(replace(subscription, unpaid=unpaid, status=status, dead_method=dead),), events=events)


def bring_up(invoice: Invoice, customer: str | None, payment_method: str, now: datetime) -> Changes:
    """A new method was saved: what is past due is charged by it now, once however often that is told (F28).

    So is what waits for its payer to confirm the method before.
    """
    attempt = invoice.attempt
    confirming = attempt is not None and attempt.state is AttemptState.ACTION and invoice.subscription_ids
    if invoice.settled or invoice.giving_up or invoice.held or not (invoice.past_due or confirming):
        return Changes()
    if attempt is None:
        return Changes(put=(freeze(invoice, customer, payment_method, now),))
    begun = attempt.state not in (*_LEFT, AttemptState.ACTION)
    if begun or attempt.payment_method == payment_method:
        return Changes()
    return _again(invoice, attempt, payment_method, now)


def _again(invoice: Invoice, attempt: Attempt, payment_method: str | None, now: datetime) -> Changes:
    """The next attempt begins now, whatever it waited for."""
    ended = replace(attempt, state=AttemptState.DECLINED, action=None, action_since=None)
    return retry(replace(invoice, status=InvoiceStatus.OPEN, attempt=ended), payment_method, now)


def postpone(invoice: Invoice, error: str, now: datetime) -> Changes:
    """Move an invoice that keeps failing out of the way (1 h, 6 h, 1 d) and raise one alarm."""
    if not setback.still_due(invoice.due_at, now):
        return Changes()
    again = now + setback.delay(invoice.failures)
    known = MISMATCH if invoice.held else setback.cut(error)
    put_off = replace(invoice, failures=invoice.failures + 1, due_at=again, error=known)
    alarm = setback.alarm(invoice.account_id, invoice.failures, "collection_failed", error, invoice=invoice.id)
    return Changes(put=(put_off,), events=alarm)


def void(invoice: Invoice) -> Changes:
    """Nothing will be collected: its PaymentIntent is cancelled already, or was never made."""
    attempt = invoice.attempt and replace(invoice.attempt, state=AttemptState.CANCELED)
    closed = replace(invoice, status=InvoiceStatus.VOID, attempt=attempt, due_at=None)
    return Changes(put=(closed,), events=(Event(invoice.account_id, "invoice.voided", {"invoice": invoice.id}),))
