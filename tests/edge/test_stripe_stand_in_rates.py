"""How many calls a second the stand-in for Stripe answers, if it is told to count them."""

import stripe as library

from infra.local.stripe_desk import RATES
from tests.edge.stripe_world import World, refused


def test_an_endpoint_is_called_25_times_a_second_and_no_more():
    world = World(rates=RATES)
    for _ in range(25):
        world.payments.list()
    error = refused(library.RateLimitError, world.payments.list)
    assert (error.http_status, error.json_body["error"]["code"]) == (429, "rate_limit")
    assert error.headers["Stripe-Rate-Limited-Reason"] == "endpoint-rate"
    assert world.charge("k", payment_method="pm_card_visa").status == "succeeded", "others have a limit of their own"
    assert world.stripe.limited == {"GET /v1/payment_intents": 1}

    world.calendar.moves(milliseconds=40)
    world.payments.list()
    refused(library.RateLimitError, world.payments.list)
    world.calendar.moves(hours=1)
    for _ in range(25):
        world.payments.list()
    refused(library.RateLimitError, world.payments.list)
    assert world.stripe.limited == {"GET /v1/payment_intents": 3}


def test_all_endpoints_together_are_called_100_times_a_second_and_no_more():
    world = World(rates=RATES)
    calls = [world.payments.list, world.client.charges.list, world.client.refunds.list, world.client.events.list]
    for call in calls * 25:
        call()
    error = refused(library.RateLimitError, world.client.disputes.list)
    assert error.headers["Stripe-Rate-Limited-Reason"] == "global-rate"


def test_a_call_too_many_leaves_no_trace():
    world = World(rates={"POST /v1/payment_intents": 1})
    first = world.charge("a", payment_method="pm_card_visa")
    refused(library.RateLimitError, world.charge, "b", payment_method="pm_card_visa")
    assert [one.id for one in world.payments.list()] == [first.id]
    world.calendar.moves(seconds=1)
    assert "Idempotent-Replayed" not in world.charge("b", payment_method="pm_card_visa").last_response.headers
    refused(library.RateLimitError, world.charge, "b", payment_method="pm_card_visa")
