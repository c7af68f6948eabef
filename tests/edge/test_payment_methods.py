"""Saving a way to pay: of which types, with whose consent, and what is charged by it then."""

import itertools
from datetime import timedelta

import pytest

from shared.edge import clock
from shared.store import queries
from tests.world import World

BANK = "pm_usBankAccount_success"


@pytest.fixture
def world():
    return World().sells()


def save(world, **body):
    return world.call("POST", "/accounts/acme/payment-method", body)


def buy(world, *types):
    body = {"items": [{"price": "sales-seat"}], "payment_methods": types}
    return world.call("POST", "/accounts/acme/checkout", body).json


def subscribe(world, instant, key):
    body = {"items": [{"price": "sales-seat"}]}
    return world.on(instant).call("POST", "/accounts/acme/checkout", body, key=key).json["subscriptions"][0]["id"]


def test_a_bank_account_is_saved_with_its_mandate(world):
    reply = save(world, payment_method=BANK, payment_methods=["us_bank_account"])
    assert (reply.status, reply.json["status"], reply.json["payment_method"]["type"]) == (
        201,
        "succeeded",
        "us_bank_account",
    )
    account = queries.account("acme")
    assert (account.payment_method, account.payment_method_type) == (
        reply.json["payment_method"]["id"],
        "us_bank_account",
    )


def test_r65_a_bank_account_is_saved_only_where_its_type_was_named(world):
    reply = save(world, payment_method=BANK)
    assert (reply.status, reply.json["code"]) == (422, "unknown_payment_method")


def test_f28_a_way_to_pay_for_a_subscription_is_of_a_type_that_its_checkout_accepted(world):
    [subscription] = buy(world, "card")["subscriptions"]
    refused = save(world, subscription=subscription["id"], payment_methods=["us_bank_account"])
    assert (refused.status, refused.json["code"]) == (409, "payment_method_not_accepted")
    opened = save(world, subscription=subscription["id"]).json
    assert intent(world, opened)["payment_method_types"] == ["card"]
    unknown = save(world, subscription="sub_unknown")
    assert (unknown.status, unknown.json["code"]) == (404, "unknown_subscription")


def test_f28_the_types_to_choose_from_are_those_that_the_checkouts_accepted(world):
    buy(world, "card")
    buy(world, "card", "us_bank_account")
    assert intent(world, save(world).json)["payment_method_types"] == ["card", "us_bank_account"]


def test_r65_a_saved_bank_account_is_charged_for_what_accepts_it_and_the_card_goes_on_for_the_rest(world):
    [cards_only] = buy(world, "card")["subscriptions"]
    [both] = buy(world, "card", "us_bank_account")["subscriptions"]
    card = queries.account("acme").payment_method
    bank = save(world, payment_method=BANK).json["payment_method"]["id"]
    charged_by = {
        each: queries.book("acme", each).subscription.payment_method for each in (cards_only["id"], both["id"])
    }
    assert charged_by == {cards_only["id"]: card, both["id"]: bank}


def test_f28_what_is_past_due_is_charged_by_the_new_method_the_oldest_first(world):
    subscription = world.subscribed()
    world.cloud.stripe.becomes(queries.account("acme").payment_method, "card_lost")
    world.on("2026-03-26T12:00:00Z")
    assert [bill["status"] for bill in world.invoices()] == ["paid", "waiting_for_payer", "waiting_for_payer"]
    save(world, payment_method="pm_card_mastercard")
    world.on("2026-03-26T12:30:00Z")
    assert [bill["status"] for bill in world.invoices()] == ["paid", "paid", "paid"]
    newest_first = [
        event.data["invoice"] for _, event in queries.events("acme").items if event.type == "invoice.paid"
    ]
    assert newest_first[:2] == [f"{subscription}-00002", f"{subscription}-00001"]


def test_f28_the_oldest_comes_first_however_its_subscription_is_called(world, monkeypatch):
    older = subscribe(world, "2026-01-25T15:00:00Z", key="d")
    newer = subscribe(world, "2026-01-27T15:00:00Z", key="a")
    assert older > newer
    world.cloud.stripe.becomes(queries.account("acme").payment_method, "card_lost")
    world.on("2026-02-28T12:00:00Z")
    milliseconds = itertools.count()
    with monkeypatch.context() as moving:
        moving.setattr(clock, "source", lambda: world.cloud.now + timedelta(milliseconds=next(milliseconds)))
        save(world, payment_method="pm_card_mastercard")
    world.on("2026-02-28T12:30:00Z")
    captured = [charge for charge in world.cloud.stripe._account.charges.values() if charge["captured"]]
    assert [charge["metadata"]["invoice"] for charge in captured[2:]] == [f"{older}-00001", f"{newer}-00001"]


def test_r74_a_card_that_paid_once_without_being_saved_is_not_charged_from_then_on(world):
    save(world, payment_method=BANK, payment_methods=["us_bank_account"])
    saved = queries.account("acme")
    world.cloud.stripe.becomes(saved.payment_method, "ach_microdeposits")
    opened = buy(world, "us_bank_account", "card")
    world.cloud.stripe.pay(opened["payment"]["client_secret"].partition("_secret")[0], "pm_card_visa")
    world.cloud.settle()
    assert [bill["status"] for bill in world.invoices()] == ["paid"]
    account = queries.account("acme")
    assert (account.payment_method, account.payment_method_type) == (saved.payment_method, "us_bank_account")
    [subscription] = opened["subscriptions"]
    assert queries.book("acme", subscription["id"]).subscription.payment_method == saved.payment_method


@pytest.mark.parametrize("types", [["cash"], ["sepa_debit"]])
def test_what_is_no_way_to_pay_in_this_currency_is_refused(world, types):
    assert save(world, payment_methods=types).json["code"] == "invalid_payment_methods"


def test_nothing_due_now_needs_a_saved_method_of_an_accepted_type(world):
    later = {"items": [{"price": "sales-seat", "starts_on": "2026-03-01"}], "payment_methods": ["us_bank_account"]}
    reply = world.call("POST", "/accounts/acme/checkout", later)
    assert (reply.status, reply.json["code"]) == (409, "payment_method_required")


def intent(world, opened):
    waiting = world.cloud.stripe.theirs("acme", "setup_intent", "requires_payment_method")
    return next(each for each in waiting if each["id"] == opened["setup_intent"])
