"""Driving an invoice to a known state: ask what to do next, do it at Stripe, commit what that means."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from shared import payments
from shared.domain import cancellation, checkout, collection, outcome, setback, upgrade
from shared.domain.account import Account, Dunning
from shared.domain.changes import Changes
from shared.domain.checkout import CheckoutStatus
from shared.domain.collection import Step
from shared.domain.invoice import GiveUp, Invoice, InvoiceStatus
from shared.domain.outcome import Payment
from shared.domain.periods import local_day
from shared.domain.subscription import MOST_PENDING, Book, Status
from shared.edge import clock, methods, pace, upgrades
from shared.edge.jobs import Job
from shared.edge.telemetry import record
from shared.store import queries, table

_MAY_HAVE_FAILED = ("requires_payment_method", "requires_action", "canceled")
_MOST_STEPS = 8  # create, look, next attempt, confirm, ...: far fewer in practice


def collect(account_id: str, invoice_id: str) -> Invoice:
    """Do what is to be done about an invoice now, and answer it as it stands then.

    Safe to run twice, late or side by side. Raises ``payments.NoAnswer`` when
    Stripe did not say what happened; the timer brings it up again.
    """
    invoice = queries.invoice(account_id, invoice_id)
    for _ in range(_MOST_STEPS):
        now = clock.now()
        if collection.next_step(invoice, now) is Step.NOTHING:
            break
        before = invoice
        try:
            invoice = _advance(before, now) or before
        except table.Stale:  # somebody else moved it: see how far
            invoice = queries.invoice(account_id, invoice_id)
        else:
            if invoice.attempt == before.attempt:  # to ask once more would say the same
                break
    return invoice


def collect_now(account_id: str, invoice_id: str) -> None:
    """The same for somebody who waits. What became of it may not be known yet: the timer brings it up again."""
    with suppress(payments.Trouble):
        pace.patiently(lambda: collect(account_id, invoice_id), pace.QUICK_TRIES)


def client_secret(invoice: Invoice) -> str | None:
    """What the payer confirms the invoice's one PaymentIntent with, while there is something to confirm (C3)."""
    attempt = invoice.attempt
    if not invoice.payable or attempt is None or attempt.payment_intent is None:
        return None
    with suppress(payments.Trouble):
        return payments.get(attempt.payment_intent).client_secret
    return None


def offer(account_id: str, invoice_id: str) -> Invoice:
    """An invoice that its payer wants to pay, with the PaymentIntent to confirm if there is anything to pay."""
    invoice = queries.invoice(account_id, invoice_id)
    if not invoice.payable or (invoice.attempt and invoice.attempt.payment_intent):
        return invoice
    buyer = methods.customer_of(queries.account(account_id))
    assert buyer.customer
    changes = collection.offer_to_payer(invoice, buyer.customer, clock.now())
    with suppress(table.Stale):  # somebody else did the same, or it is being collected just now
        if changes.put:
            _commit(changes)
    return collect(account_id, invoice_id)


def method_for(invoice: Invoice, account: Account) -> str | None:
    """The way to pay that an invoice is charged by: its subscription's, or its account's where it accepts that."""
    fits = account.payment_method_type in invoice.payment_methods
    return _method_of(_books(invoice)) or (account.payment_method if fits else None)


def learn(account_id: str, invoice_id: str, payment: Payment) -> None:
    """Apply what Stripe says of a payment by itself."""
    for attempt in range(_MOST_STEPS):
        invoice = queries.invoice(account_id, invoice_id)
        try:
            _commit_learned(invoice, payment, clock.now())
        except table.Stale:
            clock.pause(attempt)
        else:
            return
    raise table.Stale("This invoice is being changed by others.")


def expire(account_id: str, checkout_id: str) -> None:
    """Give up a checkout that nobody paid; its PaymentIntent is cancelled first, so nothing can capture later.

    One that was paid is due while users still move from what it replaces.
    """
    opened = queries.checkout(account_id, checkout_id)
    if opened.status is CheckoutStatus.COMPLETE:
        upgrades.go_on(account_id, checkout_id)
        return
    if opened.due_at is None or opened.due_at > clock.now():
        return
    bill = queries.invoice(account_id, opened.invoice_id) if opened.invoice_id else None
    if bill and not _dead(bill):
        return
    _commit(checkout.expire(opened, bill))


