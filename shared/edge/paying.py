"""What payers do on our pages: they come to pay, they come back from Stripe, they save another way to pay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

from shared import payments
from shared.domain.errors import Conflict
from shared.domain.invoice import Invoice
from shared.domain.subscription import Subscription
from shared.edge import collect, methods
from shared.edge.api import Unavailable
from shared.payments import Setup
from shared.store import queries, table


def present(account_id: str, invoice_id: str) -> tuple[Invoice, str | None]:
    """An invoice as it stands, and why the last payment failed, in Stripe's words.

    Of one that is being paid Stripe is asked: its payer is back before the webhook is.
    """
    bill = queries.invoice(account_id, invoice_id)
    said = bill.attempt.message if bill.attempt else None
    if not bill.payable or bill.attempt is None or bill.attempt.payment_intent is None:
        return bill, said
    with suppress(payments.Trouble, table.Stale):
        found = payments.get(bill.attempt.payment_intent)
        said = found.message
        collect.learn(account_id, invoice_id, found)
    return queries.invoice(account_id, invoice_id), said


def payment(account_id: str, invoice_id: str) -> str:
    """The client secret of an invoice's one PaymentIntent, made for its payer where there is none yet (C3)."""
    with _answered():
        bill = collect.offer(account_id, invoice_id)
    if not bill.payable:
        raise Conflict("There is nothing to pay any more.", code="nothing_to_pay")
    secret = collect.client_secret(bill)
    if secret is None:
        raise _no_answer()
    return secret


def setup(subscription: Subscription, request: str) -> str:
    """The client secret of a SetupIntent for one of the ways to pay that a subscription accepts (F28).

    The same request gets the same one again.
    """
    key = f"{subscription.account_id}:setup:{sha256(request.encode()).hexdigest()[:32]}"
    with _answered():
        buyer = methods.customer_of(queries.account(subscription.account_id))
        return payments.save_method(buyer, None, subscription.payment_methods, None, key).client_secret


def saved(account_id: str, setup_intent: str) -> Setup | None:
    """A payer is back from saving a way to pay: it is charged from now on, if Stripe says that it is saved."""
    with suppress(payments.Trouble, table.Stale):
        made = payments.setup(setup_intent)
        if made.account_id == account_id:
            methods.learn(made)
            return made
    return None


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except (payments.NoAnswer, payments.Unclear) as error:
        raise _no_answer() from error


def _no_answer() -> Unavailable:
    return Unavailable("Stripe does not answer. Please send the same request again.")
