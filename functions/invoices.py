"""Invoices: list and show them, have one charged now, write one off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import payments
from shared.domain import collection
from shared.domain.invoice import Invoice
from shared.edge import bills, collect, links, methods, views
from shared.edge.api import Api, Decision, Unavailable, entry_point
from shared.store import queries

if TYPE_CHECKING:
    from shared.edge import answers

api = Api()


@api.serve("GET /v1/accounts/{account}/invoices", query=("limit", "cursor"))
def list_invoices(account: str) -> answers.Page[answers.Invoice]:
    """The invoices of an account, in the order of their numbers."""
    queries.account(account)
    return views.page(queries.invoices(account, *api.listing()), _shown)


@api.serve("GET /v1/accounts/{account}/invoices/{invoice}")
def get_invoice(account: str, invoice: str) -> answers.Invoice:
    """One invoice with its lines."""
    return _shown(queries.invoice(account, invoice))


@api.serve("POST /v1/accounts/{account}/invoices/{invoice}/pay")
def pay_invoice(account: str, invoice: str) -> answers.PayingInvoice:
    """Charge an invoice now by the saved way to pay, at most three times (F29).

    Where its payer must do something, or nothing is saved, the client secret of
    its one PaymentIntent comes back: by whichever way it is paid, it is paid once.
    """

    def decide() -> Decision[dict[str, str]]:
        bill, buyer = queries.invoice(account, invoice), queries.account(account)
        if bill.attempt is None and not bill.settled:
            try:
                buyer = methods.customer_of(buyer)
            except (payments.NoAnswer, payments.Unclear) as error:
                raise Unavailable("Stripe does not answer. Please send the same request again.") from error
        method = collect.method_for(bill, buyer)
        return Decision(collection.pay(bill, buyer.customer, method, api.now), {"invoice": invoice})

    # The stored answer is the id: a replay shows the invoice as it stands then (DESIGN 6).
    api.once(account, decide)
    collect.collect_now(account, invoice)
    bill = queries.invoice(account, invoice)
    return bills.paying_invoice(bill, collect.client_secret(bill), links.pay_page(api, bill))


@api.serve("POST /v1/accounts/{account}/invoices/{invoice}/write-off")
def write_off_invoice(account: str, invoice: str) -> answers.Invoice:
    """Give an invoice up: its PaymentIntent is cancelled first, and nothing can be captured afterwards.

    While Stripe does not answer, or a bank debit is on its way, it stays as it is and is seen to later.
    """

    def decide() -> Decision[dict[str, str]]:
        bill = queries.invoice(account, invoice)
        return Decision(collection.write_off(bill, api.now), {"invoice": invoice})

    api.once(account, decide)
    collect.collect_now(account, invoice)
    return _shown(queries.invoice(account, invoice))


def _shown(bill: Invoice) -> answers.Invoice:
    return bills.invoice(bill, links.pay_page(api, bill))


handler = entry_point(api)
