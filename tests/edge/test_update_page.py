"""The update page of a subscription: another way to pay is saved by its payer, and charged for what is past due."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared import pages
from shared.domain.account import Account, PaymentMethod
from shared.domain.changes import Changes
from shared.edge import links
from shared.edge.links import Kind, Link
from shared.store import queries, table
from tests.domain.examples import SELLER
from tests.domain.payments import SUBSCRIPTION
from tests.edge.html import Page
from tests.edge.test_pay_page import ask, begin, shown
from tests.world import World


@pytest.fixture
def world():
    """Acme's card pays five seats on 25 January, and is declined on 25 February."""
    world = World().sells()
    world.subscription = world.subscribed()
    world.cloud.stripe.becomes(queries.account("acme").payment_method, "card_declined")
    world.on("2026-02-25T12:00:00Z")
    world.invoice = f"{world.subscription}-00001"
    world.address = subscription(world)["update_page"]
    return world


def subscription(world, permissions="billing.modify"):
    return world.call("GET", f"/accounts/acme/subscriptions/{world.subscription}", permissions=permissions).json


def setups(world):
    return [*world.cloud.stripe._account.setup_intents.values()]


def enter(world, method="pm_card_mastercard"):
    """The payer enters a way to pay in the Payment Element, and comes back to the page."""
    setup = begin(world, world.address).json["client_secret"].partition("_secret")[0]
    world.cloud.stripe.save(setup, method)
    return shown(world, f"{world.address}?setup_intent={setup}")


# -- what is shown -----------------------------------------------------------------------------------------


def test_the_page_tells_what_is_charged_at_present_and_what_is_past_due(world):
    page = shown(world, world.address)
    assert page.said("title") == "Your way to pay"
    assert (page.said("seller"), page.said("h1")) == ("us", "Your way to pay")
    assert "For acme: Sales Hub seat" in page.said("main")
    assert page.said("standing") == "Charged at present: Visa ending in 4242."
    sentence = "As soon as another one is saved, it is charged for what is past due:"
    assert f"{sentence} Invoice {world.invoice}: 500.00 USD" in page.said("main")
    assert page.said("owed") == f"Invoice {world.invoice}: 500.00 USD"
    assert page.form == {"kind": "method", "key": "pk_test_local", "currency": "usd", "types": "card"}
    assert page.said("button") == "Save"


def test_where_nothing_is_past_due_nothing_is_said_of_it(world):
    enter(world)
    world.cloud.settle()
    assert "past due" not in shown(world, world.address).said("main")


@pytest.mark.parametrize(
    ("method", "entered", "standing"),
    [
        (None, None, "Nothing is saved yet."),
        (PaymentMethod("acme", "pm_1", "card", "visa", "4242"), None, "Charged at present: Visa ending in 4242."),
        (
            PaymentMethod("acme", "pm_1", "us_bank_account", "STRIPE TEST BANK", "6789"),
            "succeeded",
            "Charged at present: STRIPE TEST BANK ending in 6789.",
        ),
        (PaymentMethod("acme", "pm_1", "sepa_debit"), None, "Charged at present: Sepa debit."),
        (None, "processing", "What you entered has to be confirmed first. Until then nothing changes."),
        (None, "requires_action", "What you entered has to be confirmed first. Until then nothing changes."),
        (None, "requires_payment_method", "What you entered could not be saved. Please try again."),
        (None, "canceled", "Nothing is saved yet."),
    ],
)
def test_the_page_says_in_words_what_became_of_what_was_entered(method, entered, standing):
    facts = pages.Standing(method, [], entered)
    page = Page(pages.method_page(SUBSCRIPTION, SELLER, Account("acme", "us", "Acme", "USD"), facts, "pk_test_1"))
    assert page.said("standing") == standing


def test_what_other_subscriptions_owe_is_charged_too_but_not_shown(world):
    body = {"items": [{"price": "sales-seat", "quantity": 3, "payments": 6}]}
    opened = world.call("POST", "/accounts/acme/checkout", body).json
    world.cloud.stripe.pay(opened["payment"]["client_secret"].partition("_secret")[0], "pm_card_visa")
    world.cloud.settle()
    other = opened["subscriptions"][0]["id"]
    page = shown(world, world.call("GET", f"/accounts/acme/subscriptions/{other}").json["update_page"])
    assert page.said("owed") == "What is past due of other subscriptions"
    assert world.invoice not in page.said("body")


# -- saving ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("webhook", ["at once", "lost"])
def test_f28_the_way_that_was_just_saved_is_charged_for_what_is_past_due(world, webhook):
    if webhook == "lost":
        world.cloud.deliveries.lost_until = datetime(2027, 1, 1, tzinfo=UTC)
    assert subscription(world)["status"] == "past_due"
    page = enter(world)
    assert page.said("standing") == "Charged at present: Mastercard ending in 4444."
    assert "It is charged for what is past due: " in page.said("main")
    assert page.said("owed").endswith(": 500.00 USD, is being charged")
    world.cloud.settle()
    assert [bill["status"] for bill in world.invoices()] == ["paid", "paid"]
    assert subscription(world)["status"] == "active"


