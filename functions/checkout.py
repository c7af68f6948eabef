"""Checkout: buying line items, paid at once, and saving a way to pay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from shared import payments
from shared.domain import checkout as checkouts
from shared.domain import editions, processor, tiers, upgrade
from shared.domain.account import Account, PaymentMethod
from shared.domain.catalog import Catalog
from shared.domain.changes import Changes
from shared.domain.checkout import CheckoutStatus, LineItem, Offer
from shared.domain.errors import Conflict, Invalid, NotFound
from shared.edge import bills, collect, links, methods, upgrades, views
from shared.edge.api import Api, Decision, Unavailable, entry_point
from shared.edge.permissions import MODIFY
from shared.edge.schemas import BuyItems, SaveMethod
from shared.store import queries

if TYPE_CHECKING:
    from shared.edge import answers

api = Api()


@api.serve("POST /v1/accounts/{account}/checkout/preview")
def preview_checkout(account: str, body: BuyItems) -> answers.Offer:
    """What buying these items starts, and what is due at once. Nothing is bought."""
    made = _offer(queries.account(account), body, "co_preview")
    return bills.offer(made, _loses_access(account, made, queries.catalog()))


@api.serve("POST /v1/accounts/{account}/checkout", status=201)
def open_checkout(account: str, body: BuyItems) -> answers.Checkout:
    """Buy line items: one first invoice, one payment, a subscription for each group of equal terms (R71).

    With a saved method it is charged at once and the subscriptions are there;
    without one the payer confirms with the client secret, and they start then.
    """
    checkout_id = api.request_id("co", account)

    def decide() -> Decision[dict[str, str]]:
        buyer = queries.account(account)
        made = _offer(buyer, body, checkout_id)
        api.expect(body.expect_amount, made.due_now)
        if made.lacks_a_method(buyer):
            sentence = "Nothing is due now, so a way to pay must be saved first: POST …/payment-method."
            raise Conflict(sentence, code="payment_method_required")
        buyer = _known_to_stripe(buyer)
        changes = checkouts.begin(buyer, made, api.now)
        return Decision(changes, {"checkout": checkout_id})

    # The stored answer is the id: a replay shows the checkout as it stands then (DESIGN 6).
    opened = api.once(account, decide)["checkout"]
    return _standing(account, opened, drive=True)


@api.serve("GET /v1/accounts/{account}/checkout/{checkout}")
def get_checkout(account: str, checkout: str) -> answers.Checkout:
    """A checkout as it stands."""
    return _standing(account, checkout, drive=False)


@api.serve("POST /v1/accounts/{account}/payment-method", status=201)
def save_payment_method(account: str, body: SaveMethod) -> answers.SavedMethod:
    """Save a way to pay: at once where Stripe's id of it is named, else by the payer with the client secret."""
    request = api.request_id("seti", account)

    def decide() -> Decision[dict[str, str]]:
        buyer = _known_to_stripe(queries.account(account))
        types = _types(buyer, body)
        with _stripe_answers():
            named = _named(buyer, body.payment_method, types)
            setup = payments.save_method(buyer, named, types, _consent(), f"{account}:{request}")
            method = payments.method(account, setup.saved, api.now) if setup.saved else None
        return Decision(methods.saved(buyer, method) if method else Changes(), {"setup_intent": setup.id})

    # The stored answer is the id: no secret is kept, and a replay shows how it stands then (DESIGN 6).
    saved = api.once(account, decide)["setup_intent"]
    with _stripe_answers():
        setup = payments.setup(saved)
        method = payments.method(account, setup.saved, api.now) if setup.saved else None
    if method:
        methods.bring_up_past_due(account)
    return views.saved_method(setup.id, setup.status, setup.client_secret, method)


