"""PaymentIntents: made, confirmed, cancelled, asked for and looked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import stripe

from shared.domain import collection
from shared.domain.invoice import Invoice
from shared.domain.outcome import Payment
from shared.payments.line import PAGE, Refused, Unclear, ask, client, every, once, version


def create(invoice: Invoice) -> Payment:
    """Make the invoice's PaymentIntent, and confirm it where its method is known."""
    params: Any = collection.create_params(invoice)
    options = once(collection.key(invoice))
    return replace(_pay(lambda: client().v1.payment_intents.create(params, options)), answers=True)


def confirm(invoice: Invoice) -> Payment:
    """Try again on the invoice's one PaymentIntent."""
    intent, options = _intent_of(invoice), once(collection.key(invoice))
    params: Any = collection.confirm_params(invoice)
    return _as_it_is(intent, lambda: replace(_pay(lambda: _confirm(intent, params, options)), answers=True))


def cancel(invoice: Invoice) -> Payment:
    """Make sure nothing can capture any more. One that has succeeded already is answered as it is.

    Its key changes with the invoice: what could not be cancelled before may be by now.
    """
    intent, options = _intent_of(invoice), once(f"{collection.key(invoice)}:cancel:{invoice.version}")
    return _as_it_is(intent, lambda: _pay(lambda: client().v1.payment_intents.cancel(intent, {}, options)))


def give_up(payment: Payment) -> Payment:
    """Make sure that nothing can capture any more what belongs to no invoice."""
    intent, options = payment.id, once(f"{payment.account_id}:{payment.invoice_id}:{payment.id}:cancel")
    return _as_it_is(intent, lambda: _pay(lambda: client().v1.payment_intents.cancel(intent, {}, options)))


def get(intent: str) -> Payment:
    """A PaymentIntent as it is now."""
    return _pay(lambda: client().v1.payment_intents.retrieve(intent, options=version()))


def look(invoice: Invoice) -> Payment | None:
    """The PaymentIntent of an invoice, if it ever reached Stripe: the customer's, to the last page (C7).

    One that was cancelled is this attempt's only if this attempt made it: a new
    one is made when the one before is proven cancelled (C3).
    """
    attempt = invoice.attempt
    assert attempt
    since = int((attempt.t0 - timedelta(hours=1)).timestamp())
    params: Any = {"customer": attempt.customer, "created": {"gte": since}, "limit": PAGE}
    found = ask(lambda: client().v1.payment_intents.list(params, version()))
    for intent in every(found):
        payment = payment_of(intent)
        if (payment.account_id, payment.invoice_id) != (invoice.account_id, invoice.id):
            continue
        if payment.status != "canceled" or intent["metadata"].get("attempt") == str(attempt.n):
            return payment
    return None


def payment_of(intent: Mapping[str, Any]) -> Payment:
    """A PaymentIntent in our words, as a call answers it or a webhook holds it: of a success, what was received."""
    error = intent.get("last_payment_error") or {}
    metadata = intent.get("metadata") or {}
    code = error.get("decline_code") or error.get("code")
    return Payment(
        id=intent["id"],
        status=intent["status"],
        amount=intent["amount_received" if intent["status"] == "succeeded" else "amount"],
        currency=intent["currency"],
        customer=intent.get("customer"),
        account_id=metadata.get("account", ""),
        invoice_id=metadata.get("invoice", ""),
        payment_method=intent.get("payment_method"),
        charge=intent.get("latest_charge"),
        error="authentication_required" if error.get("code") == "authentication_required" else code,
        tried=(error.get("payment_method") or {}).get("id"),
        message=error.get("message"),
        client_secret=intent.get("client_secret"),
        action=(intent.get("next_action") or {}).get("type"),
    )


def _pay(call: Callable[[], Any]) -> Payment:
    try:
        return payment_of(ask(call).to_dict())
    except stripe.CardError as error:
        body: Any = error.json_body or {}
        intent = body.get("error", {}).get("payment_intent")
        if intent is None:
            raise Unclear(str(error)) from error
        return payment_of(intent)


def _confirm(intent: str, params: Any, options: stripe.RequestOptions) -> Any:
    return client().v1.payment_intents.confirm(intent, params, options)


def _as_it_is(intent: str, call: Callable[[], Payment]) -> Payment:
    """The answer, or where the PaymentIntent is past that already, the PaymentIntent."""
    try:
        return call()
    except Refused as error:
        if error.code != "payment_intent_unexpected_state":
            raise
        return get(intent)


def _intent_of(invoice: Invoice) -> str:
    assert invoice.attempt
    assert invoice.attempt.payment_intent
    return invoice.attempt.payment_intent
