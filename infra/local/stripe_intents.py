"""Payment intents and setup intents: made, confirmed and cancelled at one Stripe account."""

import re
from typing import Any

from infra.local import stripe_ledger as ledger
from infra.local import stripe_objects as objects
from infra.local.stripe_account import Account, fill, known, page
from infra.local.stripe_attempts import charge, decline, keep, needs_action, take_mandate
from infra.local.stripe_methods import AUTHENTICATION_REQUIRED, DEBITS
from infra.local.stripe_objects import Object
from infra.local.stripe_requests import Refusal

Params = dict[str, Any]

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
# Stripe: "or, in rare cases, processing". A bank debit that was submitted can mostly not be taken back: never here.
CANCELABLE = {"payment_intent": (*CONFIRMABLE, "requires_capture"), "setup_intent": CONFIRMABLE}
OF_THE_ATTEMPT = ("confirm", "mandate_data", "off_session", "payment_method", "return_url")  # said once, not kept
MISSING_METHOD = "You cannot confirm this intent because it's missing a payment method."
NOBODY_THERE = (
    "You cannot confirm with `off_session=true` when `setup_future_usage` is also set on the PaymentIntent. "
    "The customer needs to be on-session to perform the steps which may be required to set up the PaymentMethod "
    "for future usage. Please confirm this PaymentIntent with your customer on-session."
)


# -- payment intents ---------------------------------------------------------------------------------------


def create_payment_intent(account: Account, _: str, params: Params) -> Object:
    """POST /v1/payment_intents; with ``confirm`` it is tried at once, and stays if it is declined."""
    for name in ("mandate_data", "off_session", "return_url"):
        if name in params and not params.get("confirm"):
            sentence = f"The parameter `{name}` cannot be passed unless `confirm` is set to true."
            raise Refusal(400, sentence, param=name)
    _check_amount(params["amount"], params["currency"])
    intent = objects.payment_intent(account.next_id("pi_"), account.created())
    method = _begin(account, intent, params)
    account.payment_intents[intent["id"]] = intent
    account.emit("payment_intent.created", intent)
    if method and params.get("confirm"):
        _pay(account, intent, method, params)
    return intent


def confirm_payment_intent(account: Account, intent_id: str, params: Params) -> Object:
    """POST /v1/payment_intents/{intent}/confirm: again for one that was declined, never for one paid."""
    intent = get_payment_intent(account, intent_id, {})
    method = _prepare(account, intent, params)
    _pay(account, intent, method, params)
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


def _pay(account: Account, intent: Object, method: Object, params: Params) -> None:
    """Try the method: it is charged, unless its payer must do something first or is not there to do it."""
    if params.get("off_session") and intent["setup_future_usage"]:
        raise Refusal(400, NOBODY_THERE, param="off_session")
    intent.update(payment_method=method["id"], last_payment_error=None, next_action=None)
    take_mandate(account, intent, method, params)
    off_session = params.get("off_session", False)
    asks = account.asks(method, off_session=off_session)
    if asks and not (off_session and method["type"] == "card"):
        needs_action(account, intent, asks)
    elif asks:
        failed = ledger.begin_charge(account, intent, method)
        ledger.fail_charge(account, failed, AUTHENTICATION_REQUIRED)
        raise decline(account, intent, AUTHENTICATION_REQUIRED, charge=failed["id"])
    else:
        charge(account, intent)


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
        _save(account, intent, method, params)
    return intent


def confirm_setup_intent(account: Account, intent_id: str, params: Params) -> Object:
    """POST /v1/setup_intents/{intent}/confirm."""
    intent = get_setup_intent(account, intent_id, {})
    method = _prepare(account, intent, params)
    _save(account, intent, method, params)
    return intent


def get_setup_intent(account: Account, intent_id: str, _: Params) -> Object:
    """GET /v1/setup_intents/{intent}."""
    return known(account.setup_intents, intent_id, "setupintent", "intent", status=404)


def cancel_setup_intent(account: Account, intent_id: str, params: Params) -> Object:
    """POST /v1/setup_intents/{intent}/cancel."""
    intent = get_setup_intent(account, intent_id, {})
    _cancel(account, intent, params)
    return intent


def _save(account: Account, intent: Object, method: Object, params: Params) -> None:
    """The method is the customer's from now on, unless its payer must do something first or its bank declines."""
    attempt = account.next_id("setatt_")
    intent.update(payment_method=method["id"], latest_attempt=attempt, last_setup_error=None, next_action=None)
    intent["mandate"] = take_mandate(account, intent, method, params)
    if asks := account.asks(method, off_session=False):
        needs_action(account, intent, asks)
    else:
        keep(account, intent)


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
    account.due.pop(intent["id"], None)
    return method


def _named_method(account: Account, intent: Object, params: Params) -> Object | None:
    types: list[str] = params.get("payment_method_types") or intent["payment_method_types"]
    currency = params.get("currency") or intent.get("currency")
    for name in types:
        if name not in objects.PAYMENT_METHOD_TYPES:
            raise _wrong_types(intent, f'The payment method type "{name}" is invalid.')
        if currency and name in DEBITS and DEBITS[name].currency != currency:
            raise _wrong_types(intent, f"The currency provided ({currency}) is invalid for {name}.")
    if not params.get("payment_method"):
        return None
    customer = params.get("customer", intent["customer"])
    return account.usable_method(params["payment_method"], customer, types)


def _wrong_types(intent: Object, sentence: str) -> Refusal:
    return Refusal(400, sentence, code=f"{intent['object']}_invalid_parameter", param="payment_method_types")


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


def _cancel(account: Account, intent: Object, params: Params) -> None:
    kind = intent["object"]
    _expect(intent, CANCELABLE[kind], "canceled")
    intent.update(status="canceled", cancellation_reason=params.get("cancellation_reason"), next_action=None)
    if kind == "payment_intent":
        intent["canceled_at"] = account.created()
    account.due.pop(intent["id"], None)
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
