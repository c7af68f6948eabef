"""What the stand-in for Stripe accepts and does, asked through the real library.

Every answer and event is held to what Stripe publishes of its API (``stripe_shapes``).
"""

import base64

import pytest
import stripe as library

from infra.local.stripe_endpoints import HANDLERS
from infra.local.stripe_methods import BEHAVIOURS, TEST_METHODS
from infra.local.stripe_requests import CALLS
from tests.edge import stripe_shapes
from tests.edge.stripe_world import EUR_40, World, refused


@pytest.fixture
def world():
    return World()


# -- what it accepts ---------------------------------------------------------------------------------------


def narrower(ours, theirs):
    """Whether all that we accept for a parameter is accepted by Stripe."""
    if ours == theirs:
        return True
    if isinstance(theirs, dict) and "any" in theirs:
        options = ours["any"] if isinstance(ours, dict) and "any" in ours else [ours]
        return all(any(narrower(option, their) for their in theirs["any"]) for option in options)
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        return False
    if "enum" in ours:
        return set(ours["enum"]) <= set(theirs["enum"])
    return all(narrower(kind, theirs["object"][name]) for name, kind in ours["object"].items())


@pytest.mark.parametrize("endpoint", CALLS)
def test_every_parameter_it_accepts_is_published(endpoint):
    published = stripe_shapes.CALLS[endpoint]
    accepted, required = CALLS[endpoint]
    for name, kind in accepted.items():
        if not (name == "card" and endpoint == "POST /v1/payment_methods"):
            assert narrower(kind, published["params"][name]), name
    assert set(published["required"]) <= set(required) <= set(accepted)


def test_every_endpoint_it_accepts_is_answered():
    assert CALLS.keys() == HANDLERS.keys()


@pytest.mark.parametrize(
    ("sent", "code", "param"),
    [
        ("amount=4000&currency=eur&colour=red", "parameter_unknown", "colour"),
        ("amount=4000&currency=eur&off_session[a]=1", None, "off_session"),
        ("currency=eur", "parameter_missing", "amount"),
        ("amount=forty&currency=eur", "parameter_invalid_integer", "amount"),
        ("amount=40.0&currency=eur", "parameter_invalid_integer", "amount"),
        ("amount=0&currency=eur", "parameter_invalid_integer", "amount"),
        ("amount=&currency=eur", "parameter_invalid_empty", "amount"),
        ("amount=49&currency=eur", "amount_too_small", "amount"),
        ("amount=100000000&currency=eur", "amount_too_large", "amount"),
        ("amount=4000&currency=EUR", None, "currency"),
        ("amount=4000&currency=eur&confirm=yes", None, "confirm"),
        ("amount=4000&currency=eur&setup_future_usage=always", None, "setup_future_usage"),
        ("amount=4000&currency=eur&payment_method_types=card", None, "payment_method_types"),
        (
            "amount=4000&currency=eur&payment_method_types[]=cash",
            "payment_intent_invalid_parameter",
            "payment_method_types",
        ),
        ("amount=4000&currency=eur&off_session=true", None, "off_session"),
        ("amount=4000&currency=eur&customer=cus_none", "resource_missing", "customer"),
        ("amount=4000&currency=eur&payment_method=pm_none", "resource_missing", "payment_method"),
        ("amount=4000&currency=eur&payment_method=visa", "resource_missing", "payment_method"),
        ("amount=4000&currency=eur&confirm=true", "payment_intent_unexpected_state", None),
        ("amount=4000&currency=eur&metadata[a]=" + "x" * 501, None, "metadata[a]"),
        ("amount=4000&currency=eur&description=" + "x" * 1001, None, "description"),
        (
            "amount=4000&currency=usd&payment_method_types[0]=us_bank_account&payment_method=pm_card_visa",
            "payment_intent_incompatible_payment_method",
            "payment_method",
        ),
        (
            "amount=4000&currency=eur&payment_method_types[0]=card&payment_method_types[1]=us_bank_account",
            "payment_intent_invalid_parameter",
            "payment_method_types",
        ),
        (
            "amount=4000&currency=usd&payment_method_types[0]=sepa_debit",
            "payment_intent_invalid_parameter",
            "payment_method_types",
        ),
        (
            "amount=4000&currency=eur&confirm=true&payment_method=pm_card_visa&mandate_data[customer_acceptance]=yes",
            None,
            "mandate_data[customer_acceptance]",
        ),
        (
            "amount=4000&currency=eur&mandate_data[customer_acceptance][type]=offline",
            None,
            "mandate_data",
        ),
        (
            "amount=4000&currency=eur&mandate_data[customer_acceptance][online][ip_address]=1",
            "parameter_missing",
            "mandate_data[customer_acceptance][online][user_agent]",
        ),
    ],
)  # fmt: skip
def test_a_wrong_payment_is_refused_by_name_and_nothing_is_made(world, sent, code, param):
    status, body = world.ask("POST", "/v1/payment_intents", sent)
    stripe_shapes.check_answer("POST", "/v1/payment_intents", body)
    assert status == 400
    assert body["error"]["type"] == "invalid_request_error"
    assert (body["error"].get("code"), body["error"].get("param")) == (code, param)
    assert list(world.payments.list()) == []
    assert world.events() == []


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer sk_test_1", 200),
        ("Basic " + base64.b64encode(b"sk_test_1:").decode(), 200),
        ("Basic ???", 401),
        ("Bearer sk_live_1", 401),
        ("", 401),
    ],
)
def test_a_secret_test_key_is_needed(world, authorization, status):
    assert world.ask("GET", "/v1/events", Authorization=authorization)[0] == status


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/v1/coffee", None),
        ("DELETE", "/v1/customers/cus_1", None),
        ("GET", "/v1/customers/cus_1", "resource_missing"),
        ("GET", "/v1/payment_intents/pi_1", "resource_missing"),
        ("POST", "/v1/payment_intents/pi_1/confirm", "resource_missing"),
        ("POST", "/v1/setup_intents/seti_1/cancel", "resource_missing"),
        ("POST", "/v1/payment_methods/pm_1/detach", "resource_missing"),
        ("GET", "/v1/events/evt_1", "resource_missing"),
    ],
)
def test_what_is_not_there_is_a_404(world, method, path, code):
    status, body = world.ask(method, path)
    assert (status, body["error"].get("code"), body["error"]["type"]) == (404, code, "invalid_request_error")


