"""Invoices: list and show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.edge import views
from shared.edge.api import Api, entry_point
from shared.store import queries

if TYPE_CHECKING:
    from shared.edge import answers

api = Api()


@api.serve("GET /v1/accounts/{account}/invoices", query=("limit", "cursor"))
def list_invoices(account: str) -> answers.Page[answers.Invoice]:
    """The invoices of an account, in the order of their numbers."""
    queries.account(account)
    return views.page(queries.invoices(account, *api.listing()), views.invoice)


@api.serve("GET /v1/accounts/{account}/invoices/{invoice}")
def get_invoice(account: str, invoice: str) -> answers.Invoice:
    """One invoice with its lines."""
    return views.invoice(queries.invoice(account, invoice))


handler = entry_point(api)
