"""Refunds: give back what was paid, with a credit note, and list what was given back."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING

from shared import payments
from shared.domain import refund
from shared.domain.errors import Invalid
from shared.domain.invoice import Invoice
from shared.domain.money import Money
from shared.domain.periods import local_day
from shared.domain.refund import Refund
from shared.edge import bills, refunds
from shared.edge.api import Api, Decision, entry_point
from shared.edge.schemas import RefundInvoice
from shared.store import queries

if TYPE_CHECKING:
    from shared.edge import answers

api = Api()


@api.serve("POST /v1/accounts/{account}/invoices/{invoice}/refunds", status=201)
def refund_invoice(account: str, invoice: str, body: RefundInvoice) -> answers.Refund:
    """Give back what was paid, in full or in part, with a credit note.

    The subscription goes on. Stripe is asked at once. Where it does not
    answer, the refund is ``requested`` and goes out as soon as it can be reached.
    """

    def decide() -> Decision[dict[str, str]]:
        bill = queries.invoice(account, invoice)
        on = local_day(api.now, queries.seller(bill.seller).zone)
        changes = refund.issue(bill, _amount(bill, body, on), body.reason, on, api.now)
        [made] = (entity for entity in changes.put if isinstance(entity, Refund))
        return Decision(changes, {"refund": made.id})

    # The stored answer is the id: a replay shows the refund as it stands then (DESIGN 6).
    made = api.once(account, decide)["refund"]
    with suppress(payments.Trouble):  # what became of it is not known yet: the timer brings it up again
        refunds.drive(account, made)
    return next(each for each in _refunds(account, invoice) if each["id"] == made)


@api.serve("GET /v1/accounts/{account}/invoices/{invoice}/refunds")
def list_refunds(account: str, invoice: str) -> answers.Page[answers.Refund]:
    """What was given back of an invoice, in the order of the credit notes."""
    queries.invoice(account, invoice)
    return {"items": _refunds(account, invoice), "cursor": None}


def _refunds(account: str, invoice: str) -> list[answers.Refund]:
    return [bills.refund(*each) for each in queries.refunds(account, invoice)]


def _amount(bill: Invoice, body: RefundInvoice, on: date) -> Money | None:
    """What is to be given back; ``None`` is all that is left."""
    if body.unused_days:
        if body.amount:
            raise Invalid("Name an amount or unused_days, not both.", code="invalid_amount")
        return refund.unused(bill, on, _ended(bill))
    return Money.parse(body.amount.amount, body.amount.currency) if body.amount else None


def _ended(bill: Invoice) -> dict[str, date]:
    """The last days of those subscriptions of an invoice that were cancelled."""
    subscriptions = (queries.book(bill.account_id, each).subscription for each in bill.subscription_ids)
    return {each.id: each.canceled_on for each in subscriptions if each.canceled_on}


handler = entry_point(api)
