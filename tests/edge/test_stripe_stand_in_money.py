"""What the stand-in for Stripe writes down of money: charges, refunds, disputes and the balance they add up to."""

import json

import pytest
import stripe as library

from infra.local.stripe import Stripe
from tests.edge.stripe_world import Calendar, World, refused


@pytest.fixture
def world():
    return World()


@pytest.fixture
def paid(world):
    """A payment of EUR 40.00 with a saved card; nothing is told of it any more."""
    customer, card = world.customer()
    paid = world.charge(customer=customer, payment_method=card, metadata={"invoice": "s-1"})
    world.events()
    return paid


def moved(world):
    """What went through the balance, the oldest first: type, amount, source."""
    found = list(world.client.balance_transactions.list({"limit": 100}).auto_paging_iter())
    return [(one.type, one.amount, one.source) for one in found[::-1]]


# -- charges -----------------------------------------------------------------------------------------------


def test_a_payment_has_a_charge_that_says_what_it_is_for(world, paid):
    charge = world.client.charges.retrieve(paid.latest_charge)
    assert (charge.status, charge.paid, charge.amount, charge.amount_captured) == ("succeeded", True, 4000, 4000)
    assert (charge.payment_intent, charge.customer, charge.payment_method) == (
        paid.id,
        paid.customer,
        paid.payment_method,
    )
    assert (charge.metadata.to_dict(), charge.payment_method_details.card.last4) == ({"invoice": "s-1"}, "4242")
    assert (charge.refunded, charge.disputed, charge.failure_code) == (False, False, None)
    assert moved(world) == [("charge", 4000, charge.id)]
    entry = world.client.balance_transactions.list().data[0]
    assert (entry.id, entry.fee, entry.net, entry.status) == (charge.balance_transaction, 146, 3854, "available")


def test_every_try_has_a_charge_of_its_own(world):
    customer, card = world.customer("pm_card_chargeCustomerFail")
    world.stripe.becomes(card, "card_insufficient_funds")
    error = refused(library.CardError, world.charge, customer=customer, payment_method=card)
    intent = error.json_body["error"]["payment_intent"]["id"]
    world.stripe.becomes(card, "card_ok")
    world.payments.confirm(intent, {"payment_method": card})
    other = world.charge(payment_method="pm_card_visa")

    paid, failed = world.client.charges.list({"payment_intent": intent}).data
    assert (failed.status, failed.paid, failed.failure_code) == ("failed", False, "card_declined")
    assert failed.failure_message == "Your card has insufficient funds."
    assert (paid.status, paid.id) == ("succeeded", world.payments.retrieve(intent).latest_charge)
    assert [one.id for one in world.client.charges.list({"customer": customer})] == [paid.id, failed.id]
    assert moved(world) == [("charge", 4000, paid.id), ("charge", 4000, other.latest_charge)]


# -- refunds -----------------------------------------------------------------------------------------------


def test_a_payment_is_refunded_in_part_and_then_the_rest_of_it(world, paid):
    part = world.client.refunds.create({"payment_intent": paid.id, "amount": 1500, "metadata": {"note": "cn-1"}})
    assert (part.status, part.amount, part.charge) == ("succeeded", 1500, paid.latest_charge)
    assert (part.payment_intent, part.metadata.to_dict()) == (paid.id, {"note": "cn-1"})
    charge = world.client.charges.retrieve(paid.latest_charge)
    assert (charge.amount_refunded, charge.refunded) == (1500, False)

    error = refused(library.InvalidRequestError, world.client.refunds.create, {"charge": charge.id, "amount": 2501})
    assert error.user_message == "Refund amount (2501 EUR) is greater than unrefunded amount on charge (2500 EUR)"
    rest = world.client.refunds.create({"charge": paid.latest_charge, "reason": "requested_by_customer"})
    assert (rest.amount, rest.reason) == (2500, "requested_by_customer")
    charge = world.client.charges.retrieve(paid.latest_charge)
    assert (charge.amount_refunded, charge.refunded) == (4000, True)
    assert world.payments.retrieve(paid.id).status == "succeeded"
    assert [one.id for one in world.client.refunds.list({"payment_intent": paid.id})] == [rest.id, part.id]
    assert list(world.client.refunds.list({"charge": "ch_other"})) == []
    assert world.client.refunds.retrieve(part.id) == part
    assert moved(world)[1:] == [("refund", -1500, part.id), ("refund", -2500, rest.id)]
    assert world.events() == ["refund.created", "charge.refunded"] * 2