# -- customers and payment methods -------------------------------------------------------------------------


def test_a_customer_is_made_changed_and_read(world):
    made = world.client.customers.create({"email": "a@acme.test", "metadata": {"account": "acme", "old": "1"}})
    world.client.customers.update(made.id, {"address": {"country": "DE"}, "metadata": {"old": "", "new": "2"}})
    read = world.client.customers.retrieve(made.id)
    assert (read.email, read.address.country, read.address.city) == ("a@acme.test", "DE", None)
    assert read.metadata.to_dict() == {"account": "acme", "new": "2"}
    assert world.events() == ["customer.created", "customer.updated"]


def test_a_customer_may_come_with_a_card(world):
    made = world.client.customers.create({"payment_method": "pm_card_visa"})
    assert [card.card.last4 for card in world.client.customers.payment_methods.list(made.id)] == ["4242"]
    refused(library.CardError, world.client.customers.create, {"payment_method": "pm_card_chargeDeclined"})
    assert world.events() == ["customer.created", "payment_method.attached"]


def test_a_saved_card_serves_its_customer_only_and_never_after_it_was_detached(world):
    acme, card = world.customer()
    other, _ = world.customer()
    for customer in ({"customer": other}, {}):
        error = refused(library.InvalidRequestError, world.charge, payment_method=card, **customer)
        assert error.param == "payment_method"
    refused(library.InvalidRequestError, world.client.payment_methods.attach, card, {"customer": other})

    assert world.client.payment_methods.detach(card).customer is None
    refused(library.InvalidRequestError, world.charge, customer=acme, payment_method=card)
    refused(library.InvalidRequestError, world.client.payment_methods.detach, card)
    assert list(world.client.customers.payment_methods.list(acme)) == []


def test_a_card_made_from_a_token_pays_once_unless_it_is_saved(world):
    card = world.client.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    assert world.charge(payment_method=card.id).status == "succeeded"
    refused(library.InvalidRequestError, world.charge, payment_method=card.id)
    refused(
        library.InvalidRequestError, world.client.payment_methods.create, {"type": "card", "card": {"token": "visa"}}
    )


@pytest.mark.parametrize("card", [name for name, card in TEST_METHODS.items() if not card.attaches])
def test_a_card_that_its_bank_declines_cannot_be_saved(world, card):
    assert refused(library.CardError, world.customer, card).http_status == 402
    assert world.events() == ["customer.created"]


# -- payments ----------------------------------------------------------------------------------------------


def test_a_payment_with_a_saved_card_succeeds(world):
    customer, card = world.customer()
    world.events()
    paid = world.charge(
        customer=customer,
        payment_method=card,
        off_session=True,
        payment_method_types=["card"],
        metadata={"invoice": "s-1"},
    )
    assert (paid.status, paid.amount_received, paid.payment_method) == ("succeeded", 4000, card)
    assert paid.latest_charge.startswith("ch_")
    assert paid.created == int(world.calendar().timestamp())
    assert paid == world.payments.retrieve(paid.id)
    assert world.events() == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


