"""Collecting an invoice exactly once: what to do next, and what an answer of Stripe means (DESIGN 6).

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
what Stripe answered to ``learned``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    PastAttempt,
    issued,
    paid,
)
from shared.domain.processor import to_stripe
from shared.domain.subscription import PendingInvoiceItem, Status, Subscription

SAFE = timedelta(hours=20)
"""Stripe forgets a key after 24 hours (F33); with an older one nothing is sent any more."""
QUIET = timedelta(hours=1)
"""How much longer a request may still be on its way before it is held never to have arrived."""
POLL = timedelta(hours=6)
ACTION_WAIT = timedelta(days=3)
ALARM_AGAIN = timedelta(days=1)
HARD_DECLINES = frozenset({
    "lost_card", "stolen_card", "pickup_card", "restricted_card", "revocation_of_authorization",
    "revocation_of_all_authorizations", "stop_payment_order", "account_closed", "bank_account_closed",
    "no_such_payment_method",
})  # fmt: skip
"""Declines that no retry can mend: they wait for a new method (D17)."""

_NOT_DONE = "authentication_not_done"
_ENDED = (AttemptState.DECLINED, AttemptState.WAITING_FOR_PAYER)
_STATUS = {
    AttemptState.INTENT: InvoiceStatus.OPEN,
    AttemptState.DECLINED: InvoiceStatus.OPEN,
    AttemptState.PROCESSING: InvoiceStatus.PROCESSING,
    AttemptState.ACTION: InvoiceStatus.ACTION_REQUIRED,
    AttemptState.WAITING_FOR_PAYER: InvoiceStatus.WAITING_FOR_PAYER,
    AttemptState.CANCELED: InvoiceStatus.WAITING_FOR_PAYER,
}


class Step(StrEnum):
    """What to do next about an invoice."""

    NOTHING = "nothing"
    CREATE = "create"  # send the PaymentIntent
    CONFIRM = "confirm"  # send a confirmation of the one there is
    GET = "get"  # ask for the one there is
    LOOK = "look"  # list the customer's and match
    RETRY = "retry"  # begin the next attempt, then ask again


@dataclass(frozen=True, slots=True)
class Payment:
    """What Stripe says of a PaymentIntent, in our words; ``status`` is one of Stripe's seven."""

    id: str
    status: str
    amount: int
    currency: str
    customer: str | None
    account_id: str
    invoice_id: str
    payment_method: str | None = None
    charge: str | None = None
    error: str | None = None  # code of the last error, the decline code where there is one
    message: str | None = None
    client_secret: str | None = None


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
    return Changes(put=(subscription, frozen, *carried), delete=replaced, events=(issued(frozen),))


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
    attempt = _live(invoice)
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
    attempt = _live(invoice)
    return {"payment_method": attempt.payment_method, "off_session": True}


def key(invoice: Invoice) -> str:
    """The idempotency key of the live attempt: the same for whoever sends it, another for every attempt."""
    return f"{invoice.account_id}:{invoice.id}:{_live(invoice).n}"


def unclear(invoice: Invoice) -> Changes:
    """Stripe's answer leaves it open what happened: look before anything else is sent."""
    return Changes(put=(replace(invoice, attempt=replace(_live(invoice), look=True)),))


def retry(invoice: Invoice, payment_method: str | None, now: datetime) -> Changes:
    """Begin the next attempt, with the method that is current now (C2: only after one that ended)."""
    attempt = _live(invoice)
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
    return Changes(put=(replace(invoice, attempt=following, due_at=now), _past(invoice, now)))


def learned(invoice: Invoice, payment: Payment | None, now: datetime, retry_days: tuple[int, ...]) -> Changes:
    """What an answer of Stripe changes; nothing if it says nothing new.

    ``payment`` ``None`` means that a look found none. Success is absorbing
    (C5): it is applied whatever the attempt was, but only if amount, currency,
    customer and invoice are those that were frozen.
    """
    if invoice.settled or invoice.attempt is None:
        return _captured_after_all(invoice, payment) if payment else Changes()
    if payment is None:
        return _not_found(invoice, now)
    if payment.status != "succeeded" and invoice.attempt.payment_intent not in (None, payment.id):
        return Changes()  # late news of a PaymentIntent that was given up
    if not _same(invoice, payment):
        return _alarm(invoice, "payment_mismatch", f"{payment.id} is not what was asked for", now)
    handle = _MEANING[payment.status]
    return handle(_with(invoice, payment), payment, now, retry_days)


