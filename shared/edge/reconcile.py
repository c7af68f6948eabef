"""Holding the table and Stripe against each other: what moved there, what is said to be paid here (C8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError
from pynamodb.exceptions import PynamoDBConnectionError, TransactWriteError

from shared import payments
from shared.domain import audit, reconciliation
from shared.domain.changes import Changes
from shared.domain.difference import Difference, Differs, found
from shared.domain.invoice import Invoice
from shared.domain.outcome import Payment
from shared.domain.reconciliation import Charge, Disputed
from shared.domain.repayment import Repayment
from shared.edge import clock, collect, methods, refunds, upkeep
from shared.edge.telemetry import logger, record
from shared.store import queries, table

DAYS_BACK = 3
"""So many days are looked at every day: a run that is missed is made up for by the next."""
SEGMENTS = 4
"""Into so many parts the table is divided, which are looked through side by side."""
_LATER = (
    *(payments.NoAnswer, payments.Unclear, table.Stale, upkeep.CatchingUp),
    *(PynamoDBConnectionError, TransactWriteError, BotoCoreError),
)
"""What says no more than: the same again in a while."""


def days(now: datetime) -> Iterator[dict[str, str]]:
    """The days before now, each a part of the ledger to look at."""
    for back in range(DAYS_BACK):
        since, until = (now - timedelta(days=count) for count in (back + 1, back))
        yield {"since": since.isoformat(), "until": until.isoformat()}


def segments() -> Iterator[dict[str, int]]:
    """The parts of the table."""
    return ({"segment": number, "of": SEGMENTS} for number in range(SEGMENTS))


def window(about: Mapping[str, Any]) -> payments.Window:
    """The part of Stripe's lists that a message is about."""
    return payments.Window(datetime.fromisoformat(about["since"]), datetime.fromisoformat(about["until"]))


def ledger(about: Mapping[str, Any], after: str | None) -> str | None:
    """Hold a page of what moved at Stripe against the invoices and refunds that it moved for."""
    page = payments.moved(window(about), after)
    for moved in page.things:
        if isinstance(moved, Charge):
            each(moved.account_id, moved.payment_intent, partial(_charged, moved))
        elif isinstance(moved, Repayment):
            each(moved.account_id, moved.id, partial(_repaid, moved))
        else:
            each("", moved.dispute.id, partial(_disputed, moved))
    return page.after


def saved(about: Mapping[str, Any], after: str | None) -> str | None:
    """See to it that ways to pay which were saved are charged, where no webhook told of them."""
    page = payments.happened(window(about), after, ("setup_intent.succeeded",))
    for said in page.things:
        made = payments.setup_of(said.object)
        each(made.account_id, made.id, partial(methods.catch_up, made))
    return page.after


def accounts(about: Mapping[str, Any], after: str | None) -> str | None:
    """Look through some accounts of a segment of the table."""
    page = queries.segment(about["segment"], about["of"], after)
    for account_id in page.accounts:
        each(account_id, account_id, partial(_look_through, account_id))
    return page.after


def each(account_id: str, thing: str, do: Callable[[], None]) -> None:
    """See to one of many things. Where that is impossible there is an alarm, and the others have their turn."""
    try:
        do()
    except _LATER:
        raise
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one must not hide the others
        logger.exception("unchecked", account=account_id, thing=thing)
        what = f"{thing}: {type(error).__name__}: {error}"
        tell(found(Differs.UNCHECKED, thing, account_id, what, clock.now()))


def tell(differs: Difference) -> None:
    """Raise its one alarm: an event of the account, where there is such an account, a log line and a metric."""
    events = (differs.event,) if queries.find_account(differs.account_id) else ()
    try:
        table.commit(Changes(put=(differs,), events=events), clock.now())
    except table.Busy:
        raise
    except table.Stale:  # it was told before
        return
    record((differs.event,))


def _charged(charge: Charge) -> None:
    """What the table does not know comes in through the same door as a webhook; what differs then is told.

    An invoice with an error has been through that door and has raised an alarm,
    unless it only was put off because something failed too often.
    """
    account_id, invoice_id = charge.account_id, charge.invoice_id
    invoice = queries.find_invoice(account_id, invoice_id)
    differs = reconciliation.charged(charge, invoice, clock.now())
    if differs and invoice and (invoice.error is None or invoice.failures):
        collect.learn(account_id, invoice_id, payments.get(charge.payment_intent))
        differs = reconciliation.charged(charge, queries.invoice(account_id, invoice_id), clock.now())
    if differs:
        tell(differs)


def _repaid(said: Repayment) -> None:
    """A refund of ours comes in as by a webhook; one that was made by hand is told."""
    if said.account_id:
        if queries.find_refund(said.account_id, said.refund_id):
            refunds.learn(said)
        differs = reconciliation.repaid(said, queries.find_refund(said.account_id, said.refund_id), clock.now())
    else:
        payment = payments.get(str(said.payment_intent))
        invoice = queries.find_invoice(payment.account_id, payment.invoice_id) if payment.invoice_id else None
        differs = reconciliation.repaid_by_hand(said, payment, invoice, clock.now())
    if differs:
        tell(differs)


def _disputed(seen: Disputed) -> None:
    """A dispute comes in as by a webhook, where there is an invoice for it to be noted on."""
    payment = payments.get(seen.payment_intent)
    if not payment.invoice_id:
        return
    invoice = queries.find_invoice(payment.account_id, payment.invoice_id)
    if invoice:
        refunds.dispute_all(seen.payment_intent)
        invoice = queries.invoice(invoice.account_id, invoice.id)
    differs = reconciliation.disputed(seen, payment, invoice, clock.now())
    if differs:
        tell(differs)


def _look_through(account_id: str) -> None:
    now, things = clock.now(), queries.holdings(account_id)
    for differs in audit.of_account(things, now):
        tell(differs)
    for thing in things:
        if isinstance(thing, Invoice) and reconciliation.paid_of_late(thing, now):
            unpaid = reconciliation.paid(thing, _payment_of(thing), now)
            if unpaid:
                tell(unpaid)


def _payment_of(invoice: Invoice) -> Payment | None:
    """The payment of an invoice as Stripe has it, if it does."""
    intent = invoice.live.payment_intent
    try:
        return payments.get(intent) if intent else None
    except payments.Refused:
        return None
