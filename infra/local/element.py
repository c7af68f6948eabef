"""A stand-in for Stripe's Payment Element: its script, and what that asks of Stripe's stand-in.

The local run serves the script in the place of Stripe's. It offers Stripe's test
methods by what they do, and tells the stand-in which one its payer has chosen.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from infra.local.cloud import PUBLISHABLE_KEY, STRIPE_KEY
from infra.local.invocations import Reply, refusal
from infra.local.stripe import Stripe

SCRIPT = Path(__file__).with_name("element.js")
OFFERED = {
    "card": {
        "pm_card_visa": "A Visa that works",
        "pm_card_mastercard": "A Mastercard that works",
        "pm_card_authenticationRequired": "A card whose bank asks each time (3-D Secure)",
        "pm_card_chargeDeclined": "A card that is declined",
        "pm_card_chargeDeclinedInsufficientFunds": "A card without funds",
        "pm_card_chargeCustomerFail": "A card that is saved, and declined when it is charged",
    },
    "us_bank_account": {
        "pm_usBankAccount_success": "A bank account in the US that can be debited",
        "pm_usBankAccount_insufficientFunds": "A bank account in the US without funds",
        "pm_usBankAccount_microdeposits": "A bank account in the US that small deposits must confirm first",
    },
    "sepa_debit": {
        "pm_sepaDebit_success_at": "A bank account in Europe that can be debited",
        "pm_sepaDebit_failed_at": "A bank account in Europe that fails",
    },
}
"""Stripe's test methods by their types, and what a payer sees of them."""


class _Refused(Exception):
    """Something that went wrong, for the payer or for the page's author, in Stripe's shape."""

    def __init__(self, sentence: str, kind: str = "invalid_request_error", code: str | None = None) -> None:
        super().__init__(sentence)
        self.error = {"type": kind, "code": code, "message": sentence}


class _Intent(NamedTuple):
    """What a client secret opens: a PaymentIntent or a SetupIntent."""

    stripe: Stripe
    kind: str
    id: str

    def shown(self) -> Any:
        """The intent as it is now."""
        path = f"/v1/{self.kind}_intents/{self.id}"
        return json.loads(self.stripe.answer("GET", path, {"Authorization": f"Bearer {STRIPE_KEY}"}, "").body)

    def confirmed(self, method: str) -> None:
        """Its payer has chosen a way to pay."""
        (self.stripe.save if self.kind == "setup" else self.stripe.pay)(self.id, method)

    def authenticated(self) -> None:
        """Its payer has told the bank that it is them (3-D Secure)."""
        self.stripe.authenticate(self.id)

    def failed(self) -> None:
        """Its payer has told the bank that it is not."""
        self.stripe.fail(self.id)


def answer(stripe: Stripe, method: str, path: str, body: str | None) -> Reply:
    """``GET …/stripe.js`` is the script; it POSTs to ``…/stripe`` what its payer sees and chooses."""
    if (method, path) == ("GET", "/_local/stripe.js"):
        return Reply(200, {"content-type": "text/javascript; charset=utf-8"}, SCRIPT.read_text(encoding="utf-8"))
    if (method, path) != ("POST", "/_local/stripe"):
        return refusal(404, "Not Found")
    try:
        said = _answered(stripe, json.loads(body or "{}"))
    except _Refused as error:
        said = {"error": error.error}
    return Reply(200, {"content-type": "application/json"}, json.dumps(said))


def _answered(stripe: Stripe, asked: dict[str, Any]) -> dict[str, Any]:
    """What can be chosen from, and what comes of a choice."""
    if asked.get("key") != PUBLISHABLE_KEY:
        raise _Refused("Invalid API Key provided.")
    if "client_secret" not in asked:  # nothing was made yet: the page says what it will accept
        return _offered(asked["types"])
    secret = asked["client_secret"]
    id_ = secret.partition("_secret")[0]
    intent = _Intent(stripe, "setup" if id_.startswith("seti_") else "payment", id_)
    found = intent.shown()
    if found.get("client_secret") != secret:
        raise _Refused(f"No such {intent.kind}_intent.")
    if "agreed" in asked:
        return {"intent": _done(intent, intent.authenticated if asked["agreed"] else intent.failed)}
    if "payment_method" in asked:
        return {"intent": _done(intent, lambda: intent.confirmed(asked["payment_method"]))}
    return _offered(found["payment_method_types"])


def _offered(types: list[str]) -> dict[str, Any]:
    return {"methods": {id_: label for name in types for id_, label in OFFERED.get(name, {}).items()}}


def _done(intent: _Intent, do: Callable[[], None]) -> Any:
    """The intent after its payer has done something; a decline is for them to see."""
    try:
        do()
    except ValueError as error:
        raise _Refused(str(error), code=f"{intent.kind}_intent_unexpected_state") from error
    found = intent.shown()
    if found["status"] == "requires_payment_method":
        last = found[f"last_{intent.kind}_error"]
        raise _Refused(last["message"], last["type"], last["code"])
    return found
