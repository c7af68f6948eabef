"""Invoices: list and show them."""

from __future__ import annotations

from typing import Any

from shared.edge import views
from shared.edge.api import Api, entry_point
from shared.store import queries

api = Api()


@api.serve("GET /v1/accounts/{account}/invoices")
def list_invoices(account: str) -> dict[str, Any]:
    """The invoices of an account, in the order of their numbers."""
    queries.account(account)
    return views.page(queries.invoices(account, *api.listing()), views.invoice)


@api.serve("GET /v1/accounts/{account}/invoices/{invoice}")
def get_invoice(account: str, invoice: str) -> dict[str, Any]:
    """One invoice with its lines."""
    return views.invoice(queries.invoice(account, invoice))


handler = entry_point(api)
