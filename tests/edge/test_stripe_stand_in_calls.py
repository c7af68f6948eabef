"""What surrounds every call of the stand-in for Stripe: idempotency keys, lists, events, webhooks, transports."""

import json
from threading import Barrier, Thread

import pytest
import stripe as library
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.stripe import InProcess, Stripe, serve
from tests.edge import stripe_shapes
from tests.edge.stripe_world import EUR_40, KEY, Calendar, World, refused


@pytest.fixture
def world():
    return World()


# -- idempotency -------------------------------------------------------------------------------------------


def test_the_same_key_gives_the_first_answer_again(world):
    first = world.charge("k", payment_method="pm_card_visa")
    world.calendar.moves(hours=23, minutes=59)
    again = world.charge("k", payment_method="pm_card_visa")
    assert again.last_response.body == first.last_response.body
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert again.last_response.headers["Original-Request"] == first.last_response.request_id
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert len(world.payments.list().data) == 1


def test_a_key_is_forgotten_after_24_hours(world):
    first = world.charge("k", payment_method="pm_card_visa")
    world.calendar.moves(hours=24)
    assert world.charge("k", amount=5000, payment_method="pm_card_visa").id != first.id


def test_a_decline_and_a_wrong_state_are_kept_under_the_key(world):
    for _ in range(2):
        error = refused(library.CardError, world.charge, "k", payment_method="pm_card_chargeDeclined")
    assert error.headers["idempotent-replayed"] == "true"
    assert len(world.payments.list().data) == 1
    intent = error.json_body["error"]["payment_intent"]["id"]
    world.stripe.pay(intent, "pm_card_visa")
    for _ in range(2):
        error = refused(library.InvalidRequestError, world.payments.cancel, intent, {}, {"idempotency_key": "c"})
    assert error.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(("how", "made"), [("error_500_before", 0), ("error_500_after", 1)])
def test_a_500_is_kept_under_the_key_whether_or_not_it_had_its_effect(world, how, made):
    world.stripe.fail_next("stripe.create", how)
    for _ in range(2):
        error = refused(library.APIError, world.charge, "k", payment_method="pm_card_visa")
        assert error.http_status == 500
    assert error.headers["idempotent-replayed"] == "true"
    assert [intent.status for intent in world.payments.list().data] == ["succeeded"] * made
    assert world.charge("another", payment_method="pm_card_visa").status == "succeeded"


@pytest.mark.parametrize(("how", "error"), [("throttled", library.RateLimitError), ("conflict", library.APIError)])
def test_a_call_that_was_turned_away_leaves_no_trace(world, how, error):
    world.stripe.fail_next("stripe.create", how, times=2)
    for _ in range(2):
        refused(error, world.charge, "k", payment_method="pm_card_visa")
    assert "Idempotent-Replayed" not in world.charge("k", payment_method="pm_card_visa").last_response.headers


def test_wrong_parameters_do_not_use_up_the_key(world):
    refused(library.InvalidRequestError, world.charge, "k", payment_method="pm_card_visa", colour="red")
    assert world.charge("k", payment_method="pm_card_visa").status == "succeeded"


def test_a_key_is_refused_for_anything_else(world):
    intent = world.charge("k", payment_method="pm_card_visa")
    refused(library.IdempotencyError, world.charge, "k", amount=4001, payment_method="pm_card_visa")
    refused(library.IdempotencyError, world.payments.cancel, intent.id, {}, {"idempotency_key": "k"})
    with pytest.raises(ValueError, match="no fault"):
        world.stripe.fail_next("stripe.brew", "throttled")


def test_a_key_in_use_is_a_conflict(world):
    """The first call asks for the time twice, the second time while it is carried out."""
    form, seen = "amount=4000&currency=eur", []

    def same_call():
        return world.ask("POST", "/v1/payment_intents", form, Idempotency_Key="k")

    def from_another_thread():
        other = Thread(target=lambda: seen.append(same_call()))
        other.start()
        other.join()

    world.calendar.on_asked = [from_another_thread, lambda: None]
    status, made = same_call()
    [(conflict, body)] = seen
    assert (status, conflict, body["error"]["code"]) == (200, 409, "idempotency_key_in_use")
    assert same_call() == (200, made)


