"""What moves at one Stripe account: charges, refunds, disputes, and the balance that they add up to."""

from collections.abc import Iterable
from typing import Any

from infra.local import stripe_money as money
from infra.local.stripe_account import Account, fill, known, page
from infra.local.stripe_methods import DEBITS, Decline
from infra.local.stripe_objects import Object
from infra.local.stripe_requests import Refusal

Params = dict[str, Any]

IN = {True: "charge", False: "payment"}  # what a balance transaction is called, for a card and for anything else
BACK = {True: "refund", False: "payment_refund"}


# -- charges -----------------------------------------------------------------------------------------------


def begin_charge(account: Account, intent: Object, method: Object) -> Object:
    """The charge of one try, with an id of its own; how it ends is said by one of the functions below."""
    made = money.charge(
        account.next_id("ch_" if method["type"] == "card" else "py_"),
        account.created(),
        intent,
        method,
        account.mandates.get(method["id"]),
    )
    account.charges[made["id"]] = made
    intent["latest_charge"] = made["id"]
    return made


def submit(account: Account, charge: Object) -> None:
    """The bank was asked: the money is on its way into the balance until it says otherwise."""
    _enter(account, charge)
    account.emit("charge.pending", charge)


def capture(account: Account, charge: Object) -> None:
    """The money is the seller's."""
    charge.update(status="succeeded", paid=True, captured=True, amount_captured=charge["amount"])
    _enter(account, charge)
    account.emit("charge.succeeded", charge)


def fail_charge(account: Account, charge: Object, decline: Decline) -> None:
    """The bank does not pay; what was on its way into the balance is taken out of it."""
    charge.update(status="failed", failure_code=decline.code, failure_message=decline.message)
    if charge["balance_transaction"]:
        out = _move(account, "payment_failure_refund", -charge["amount"], charge)
        charge["failure_balance_transaction"] = out
    account.emit("charge.failed", charge)


def get_charge(account: Account, charge_id: str, _: Params) -> Object:
    """GET /v1/charges/{charge}."""
    return known(account.charges, charge_id, "charge", "charge", status=404)


def list_charges(account: Account, _: str, params: Params) -> Object:
    """GET /v1/charges, of one customer, of one payment intent or of all."""
    return page(_matching(account.charges.values(), params, "customer", "payment_intent"), params, "/v1/charges")


# -- refunds -----------------------------------------------------------------------------------------------


def create_refund(account: Account, _: str, params: Params) -> Object:
    """POST /v1/refunds of a charge or of a payment intent: all that is left, or ``amount`` of it."""
    charge = _charge_to_refund(account, params)
    amount = _refundable(account, charge, params.get("amount"))
    card = _is_card(charge)
    made = money.refund(account.next_id("re_" if card else "pyr_"), account.created(), charge, amount)
    fill(made, params, leave=("amount", "charge", "payment_intent"))
    account.refunds[made["id"]] = made
    if card:
        made["status"] = "succeeded"
    else:
        account.later(made, DEBITS[charge["payment_method_details"]["type"]].takes)
    made["balance_transaction"] = _move(account, BACK[card], -amount, made)
    _give_back(charge, amount)
    account.emit("refund.created", made)
    account.emit("charge.refunded", charge)
    return made


def settle_refund(account: Account, refund: Object) -> None:
    """The payer has the money."""
    before = {"status": refund["status"]}
    refund["status"] = "succeeded"
    account.balance_transactions[refund["balance_transaction"]]["status"] = "available"
    account.emit("refund.updated", refund, before)


def fail_refund(account: Account, refund: Object) -> None:
    """The payer's bank does not take the money: it is the seller's again, and may be refunded another way."""
    before = {"status": refund["status"]}
    account.due.pop(refund["id"], None)
    refund.update(status="failed", failure_reason="lost_or_stolen_card" if refund["id"][:3] == "re_" else "unknown")
    refund["failure_balance_transaction"] = _move(account, "refund_failure", refund["amount"], refund)
    _give_back(account.charges[refund["charge"]], -refund["amount"])
    account.emit("refund.updated", refund, before)
    account.emit("refund.failed", refund)


def get_refund(account: Account, refund_id: str, _: Params) -> Object:
    """GET /v1/refunds/{refund}."""
    return known(account.refunds, refund_id, "refund", "refund", status=404)


def list_refunds(account: Account, _: str, params: Params) -> Object:
    """GET /v1/refunds, of one charge, of one payment intent or of all."""
    return page(_matching(account.refunds.values(), params, "charge", "payment_intent"), params, "/v1/refunds")