@pytest.mark.parametrize(
    ("sent", "code", "param", "message"),
    [
        ({"amount": 4001}, None, "amount", "Refund amount (4001 EUR) is greater than unrefunded amount on charge "),
        ({"amount": 0}, "parameter_invalid_integer", "amount", "Invalid positive integer"),
        ({"charge": "ch_1"}, "parameters_exclusive", "charge", "You may only specify one of these parameters"),
        ({"payment_intent": "pi_none"}, "resource_missing", "payment_intent", "No such payment_intent: 'pi_none'"),
    ],
)
def test_a_refund_never_takes_more_than_was_paid(world, paid, sent, code, param, message):
    params = {"payment_intent": paid.id, **sent}
    error = refused(library.InvalidRequestError, world.client.refunds.create, params)
    assert (error.http_status, error.code, error.param) == (400, code, param)
    assert str(error.user_message).startswith(message)
    assert list(world.client.refunds.list()) == world.events() == []


def test_what_was_refunded_or_never_paid_is_not_refunded(world, paid):
    create = world.client.refunds.create
    create({"payment_intent": paid.id})
    error = refused(library.InvalidRequestError, create, {"payment_intent": paid.id})
    assert (error.code, error.user_message) == (
        "charge_already_refunded",
        f"Charge {paid.latest_charge} has already been refunded.",
    )
    assert refused(library.InvalidRequestError, create, {"amount": 100}).code == "parameter_missing"
    declined = refused(library.CardError, world.charge, payment_method="pm_card_chargeDeclined").json_body["error"]
    open_ = world.payments.create({"amount": 4000, "currency": "eur"})
    for sent in (
        {"charge": declined["charge"]},
        {"payment_intent": declined["payment_intent"]["id"]},
        {"payment_intent": open_.id},
    ):
        error = refused(library.InvalidRequestError, create, sent)
        assert "does not have a successful charge to refund" in error.user_message


def test_a_refund_is_made_once_under_its_key(world, paid):
    world.stripe.fail_next("stripe.refund", "error_500_after")
    sent = ({"payment_intent": paid.id, "amount": 1500}, {"idempotency_key": "r-1"})
    for _ in range(2):
        refused(library.APIError, world.client.refunds.create, *sent)
    assert [one.amount for one in world.client.refunds.list()] == [1500]
    first, again = (
        world.client.refunds.create({"payment_intent": paid.id}, {"idempotency_key": "r-2"}) for _ in range(2)
    )
    assert first.last_response.body == again.last_response.body
    assert [one.amount for one in world.client.refunds.list()] == [2500, 1500]


def test_a_refund_that_fails_gives_the_money_back_to_the_seller(world, paid):
    refund = world.client.refunds.create({"payment_intent": paid.id, "amount": 1500})
    world.events()
    world.stripe.fail_refund(refund.id)
    failed = world.client.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "lost_or_stolen_card")
    assert world.client.charges.retrieve(paid.latest_charge).amount_refunded == 0
    assert moved(world)[1:] == [("refund", -1500, refund.id), ("refund_failure", 1500, refund.id)]
    assert failed.failure_balance_transaction == world.client.balance_transactions.list().data[0].id
    assert world.events() == ["refund.updated", "refund.failed"]
    with pytest.raises(ValueError, match="failed already"):
        world.stripe.fail_refund(refund.id)