def test_many_threads_with_one_key_make_one_payment(world):
    ready, statuses = Barrier(8), []

    def call():
        ready.wait()
        status, _ = world.ask("POST", "/v1/payment_intents", "amount=4000&currency=eur", Idempotency_Key="k")
        statuses.append(status)

    threads = [Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 200 in statuses
    assert set(statuses) <= {200, 409}
    assert len(world.payments.list().data) == 1


def test_a_call_that_crashed_leaves_no_trace(world):
    def crash():
        raise RuntimeError

    world.calendar.on_asked = [crash, lambda: None]
    refused(RuntimeError, world.charge, "k", payment_method="pm_card_visa")
    assert world.charge("k", payment_method="pm_card_visa").status == "succeeded"


# -- lists and events --------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 12), st.integers(1, 5), st.booleans())
def test_pages_hold_everything_once_newest_first(count, limit, backwards):
    world = World()
    customer = world.client.customers.create({}).id
    made = []
    for _ in range(count):
        made.append(world.payments.create({**EUR_40, "customer": customer}).id)
        world.payments.create(EUR_40)
    params = {"customer": customer, "limit": limit}
    if not backwards:
        first = world.payments.list(params)
        assert first.has_more == (count > limit)
        assert [intent.id for intent in first.auto_paging_iter()] == made[::-1]
    elif made:
        page = world.payments.list({**params, "ending_before": made[0]})
        found = [intent.id for intent in page.auto_paging_iter()]
        assert found == made[1:], "backwards the oldest comes first"


def test_a_list_can_be_cut_by_time(world):
    made = []
    for _ in range(3):
        made.append(world.payments.create(EUR_40))
        world.calendar.moves(hours=1)
    middle = made[1].created
    assert [one.id for one in world.payments.list({"created": {"gte": middle}})] == [made[2].id, made[1].id]
    assert [one.id for one in world.payments.list({"created": {"gt": middle}})] == [made[2].id]
    assert [one.id for one in world.payments.list({"created": {"lt": middle}})] == [made[0].id]
    assert [one.id for one in world.payments.list({"created": middle})] == [made[1].id]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"limit": 101}, "parameter_invalid_integer"),
        ({"limit": 0}, "parameter_invalid_integer"),
        ({"starting_after": "pi_none"}, "resource_missing"),
        ({"starting_after": "pi_1", "ending_before": "pi_2"}, "parameters_exclusive"),
        ({"customer": "cus_none"}, "resource_missing"),
    ],
)
def test_a_list_refuses_what_it_cannot_show(world, params, code):
    assert refused(library.InvalidRequestError, world.payments.list, params).code == code


def test_events_can_be_listed_for_30_days(world):
    intent = world.charge("k", payment_method="pm_card_visa")
    world.stripe.webhooks()
    events = world.client.events
    succeeded, created = events.list({"type": "payment_intent.*"}).data
    assert [created.type, succeeded.type] == ["payment_intent.created", "payment_intent.succeeded"]
    assert created.data.object["status"] == "requires_confirmation", "an event shows what was then"
    assert succeeded.data.object["id"] == intent.id
    assert (succeeded.request.idempotency_key, succeeded.api_version) == ("k", "2026-05-27.dahlia")
    assert succeeded.request.id == intent.last_response.request_id
    assert [one.id for one in events.list({"types": ["payment_intent.succeeded"]})] == [succeeded.id]
    world.calendar.moves(days=30, seconds=1)
    assert list(events.list()) == []
    assert events.retrieve(succeeded.id) == succeeded


def test_webhooks_are_signed_and_told_once(world):
    world.stripe.pay(world.payments.create(EUR_40).id, "pm_card_visa")
    told = world.stripe.webhooks()
    assert world.stripe.webhooks() == []
    for webhook in told:
        signature = webhook.headers["Stripe-Signature"]
        event = library.Webhook.construct_event(webhook.body, signature, "whsec_local", tolerance=None)
        assert (event.id, event.type) == (webhook.event_id, webhook.type)
        with pytest.raises(library.SignatureVerificationError):
            library.Webhook.construct_event(webhook.body, signature, "whsec_other", tolerance=None)
    assert f"t={int(world.calendar().timestamp())}," in told[0].headers["Stripe-Signature"]
    assert json.loads(told[1].body)["request"] == {"id": None, "idempotency_key": None}, "the payer did that"


def test_two_runs_of_the_same_calls_give_the_same_bytes():
    """Each with a key of its own: without one the library makes up a random one, and events show it."""

    def run():
        world = World()
        customer = world.client.customers.create({}, {"idempotency_key": "c"}).id
        paid = world.charge("k", customer=customer, payment_method="pm_card_visa", setup_future_usage="off_session")
        return paid.last_response.body, paid.last_response.request_id, world.stripe.webhooks()

    assert run() == run()