def _types(buyer: Account, wanted: SaveMethod) -> tuple[str, ...]:
    """The types that may be saved: those named, else those that the checkouts of what is charged accepted (F28)."""
    alive = queries.alive_subscriptions(buyer.id)
    charged = [each for each in alive if wanted.subscription in (None, each.id)]
    if wanted.subscription and not charged:
        raise NotFound(f"There is no subscription {wanted.subscription!r}.", code="unknown_subscription")
    accepted = tuple(dict.fromkeys(name for each in charged for name in each.payment_methods)) or ("card",)
    types = processor.accepted_types(wanted.payment_methods or accepted, buyer.currency)
    if wanted.subscription and not set(types) <= set(accepted):
        sentence = f"This subscription's checkout accepted {', '.join(accepted)} only."
        raise Conflict(sentence, code="payment_method_not_accepted")
    return types


def _named(buyer: Account, method: str | None, types: tuple[str, ...]) -> PaymentMethod | None:
    """The way to pay that was named; Stripe is asked for its type where that makes a difference."""
    if method is None or types == ("card",):
        return PaymentMethod(buyer.id, method, "card") if method else None
    try:
        return payments.method(buyer.id, method, api.now)
    except payments.Refused as error:
        raise Invalid(f"Stripe does not know this way to pay: {error}", code="unknown_payment_method") from error


def _consent() -> payments.Consent:
    event = api.current_event
    return payments.Consent(event.request_context.http.source_ip, event.headers.get("user-agent") or "unknown")


def _offer(buyer: Account, wanted: BuyItems, checkout_id: str) -> Offer:
    sold = queries.catalog()
    lines, seller = _lines(wanted, sold), queries.seller(buyer.seller)
    made = checkouts.offer(buyer, seller, lines, checkout_id, api.now, wanted.payment_methods)
    alive = queries.alive_subscriptions(buyer.id)
    checkouts.check_room(made.checkout, len(alive))
    editions.check(made.checkout.subscriptions, alive)
    tiers.check_bought(buyer, made.checkout.subscriptions, alive)
    free = upgrade.replaced(made, alive, wanted.replaces)
    if free:
        upgrade.check(queries.book(buyer.id, free), made)
        made = made._replace(checkout=replace(made.checkout, replaces=free))
    return made


def _loses_access(account: str, made: Offer, sold: Catalog) -> tuple[str, ...]:
    """Who sits on a free seat that goes, and is given none of those that are bought (R37)."""
    if made.checkout.replaces is None:
        return ()
    free = queries.book(account, made.checkout.replaces).subscription
    users = queries.seated_users(account, free.id)
    return upgrade.moved(free, users, made.checkout.subscriptions, sold).losing


def _lines(wanted: BuyItems, sold: Catalog) -> list[LineItem]:
    return [
        LineItem(sold.price(item.price), item.quantity, item.term, item.payments, item.starts_on)
        for item in wanted.items
    ]


def _known_to_stripe(buyer: Account) -> Account:
    with _stripe_answers():
        return methods.customer_of(buyer)


@contextmanager
def _stripe_answers() -> Iterator[None]:
    try:
        yield
    except (payments.NoAnswer, payments.Unclear) as error:
        raise Unavailable("Stripe does not answer. Please send the same request again.") from error


def _standing(account: str, checkout_id: str, *, drive: bool) -> answers.Checkout:
    found = queries.checkout(account, checkout_id)
    if found.invoice_id is None:
        return bills.checkout(found, None)
    if drive and found.due_at:
        collect.collect_now(account, found.invoice_id)
        found = queries.checkout(account, checkout_id)
    if drive and found.replaces and found.status is CheckoutStatus.COMPLETE:
        upgrades.go_on(account, checkout_id)
    assert found.invoice_id
    bill = queries.invoice(account, found.invoice_id)
    secret = collect.client_secret(bill) if api.may(MODIFY) and found.status is CheckoutStatus.OPEN else None
    return bills.checkout(found, bill, secret, links.pay_page(api, bill))


handler = entry_point(api)
