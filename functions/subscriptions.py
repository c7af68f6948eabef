"""Subscriptions: list and show them."""

from __future__ import annotations

from typing import Any

from shared.domain.errors import Invalid
from shared.domain.subscription import Status
from shared.edge import views
from shared.edge.api import Api, entry_point
from shared.store import queries

api = Api()


@api.serve("GET /v1/accounts/{account}/subscriptions")
def list_subscriptions(account: str) -> dict[str, Any]:
    """The subscriptions of an account."""
    queries.account(account)
    return views.page(queries.subscriptions(account, *api.listing()), views.listed_subscription)


@api.serve("GET /v1/accounts/{account}/subscriptions/{subscription}")
def get_subscription(account: str, subscription: str) -> dict[str, Any]:
    """R5: billing details of one subscription."""
    return views.subscription(queries.book(account, subscription))


@api.serve("GET /v1/subscriptions")
def list_all_subscriptions() -> dict[str, Any]:
    """The seller's index: the subscriptions of one status over all accounts (``?status=active``)."""
    asked = api.current_event.get_query_string_value("status", Status.ACTIVE.value)
    try:
        status = Status(asked)
    except ValueError:
        known = ", ".join(status.value for status in Status)
        raise Invalid(f"There is no status {str(asked)[:40]!r}. Known: {known}.", code="unknown_status") from None
    return views.page(queries.subscriptions_by_status(status, *api.listing()), views.listed_subscription)


handler = entry_point(api)
