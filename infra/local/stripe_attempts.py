"""One try of a payment method, at once or over days: what its payer and its bank make of it."""

from typing import Any

from infra.local import stripe_ledger as ledger
from infra.local import stripe_objects as objects
from infra.local.stripe_account import Account, payment_error
from infra.local.stripe_methods import DEBITS, LAPSED, MICRODEPOSITS_LAPSE, NOT_DONE, Decline, failure
from infra.local.stripe_objects import Object
from infra.local.stripe_requests import Refusal

Params = dict[str, Any]

NO_MANDATE = (
    "requires a mandate, but no existing mandate was found. Collect mandate acceptance from the customer and try "
    "again, providing acceptance data in the mandate_data parameter."
)


def take_mandate(account: Account, intent: Object, method: Object, params: Params) -> str | None:
    """The payer's consent to be debited, given with this call or before; a card needs none."""
    if method["type"] not in DEBITS:
        return None
    if "mandate_data" in params:
        account.mandates[method["id"]] = account.next_id("mandate_")
    if method["id"] not in account.mandates:
        intent["status"] = "requires_confirmation"
        kind: str = intent["object"]
        refusal = Refusal(400, f"This {kind.title().replace('_', '')} {NO_MANDATE}")
        refusal.error[kind] = intent
        raise refusal
    return account.mandates[method["id"]]


def needs_action(account: Account, intent: Object, asks: str) -> None:
    """The payer must do something before the intent goes on."""
    intent.update(status="requires_action", next_action=objects.next_action(asks, account.created()))
    if asks == "microdeposits":
        account.later(intent, MICRODEPOSITS_LAPSE)
    account.emit(f"{intent['object']}.requires_action", intent)


def go_on(account: Account, intent: Object) -> None:
    """The payer has done what was asked."""
    account.proven.add(intent["payment_method"])
    account.due.pop(intent["id"], None)
    intent.update(next_action=None)
    if intent["object"] == "payment_intent":
        intent["last_payment_error"] = None
        charge(account, intent)
    else:
        keep(account, intent)


def charge(account: Account, intent: Object) -> None:
    """Ask the bank: a card is charged or declined, a debit is on its way for days."""
    method = _method(account, intent)
    behaviour = account.behaviour(method)
    tried = ledger.begin_charge(account, intent, method)
    if method["type"] in DEBITS:
        _attach(account, intent, method)
        ledger.submit(account, tried)
        intent["status"] = "processing"
        account.emit("payment_intent.processing", intent)
        if behaviour.ends:
            account.later(intent, DEBITS[method["type"]].takes)
        return
    if behaviour.decline:
        ledger.fail_charge(account, tried, behaviour.decline)
        raise decline(account, intent, behaviour.decline, charge=tried["id"])
    ledger.capture(account, tried)
    _attach(account, intent, method)
    succeed(account, intent)


def keep(account: Account, intent: Object) -> None:
    """Save the method of a setup intent, unless its bank declines."""
    method = _method(account, intent)
    if reason := account.refusal_to_save(method):
        raise decline(account, intent, reason)
    if intent["customer"]:
        account.attach(method, intent["customer"])
    intent["status"] = "succeeded"
    account.emit("setup_intent.succeeded", intent)


def succeed(account: Account, intent: Object) -> None:
    """The payment is made."""
    intent.update(status="succeeded", amount_received=intent["amount"])
    account.emit("payment_intent.succeeded", intent)


def decline(account: Account, intent: Object, reason: Decline, **charge: str) -> Refusal:
    """The try came to nothing: another method is needed, and the answer shows the intent and the reason."""
    kind: str = intent["object"]
    what = kind.removesuffix("_intent")
    method = _method(account, intent)
    refusal = Refusal(402, **payment_error(reason, method["type"]), **charge, payment_method=objects.copied(method))
    intent.update(status="requires_payment_method", payment_method=None, next_action=None)
    intent[f"last_{what}_error"] = dict(refusal.error)
    account.emit(f"{kind}.{what}_failed", intent)
    refusal.error[kind] = intent
    return refusal


# -- days later --------------------------------------------------------------------------------------------


def settle(account: Account, intent: Object) -> None:
    """The bank pays a debit."""
    account.due.pop(intent["id"], None)
    ledger.capture(account, account.charges[intent["latest_charge"]])
    succeed(account, intent)


def fail(account: Account, intent: Object, reason: Decline | None = None) -> None:
    """The bank does not pay a debit, or the payer did not do what was asked."""
    account.due.pop(intent["id"], None)
    if intent["status"] == "processing":
        reason = reason or failure("insufficient_funds")
        ledger.fail_charge(account, account.charges[intent["latest_charge"]], reason)
        decline(account, intent, reason, charge=intent["latest_charge"])
        return
    not_done = NOT_DONE[intent["next_action"]["type"]]
    code = f"{intent['object']}_{not_done}" if not_done == "authentication_failure" else not_done
    decline(account, intent, reason or failure(code))


def go_on_by_itself(account: Account, thing: Object) -> None:
    """What was to happen to an object by now."""
    if thing["object"] == "refund":
        ledger.settle_refund(account, thing)
    elif thing["status"] == "requires_action":
        fail(account, thing, failure(LAPSED))
    elif reason := account.behaviour(_method(account, thing)).decline:
        fail(account, thing, reason)
    else:
        settle(account, thing)


def _method(account: Account, intent: Object) -> Object:
    return account.payment_methods[intent["payment_method"]]


def _attach(account: Account, intent: Object, method: Object) -> None:
    """The method is the customer's if that was asked for; one that belongs to nobody serves once."""
    if intent["setup_future_usage"] and intent["customer"]:
        account.attach(method, intent["customer"])
    account.spend(method)
