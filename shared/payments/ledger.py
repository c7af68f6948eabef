"""What Stripe tells of all accounts together: its ledger of what moved, and its events of what happened.

Both are read page by page, the newest first; whoever reads holds on to the place
where the next page begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from shared.domain.reconciliation import Charge, Disputed
from shared.domain.repayment import Repayment
from shared.payments.line import PAGE, ask, client, version
from shared.payments.refunds import dispute_of, repayment_of
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
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
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
    """Charges, refunds and disputes by what they moved: a bank debit moves, as pending, when it is submitted.

    Charges without our metadata are none of ours; refunds and disputes may be of ours without.
    """
    params = _params(window, after) | {"expand": ["data.source"]}
    page = _page(ask(lambda: client().v1.balance_transactions.list(params, version())).to_dict())
    sources = {source["id"]: source for source in (entry["source"] for entry in page.things) if source}
    return page._replace(things=[thing for source in sources.values() if (thing := _thing(source))])


def happened(window: Window, after: str | None, types: Sequence[str] = HAPPENED) -> Page:
    """Stripe's events of some types, each as a webhook would have told it."""
    params = _params(window, after) | {"types": [*types]}
    page = _page(ask(lambda: client().v1.events.list(params, version())).to_dict())
    return page._replace(things=[told(event) for event in page.things])


def _thing(source: Mapping[str, Any]) -> Charge | Repayment | Disputed | None:
    """What a movement came of, in our words, if it may be ours: payouts, fees and transfers are not."""
    if source["object"] == "charge":
        charge = charge_of(source)
        return charge if charge.account_id and charge.invoice_id else None
    if source["object"] in _OF_A_PAYMENT and source.get("payment_intent"):
        return _OF_A_PAYMENT[source["object"]](source)
    return None


def charge_of(charge: Mapping[str, Any]) -> Charge:
    """A charge in our words."""
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


def _disputed(dispute: Mapping[str, Any]) -> Disputed:
    return Disputed(dispute["payment_intent"], dispute_of(dispute))


_OF_A_PAYMENT: Mapping[str, Callable[[Mapping[str, Any]], Repayment | Disputed]] = {
    "refund": repayment_of,
    "dispute": _disputed,
}


def _params(window: Window, after: str | None) -> Any:
    since, until = (int(instant.timestamp()) for instant in window)
    params = {"created": {"gte": since, "lt": until}, "limit": PAGE}
    return params | ({"starting_after": after} if after else {})


def _page(found: Mapping[str, Any]) -> Page:
    things = list(found["data"])
    return Page(things, things[-1]["id"] if found["has_more"] else None)
