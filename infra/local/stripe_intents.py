"""Payment intents and setup intents: made, confirmed and cancelled at one Stripe account."""

import re
from copy import deepcopy
from typing import Any

from infra.local import stripe_ledger as ledger
from infra.local import stripe_objects as objects
from infra.local.stripe_account import Account, card_error, fill, known, page
from infra.local.stripe_methods import BEHAVIOURS, Decline
from infra.local.stripe_objects import Object
from infra.local.stripe_requests import Refusal

Params = dict[str, Any]

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
# Stripe: "or, in rare cases, processing". A bank debit that was submitted can mostly not be taken back: never here.
CANCELABLE = {"payment_intent": (*CONFIRMABLE, "requires_capture"), "setup_intent": CONFIRMABLE}
OF_THE_ATTEMPT = ("confirm", "off_session", "payment_method", "return_url")  # said once, not kept
MISSING_METHOD = "You cannot confirm this intent because it's missing a payment method."


# -- payment intents ---------------------------------------------------------------------------------------


def create_payment_intent(account: Account, _: str, params: Params) -> Object:
    """POST /v1/payment_intents; with ``confirm`` it is tried at once, and stays if it is declined."""
    for name in ("off_session", "return_url"):
        if name in params and not params.get("confirm"):
            sentence = f"The parameter `{name}` cannot be passed unless `confirm` is set to true."
            raise Refusal(400, sentence, param=name)
    _check_amount(params["amount"], params["currency"])
    intent = objects.payment_intent(account.next_id("pi_"), account.created())
    method = _begin(account, intent, params)
    account.payment_intents[intent["id"]] = intent
    account.emit("payment_intent.created", intent)
    if method and params.get("confirm"):
        _charge(account, intent, method)
    return intent


def confirm_payment_intent(account: Account, intent_id: str, params: Params) -> Object:
    """POST /v1/payment_intents/{intent}/confirm: again for one that was declined, never for one paid."""
    intent = get_payment_intent(account, intent_id, {})
    method = _prepare(account, intent, params)
    _charge(account, intent, method)
    return intent


def get_payment_intent(account: Account, intent_id: str, _: Params) -> Object:
    """GET /v1/payment_intents/{intent}."""
    return known(account.payment_intents, intent_id, "payment_intent", "intent", status=404)


def list_payment_intents(account: Account, _: str, params: Params) -> Object:
    """GET /v1/payment_intents, of one customer or of all."""
    customer = params.get("customer")
    if customer is not None:
        known(account.customers, customer, "customer", "customer")
    intents = (i for i in account.payment_intents.values() if customer in (None, i["customer"]))
    return page(intents, params, "/v1/payment_intents")


def cancel_payment_intent(account: Account, intent_id: str, params: Params) -> Object:
    """POST /v1/payment_intents/{intent}/cancel: nothing can be charged with it afterwards."""
    intent = get_payment_intent(account, intent_id, {})
    _cancel(account, intent, params)
    return intent


def _charge(account: Account, intent: Object, method: Object) -> None:
    """Try the method: the payment succeeds and saves it if asked to, or the card is declined."""
    intent.update(payment_method=method["id"], last_payment_error=None)
    charge = ledger.begin_charge(account, intent, method)
    if decline := BEHAVIOURS[account.cards[method["id"]].behaviour]:
        ledger.fail_charge(account, charge, decline)
        _fail(account, intent, method, decline, charge=charge["id"])
    ledger.capture(account, charge)
    intent.update(status="succeeded", amount_received=intent["amount"])
    if intent["setup_future_usage"] and intent["customer"]:
        account.attach(method, intent["customer"])
    account.spend(method)
    account.emit("payment_intent.succeeded", intent)


def _check_amount(amount: int, currency: str) -> None:
    if not re.fullmatch("[a-z]{3}", currency):
        raise Refusal(400, f"Invalid currency: {currency}.", param="currency")
    if amount < 1:
        sentence = "This value must be greater than or equal to 1."
        raise Refusal(400, sentence, code="parameter_invalid_integer", param="amount")
    least = objects.MINIMUM_AMOUNT.get(currency, 1)
    if amount < least:
        sentence = f"Amount must be at least {least} of the smallest units of {currency}."
        raise Refusal(400, sentence, code="amount_too_small", param="amount")
    if amount > objects.MAXIMUM_AMOUNT:
        sentence = f"Amount must be no more than {objects.MAXIMUM_AMOUNT}."
        raise Refusal(400, sentence, code="amount_too_large", param="amount")


# -- setup intents -----------------------------------------------------------------------------------------


def create_setup_intent(account: Account, _: str, params: Params) -> Object:
    """POST /v1/setup_intents; with ``confirm`` the method is saved at once."""
    intent = objects.setup_intent(account.next_id("seti_"), account.created())
    method = _begin(account, intent, params)
    account.setup_intents[intent["id"]] = intent
    account.emit("setup_intent.created", intent)
    if method and params.get("confirm"):
        _save(account, intent, method)
    return intent


