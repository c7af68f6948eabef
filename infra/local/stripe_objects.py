"""The objects of Stripe's API as they come into the world."""

import hashlib
import string
from typing import Any, TypeVar, cast

from infra.local.stripe_methods import Means
from infra.local.stripe_requests import ADDRESS

T = TypeVar("T")
Object = dict[str, Any]

API_VERSION = "2026-05-27.dahlia"
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase

# What Stripe charges at the least, in minor units; other currencies are held to 1.
MINIMUM_AMOUNT = {
    "aud": 50, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50, "gbp": 30, "hkd": 400,
    "huf": 17500, "jpy": 50, "mxn": 1000, "nok": 300, "nzd": 50, "pln": 200, "sek": 300, "sgd": 50, "usd": 50,
}  # fmt: skip
MAXIMUM_AMOUNT = 99_999_999
PAYMENT_METHOD_TYPES = ("card", "sepa_debit", "us_bank_account")


def copied(value: T) -> T:
    """An object as it is now: what happens to it later does not change the copy."""
    same: Any = value
    if isinstance(value, dict):
        same = {name: copied(inner) for name, inner in value.items()}
    elif isinstance(value, list):
        same = [copied(inner) for inner in value]
    return cast("T", same)


def base62(seed: str, length: int) -> str:
    """Up to 40 letters and digits that follow from ``seed``: the same calls give the same ids."""
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest())
    letters = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        letters.append(BASE62[digit])
    return "".join(letters)


def customer(customer_id: str, created: int) -> Object:
    """A customer of whom nothing is known yet."""
    return {
        "id": customer_id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": created,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": base62(customer_id, 8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def payment_method(method_id: str, created: int, means: Means) -> Object:
    """A card or a bank account that belongs to no customer yet."""
    address = dict.fromkeys(ADDRESS)
    return {
        "id": method_id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {"address": address, "email": None, "name": None, "phone": None, "tax_id": None},
        means.type: _OF_TYPE[means.type](means),
        "created": created,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": means.type,
    }


def _card(means: Means) -> Object:
    return {
        "brand": means.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "unchecked",
        },
        "country": "US",
        "display_brand": means.brand,
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": base62(means.last4, 16),
        "funding": "credit",
        "generated_from": None,
        "last4": means.last4,
        "networks": {"available": [means.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def _us_bank_account(means: Means) -> Object:
    return {
        "account_holder_type": "company",
        "account_type": "checking",
        "bank_name": means.brand,
        "financial_connections_account": None,
        "fingerprint": base62(means.last4, 16),
        "last4": means.last4,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": {},
    }


def _sepa_debit(means: Means) -> Object:
    return {
        "bank_code": means.brand,
        "branch_code": "",
        "country": "AT",
        "fingerprint": base62(means.last4, 16),
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": means.last4,
    }


_OF_TYPE = {"card": _card, "sepa_debit": _sepa_debit, "us_bank_account": _us_bank_account}


def next_action(asks: str, created: int) -> Object:
    """What a payer must do before an intent goes on."""
    if asks == "microdeposits":
        deposits = {
            "arrival_date": created + 86400,
            "hosted_verification_url": "https://payments.stripe.com/microdeposit/local",
            "microdeposit_type": "descriptor_code",
        }
        return {"type": "verify_with_microdeposits", "verify_with_microdeposits": deposits}
    return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}


def payment_intent(intent_id: str, created: int) -> Object:
    """A payment that nothing has been tried for; amount, currency and so on are the caller's to fill in."""
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": 0,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{intent_id}_secret_{base62(f'secret of {intent_id}', 25)}",
        "confirmation_method": "automatic",
        "created": created,
        "currency": "",
        "customer": None,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def setup_intent(intent_id: str, created: int) -> Object:
    """A payment method about to be saved for later."""
    return {
        "id": intent_id,
        "object": "setup_intent",
        "application": None,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": f"{intent_id}_secret_{base62(f'secret of {intent_id}', 25)}",
        "created": created,
        "customer": None,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": "off_session",
    }


def event(event_id: str, created: int, kind: str, data: Object, request: Object) -> Object:
    """That something of ``kind`` happened, and to what; ``request`` says which call did it."""
    return {
        "id": event_id,
        "object": "event",
        "api_version": API_VERSION,
        "created": created,
        "data": data,
        "livemode": False,
        "pending_webhooks": 1,
        "request": request,
        "type": kind,
    }
