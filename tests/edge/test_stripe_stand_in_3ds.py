"""What the stand-in for Stripe does with a card whose holder must authenticate (3-D Secure)."""

import pytest
import stripe as library

from tests.edge.stripe_world import EUR_40, World, refused

CARD_3DS, CARD_3DS_ONCE = "pm_card_authenticationRequired", "pm_card_authenticationRequiredOnSetup"


@pytest.fixture
def world():
    return World()


def statuses(world, intent):
    found = world.payments.retrieve(intent)
    return found.status, found.next_action and found.next_action.type, bool(found.latest_charge)


def test_off_session_nobody_is_there_to_authenticate(world):
    customer, card = world.customer(CARD_3DS)
    world.events()
    error = refused(library.CardError, world.charge, customer=customer, payment_method=card, off_session=True)
    told = error.json_body["error"]
    assert (error.http_status, error.code, told["decline_code"]) == (402, *["authentication_required"] * 2)
    intent = told["payment_intent"]
    assert (intent["status"], intent["payment_method"]) == ("requires_payment_method", None)
    assert intent["last_payment_error"]["code"] == "authentication_required"
    assert intent["last_payment_error"]["payment_method"]["id"] == card
    assert intent["latest_charge"] == told["charge"]
    assert world.client.charges.retrieve(told["charge"]).failure_code == "authentication_required"
    assert world.events() == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]

    world.stripe.authenticate(intent["id"])
    paid = world.payments.retrieve(intent["id"])
    assert (paid.status, paid.payment_method, paid.last_payment_error) == ("succeeded", card, None)
    assert paid.latest_charge != told["charge"]
    assert world.events() == ["charge.succeeded", "payment_intent.succeeded"]
    with pytest.raises(ValueError, match="asks for no authentication"):
        world.stripe.authenticate(intent["id"])


@pytest.mark.parametrize("how", ["in one go", "confirmed", "in the Payment Element"])
def test_on_session_the_payment_waits_until_the_holder_authenticates(world, how):
    if how == "in one go":
        intent = world.charge(payment_method=CARD_3DS).id
    else:
        intent = world.payments.create(EUR_40).id
        if how == "confirmed":
            assert world.payments.confirm(intent, {"payment_method": CARD_3DS}).status == "requires_action"
        else:
            world.stripe.pay(intent, CARD_3DS)
    assert statuses(world, intent) == ("requires_action", "use_stripe_sdk", False)
    assert world.events() == ["payment_intent.created", "payment_intent.requires_action"]
    world.calendar.moves(days=90)
    assert statuses(world, intent) == ("requires_action", "use_stripe_sdk", False), "abandoned, it waits"
    assert world.stripe.next_at() is None
    world.stripe.authenticate(intent)
    assert statuses(world, intent) == ("succeeded", None, True)
    assert world.events() == ["charge.succeeded", "payment_intent.succeeded"]


def test_a_payment_that_waits_can_be_paid_by_another_card_or_canceled(world):
    other, given_up = (world.charge(payment_method=CARD_3DS).id for _ in range(2))
    world.stripe.pay(other, "pm_card_visa")
    assert statuses(world, other) == ("succeeded", None, True)
    world.payments.cancel(given_up)
    assert statuses(world, given_up) == ("canceled", None, False)


def test_who_fails_to_authenticate_may_try_again(world):
    intent = world.charge(payment_method=CARD_3DS).id
    world.events()
    world.stripe.fail(intent)
    assert statuses(world, intent) == ("requires_payment_method", None, False)
    error = world.payments.retrieve(intent).last_payment_error.to_dict()
    assert (error["code"], error.get("charge")) == ("payment_intent_authentication_failure", None)
    assert world.events() == ["payment_intent.payment_failed"]
    world.stripe.pay(intent, CARD_3DS)
    world.stripe.authenticate(intent)
    assert world.payments.retrieve(intent).status == "succeeded"


def test_a_card_that_authenticated_may_still_be_declined(world):
    customer, card = world.customer(CARD_3DS)
    intent = world.charge(customer=customer, payment_method=card).id
    world.stripe.becomes(card, "card_insufficient_funds")
    world.stripe.authenticate(intent)
    failed = world.payments.retrieve(intent)
    assert (failed.status, failed.last_payment_error.decline_code) == (
        "requires_payment_method",
        "insufficient_funds",
    )


def test_a_card_is_saved_after_its_holder_authenticated(world):
    customer = world.client.customers.create({}).id
    intents = world.client.setup_intents
    sent = {"customer": customer, "payment_method": CARD_3DS, "confirm": True}
    setup, failed = intents.create(sent).id, intents.create(sent).id
    waiting = intents.retrieve(setup)
    assert (waiting.status, waiting.next_action.type) == ("requires_action", "use_stripe_sdk")
    assert list(world.client.customers.payment_methods.list(customer)) == []
    world.events()
    world.stripe.authenticate(setup)
    world.stripe.fail(failed)
    done, not_done = intents.retrieve(setup), intents.retrieve(failed)
    assert (done.status, done.next_action) == ("succeeded", None)
    assert [card.id for card in world.client.customers.payment_methods.list(customer)] == [done.payment_method]
    assert not_done.status == "requires_payment_method"
    assert not_done.last_setup_error.code == "setup_intent_authentication_failure"
    assert world.events() == ["payment_method.attached", "setup_intent.succeeded", "setup_intent.setup_failed"]


@pytest.mark.parametrize(("card", "then"), [(CARD_3DS, "requires_payment_method"), (CARD_3DS_ONCE, "succeeded")])
def test_some_cards_authenticate_once_and_some_for_each_payment(world, card, then):
    customer = world.client.customers.create({}).id
    setup = world.client.setup_intents.create({"customer": customer}).id
    world.stripe.save(setup, card)
    world.stripe.authenticate(setup)
    card = world.client.setup_intents.retrieve(setup).payment_method
    if then == "succeeded":
        intent = world.charge(customer=customer, payment_method=card, off_session=True).id
    else:
        error = refused(library.CardError, world.charge, customer=customer, payment_method=card, off_session=True)
        intent = error.json_body["error"]["payment_intent"]["id"]
    assert world.payments.retrieve(intent).status == then
    on_session = world.charge(customer=customer, payment_method=card)
    assert on_session.status == "requires_action"