def confirm_setup_intent(account: Account, intent_id: str, params: Params) -> Object:
    """POST /v1/setup_intents/{intent}/confirm."""
    intent = get_setup_intent(account, intent_id, {})
    method = _prepare(account, intent, params)
    _save(account, intent, method)
    return intent


def get_setup_intent(account: Account, intent_id: str, _: Params) -> Object:
    """GET /v1/setup_intents/{intent}."""
    return known(account.setup_intents, intent_id, "setupintent", "intent", status=404)


def cancel_setup_intent(account: Account, intent_id: str, params: Params) -> Object:
    """POST /v1/setup_intents/{intent}/cancel."""
    intent = get_setup_intent(account, intent_id, {})
    _cancel(account, intent, params)
    return intent


def _save(account: Account, intent: Object, method: Object) -> None:
    """The method is the customer's from now on, or its bank declines."""
    intent.update(payment_method=method["id"], latest_attempt=account.next_id("setatt_"), last_setup_error=None)
    if decline := account.refusal_to_save(method):
        _fail(account, intent, method, decline)
    if intent["customer"]:
        account.attach(method, intent["customer"])
    intent["status"] = "succeeded"
    account.emit("setup_intent.succeeded", intent)


# -- what both kinds of intents have in common -------------------------------------------------------------


def _begin(account: Account, intent: Object, params: Params) -> Object | None:
    """Fill a new intent from its parameters; the method it names, if any, waits to be confirmed."""
    if "customer" in params:
        known(account.customers, params["customer"], "customer", "customer")
    method = _named_method(account, intent, params)
    if params.get("confirm") and not method:
        raise Refusal(400, MISSING_METHOD, code=f"{intent['object']}_unexpected_state")
    fill(intent, params, leave=OF_THE_ATTEMPT)
    if method:
        intent.update(payment_method=method["id"], status="requires_confirmation")
    return method


def _prepare(account: Account, intent: Object, params: Params) -> Object:
    """The method to confirm an intent with, after its state was checked and its parameters were set."""
    _expect(intent, CONFIRMABLE, "confirmed")
    method = _named_method(account, intent, {"payment_method": intent["payment_method"], **params})
    if not method:
        raise _unexpected_state(intent, MISSING_METHOD)
    fill(intent, params, leave=OF_THE_ATTEMPT)
    return method


def _named_method(account: Account, intent: Object, params: Params) -> Object | None:
    types: list[str] = params.get("payment_method_types") or intent["payment_method_types"]
    for name in types:
        if name not in objects.PAYMENT_METHOD_TYPES:
            sentence = f'The payment method type "{name}" is invalid.'
            code = f"{intent['object']}_invalid_parameter"
            raise Refusal(400, sentence, code=code, param="payment_method_types")
    if not params.get("payment_method"):
        return None
    customer = params.get("customer", intent["customer"])
    return account.usable_method(params["payment_method"], customer, types)


def _expect(intent: Object, states: tuple[str, ...], done: str) -> None:
    if intent["status"] not in states:
        sentence = (
            f"This intent has a status of {intent['status']}. "
            f"Only one with one of the following statuses may be {done}: {', '.join(states)}."
        )
        raise _unexpected_state(intent, sentence)


def _unexpected_state(intent: Object, sentence: str) -> Refusal:
    """What cannot be done in the intent's state is refused, and the answer shows the intent."""
    refusal = Refusal(400, sentence, code=f"{intent['object']}_unexpected_state")
    refusal.error[intent["object"]] = intent
    return refusal


def _fail(account: Account, intent: Object, method: Object, decline: Decline, **charge: str) -> None:
    """The card was declined: another method is needed, and the answer shows the intent and the reason."""
    kind: str = intent["object"]
    what = kind.removesuffix("_intent")
    refusal = Refusal(402, **card_error(decline), **charge, payment_method=deepcopy(method))
    intent.update(status="requires_payment_method", payment_method=None)
    intent[f"last_{what}_error"] = dict(refusal.error)
    account.emit(f"{kind}.{what}_failed", intent)
    refusal.error[kind] = intent
    raise refusal


def _cancel(account: Account, intent: Object, params: Params) -> None:
    kind = intent["object"]
    _expect(intent, CANCELABLE[kind], "canceled")
    intent.update(status="canceled", cancellation_reason=params.get("cancellation_reason"))
    if kind == "payment_intent":
        intent["canceled_at"] = account.created()
    account.emit(f"{kind}.canceled", intent)


ENDPOINTS = {
    "POST /v1/setup_intents": create_setup_intent,
    "GET /v1/setup_intents/{intent}": get_setup_intent,
    "POST /v1/setup_intents/{intent}/confirm": confirm_setup_intent,
    "POST /v1/setup_intents/{intent}/cancel": cancel_setup_intent,
    "POST /v1/payment_intents": create_payment_intent,
    "GET /v1/payment_intents": list_payment_intents,
    "GET /v1/payment_intents/{intent}": get_payment_intent,
    "POST /v1/payment_intents/{intent}/confirm": confirm_payment_intent,
    "POST /v1/payment_intents/{intent}/cancel": cancel_payment_intent,
}