# -- the library's two ways to it --------------------------------------------------------------------------


@pytest.fixture(params=["in process", "over a socket"])
def reached(request):
    if request.param == "in process":
        yield World()
        return
    world = World()
    server = serve(world.stripe)
    world.http = library.RequestsClient(timeout=20)
    address = {"api": f"http://127.0.0.1:{server.server_address[1]}"}
    client = library.StripeClient(KEY, http_client=world.http, base_addresses=address, max_network_retries=0)
    world.client, world.payments = client.v1, client.v1.payment_intents
    yield world
    world.http.close()
    server.shutdown()
    server.server_close()


def test_the_library_sees_every_kind_of_error(reached):
    customer, card = reached.customer()
    paid = reached.charge("k", customer=customer, payment_method=card)
    assert paid.last_response.idempotency_key == "k"
    assert paid.last_response.headers["Stripe-Version"] == library.api_version
    refused(library.CardError, reached.charge, payment_method="pm_card_chargeDeclined")
    refused(library.IdempotencyError, reached.charge, "k")
    error = refused(library.InvalidRequestError, reached.payments.retrieve, "pi_none")
    assert (error.http_status, error.request_id[:4]) == (404, "req_")
    refused(library.AuthenticationError, reached.payments.list, None, {"api_key": "pk_test_1"})
    for how, kind in (("throttled", library.RateLimitError), ("error_500_after", library.APIError)):
        reached.stripe.fail_next("stripe.list", how)
        refused(kind, reached.payments.list)
    assert [intent.status for intent in reached.payments.list()] == ["requires_payment_method", "succeeded"]
    assert reached.stripe.calls["POST /v1/payment_intents"] == 3
    assert reached.stripe.calls["GET /v1/payment_intents/{intent}"] == 1


def test_a_fault_is_put_around_each_call(world):
    places = []

    def answer_lost(where, call):
        places.append(where)
        call()
        raise library.APIConnectionError("the answer was lost")

    world.http.fault = answer_lost
    refused(library.APIConnectionError, world.charge, "k", payment_method="pm_card_visa")
    for call in (
        world.payments.retrieve,
        world.payments.confirm,
        world.payments.cancel,
        world.client.customers.retrieve,
    ):
        refused(library.APIConnectionError, call, "x_1")
    refused(library.APIConnectionError, world.payments.list)
    refused(library.APIConnectionError, world.client.refunds.create, {"payment_intent": "pi_1"})
    assert places == [f"stripe.{what}" for what in ("create", "get", "confirm", "cancel", "read", "list", "refund")]
    world.http.fault = None
    assert world.charge("k", payment_method="pm_card_visa").last_response.headers["Idempotent-Replayed"] == "true"
    assert len(world.payments.list().data) == 1


def test_it_is_the_default_client_where_a_client_is_not_named(monkeypatch):
    stand_in = Stripe(Calendar())
    monkeypatch.setattr(library, "default_http_client", InProcess(stand_in))
    assert library.StripeClient(KEY, http_client=library.default_http_client).v1.customers.create({}).id[:4] == "cus_"


# -- the checker itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        ({"currency": "eur"}, "required"),
        ({**EUR_40, "colour": "red"}, "unknown"),
        ({**EUR_40, "amount": "forty"}, "integer"),
        ({**EUR_40, "confirm": "yes"}, "boolean"),
        ({**EUR_40, "setup_future_usage": "always"}, "none of"),
        ({**EUR_40, "payment_method_types": "card"}, "list"),
        ({**EUR_40, "statement_descriptor": "x" * 23}, "longer"),
        ("amount=4000&currency=eur&off_session=maybe", "none of"),
    ],
)
def test_the_checker_sees_a_wrong_request(params, complaint):
    with pytest.raises(AssertionError, match=complaint):
        stripe_shapes.check_request("POST", "/v1/payment_intents", params)


@pytest.mark.parametrize(
    "wrong",
    [
        {"colour": "red"},
        {"status": "paid"},
        {"id": None},
        {"amount": "4000"},
        {"metadata": {"a": 1}},
        {"livemode": 1},
    ],
)
def test_the_checker_sees_a_wrong_answer(world, wrong):
    path = "/v1/payment_intents"
    _, intent = world.ask("POST", path, "amount=4000&currency=eur")
    stripe_shapes.check_answer("POST", path, intent)
    with pytest.raises(AssertionError):
        stripe_shapes.check_answer("POST", path, {**intent, **wrong})