def test_the_first_payment_saves_the_card(world):
    customer = world.client.customers.create({}).id
    intent = world.payments.create({**EUR_40, "customer": customer, "setup_future_usage": "off_session"})
    assert (intent.status, intent.client_secret.split("_secret_")[0]) == ("requires_payment_method", intent.id)
    world.stripe.pay(intent.id, "pm_card_chargeDeclined")
    world.stripe.pay(intent.id, "pm_card_mastercard")
    [card] = world.client.customers.payment_methods.list(customer)
    assert world.payments.retrieve(intent.id).payment_method == card.id
    assert world.events() == [
        "customer.created",
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
        "charge.succeeded",
        "payment_method.attached",
        "payment_intent.succeeded",
    ]
    with pytest.raises(ValueError, match="succeeded"):
        world.stripe.pay(intent.id, "pm_card_visa")


@pytest.mark.parametrize(
    ("card", "code", "reason"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
    ],
)
def test_a_declined_payment_is_there_and_says_why(world, card, code, reason):
    error = refused(library.CardError, world.charge, payment_method=card)
    told = error.json_body["error"]
    assert (error.http_status, error.code, told.get("decline_code")) == (402, code, reason)
    intent = world.payments.retrieve(told["payment_intent"]["id"])
    assert (intent.status, intent.payment_method, intent.amount_received) == ("requires_payment_method", None, 0)
    assert intent.latest_charge == told["charge"] == intent.last_payment_error.charge
    assert intent.last_payment_error.code == code
    assert world.events() == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]


def test_a_card_that_comes_good_pays_the_same_intent(world):
    customer, card = world.customer("pm_card_chargeCustomerFail")
    error = refused(library.CardError, world.charge, customer=customer, payment_method=card)
    intent = error.json_body["error"]["payment_intent"]["id"]
    world.stripe.becomes(card, "card_insufficient_funds")
    error = refused(library.CardError, world.payments.confirm, intent, {"payment_method": card})
    assert error.json_body["error"]["decline_code"] == "insufficient_funds"
    error = refused(library.InvalidRequestError, world.payments.confirm, intent)
    assert error.code == "payment_intent_unexpected_state", "a declined method is not tried again by itself"
    world.stripe.becomes(card, "card_ok")
    paid = world.payments.confirm(intent, {"payment_method": card, "off_session": True})
    assert (paid.status, paid.last_payment_error) == ("succeeded", None)
    with pytest.raises(ValueError, match="card_ok"):
        world.stripe.becomes(card, "card_moody")


def test_an_intent_that_ended_is_neither_confirmed_nor_canceled(world):
    paid = world.charge(payment_method="pm_card_visa").id
    gone = world.payments.create({**EUR_40, "payment_method": "pm_card_visa"})
    assert gone.status == "requires_confirmation"
    gone = world.payments.cancel(gone.id, {"cancellation_reason": "abandoned"})
    assert (gone.status, gone.cancellation_reason) == ("canceled", "abandoned")
    assert gone.canceled_at == int(world.calendar().timestamp())
    for intent, status in ((paid, "succeeded"), (gone.id, "canceled")):
        for call in (world.payments.confirm, world.payments.cancel):
            error = refused(library.InvalidRequestError, call, intent)
            assert (error.http_status, error.code) == (400, "payment_intent_unexpected_state")
            assert error.json_body["error"]["payment_intent"]["status"] == status
    assert world.events()[-1] == "payment_intent.canceled"


# -- setup intents -----------------------------------------------------------------------------------------


def test_a_setup_intent_saves_a_card(world):
    customer = world.client.customers.create({}).id
    intents = world.client.setup_intents
    open_ = intents.create({"customer": customer, "usage": "off_session"})
    error = refused(library.CardError, intents.confirm, open_.id, {"payment_method": "pm_card_chargeDeclined"})
    assert error.json_body["error"]["setup_intent"]["last_setup_error"]["decline_code"] == "generic_decline"
    world.stripe.save(open_.id, "pm_card_chargeCustomerFail")
    at_once = intents.create({"customer": customer, "payment_method": "pm_card_visa", "confirm": True})
    assert [intents.retrieve(one).status for one in (open_.id, at_once.id)] == ["succeeded"] * 2
    cards = world.client.customers.payment_methods.list(customer, {"type": "card"})
    assert [card.card.last4 for card in cards] == ["4242", "0341"]
    assert world.events()[1:5] == [
        "setup_intent.created",
        "setup_intent.setup_failed",
        "payment_method.attached",
        "setup_intent.succeeded",
    ]


def test_a_setup_intent_is_canceled_before_it_succeeds_only(world):
    intents = world.client.setup_intents
    assert intents.cancel(intents.create({}).id).status == "canceled"
    done = intents.create({"payment_method": "pm_card_visa", "confirm": True})
    error = refused(library.InvalidRequestError, intents.cancel, done.id)
    assert error.code == "setup_intent_unexpected_state"
    assert world.events()[1] == "setup_intent.canceled"


def test_every_behaviour_of_a_test_method_is_one_it_knows():
    assert {means.behaviour for means in TEST_METHODS.values()} == set(BEHAVIOURS)
