"""What Stripe tells of all accounts together: its ledger of what moved, and its events of what happened.

Both are read page by page, the newest first; whoever reads holds on to the place
where the next page begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from shared.domain.reconciliation import Charge
from shared.payments.line import PAGE, ask, client, version
from shared.payments.webhooks import told

HAPPENED = (
    "customer.created",
    "setup_intent.succeeded",
    "payment_intent.created",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.canceled",
)
"""The events that tell what the table must know; Stripe keeps them for 30 days."""


class Window(NamedTuple):
    """From an instant up to, but not including, another one."""

    since: datetime
    until: datetime


class Page(NamedTuple):
    """Part of a list, and the id after which it goes on, where it does."""

    things: list[Any]
    after: str | None


def moved(window: Window, after: str | None) -> Page:
    """The charges among what moved: a bank debit moves, as pending, when it is submitted."""
    params = _params(window, after) | {"expand": ["data.source"]}
    page = _page(ask(lambda: client().v1.balance_transactions.list(params, version())).to_dict())
    sources = {source["id"]: source for source in (entry["source"] for entry in page.things) if source}
    charges = [charge_of(source) for source in sources.values() if source["object"] == "charge"]
    return page._replace(things=[charge for charge in charges if charge.account_id and charge.invoice_id])


def happened(window: Window, after: str | None) -> Page:
    """Stripe's events, each as a webhook would have told it."""
    params = _params(window, after) | {"types": [*HAPPENED]}
    page = _page(ask(lambda: client().v1.events.list(params, version())).to_dict())
    return page._replace(things=[told(event) for event in page.things])


def charge_of(charge: Mapping[str, Any]) -> Charge:
    """A charge in our words; of one that is none of ours the account is empty."""
    metadata = charge.get("metadata") or {}
    return Charge(
        id=charge["id"],
        payment_intent=charge.get("payment_intent") or "",
        status=charge["status"],
        amount=charge["amount"],
        currency=charge["currency"],
        customer=charge.get("customer"),
        account_id=metadata.get("account", ""),
        invoice_id=metadata.get("invoice", ""),
        given_back=charge["refunded"],
    )


def _params(window: Window, after: str | None) -> Any:
    since, until = (int(instant.timestamp()) for instant in window)
    params = {"created": {"gte": since, "lt": until}, "limit": PAGE}
    return params | ({"starting_after": after} if after else {})


def _page(found: Mapping[str, Any]) -> Page:
    things = list(found["data"])
    return Page(things, things[-1]["id"] if found["has_more"] else None)