# -- disputes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("won", "status", "back"), [(True, "won", [("adjustment", 4000)]), (False, "lost", [])])
def test_a_dispute_takes_the_money_until_it_is_decided(world, paid, won, status, back):
    dispute = world.stripe.dispute(paid.id)
    [told] = world.client.disputes.list({"payment_intent": paid.id}).data
    assert (told.id, told.status, told.reason, told.amount) == (dispute, "needs_response", "fraudulent", 4000)
    assert (told.charge, world.client.charges.retrieve(told.charge).disputed) == (paid.latest_charge, True)
    error = refused(library.InvalidRequestError, world.client.refunds.create, {"payment_intent": paid.id})
    assert error.code == "charge_disputed"

    world.stripe.close_dispute(dispute, won=won)
    [told] = world.client.disputes.list({"charge": paid.latest_charge}).data
    assert (told.status, told.is_charge_refundable) == (status, won)
    assert moved(world)[1:] == [(*one, dispute) for one in [("adjustment", -4000), *back]]
    assert [one.amount for one in told.balance_transactions] == [amount for _, amount, _ in moved(world)[1:]]
    reinstated = ["charge.dispute.funds_reinstated"] if won else []
    assert world.events() == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        *reinstated,
        "charge.dispute.closed",
    ]
    for again in (
        lambda: world.stripe.close_dispute(dispute, won=won),
        lambda: world.stripe.dispute(paid.id),
    ):
        with pytest.raises(ValueError, match=r"already|before"):
            again()


def test_a_dispute_that_was_won_leaves_the_charge_to_be_refunded(world, paid):
    world.stripe.close_dispute(world.stripe.dispute(paid.id), won=True)
    assert world.client.refunds.create({"payment_intent": paid.id}).amount == 4000


# -- the balance and what it hangs on ----------------------------------------------------------------------


def test_the_balance_is_the_sum_of_what_moved(world, paid):
    world.client.refunds.create({"payment_intent": paid.id, "amount": 1500})
    world.stripe.dispute(world.charge(payment_method="pm_card_visa", amount=2000).id)
    assert sum(amount for _, amount, _ in moved(world)) == 4000 - 1500 + 2000 - 2000
    every = world.client.balance_transactions
    assert [one.amount for one in every.list({"type": "charge"})] == [2000, 4000]
    assert [one.amount for one in every.list({"source": paid.latest_charge})] == [4000]
    assert list(every.list({"currency": "usd"})) == []
    world.calendar.moves(days=1)
    assert list(every.list({"created": {"gte": int(world.calendar().timestamp())}})) == []


def test_an_answer_can_hold_the_objects_behind_its_ids(world, paid):
    refund = world.client.refunds.create({"payment_intent": paid.id, "expand": ["charge.payment_intent"]})
    assert (refund.charge.id, refund.charge.payment_intent.id) == (paid.latest_charge, paid.id)
    entries = world.client.balance_transactions.list({"expand": ["data.source"]}).data
    assert [entry.source.object for entry in entries] == ["refund", "charge"]
    assert entries[1].source.metadata.to_dict() == {"invoice": "s-1"}
    assert world.client.balance_transactions.list().data[0].source == refund.id, "only where it was asked for"
    assert world.payments.retrieve(paid.id, {"expand": ["review"]}).review is None
    for wrong in ("amount", "status", "colour", "charge.colour"):
        error = refused(library.InvalidRequestError, world.client.refunds.retrieve, refund.id, {"expand": [wrong]})
        assert error.param == "expand"


def test_a_webhook_is_told_of_what_it_asked_for():
    stripe = Stripe(Calendar(), tells=("payment_intent.*", "charge.dispute.*"))
    form = "amount=4000&currency=eur&confirm=true&payment_method=pm_card_visa"
    answer = stripe.answer("POST", "/v1/payment_intents", {"Authorization": "Bearer sk_test_1"}, form)
    stripe.dispute(json.loads(answer.body)["id"])
    assert [told.type for told in stripe.webhooks()] == [
        "payment_intent.created",
        "payment_intent.succeeded",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
    ]
