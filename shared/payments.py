"""The way to Stripe: it moves the money, our own records say what is owed (R61).

Every POST bears our own idempotency key and is sent once: the library's own
retries are off, because only our records know whether sending again is safe.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, TypeVar

import stripe
from aws_lambda_powertools.utilities import parameters

from shared.domain import collection
from shared.domain.account import Account, PaymentMethod
from shared.domain.errors import Invalid
from shared.domain.invoice import Invoice
from shared.domain.outcome import Payment

T = TypeVar("T")
API_VERSION = "2026-05-27.dahlia"
TIMEOUT_SECONDS = 20
TOLERANCE = timedelta(minutes=5)
"""How old the signature of a webhook may be."""
_PAGE = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Trouble(Exception):
    """Stripe did not do what it was asked."""


class NoAnswer(Trouble):
    """It is not known whether anything happened, or nothing did for now: the same again later."""


class Unclear(Trouble):
    """Stripe answered, but not what happened: look before anything is sent again."""


class Refused(Trouble):
    """Stripe will never do this as it was asked; ``code`` is Stripe's."""

    def __init__(self, sentence: str, code: str) -> None:
        super().__init__(sentence)
        self.code = code


class Setup(NamedTuple):
    """A SetupIntent: how a way to pay is saved without a payment."""

    id: str
    status: str
    client_secret: str
    payment_method: str | None

    @property
    def saved(self) -> str | None:
        """The way to pay that can be charged now."""
        return self.payment_method if self.status == "succeeded" else None


class Webhook(NamedTuple):
    """Something Stripe says by itself: a hint, and only of a success also the truth (C5)."""

    type: str
    object: dict[str, Any]
    at: datetime


def create(invoice: Invoice) -> Payment:
    """Make the invoice's PaymentIntent, and confirm it where its method is known."""
    params: Any = collection.create_params(invoice)
    once = _once(collection.key(invoice))
    return replace(_pay(lambda: _client().v1.payment_intents.create(params, once)), answers=True)


def confirm(invoice: Invoice) -> Payment:
    """Try again on the invoice's one PaymentIntent."""
    intent, once = _intent_of(invoice), _once(collection.key(invoice))
    params: Any = collection.confirm_params(invoice)
    return _as_it_is(intent, lambda: replace(_pay(lambda: _confirm(intent, params, once)), answers=True))


def cancel(invoice: Invoice) -> Payment:
    """Make sure nothing can capture any more. One that has succeeded already is answered as it is."""
    intent, once = _intent_of(invoice), _once(f"{invoice.account_id}:{invoice.id}:cancel")
    return _as_it_is(intent, lambda: _pay(lambda: _client().v1.payment_intents.cancel(intent, {}, once)))


def get(intent: str) -> Payment:
    """A PaymentIntent as it is now."""
    return _pay(lambda: _client().v1.payment_intents.retrieve(intent, options=_version()))


def look(invoice: Invoice) -> Payment | None:
    """The PaymentIntent of an invoice, if it ever reached Stripe: the customer's, to the last page (C7)."""
    attempt = invoice.attempt
    assert attempt
    since = int((attempt.t0 - timedelta(hours=1)).timestamp())
    params: Any = {"customer": attempt.customer, "created": {"gte": since}, "limit": _PAGE}
    found = _ask(lambda: _client().v1.payment_intents.list(params, _version()))
    for intent in _all(found):
        payment = _payment(intent)
        if (payment.account_id, payment.invoice_id) == (invoice.account_id, invoice.id):
            return payment
    return None


def make_customer(account: Account) -> str:
    """The account's customer at Stripe, made once under a key of the account's own."""
    assert account.customer_asked_at
    params: Any = {"description": account.id, "metadata": {"account": account.id}}  # nothing that may change (C4)
    once = _once(f"{account.id}:customer:{account.customer_asked_at.isoformat()}")
    return str(_ask(lambda: _client().v1.customers.create(params, once)).id)


def find_customer(account: Account, since: datetime) -> str | None:
    """A customer made for the account whose answer was lost, from what Stripe tells of that time."""
    window = {"gte": int((since - timedelta(hours=1)).timestamp())}
    params: Any = {"type": "customer.created", "created": window, "limit": _PAGE}
    found = _ask(lambda: _client().v1.events.list(params, _version()))
    for event in _all(found):
        customer = event["data"]["object"]
        if customer.get("metadata", {}).get("account") == account.id:
            return str(customer["id"])
    return None


def save_method(account: Account, method: str | None, key: str) -> Setup:
    """Save a way to pay: at once where it is named, else by the payer with the client secret."""
    params: Any = {
        "customer": account.customer,
        "usage": "off_session",
        "payment_method_types": ["card"],
        "metadata": {"account": account.id},
    }
    if method:
        params |= {"payment_method": method, "confirm": True}
    try:
        made = _ask(lambda: _client().v1.setup_intents.create(params, _once(key)))
    except stripe.CardError as error:
        raise Invalid(error.user_message or "This card was declined.", code=error.code or "card_declined") from error
    except Refused as error:
        raise Invalid(f"Stripe does not know this way to pay: {error}", code="unknown_payment_method") from error
    return _setup(made)