def postpone(job: Job, error: Exception) -> None:
    """Move what keeps failing out of the way for a while and raise one alarm."""
    now, what = clock.now(), f"{type(error).__name__}: {error}"
    if job.kind == "checkout":
        changes = checkout.postpone(queries.checkout(job.account_id, job.id), what, now)
    else:
        changes = collection.postpone(queries.invoice(job.account_id, job.id), what, now)
    if changes.put:
        _commit(changes)


def _advance(invoice: Invoice, now: datetime) -> Invoice | None:
    """One step: the invoice after it, or nothing if there was nothing to learn. ``now`` was asked just before."""
    match collection.next_step(invoice, now):
        case Step.RETRY:
            return _commit_change(invoice, _retry(invoice, now))
        case Step.CANCEL:
            return _give_up(invoice, now)
        case Step.REMIND:
            return _commit_change(invoice, outcome.remind(invoice, now))
        case Step.REPLACE:
            payment: Payment | None = _cancelled(invoice)
        case Step.CREATE | Step.CONFIRM:
            return _send(invoice)
        case _:
            payment = _seen(invoice)
    return _commit_learned(invoice, payment, clock.now())


def _send(invoice: Invoice) -> Invoice | None:
    """The live attempt reaches Stripe: its PaymentIntent is made, or confirmed once more."""
    try:
        payment = payments.confirm(invoice) if invoice.live.payment_intent else payments.create(invoice)
    except payments.Unclear:
        return _commit_change(invoice, collection.unclear(invoice))
    except payments.Refused as error:
        return _commit_change(invoice, _refused(invoice, error, clock.now()))
    return _commit_learned(invoice, payment, clock.now())


def _refused(invoice: Invoice, error: payments.Refused, now: datetime) -> Changes:
    if not error.of_method:
        return outcome.not_taken(invoice, f"{error.code}: {error}", now)
    made, newer = error.payment_intent, _newer_method(invoice, _books(invoice))
    return outcome.refused(invoice, error.code, str(error), now, payment_intent=made, newer=newer)


def _give_up(invoice: Invoice, now: datetime) -> Invoice | None:
    """Write it off once nothing can capture; until then, see again in an hour."""
    if _dead(invoice):
        return _commit_change(invoice, collection.written_off(invoice))
    current = queries.invoice(invoice.account_id, invoice.id)
    if current.giving_up and not current.settled and setback.still_due(current.due_at, now):
        _commit(Changes(put=(replace(current, due_at=now + setback.BACK_OFF[0]),)))
    return None


def _seen(invoice: Invoice) -> Payment | None:
    """How things are at Stripe. A read that fails has learned nothing, and changed nothing either."""
    try:
        return payments.get(invoice.live.payment_intent) if invoice.live.payment_intent else payments.look(invoice)
    except payments.Unclear as error:
        raise payments.NoAnswer(str(error)) from error


def _dead(bill: Invoice) -> bool:
    """Whether nothing can capture any more; what is found to have been paid meanwhile is applied."""
    if bill.settled:
        return bill.status is not InvoiceStatus.PAID
    if bill.attempt is None:
        return True
    if bill.attempt.payment_intent is None:
        found = payments.look(bill)
        if found is None:
            return collection.never_arrived(bill, clock.now())
        bill = replace(bill, attempt=replace(bill.attempt, payment_intent=found.id))
    payment = _cancelled(bill)
    if payment.status == "canceled":
        return True
    _commit_learned(bill, payment, clock.now())
    return False


def _cancelled(bill: Invoice) -> Payment:
    """Its PaymentIntent, cancelled if it can be. After an unclear answer the next try has another key."""
    try:
        return payments.cancel(bill)
    except payments.Unclear as error:
        payment = _seen(bill)
        assert payment
        if payment.status in ("canceled", "succeeded"):
            return payment
        _commit(Changes(put=(bill,)))
        raise payments.NoAnswer(str(error)) from error


def _commit_learned(invoice: Invoice, payment: Payment | None, now: datetime) -> Invoice | None:
    good = payment is not None and payment.status == "succeeded"
    dunning = queries.seller(invoice.seller).dunning if invoice.subscription_ids and not good else Dunning()
    books = None
    if payment and payment.status in _MAY_HAVE_FAILED and invoice.attempt and not invoice.settled:
        books = _books(invoice)
        dunning = dunning._replace(newer=_newer_method(invoice, books))
    after = _commit_change(invoice, outcome.learned(invoice, payment, now, dunning), payment, books)
    if good and after and invoice.live.payment_intent not in (None, after.live.payment_intent):
        with suppress(payments.Trouble):  # else it is told of, should it ever succeed
            payments.cancel(invoice)
    return after


