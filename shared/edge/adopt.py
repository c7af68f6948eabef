"""Taking over from Stripe what a table that was put back in time has lost; nothing is ever sent to be charged.

It runs before any sweep: what the table does not know of it would charge again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from shared import payments
from shared.domain import adoption
from shared.domain.changes import Changes
from shared.domain.difference import Differs, found
from shared.domain.errors import NotFound
from shared.domain.invoice import Invoice
from shared.domain.outcome import Payment
from shared.domain.periods import local_day
from shared.domain.repayment import Repayment
from shared.edge import clock, collect, methods, reconcile, refunds, upkeep
from shared.edge.telemetry import record
from shared.store import queries, table

EARLIER = timedelta(hours=1)
"""So much before the instant that is named: clocks differ, and what is known already does no harm."""


def since(instant: datetime, now: datetime) -> dict[str, str]:
    """Everything that happened since an instant."""
    return {"since": (instant - EARLIER).isoformat(), "until": now.isoformat()}


def happened(about: Mapping[str, Any], after: str | None) -> str | None:
    """Take over a page of what happened at Stripe; whoever comes twice finds it done."""
    page = payments.happened(reconcile.window(about), after)
    for said in page.things:
        account_id = (said.object.get("metadata") or {}).get("account", "")
        reconcile.each(account_id, str(said.object["id"]), partial(_take_over, account_id, said))
    return page.after


def _take_over(account_id: str, said: payments.Webhook) -> None:
    what, account = said.object, queries.find_account(account_id)
    if said.type.startswith(("refund.", "charge.dispute.")):
        _of_payment(str(what["payment_intent"]))
    elif said.type.startswith("payment_intent."):
        _payment(payments.payment_of(what), new=said.type == "payment_intent.created")
    elif said.type == "customer.created" and account:
        _commit(adoption.customer(account, str(what["id"]), said.at))
    elif said.type == "setup_intent.succeeded":
        methods.learn(payments.setup_of(what))


def _payment(payment: Payment, *, new: bool) -> None:
    """Bring in a payment, and before it whatever it belongs to that is lost.

    Of one that is known already it says nothing ``new`` that it was made once.
    """
    if not payment.invoice_id:
        return
    invoice = queries.find_invoice(payment.account_id, payment.invoice_id)
    if invoice and (new or invoice.settled) and _known(invoice) == payment.id:
        return
    if payment.status != "succeeded":
        payment = payments.get(payment.id)
    invoice = invoice or _drawn_again(payment)
    if invoice is None:
        _without_invoice(payment)
        return
    known = _known(invoice)
    if known and known != payment.id:  # the one before: it may have been cancelled since
        collect.learn(invoice.account_id, invoice.id, payments.get(known))
        invoice = queries.invoice(invoice.account_id, invoice.id)
    _commit(adoption.claim(invoice, payment, clock.now()))
    collect.learn(invoice.account_id, invoice.id, payment)


def _of_payment(payment_intent: str) -> None:
    """Bring in the refunds of a payment and its disputes, and before them the payment."""
    payment = payments.get(payment_intent)
    _payment(payment, new=False)
    if not queries.find_invoice(payment.account_id, payment.invoice_id):
        return
    ours = (said for said in payments.repayments(payment_intent) if said.account_id)
    for said in sorted(ours, key=lambda said: said.n):
        if not queries.find_refund(said.account_id, said.refund_id):
            _refund_again(said)
        refunds.learn(said)
    refunds.dispute_all(payment_intent)


def _refund_again(said: Repayment) -> None:
    invoice = queries.invoice(said.account_id, said.invoice_id)
    now = clock.now()
    on = local_day(now, queries.seller(invoice.seller).zone)
    _commit(adoption.refund_again(invoice, said, on, now))


def _known(invoice: Invoice) -> str | None:
    """The payment that an invoice knows to be its own."""
    return invoice.attempt.payment_intent if invoice.attempt else None


def _drawn_again(payment: Payment) -> Invoice | None:
    """An invoice that is lost: its subscription, brought up to date, draws the same one under the same id."""
    try:
        upkeep.current(payment.account_id, payment.invoice_id.rpartition("-")[0], clock.now())
    except NotFound:
        return None
    return queries.find_invoice(payment.account_id, payment.invoice_id)


def _without_invoice(payment: Payment) -> None:
    """What it was for is lost for good: what was not paid never will be, what was paid somebody must see to."""
    if payment.status not in ("succeeded", "processing", "canceled"):
        payment = payments.give_up(payment)
    if payment.status != "canceled":
        what = f"{payment.id} is {payment.status} for {payment.invoice_id}, which is lost: refund it, or enter it"
        reconcile.tell(found(Differs.UNKNOWN_INVOICE, payment.id, payment.account_id, what, clock.now()))


def _commit(changes: Changes) -> None:
    if changes.put:
        table.commit(changes, clock.now())
        record(changes.events)
