"""What each call of Stripe's API does to an account.

A function takes the account, the id in the path and the checked parameters, and gives an object back or
raises ``Refusal``. What it did until then stays done: a payment that was declined is still there.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from infra.local import stripe_intents, stripe_ledger
from infra.local import stripe_objects as objects
from infra.local.stripe_account import Account, fill, known, one_of, page, payment_error
from infra.local.stripe_methods import TEST_METHODS, TEST_TOKENS
from infra.local.stripe_objects import Object
from infra.local.stripe_requests import Refusal

Params = dict[str, Any]

EVENTS_ARE_KEPT = timedelta(days=30)


# -- customers and payment methods -------------------------------------------------------------------------


def create_customer(account: Account, _: str, params: Params) -> Object:
    """POST /v1/customers."""
    method = account.usable_method(params["payment_method"], None) if "payment_method" in params else None
    decline = account.refusal_to_save(method) if method else None
    if decline:
        raise Refusal(402, **payment_error(decline))
    customer = objects.customer(account.next_id("cus_"), account.created())
    fill(customer, params, leave=("payment_method",))
    account.customers[customer["id"]] = customer
    account.emit("customer.created", customer)
    if method:
        account.attach(method, customer["id"])
    return customer


def get_customer(account: Account, customer_id: str, _: Params) -> Object:
    """GET /v1/customers/{customer}."""
    return known(account.customers, customer_id, "customer", "id", status=404)


def update_customer(account: Account, customer_id: str, params: Params) -> Object:
    """POST /v1/customers/{customer}."""
    customer = get_customer(account, customer_id, {})
    before = {name: objects.copied(customer[name]) for name in params}
    fill(customer, params)
    account.emit("customer.updated", customer, before)
    return customer


def list_payment_methods(account: Account, customer_id: str, params: Params) -> Object:
    """GET /v1/customers/{customer}/payment_methods."""
    get_customer(account, customer_id, {})
    theirs = [method for method in account.payment_methods.values() if method["customer"] == customer_id]
    wanted = [method for method in theirs if method["type"] == params.get("type", method["type"])]
    return page(wanted, params, f"/v1/customers/{customer_id}/payment_methods")


def create_payment_method(account: Account, _: str, params: Params) -> Object:
    """POST /v1/payment_methods, from a test token such as ``tok_visa``."""
    method = account.new_method(known(TEST_TOKENS, params["card"].get("token", ""), "token", "card[token]"))
    fill(method, params, leave=("card",))
    return method


def get_payment_method(account: Account, method_id: str, _: Params) -> Object:
    """GET /v1/payment_methods/{payment_method}; a test id makes a new one, as anywhere."""
    if method_id in TEST_METHODS:
        return account.new_method(TEST_METHODS[method_id])
    return known(account.payment_methods, method_id, "PaymentMethod", "payment_method", status=404)


def attach_payment_method(account: Account, method_id: str, params: Params) -> Object:
    """POST /v1/payment_methods/{payment_method}/attach."""
    customer = known(account.customers, params["customer"], "customer", "customer")
    method = account.usable_method(method_id, customer["id"], status=404)
    account.attach(method, customer["id"])
    return method


def detach_payment_method(account: Account, method_id: str, _: Params) -> Object:
    """POST /v1/payment_methods/{payment_method}/detach."""
    method = get_payment_method(account, method_id, {})
    if method["customer"] is None:
        raise Refusal(400, "The payment method you provided is not attached to a customer.")
    account.detach(method)
    return method


# -- events ------------------------------------------------------------------------------------------------


def get_event(account: Account, event_id: str, _: Params) -> Object:
    """GET /v1/events/{id}."""
    return known(account.events, event_id, "event", "id", status=404)


def list_events(account: Account, _: str, params: Params) -> Object:
    """GET /v1/events of the last 30 days; ``type`` may hold wildcards, as in ``payment_intent.*``."""
    oldest = int((account.now() - EVENTS_ARE_KEPT).timestamp())
    wanted = params.get("types", [params.get("type", "*")])
    events = (
        event for event in account.events.values() if event["created"] >= oldest and one_of(event["type"], wanted)
    )
    return page(events, params, "/v1/events")


HANDLERS: dict[str, Callable[[Account, str, Params], Object]] = {
    "POST /v1/customers": create_customer,
    "GET /v1/customers/{customer}": get_customer,
    "POST /v1/customers/{customer}": update_customer,
    "GET /v1/customers/{customer}/payment_methods": list_payment_methods,
    "POST /v1/payment_methods": create_payment_method,
    "GET /v1/payment_methods/{payment_method}": get_payment_method,
    "POST /v1/payment_methods/{payment_method}/attach": attach_payment_method,
    "POST /v1/payment_methods/{payment_method}/detach": detach_payment_method,
    "GET /v1/events": list_events,
    "GET /v1/events/{id}": get_event,
    **stripe_intents.ENDPOINTS,
    **stripe_ledger.ENDPOINTS,
}
