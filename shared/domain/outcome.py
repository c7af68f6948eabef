"""What an answer of Stripe means for an invoice: a table of its seven statuses, and nothing twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain import setback
from shared.domain.account import AfterRetries, Dunning
from shared.domain.changes import Changes, Event
from shared.domain.collection import HARD_DECLINES, QUIET, SAFE, never_arrived, replaced
from shared.domain.invoice import (
    MISMATCH,
    Attempt,
    AttemptState,
    GiveUp,
    Invoice,
    InvoiceStatus,
    paid,
    past_attempt,
    settled,
)
from shared.domain.processor import from_stripe

POLL = timedelta(hours=6)
ACTION_WAIT = timedelta(days=3)
MICRODEPOSITS = "verify_with_microdeposits"
MICRODEPOSITS_WAIT = timedelta(days=10)
ALARM_AGAIN = timedelta(days=1)

_AT_LAST = {AfterRetries.LEAVE_UNPAID: None, AfterRetries.CANCEL: GiveUp.CANCEL}
_NOT_DONE = "authentication_not_done"
_NOT_TAKEN = "The payment could not be made. The seller has been told."
_ENDED = (AttemptState.DECLINED, AttemptState.WAITING_FOR_PAYER)
_STATUS = {
    AttemptState.INTENT: InvoiceStatus.OPEN,
    AttemptState.DECLINED: InvoiceStatus.OPEN,
    AttemptState.PROCESSING: InvoiceStatus.PROCESSING,
    AttemptState.ACTION: InvoiceStatus.ACTION_REQUIRED,
    AttemptState.WAITING_FOR_PAYER: InvoiceStatus.WAITING_FOR_PAYER,
    AttemptState.CANCELED: InvoiceStatus.WAITING_FOR_PAYER,
}


@dataclass(frozen=True, slots=True)
class Payment:
    """What Stripe says of a PaymentIntent, in our words; ``status`` is one of Stripe's seven.

    ``amount`` is what was asked for; once it has succeeded, what was received.
    """

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
    tried: str | None = None  # the way to pay that this error is about
    message: str | None = None
    client_secret: str | None = None
    action: str | None = None  # what the payer must do, where the status says that something is to be done
    answers: bool = False  # the answer to what the live attempt sent, and no news of a payment seen before


def learned(invoice: Invoice, payment: Payment | None, now: datetime, dunning: Dunning) -> Changes:
    """What an answer of Stripe changes; nothing if it says nothing new.

    ``payment`` ``None`` means that a look found none. Success is absorbing
    (C5): it is applied whatever the attempt was and whichever PaymentIntent it
    is of, but only if amount, currency, customer and invoice are those that were
    frozen. Else nothing is charged any more until somebody has looked.
    """
    if invoice.settled or invoice.attempt is None:
        return _captured_after_all(invoice, payment) if payment else Changes()
    if invoice.held and (payment is None or payment.status != "succeeded"):
        return Changes()
    if payment is None:
        return _not_found(invoice, now)
    if payment.status != "succeeded" and invoice.attempt.payment_intent not in (None, payment.id):
        return Changes()  # late news of a PaymentIntent that was given up
    if not _same(invoice, payment):
        return _alarm(invoice, MISMATCH, f"{payment.id} is not what was asked for", now)
    handle = _MEANING[payment.status]
    return handle(_with(invoice, payment), payment, now, dunning)


def microdeposits(invoice: Invoice) -> bool:
    """Whether its payer waits for two small deposits of the bank, which takes days."""
    return invoice.attempt is not None and invoice.attempt.action == MICRODEPOSITS


def refused(
    invoice: Invoice,
    code: str,
    message: str,
    now: datetime,
    *,
    payment_intent: str | None = None,
    newer: bool = False,
) -> Changes:
    """Stripe will never charge this way to pay as asked: another one is charged if it is ``newer``, else it waits.

    ``payment_intent`` was made all the same, where Stripe says so: there is no other one beside it (C3).
    """
    attempt = replace(invoice.live, payment_intent=payment_intent or invoice.live.payment_intent)
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
    return _declined(replace(invoice, attempt=attempt), said, now, Dunning(newer=newer))


def not_taken(invoice: Invoice, what: str, now: datetime) -> Changes:
    """Stripe did not take the request itself, which no payer can mend: an alarm, and the same again tomorrow.

    It is no decline. A checkout is left to its payer.
    """
    state = AttemptState.DECLINED if invoice.subscription_ids else AttemptState.WAITING_FOR_PAYER
    failed = replace(invoice.live, state=state, look=False, error="payment_refused", message=_NOT_TAKEN)
    again = now + ALARM_AGAIN if invoice.subscription_ids else None
    data = {"code": "payment_refused", "invoice": invoice.id, "what": setback.cut(what)}
    event = Event(invoice.account_id, "alarm.raised", data)
    return Changes(put=(replace(invoice, attempt=failed, status=_STATUS[state], due_at=again),), events=(event,))


def remind(invoice: Invoice, now: datetime) -> Changes:
    """Nobody has looked yet at a payment that does not fit."""
    return _alarm(invoice, MISMATCH, f"{invoice.id} waits for somebody to look", now)


def _succeeded(invoice: Invoice, payment: Payment, now: datetime, _: Dunning) -> Changes:
    done = replace(invoice.live, state=AttemptState.SUCCEEDED, look=False, action=None, error=None, message=None)
    captured = from_stripe(payment.amount, invoice.currency)
    data = {
        "invoice": invoice.id,
        "subscription": invoice.subscription_id,
        "amount": captured.decimal,
        "currency": invoice.currency,
        "payment": payment.id,
    }
    after = paid(replace(_submitted(invoice), attempt=done), now)
    return Changes(put=(after,), events=(Event(invoice.account_id, "payment.succeeded", data), settled(after)))


def _processing(invoice: Invoice, payment: Payment, now: datetime, _: Dunning) -> Changes:
    """On its way, as a bank debit is for days (R72), by whichever way its payer has chosen."""
    used = replace(invoice.live, payment_method=payment.payment_method or invoice.live.payment_method)
    data = {"invoice": invoice.id, "payment": payment.id}
    event = Event(invoice.account_id, "payment.processing", data)
    return _move(_submitted(replace(invoice, attempt=used)), AttemptState.PROCESSING, now + POLL, event)


def _action(invoice: Invoice, payment: Payment, now: datetime, dunning: Dunning) -> Changes:
    """The payer must do something; what is not done in time counts as a decline, once."""
    attempt = invoice.live
    if attempt.state in _ENDED and attempt.error == _NOT_DONE:
        return Changes()
    if attempt.state is AttemptState.INTENT and _of_another_method(attempt, payment.payment_method, payment):
        return _not_found(invoice, now)
    since = attempt.action_since or now
    wait = MICRODEPOSITS_WAIT if payment.action == MICRODEPOSITS else ACTION_WAIT
    if attempt.state is AttemptState.ACTION and now - since >= wait:
        return _declined(invoice, replace(payment, error=_NOT_DONE), now, dunning)
    charge = payment.charge or attempt.charge  # accounted for: should the next attempt see it, it is an old one
    action = payment.action or attempt.action or payment.error
    asked = replace(attempt, action=action, action_since=since, charge=charge)
    data = {"invoice": invoice.id, "payment": payment.id, "action": asked.action}
    event = Event(invoice.account_id, "payment.action_required", data)
    return _move(replace(invoice, attempt=asked), AttemptState.ACTION, min(now + POLL, since + wait), event)


def _needs_method(invoice: Invoice, payment: Payment, now: datetime, dunning: Dunning) -> Changes:
    """Declined, if this is of what the live attempt sent, and not of before it, or of what its payer tried."""
    attempt = invoice.live
    confirms = payment.error == "authentication_required"
    nothing = attempt.payment_method and not (payment.charge or payment.error or payment.answers)
    known = payment.charge == attempt.charge and payment.charge is not None and not payment.answers
    other = nothing or known or _of_another_method(attempt, payment.tried, payment)
    if attempt.state is AttemptState.ACTION and (confirms or other):
        return _action(invoice, payment, now, dunning)  # its payer may try again
    if attempt.state is AttemptState.INTENT and other:
        return _not_found(invoice, now)
    if confirms and not other:
        return _action(invoice, payment, now, dunning)
    if attempt.payment_method is None and payment.charge is None:
        return _move(invoice, AttemptState.WAITING_FOR_PAYER, None)
    return _declined(invoice, payment, now, dunning)


def _declined(invoice: Invoice, payment: Payment, now: datetime, dunning: Dunning) -> Changes:
    attempt = invoice.live
    if attempt.state in _ENDED:
        return _noted(invoice, payment)
    declines = attempt.declines + 1
    hard = payment.error in HARD_DECLINES
    again = dunning.newer or (declines <= len(dunning.retry_days) and not hard)
    failed = replace(
        attempt,
        state=AttemptState.DECLINED if again else AttemptState.WAITING_FOR_PAYER,
        declines=declines,
        charge=payment.charge,
        look=False,
        action=None,
        action_since=None,
        error=payment.error,
        message=payment.message,
        dead_method=attempt.payment_method if hard else attempt.dead_method,
    )
    due_at = None
    if again:
        due_at = now if dunning.newer else now + timedelta(days=dunning.retry_days[declines - 1])
    giving_up = invoice.giving_up
    if not (again or hard) and declines > len(dunning.retry_days) and invoice.subscription_ids:
        giving_up = giving_up or _AT_LAST[dunning.then]
    after = replace(
        invoice,
        attempt=failed,
        status=_STATUS[failed.state],
        due_at=now if giving_up else due_at,
        past_due=bool(invoice.subscription_ids),
        giving_up=giving_up,
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


def _noted(invoice: Invoice, payment: Payment) -> Changes:
    """A decline of what its payer tried after the attempt had ended: should the next one see it, it is an old one."""
    if payment.charge in (None, invoice.live.charge):
        return Changes()
    return Changes(put=(replace(invoice, attempt=replace(invoice.live, charge=payment.charge)),))


def _canceled(invoice: Invoice, payment: Payment, now: datetime, dunning: Dunning) -> Changes:
    """The attempt ends; a new PaymentIntent may be made now that this one is proven cancelled (C3)."""
    if invoice.live.replace and invoice.live.state is AttemptState.INTENT:
        return Changes(put=(replaced(invoice, now),))
    gone = replace(invoice, attempt=replace(invoice.live, payment_intent=None))
    if gone.live.state in _ENDED:
        return Changes(put=(gone,))
    canceled = replace(payment, error=payment.error or "payment_canceled", charge=None)
    return _declined(gone, canceled, now, dunning)


def _unconfirmed(invoice: Invoice, payment: Payment, now: datetime, dunning: Dunning) -> Changes:
    """Made, and waiting to be confirmed: the next attempt does that, with a key of its own.

    Where a payer is about to confirm it, it is left to the payer, for as long as they have.
    """
    if invoice.live.state in _ENDED:
        return Changes()
    if invoice.live.state is not AttemptState.INTENT:
        return _action(invoice, payment, now, dunning)
    return _move(invoice, AttemptState.DECLINED, now)


def _unexpected(invoice: Invoice, payment: Payment, now: datetime, _: Dunning) -> Changes:
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
    attempt = invoice.live
    if attempt.state is not AttemptState.INTENT or not (attempt.look or now - attempt.t0 >= SAFE):
        return Changes()
    if not never_arrived(invoice, now):
        certain = attempt.t0 + SAFE + QUIET
        return Changes(put=(replace(invoice, due_at=certain),)) if invoice.due_at != certain else Changes()
    following = replace(attempt, n=attempt.n + 1, t0=now, look=False)
    return Changes(put=(replace(invoice, attempt=following, due_at=now), past_attempt(invoice, now)))


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
    due_at = invoice.due_at
    if due_at or code == MISMATCH:
        due_at = max(due_at or now, now + ALARM_AGAIN)  # never sooner than planned
    return Changes(put=(replace(invoice, error=code, due_at=due_at),), events=(event,))


def _move(invoice: Invoice, state: AttemptState, due_at: datetime | None, *events: Event) -> Changes:
    attempt = invoice.live
    if attempt.state is state:
        return Changes(put=(replace(invoice, due_at=due_at),)) if invoice.due_at != due_at else Changes()
    moved = replace(attempt, state=state, look=False)
    return Changes(put=(replace(invoice, attempt=moved, status=_STATUS[state], due_at=due_at),), events=events)


def _submitted(invoice: Invoice) -> Invoice:
    """R72: what a checkout sells is there as soon as its payment is on its way."""
    return replace(invoice, submitted=invoice.checkout_id is not None)


def _with(invoice: Invoice, payment: Payment) -> Invoice:
    """The invoice with what any answer tells: which payment it is, and that asking works again."""
    return replace(invoice, attempt=replace(invoice.live, payment_intent=payment.id), failures=0, error=None)


def _of_another_method(attempt: Attempt, used: str | None, payment: Payment) -> bool:
    """Whether what is told is not of the live attempt: it was so before, or its payer did it with something else."""
    return bool(attempt.payment_method and used and not payment.answers and used != attempt.payment_method)


def _same(invoice: Invoice, payment: Payment) -> bool:
    attempt = invoice.live
    frozen = (attempt.amount, invoice.currency.lower(), attempt.customer, invoice.account_id, invoice.id)
    said = (payment.amount, payment.currency, payment.customer, payment.account_id, payment.invoice_id)
    return frozen == said