def _charge_to_refund(account: Account, params: Params) -> Object:
    if "charge" in params and "payment_intent" in params:
        sentence = "You may only specify one of these parameters: charge, payment_intent."
        raise Refusal(400, sentence, code="parameters_exclusive", param="charge")
    if "charge" in params:
        charge = known(account.charges, params["charge"], "charge", "charge")
    elif "payment_intent" in params:
        intent = known(account.payment_intents, params["payment_intent"], "payment_intent", "payment_intent")
        charge = account.charges.get(intent["latest_charge"], {"status": "none", "payment_intent": intent["id"]})
    else:
        sentence = "One of the following params should be provided for this request: payment_intent or charge."
        raise Refusal(400, sentence, code="parameter_missing")
    if charge["status"] != "succeeded":
        sentence = f"This PaymentIntent ({charge['payment_intent']}) does not have a successful charge to refund."
        raise Refusal(400, sentence)
    return charge


def _refundable(account: Account, charge: Object, amount: int | None) -> int:
    """What is refunded of a charge: all that is left unless it is said, and never more."""
    left: int = charge["amount"] - charge["amount_refunded"]
    if not all(d["is_charge_refundable"] for d in account.disputes.values() if d["charge"] == charge["id"]):
        sentence = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise Refusal(400, sentence, code="charge_disputed")
    if not left:
        raise Refusal(400, f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if amount is not None and amount < 1:
        raise Refusal(400, "Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount is not None and amount > left:
        written = [f"{number} {charge['currency'].upper()}" for number in (amount, left)]
        sentence = f"Refund amount ({written[0]}) is greater than unrefunded amount on charge ({written[1]})"
        raise Refusal(400, sentence, param="amount")
    return left if amount is None else amount


def _give_back(charge: Object, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]


# -- disputes ----------------------------------------------------------------------------------------------


def open_dispute(account: Account, charge: Object) -> Object:
    """The payer's bank takes the money back and asks for proof that it was owed.

    Nobody is asked about a bank debit: that dispute is lost as it begins, and the payer's consent is withdrawn.
    """
    made = money.dispute(account.next_id("du_"), account.created(), charge)
    account.disputes[made["id"]] = made
    charge["disputed"] = True
    account.emit("charge.dispute.created", made)
    _adjust(account, made, -made["amount"])
    account.emit("charge.dispute.funds_withdrawn", made)
    if not _is_card(charge):
        account.mandates.pop(charge["payment_method"], None)
        end_dispute(account, made, won=False)
    return made


def end_dispute(account: Account, dispute: Object, *, won: bool) -> None:
    """It is decided who is right; a seller who won has the money back."""
    dispute.update(status="won" if won else "lost", is_charge_refundable=won)
    if won:
        _adjust(account, dispute, dispute["amount"])
        account.emit("charge.dispute.funds_reinstated", dispute)
    account.emit("charge.dispute.closed", dispute)


def list_disputes(account: Account, _: str, params: Params) -> Object:
    """GET /v1/disputes, of one charge, of one payment intent or of all."""
    return page(_matching(account.disputes.values(), params, "charge", "payment_intent"), params, "/v1/disputes")


def _adjust(account: Account, dispute: Object, amount: int) -> None:
    moved = _move(account, "adjustment", amount, dispute)
    dispute["balance_transactions"].append(account.balance_transactions[moved])


# -- the balance -------------------------------------------------------------------------------------------


def list_balance_transactions(account: Account, _: str, params: Params) -> Object:
    """GET /v1/balance_transactions: everything that moved, or one type, one currency, one source of it."""
    things = _matching(account.balance_transactions.values(), params, "currency", "source", "type")
    return page(things, params, "/v1/balance_transactions")


def _enter(account: Account, charge: Object) -> None:
    """The charge's money, once in the balance."""
    if charge["balance_transaction"]:
        account.balance_transactions[charge["balance_transaction"]]["status"] = "available"
    else:
        charge["balance_transaction"] = _move(account, IN[_is_card(charge)], charge["amount"], charge)


def _move(account: Account, kind: str, amount: int, source: Object) -> str:
    """Write down what moved, and answer its id."""
    made = money.balance_transaction(account.next_id("txn_"), account.created(), kind, amount, source)
    account.balance_transactions[made["id"]] = made
    return str(made["id"])


def _is_card(charge: Object) -> bool:
    return bool(charge["payment_method_details"]["type"] == "card")


def _matching(things: Iterable[Object], params: Params, *names: str) -> Iterable[Object]:
    """The things that are as the parameters of these names say."""
    asked = {name: params[name] for name in names if name in params}
    return (thing for thing in things if all(thing[name] == value for name, value in asked.items()))


ENDPOINTS = {
    "GET /v1/charges": list_charges,
    "GET /v1/charges/{charge}": get_charge,
    "POST /v1/refunds": create_refund,
    "GET /v1/refunds": list_refunds,
    "GET /v1/refunds/{refund}": get_refund,
    "GET /v1/disputes": list_disputes,
    "GET /v1/balance_transactions": list_balance_transactions,
}