def setup(setup_id: str) -> Setup:
    """A SetupIntent as it is now."""
    return _setup(_ask(lambda: _client().v1.setup_intents.retrieve(setup_id, options=_version())))


def method(account_id: str, method_id: str, saved_at: datetime) -> PaymentMethod:
    """What a person recognises a way to pay by."""
    found = _ask(lambda: _client().v1.payment_methods.retrieve(method_id, options=_version())).to_dict()
    card = found.get("card") or {}
    expires = f"{card['exp_year']}-{card['exp_month']:02}" if card else None
    return PaymentMethod(
        account_id, found["id"], found["type"], card.get("brand"), card.get("last4"), expires, saved_at
    )


def webhook(body: str, signature: str, now: datetime) -> Webhook:
    """A message of Stripe, if one of our secrets signed it (two, while they are being changed)."""
    secrets = _secret("STRIPE_WEBHOOK_SECRETS_PARAMETER").split()
    signed = [secret for secret in secrets if _signed(body, signature, secret)]
    if not signed or abs(now - _signed_at(signature)) > TOLERANCE:
        raise Invalid("The signature of this message is not Stripe's.", code="invalid_signature")
    event = json.loads(body)
    return Webhook(event["type"], event["data"]["object"], _EPOCH + timedelta(seconds=event["created"]))


def payment_of(intent: Mapping[str, Any]) -> Payment:
    """A PaymentIntent as a webhook holds it."""
    return _payment(intent)


def _signed(body: str, signature: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret)
    except (stripe.SignatureVerificationError, TypeError):  # of letters that no signature has
        return False
    return True


def _signed_at(signature: str) -> datetime:
    """When it was signed: of several times, the first is the one that the signature holds."""
    seconds = next(part for part in signature.split(",") if part.startswith("t=")).removeprefix("t=")
    return _EPOCH + timedelta(seconds=int(seconds))


def _setup(made: Any) -> Setup:
    return Setup(made.id, made.status, made.client_secret, made.payment_method)


def _pay(call: Callable[[], Any]) -> Payment:
    try:
        return _payment(_ask(call).to_dict())
    except stripe.CardError as error:
        body: Any = error.json_body or {}
        intent = body.get("error", {}).get("payment_intent")
        if intent is None:
            raise Unclear(str(error)) from error
        return _payment(intent)


def _confirm(intent: str, params: Any, once: stripe.RequestOptions) -> Any:
    return _client().v1.payment_intents.confirm(intent, params, once)


def _as_it_is(intent: str, call: Callable[[], Payment]) -> Payment:
    """The answer, or where the PaymentIntent is past that already, the PaymentIntent."""
    try:
        return call()
    except Refused as error:
        if error.code != "payment_intent_unexpected_state":
            raise
        return get(intent)


def _ask(call: Callable[[], T]) -> T:
    """One request, its failures in our words. What concerns the operator (a wrong key) goes up as it is."""
    try:
        return call()
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise NoAnswer(str(error)) from error
    except stripe.IdempotencyError as error:
        raise Unclear(str(error)) from error
    except stripe.InvalidRequestError as error:
        raise Refused(str(error.user_message or error), error.code or "invalid_request") from error
    except stripe.APIError as error:
        if error.http_status == 500:
            raise Unclear(str(error)) from error
        raise NoAnswer(str(error)) from error


def _payment(intent: Mapping[str, Any]) -> Payment:
    error = intent.get("last_payment_error") or {}
    metadata = intent.get("metadata") or {}
    code = error.get("decline_code") or error.get("code")
    return Payment(
        id=intent["id"],
        status=intent["status"],
        amount=intent["amount"],
        currency=intent["currency"],
        customer=intent.get("customer"),
        account_id=metadata.get("account", ""),
        invoice_id=metadata.get("invoice", ""),
        payment_method=intent.get("payment_method"),
        charge=intent.get("latest_charge"),
        error="authentication_required" if error.get("code") == "authentication_required" else code,
        message=error.get("message"),
        client_secret=intent.get("client_secret"),
    )


def _all(found: Any) -> Iterable[dict[str, Any]]:
    return (item.to_dict() for item in found.auto_paging_iter())


def _intent_of(invoice: Invoice) -> str:
    assert invoice.attempt
    assert invoice.attempt.payment_intent
    return invoice.attempt.payment_intent


def _once(key: str) -> stripe.RequestOptions:
    return {"idempotency_key": key, "stripe_version": API_VERSION}


def _version() -> stripe.RequestOptions:
    return {"stripe_version": API_VERSION}


def _secret(variable: str) -> str:
    """A secret by the name of the environment variable that names its parameter."""
    value: str = parameters.get_parameter(os.environ[variable], decrypt=True, max_age=300)
    return value


def _client() -> stripe.StripeClient:
    return _client_with(_secret("STRIPE_KEY_PARAMETER"))


def connect() -> None:
    """Read the key and make the client now, before many threads want it at once."""
    _client()


def forget() -> None:
    """The next call makes its way to Stripe anew."""
    _client_with.cache_clear()


@cache
def _client_with(key: str) -> stripe.StripeClient:
    address = os.environ.get("STRIPE_API_BASE")
    return stripe.StripeClient(
        key,
        http_client=stripe.default_http_client or stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
        base_addresses={"api": address} if address else {},
        max_network_retries=0,
    )
