"""The pages of payers, who have no token of ours: paying an invoice, saving another way to pay."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response

from shared import pages
from shared.domain.errors import BillingError, NotFound
from shared.domain.subscription import Subscription
from shared.edge import links, paying
from shared.edge.api import Api, entry_point, problem
from shared.edge.links import Kind
from shared.store import queries

if TYPE_CHECKING:
    from shared.edge import answers


def _told(error: BillingError, status: int) -> Response[str]:
    """A refusal as a page; to our own script as to any program."""
    if api.current_event.http_method == "POST":
        return problem(error, status)
    return _page(pages.notice_page(str(error)), status)


api = Api(_told)


@api.serve("GET /v1/pay/{token}", query=("setup_intent",))
def show_page(token: str) -> Response[str]:
    """The pay page of an invoice, or the update page of a subscription: whichever the link was made for.

    Opening it makes nothing and changes nothing; what Stripe says of a payment
    or of a way to pay that its payer has just confirmed is taken note of.
    """
    link = links.read(token, api.now.date())
    return _page(_pay_page(link) if link.kind is Kind.INVOICE else _method_page(link))


@api.serve("POST /v1/pay/{token}")
def begin_payment(token: str) -> answers.ClientSecret:
    """What the page's script confirms with: the invoice's one PaymentIntent, or a SetupIntent.

    A PaymentIntent is made where there is none yet, once; a SetupIntent, which
    saves a way to pay, once for each Idempotency-Key.
    """
    link = links.read(token, api.now.date())
    if link.kind is Kind.INVOICE:
        return {"client_secret": paying.payment(link.account_id, link.id)}
    return {"client_secret": paying.setup(_charged(link), f"{token}:{api.key()}")}


def _pay_page(link: links.Link) -> pages.Html:
    bill, said = paying.present(link.account_id, link.id)
    seller, account = queries.seller(bill.seller), queries.account(bill.account_id)
    return pages.pay_page(bill, said, seller, account, _publishable_key())


def _method_page(link: links.Link) -> pages.Html:
    subscription = _charged(link)
    entered = api.current_event.get_query_string_value("setup_intent")
    setup = paying.saved(link.account_id, entered) if entered else None
    account, seller = queries.account(link.account_id), queries.seller(subscription.seller)
    method = queries.payment_method(account.id, account.payment_method) if account.payment_method else None
    past_due = [bill for bill in queries.unsettled_invoices(account.id) if bill.past_due]
    owed = [bill for bill in past_due if subscription.id in bill.subscription_ids]
    standing = pages.Standing(method, owed, setup and setup.status, elsewhere=len(past_due) > len(owed))
    return pages.method_page(subscription, seller, account, standing, _publishable_key())


def _charged(link: links.Link) -> Subscription:
    """The subscription of an update page, while there is a reason to save a way to pay for it."""
    subscription = queries.book(link.account_id, link.id).subscription
    if not subscription.charged:
        raise NotFound("This subscription has ended, and nothing of it is owed.", code="link_expired")
    return subscription


def _publishable_key() -> str:
    return os.environ["STRIPE_PUBLISHABLE_KEY"]


def _page(html: pages.Html, status: int = 200) -> Response[str]:
    return Response(status, "text/html; charset=utf-8", html, pages.headers())


handler = entry_point(api)
