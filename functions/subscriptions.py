"""Subscriptions: list and show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.errors import Invalid
from shared.domain.subscription import Status
from shared.edge import views
from shared.edge.api import Api, entry_point
from shared.store import queries

if TYPE_CHECKING:
    from shared.edge import answers

api = Api()


@api.serve("GET /v1/accounts/{account}/subscriptions", query=("limit", "cursor"))
def list_subscriptions(account: str) -> answers.Page[answers.ListedSubscription]:
    """The subscriptions of an account."""
    queries.account(account)
    return views.page(queries.subscriptions(account, *api.listing()), views.listed_subscription)


@api.serve("GET /v1/accounts/{account}/subscriptions/{subscription}")
def get_subscription(account: str, subscription: str) -> answers.Subscription:
    """R5: billing details of one subscription."""
    return views.subscription(queries.book(account, subscription))


@api.serve("GET /v1/subscriptions", query=("status", "limit", "cursor"))
def list_all_subscriptions() -> answers.Page[answers.ListedSubscription]:
    """The seller's index: the subscriptions of one status over all accounts (``?status=active``)."""
    asked = api.current_event.get_query_string_value("status", Status.ACTIVE.value)
    try:
        status = Status(asked)
    except ValueError:
        known = ", ".join(status.value for status in Status)
        raise Invalid(f"There is no status {str(asked)[:40]!r}. Known: {known}.", code="unknown_status") from None
    return views.page(queries.subscriptions_by_status(status, *api.listing()), views.listed_subscription)


handler = entry_point(api)