def test_r65_f28_only_what_the_checkout_accepted_can_be_entered(world):
    book = queries.book("acme", world.subscription)
    accepted = replace(book.subscription, payment_methods=("card", "us_bank_account"))
    table.commit(Changes(put=(accepted,)), world.cloud.now)
    assert shown(world, world.address).form["types"] == "card us_bank_account"
    begin(world, world.address)
    assert setups(world)[-1]["payment_method_types"] == ["card", "us_bank_account"]


def test_opening_the_page_makes_and_changes_nothing(world):
    before = world.contents(), dict(world.cloud.stripe.calls)
    for _ in range(3):
        shown(world, world.address)
    assert (world.contents(), dict(world.cloud.stripe.calls)) == before


def test_the_same_page_gets_the_same_setup_intent_and_another_page_another(world):
    before = len(setups(world))
    secrets = {begin(world, world.address).json["client_secret"] for _ in range(3)}
    assert (len(secrets), len(setups(world)) - before) == (1, 1)
    another = ask(world, world.address, "POST", **{"Idempotency-Key": "another-page"})
    assert another.json["client_secret"] not in secrets


def test_every_setup_intent_is_asked_for_under_a_key(world):
    refused = ask(world, world.address, "POST")
    assert (refused.status, refused.json["code"]) == (422, "idempotency_key_missing")


def test_coming_back_twice_changes_nothing_more(world):
    enter(world)
    world.cloud.settle()
    before = world.contents()
    setup = setups(world)[-1]["id"]
    shown(world, f"{world.address}?setup_intent={setup}")
    assert world.contents() == before


def test_coming_back_late_does_not_undo_what_was_saved_since(world):
    enter(world)
    first = setups(world)[-1]["id"]
    world.on("2026-02-27T12:00:00Z")
    world.call("POST", "/accounts/acme/payment-method", {"payment_method": "pm_card_visa"})
    page = shown(world, f"{world.address}?setup_intent={first}")
    assert page.said("standing") == "Charged at present: Visa ending in 4242."


def test_what_is_declined_when_it_is_saved_changes_nothing(world):
    page = enter(world, "pm_card_chargeDeclined")
    assert page.said("standing") == "What you entered could not be saved. Please try again."
    assert shown(world, world.address).said("standing") == "Charged at present: Visa ending in 4242."


@pytest.mark.parametrize("setup", ["seti_unknown", "", "../payment_intents", "pi_1"])
def test_coming_back_from_nothing_changes_nothing(world, setup):
    before = world.contents()
    page = shown(world, f"{world.address}?setup_intent={setup}")
    assert page.said("standing") == "Charged at present: Visa ending in 4242."
    assert world.contents() == before


def test_what_another_account_has_saved_is_not_taken(world):
    world.account("globex")
    theirs = setups(world)[-1]["id"]
    before = world.contents()
    page = shown(world, f"{world.address}?setup_intent={theirs}")
    assert page.said("standing") == "Charged at present: Visa ending in 4242."
    assert world.contents() == before


def test_while_stripe_does_not_answer_the_script_is_asked_to_come_again(world):
    world.cloud.stripe.fail_next("stripe.other", "throttled")
    told = begin(world, world.address)
    assert (told.status, told.json["code"], told.headers["retry-after"]) == (503, "unavailable", "1")
    assert begin(world, world.address).status == 200


# -- who gets the address ----------------------------------------------------------------------------------


def test_the_address_is_for_those_who_may_change_what_is_charged(world):
    assert subscription(world, "billing.view")["update_page"] is None
    assert subscription(world, "seller.admin")["update_page"] == world.address
    assert world.address.startswith("https://api.prorata.example/v1/pay/")


def test_the_address_opens_for_thirty_days(world):
    world.cloud.now = datetime(2026, 3, 27, 23, 59, 59, tzinfo=UTC)
    assert ask(world, world.address).status == 200
    world.cloud.now = datetime(2026, 3, 28, tzinfo=UTC)
    for reply in (ask(world, world.address), begin(world, world.address)):
        assert reply.status == 404
        assert "This link has run out. Please ask for a new one." in reply.body


def cancel(world):
    path = f"/accounts/acme/subscriptions/{world.subscription}/cancel"
    assert world.call("POST", path, {"understood": True}).status == 200


def test_what_has_ended_and_owes_nothing_has_no_update_page(world):
    enter(world)
    world.cloud.settle()
    cancel(world)
    assert subscription(world)["update_page"] is None
    before = world.contents(), dict(world.cloud.stripe.calls)
    for reply in (ask(world, world.address), begin(world, world.address)):
        assert reply.status == 404
        assert "This subscription has ended, and nothing of it is owed." in reply.body
    assert (world.contents(), dict(world.cloud.stripe.calls)) == before


def test_f28_what_has_ended_is_paid_by_its_update_page_while_something_of_it_is_past_due(world):
    cancel(world)
    assert subscription(world)["update_page"] == world.address
    assert shown(world, world.address).said("owed") == f"Invoice {world.invoice}: 500.00 USD"
    enter(world)
    world.cloud.settle()
    assert [bill["status"] for bill in world.invoices()] == ["paid", "paid"]
    assert ask(world, world.address).status == 404


def test_a_link_to_a_subscription_that_is_not_there_leads_to_a_page_that_says_so(world):
    token = links.write(Link(Kind.METHOD, "acme", "gone"))
    reply = ask(world, f"https://api.prorata.example/v1/pay/{token}")
    assert (reply.status, Page(reply.body).said("body")) == (404, "There is no subscription 'gone'.")
