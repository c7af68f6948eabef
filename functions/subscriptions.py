"""Subscriptions: list and show them, cancel one, release one that is parked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain import cancellation, renewal
from shared.domain.cancellation import Cancellation
from shared.domain.errors import Forbidden, Invalid
from shared.domain.invoice import Invoice
from shared.domain.periods import local_day
from shared.domain.subscription import Book, Status
from shared.edge import bills, links, upkeep, views
from shared.edge.api import Api, Decision, entry_point
from shared.edge.permissions import STAFF
from shared.edge.schemas import Cancel, PreviewCancel
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
    book = queries.book(account, subscription)
    return views.subscription(book, queries.catalog(), links.update_page(api, book.subscription))


@api.serve("POST /v1/accounts/{account}/subscriptions/{subscription}/cancel/preview")
def preview_cancel(account: str, subscription: str, body: PreviewCancel) -> answers.Cancellation:
    """What cancelling comes to. Nothing is cancelled."""
    return bills.cancellation(_cancellation(*upkeep.previewed(account, subscription, api.now), body))


@api.serve("POST /v1/accounts/{account}/subscriptions/{subscription}/cancel")
def cancel(account: str, subscription: str, body: Cancel) -> answers.Cancellation:
    """End a subscription now (R84). What is being charged already is neither stopped nor refunded (R86).

    What was owed before stays owed; the answer names each invoice of either kind.
    """
    if not body.understood:
        sentence = "Please confirm that you understand: the customer will not be charged again (understood: true)."
        raise Invalid(sentence, code="not_understood", path=("understood",))

    def decide() -> Decision[answers.Cancellation]:
        made = _cancellation(upkeep.current(account, subscription, api.now), (), body)
        return Decision(made.changes, bills.cancellation(made))

    return api.once(account, decide)


@api.serve("POST /v1/accounts/{account}/subscriptions/{subscription}/release")
def release(account: str, subscription: str) -> answers.Subscription:
    """Bill a parked subscription after all: somebody has looked at it."""

    def decide() -> Decision[answers.Subscription]:
        book = queries.book(account, subscription)
        changes = renewal.release(book.subscription)
        return Decision(changes, views.subscription(book.after(changes), queries.catalog()))

    return api.once(account, decide)


def _cancellation(book: Book, drawn: tuple[Invoice, ...], wanted: PreviewCancel) -> Cancellation:
    """``drawn`` are invoices that the table does not hold yet."""
    if wanted.waive and not api.may(STAFF):
        raise Forbidden("Only the seller can waive the rest of a commitment.", code="permission_missing")
    it = book.subscription
    known = {bill.id: bill for bill in (*drawn, *queries.unsettled_invoices(it.account_id))}
    left = tuple(bill for bill in known.values() if it.id in bill.subscription_ids and not bill.settled)
    return cancellation.at_once(book, left, local_day(api.now, it.zone), api.now, waive=wanted.waive)


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