def refused(invoice: Invoice, code: str, message: str, now: datetime) -> Changes:
    """Stripe will never do this as asked, so nothing was charged: it waits for its payer."""
    attempt = _live(invoice)
    said = Payment(
        id=attempt.payment_intent or "",
        status="requires_payment_method",
        amount=attempt.amount,
        currency=invoice.currency.lower(),
        customer=attempt.customer,
        account_id=invoice.account_id,
        invoice_id=invoice.id,
        charge=attempt.charge,
        error=code,
        message=message,
    )
    return _declined(invoice, said, now, ())


def never_arrived(invoice: Invoice, now: datetime) -> bool:
    """Whether a request that nothing came of is too old to have any effect still."""
    return now - _live(invoice).t0 >= SAFE + QUIET


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


def _succeeded(invoice: Invoice, payment: Payment, now: datetime, _: tuple[int, ...]) -> Changes:
    done = replace(_live(invoice), state=AttemptState.SUCCEEDED, look=False, error=None, message=None)
    amount = {"amount": invoice.total.decimal, "currency": invoice.currency}
    data = {"invoice": invoice.id, "subscription": invoice.subscription_id, **amount}
    events = (
        Event(invoice.account_id, "payment.succeeded", {**data, "payment": payment.id}),
        Event(invoice.account_id, "invoice.paid", data),
    )
    return Changes(put=(paid(replace(invoice, attempt=done), now),), events=events)


def _processing(invoice: Invoice, payment: Payment, now: datetime, _: tuple[int, ...]) -> Changes:
    data = {"invoice": invoice.id, "payment": payment.id}
    return _move(invoice, AttemptState.PROCESSING, now + POLL, Event(invoice.account_id, "payment.processing", data))


def _action(invoice: Invoice, payment: Payment, now: datetime, retry_days: tuple[int, ...]) -> Changes:
    attempt = _live(invoice)
    if attempt.state in _ENDED and attempt.error == _NOT_DONE:
        return Changes()  # it counted as a decline already
    if attempt.state is AttemptState.ACTION and now - attempt.t0 >= ACTION_WAIT:
        return _declined(invoice, replace(payment, error=_NOT_DONE), now, retry_days)
    data = {"invoice": invoice.id, "payment": payment.id}
    event = Event(invoice.account_id, "payment.action_required", data)
    return _move(invoice, AttemptState.ACTION, now + POLL, event)


def _needs_method(invoice: Invoice, payment: Payment, now: datetime, retry_days: tuple[int, ...]) -> Changes:
    attempt = _live(invoice)
    if payment.charge == attempt.charge and payment.charge is not None:
        return _not_found(invoice, now)  # an old decline, accounted for already
    if payment.error == "authentication_required":
        return _action(invoice, payment, now, retry_days)
    if attempt.payment_method is None and payment.charge is None:
        return _move(invoice, AttemptState.WAITING_FOR_PAYER, None)
    return _declined(invoice, payment, now, retry_days)


def _declined(invoice: Invoice, payment: Payment, now: datetime, retry_days: tuple[int, ...]) -> Changes:
    attempt = _live(invoice)
    if attempt.state in _ENDED:
        return Changes()
    declines = attempt.declines + 1
    again = declines <= len(retry_days) and payment.error not in HARD_DECLINES
    failed = replace(
        attempt,
        state=AttemptState.DECLINED if again else AttemptState.WAITING_FOR_PAYER,
        declines=declines,
        charge=payment.charge,
        look=False,
        error=payment.error,
        message=payment.message,
    )
    due_at = now + timedelta(days=retry_days[declines - 1]) if again else None
    status = _STATUS[failed.state]
    after = replace(
        invoice, attempt=failed, status=status, due_at=due_at, past_due=invoice.subscription_id is not None
    )
    data = {
        "invoice": invoice.id,
        "subscription": invoice.subscription_id,
        "amount": invoice.total.decimal,
        "currency": invoice.currency,
        "code": payment.error,
        "retry_at": due_at.isoformat().replace("+00:00", "Z") if due_at else None,
    }
    return Changes(put=(after,), events=(Event(invoice.account_id, "payment.failed", data),))


def _canceled(invoice: Invoice, payment: Payment, now: datetime, retry_days: tuple[int, ...]) -> Changes:
    """The attempt ends; a new PaymentIntent may be made now that this one is proven cancelled (C3)."""
    gone = replace(invoice, attempt=replace(_live(invoice), payment_intent=None))
    if _live(gone).state in _ENDED:
        return Changes(put=(gone,))
    canceled = replace(payment, error=payment.error or "payment_canceled", charge=None)
    return _declined(gone, canceled, now, retry_days)