def _newer_method(invoice: Invoice, books: list[Book]) -> bool:
    """Whether another way to pay was saved since the live attempt began, or since its payer's debit (F28)."""
    current = _method_of(books)
    if current is None or current == invoice.live.payment_method:
        return False
    method = queries.payment_method(invoice.account_id, current)
    return bool(method and method.saved_at and method.saved_at > invoice.live.t0)


def _commit_change(
    invoice: Invoice, changes: Changes, payment: Payment | None = None, books: list[Book] | None = None
) -> Invoice | None:
    """Commit what was learned of an invoice with what it means for its subscription or checkout.

    Answers the invoice as it lies in the table then; nothing if nothing was new.
    """
    after = next((entity for entity in changes.put if isinstance(entity, Invoice)), None)
    if after is None:
        return None
    if after.past_due != invoice.past_due or _dead_method(after) != _dead_method(invoice):
        for book in books if books and invoice.submitted == after.submitted else _books(after):
            changes += _standing(invoice, after, book)
    if after.submitted and not invoice.submitted:
        changes += _completed(after, payment)
    if after.checkout_id and outcome.microdeposits(after) and not outcome.microdeposits(invoice):
        opened = queries.checkout(after.account_id, after.checkout_id)
        changes += Changes(put=(checkout.wait_for(opened, clock.now() + outcome.MICRODEPOSITS_WAIT),))
    _commit(_in_one_transaction(changes))
    return replace(after, version=after.version + 1)


def _in_one_transaction(changes: Changes) -> Changes:
    """The changes, once what is more than a transaction holds was deleted: nothing pending is billed of what ends."""
    while len(changes.delete) > MOST_PENDING:
        _commit(Changes(delete=changes.delete[:MOST_PENDING]))
        changes = replace(changes, delete=changes.delete[MOST_PENDING:])
    return changes


def _completed(invoice: Invoice, payment: Payment | None) -> Changes:
    assert invoice.checkout_id
    opened = queries.checkout(invoice.account_id, invoice.checkout_id)
    account = queries.account(invoice.account_id)
    assert opened.status is CheckoutStatus.OPEN, f"{opened.id} is paid, but {opened.status}"
    method = None
    paid_with = payment.payment_method if payment else None
    if paid_with and paid_with != account.payment_method:
        with suppress(payments.Refused):  # Stripe does not know it any more: it paid this once
            method = payments.method(account.id, paid_with, clock.now())
    opened = upgrade.caught_up(opened, queries.alive_subscriptions(account.id))
    done = checkout.complete(opened, account, method)
    return upgrades.begun(opened, done) if opened.replaces else done


def _method_of(books: list[Book]) -> str | None:
    return next((it for it in (book.subscription.payment_method for book in books) if it), None)


def _dead_method(invoice: Invoice) -> str | None:
    return invoice.attempt.dead_method if invoice.attempt else None


def _books(invoice: Invoice) -> list[Book]:
    return [queries.book(invoice.account_id, each) for each in invoice.subscription_ids]


def _standing(before: Invoice, after: Invoice, book: Book) -> Changes:
    """What it means for a subscription that an invoice of it has failed, is paid or was given up."""
    changes = collection.standing(before, after, book.subscription)
    if after.status is not InvoiceStatus.UNCOLLECTIBLE or before.giving_up is not GiveUp.CANCEL:
        return changes
    [subscription] = changes.put
    on = local_day(clock.now(), subscription.zone)
    return cancellation.unpaid(book._replace(subscription=subscription), after, on)


def _retry(invoice: Invoice, now: datetime) -> Changes:
    """The next attempt, with the method that is current; nothing by itself of what is cancelled (R84) or disputed."""
    books = _books(invoice)
    ended = books and all(book.subscription.status is Status.CANCELED for book in books)
    if ended or any(book.subscription.disputes for book in books):
        return collection.leave_to_payer(invoice)
    return collection.retry(invoice, _method_of(books), now)


def _commit(changes: Changes) -> None:
    table.commit(changes, clock.now())
    record(changes.events)
