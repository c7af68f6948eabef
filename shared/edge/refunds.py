"""Driving a refund to a known state, and taking note of what is disputed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from shared import payments
from shared.domain import dispute, repayment
from shared.domain.changes import Changes
from shared.domain.collection import Step
from shared.domain.invoice import Dispute
from shared.domain.refund import Refund
from shared.domain.repayment import Repayment
from shared.edge import clock
from shared.edge.jobs import Job
from shared.edge.telemetry import record
from shared.store import queries, table

_MOST_STEPS = 4  # send, look, send with another key: fewer in practice
_MOST_TRIES = 8


def drive(account_id: str, refund_id: str) -> None:
    """Do what is to be done about a refund now.

    Safe to run twice, late or side by side. Raises ``payments.NoAnswer`` when
    Stripe did not say what happened; the timer brings it up again.
    """
    for _ in range(_MOST_STEPS):
        changes = _advanced(queries.refund(account_id, refund_id))
        if not changes.put:
            return
        with suppress(table.Stale):  # somebody else moved it: see how far
            _commit(changes)


def learn(said: Repayment) -> None:
    """Apply what Stripe says of a refund by itself."""
    _decide(lambda: repayment.learned(queries.refund(said.account_id, said.refund_id), said, clock.now()))


def learn_all(payment_intent: str) -> None:
    """Apply what Stripe says of all refunds of a payment that are ours."""
    for said in payments.repayments(payment_intent):
        if said.account_id:
            learn(said)


def dispute_all(payment_intent: str) -> None:
    """Take note of all disputes of a payment, on its invoice and on what that invoice was for."""
    payment = payments.get(payment_intent)
    if not payment.invoice_id:
        return
    for found in payments.disputes(payment_intent):
        _decide(partial(_disputed, payment.account_id, payment.invoice_id, found))


def postpone(job: Job, error: Exception) -> None:
    """Move a refund that keeps failing out of the way for a while and raise one alarm."""
    what = f"{type(error).__name__}: {error}"
    changes = repayment.postpone(queries.refund(job.account_id, job.id), what, clock.now())
    if changes.put:
        _commit(changes)


def _advanced(it: Refund) -> Changes:
    """What one step changes; nothing if there was nothing to learn. The clock is asked just before it is sent."""
    step = repayment.next_step(it, clock.now())
    if step is Step.NOTHING:
        return Changes()
    if step is not Step.CREATE:
        return repayment.learned(it, _seen(it), clock.now())
    try:
        said: Repayment | None = payments.repay(it)
    except payments.Unclear:
        return repayment.unclear(it)
    except payments.Refused as error:
        said = _seen(it)  # a request that was given up may have arrived after all
        if said is None:
            return repayment.refused(it, error.code, str(error))
    return repayment.learned(it, said, clock.now())


def _seen(it: Refund) -> Repayment | None:
    """How things are at Stripe. A read that fails has learned nothing, and changed nothing either."""
    try:
        return payments.repayment(it.stripe_refund) if it.stripe_refund else payments.find_repayment(it)
    except payments.Unclear as error:
        raise payments.NoAnswer(str(error)) from error


def _disputed(account_id: str, invoice_id: str, found: Dispute) -> Changes:
    disputed = queries.invoice(account_id, invoice_id)
    owed_for = [queries.book(account_id, each).subscription for each in disputed.subscription_ids]
    return dispute.learned(disputed, found, owed_for)


def _decide(decide: Callable[[], Changes]) -> None:
    """Commit what was decided, on what is there when nobody else is quicker."""
    for attempt in range(_MOST_TRIES):
        changes = decide()
        try:
            if changes.put:
                _commit(changes)
        except table.Stale:
            clock.pause(attempt)
        else:
            return
    raise table.Stale("This is being changed by others.")


def _commit(changes: Changes) -> None:
    table.commit(changes, clock.now())
    record(changes.events)