def _unconfirmed(invoice: Invoice, _payment: Payment, now: datetime, _: tuple[int, ...]) -> Changes:
    """Made, and waiting to be confirmed: the next attempt does that, with a key of its own."""
    return _move(invoice, AttemptState.DECLINED, now)


def _unexpected(invoice: Invoice, payment: Payment, now: datetime, _: tuple[int, ...]) -> Changes:
    return _alarm(invoice, "payment_unexpected", f"{payment.id} is {payment.status}", now)


_MEANING = {
    "succeeded": _succeeded,
    "processing": _processing,
    "requires_action": _action,
    "requires_payment_method": _needs_method,
    "requires_confirmation": _unconfirmed,
    "requires_capture": _unexpected,
    "canceled": _canceled,
}
"""What each of Stripe's seven statuses means (C5)."""


def _not_found(invoice: Invoice, now: datetime) -> Changes:
    """Nothing came of an attempt: wait until it is certain, then begin another, which is no decline."""
    attempt = _live(invoice)
    if attempt.state is not AttemptState.INTENT or not (attempt.look or now - attempt.t0 >= SAFE):
        return Changes()
    if not never_arrived(invoice, now):
        certain = attempt.t0 + SAFE + QUIET
        return Changes(put=(replace(invoice, due_at=certain),)) if invoice.due_at != certain else Changes()
    following = replace(attempt, n=attempt.n + 1, t0=now, look=False)
    return Changes(put=(replace(invoice, attempt=following, due_at=now), _past(invoice, now)))


def _captured_after_all(invoice: Invoice, payment: Payment) -> Changes:
    """Money came in for an invoice that was given up, or is paid already: nothing may hide that."""
    attempt = invoice.attempt
    known = invoice.status is InvoiceStatus.PAID and attempt and attempt.payment_intent == payment.id
    if payment.status != "succeeded" or known or invoice.error == "captured_after_all":
        return Changes()
    data = {"code": "captured_after_all", "invoice": invoice.id, "what": f"{payment.id} succeeded"}
    event = Event(invoice.account_id, "alarm.raised", data)
    return Changes(put=(replace(invoice, error="captured_after_all"),), events=(event,))


def _alarm(invoice: Invoice, code: str, what: str, now: datetime) -> Changes:
    event = Event(invoice.account_id, "alarm.raised", {"code": code, "invoice": invoice.id, "what": what})
    due_at = max(invoice.due_at, now + ALARM_AGAIN) if invoice.due_at else None  # never sooner than planned
    return Changes(put=(replace(invoice, error=code, due_at=due_at),), events=(event,))


def _move(invoice: Invoice, state: AttemptState, due_at: datetime | None, *events: Event) -> Changes:
    attempt = _live(invoice)
    if attempt.state is state:
        return Changes(put=(replace(invoice, due_at=due_at),)) if invoice.due_at != due_at else Changes()
    moved = replace(attempt, state=state, look=False)
    return Changes(put=(replace(invoice, attempt=moved, status=_STATUS[state], due_at=due_at),), events=events)


def _with(invoice: Invoice, payment: Payment) -> Invoice:
    """The invoice with what any answer tells: which payment it is, and that asking works again."""
    return replace(invoice, attempt=replace(_live(invoice), payment_intent=payment.id), failures=0, error=None)


def _same(invoice: Invoice, payment: Payment) -> bool:
    attempt = _live(invoice)
    frozen = (attempt.amount, invoice.currency.lower(), attempt.customer, invoice.account_id, invoice.id)
    said = (payment.amount, payment.currency, payment.customer, payment.account_id, payment.invoice_id)
    return frozen == said and attempt.payment_intent in (None, payment.id)


def _past(invoice: Invoice, now: datetime) -> PastAttempt:
    attempt = _live(invoice)
    return PastAttempt(
        account_id=invoice.account_id,
        invoice_id=invoice.id,
        n=attempt.n,
        state=attempt.state,
        at=now,
        payment_intent=attempt.payment_intent,
        charge=attempt.charge,
        error=attempt.error,
        message=attempt.message,
    )


def _live(invoice: Invoice) -> Attempt:
    assert invoice.attempt, f"{invoice.id} is not being collected"
    return invoice.attempt
