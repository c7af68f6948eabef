"""Customers at Stripe, and the ways to pay that they have saved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import stripe

from shared.domain.account import Account, PaymentMethod
from shared.domain.errors import Invalid
from shared.payments.line import PAGE, Refused, ask, client, every, once, version


class Setup(NamedTuple):
    """A SetupIntent: how a way to pay is saved without a payment.

    ``created`` says which of two is the newer: a bank account may be verified
    days after a card was saved in its place.
    """

    id: str
    status: str
    client_secret: str
    payment_method: str | None
    account_id: str
    created: datetime

    @property
    def saved(self) -> str | None:
        """The way to pay that can be charged now."""
        return self.payment_method if self.status == "succeeded" else None


def make_customer(account: Account) -> str:
    """The account's customer at Stripe, made once under a key of the account's own."""
    assert account.customer_asked_at
    params: Any = {"description": account.id, "metadata": {"account": account.id}}  # nothing that may change (C4)
    options = once(f"{account.id}:customer:{account.customer_asked_at.isoformat()}")
    return str(ask(lambda: client().v1.customers.create(params, options)).id)


def find_customer(account: Account, since: datetime) -> str | None:
    """A customer made for the account whose answer was lost, from what Stripe tells of that time."""
    window = {"gte": int((since - timedelta(hours=1)).timestamp())}
    params: Any = {"type": "customer.created", "created": window, "limit": PAGE}
    found = ask(lambda: client().v1.events.list(params, version()))
    for event in every(found):
        customer = event["data"]["object"]
        if customer.get("metadata", {}).get("account") == account.id:
            return str(customer["id"])
    return None


class Consent(NamedTuple):
    """From where the payer agreed to bank debits: a mandate says so."""

    ip_address: str
    user_agent: str


def save_method(
    account: Account, method: PaymentMethod | None, types: tuple[str, ...], consent: Consent | None, key: str
) -> Setup:
    """Save a way to pay of one of these types: at once if it is named, else by the payer with the client secret."""
    params: Any = {
        "customer": account.customer,
        "usage": "off_session",
        "payment_method_types": list(types),
        "metadata": {"account": account.id},
    }
    if method:
        params |= {"payment_method": method.id, "confirm": True}
    if method and consent and method.type != "card":
        acceptance = {"type": "online", "online": consent._asdict()}
        params["mandate_data"] = {"customer_acceptance": acceptance}
        key = f"{key}:{consent.ip_address}"  # the same key is for the same parameters
    try:
        made = ask(lambda: client().v1.setup_intents.create(params, once(key)))
    except stripe.CardError as error:
        raise Invalid(error.user_message or "This card was declined.", code=error.code or "card_declined") from error
    except Refused as error:
        raise Invalid(f"Stripe does not know this way to pay: {error}", code="unknown_payment_method") from error
    return setup_of(made.to_dict())


def setup(setup_id: str) -> Setup:
    """A SetupIntent as it is now."""
    return setup_of(ask(lambda: client().v1.setup_intents.retrieve(setup_id, options=version())).to_dict())


def method(account_id: str, method_id: str, saved_at: datetime) -> PaymentMethod:
    """What a person recognises a way to pay by."""
    found = ask(lambda: client().v1.payment_methods.retrieve(method_id, options=version())).to_dict()
    kind = found["type"]
    told = found.get(kind) or {}
    expires = f"{told['exp_year']}-{told['exp_month']:02}" if "exp_year" in told else None
    brand = told.get("brand") or told.get("bank_name") or told.get("bank_code")
    last4, customer = told.get("last4"), found["customer"]
    return PaymentMethod(account_id, found["id"], kind, brand, last4, expires, saved_at, customer)


def setup_of(made: Mapping[str, Any]) -> Setup:
    """A SetupIntent in our words, as a call answers it or a webhook holds it."""
    account_id = (made["metadata"] or {}).get("account", "")
    created = datetime.fromtimestamp(made["created"], UTC)
    return Setup(made["id"], made["status"], made["client_secret"], made["payment_method"], account_id, created)
