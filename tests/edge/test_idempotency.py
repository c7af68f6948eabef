"""The same request twice has one effect and one answer, however it came to be sent twice."""

import pytest

from infra.local.simulate import STAFF
from shared.edge import clock
from tests.edge.another_lambda import Meanwhile
from tests.world import World

SEAT = {"quantity": 1}
ONE_SEAT = {"items": [{"price": "sales-seat"}]}


@pytest.fixture
def world():
    """Acme has five seats, paid until 25 February; what happened before that is forgotten."""
    world = World().sells()
    world.subscription = world.subscribed()
    world.seats = f"/accounts/acme/subscriptions/{world.subscription}/seats/sales"
    world.before = world.audit()
    return world


def happened(world):
    """What has happened to acme since it bought its seats."""
    return world.audit()[len(world.before) :]


def total_seats(world):
    [seats] = world.call("GET", world.seats.removesuffix("/sales")).json["seats"]
    return seats["total"]


def buy(world, key, body=SEAT, **caller):
    return world.call("POST", world.seats, body, key=key, **caller)


# -- the same request again --------------------------------------------------------------------------------


def test_the_same_request_has_one_effect_and_one_answer(world):
    first = buy(world, "k")
    assert (first.status, first.json["total"], first.json["charge"]["amount"]) == (201, 6, "100.00")
    for _ in range(3):
        assert buy(world, "k") == first
    assert happened(world) == ["seats.added"]
    assert total_seats(world) == 6


def test_another_key_is_another_request(world):
    assert buy(world, "k").json["total"] == 6
    assert buy(world, "l").json["total"] == 7
    assert happened(world) == ["seats.added", "seats.added"]


def test_an_answer_is_given_again_for_a_week_and_then_forgotten(world):
    first = buy(world, "k")
    world.on("2026-02-01T14:59:59Z")
    assert buy(world, "k") == first
    world.on("2026-02-01T15:00:00Z")
    again = buy(world, "k")
    assert (again.status, again.json["total"]) == (201, 7)
    assert again.json["charge"] | {"days": 24, "amount": "77.42"} == again.json["charge"], "24 of 31 days of 100.00"
    assert buy(world, "k") == again, "the new answer is kept in the place of the old one"


def test_a_checkout_asked_for_again_shows_how_it_stands_now():
    world = World(card=None).sells()
    first = world.call("POST", "/accounts/acme/checkout", ONE_SEAT, key="k")
    assert (first.status, first.json["status"]) == (201, "open")
    again = world.call("POST", "/accounts/acme/checkout", ONE_SEAT, key="k")
    assert again == first, "nothing has changed, and there is one payment to confirm"

    world.cloud.stripe.pay(first.json["payment"]["client_secret"].partition("_secret")[0], "pm_card_visa")
    world.cloud.settle()
    paid = world.call("POST", "/accounts/acme/checkout", ONE_SEAT, key="k")
    assert (paid.status, paid.json["id"], paid.json["status"]) == (201, first.json["id"], "complete")
    nothing = dict.fromkeys(("action", "client_secret", "pay_page", "error"))
    assert paid.json["payment"] == {"status": "paid", **nothing}
    assert world.cloud.stripe.calls["POST /v1/payment_intents"] == 1
    assert len(world.invoices()) == 1


def test_a_saved_method_asked_for_again_is_saved_once(world):
    path, card = "/accounts/acme/payment-method", {"payment_method": "pm_card_mastercard"}
    before = world.cloud.stripe.calls["POST /v1/setup_intents"]
    first = world.call("POST", path, card, key="k")
    assert (first.status, first.json["payment_method"]["last4"]) == (201, "4444")
    assert world.call("POST", path, card, key="k") == first
    assert world.cloud.stripe.calls["POST /v1/setup_intents"] == before + 1


def test_a_put_may_bear_a_key_too(world):
    def name(name, key):
        return world.call("PUT", "/accounts/acme", {"seller": "us", "name": name}, key=key, permissions=STAFF)

    first = name("Acme", "k")
    assert (first.status, first.json["name"]) == (200, "Acme")
    assert name("Acme Ltd", "l").json["name"] == "Acme Ltd"
    assert name("Acme", "k") == first, "the answer of then; nothing is set back"
    assert world.call("GET", "/accounts/acme").json["name"] == "Acme Ltd"


# -- the same key for something else -----------------------------------------------------------------------


def test_a_key_is_refused_for_any_other_request(world):
    buy(world, "k")
    other_seats = world.call("POST", "/accounts/acme/checkout", ONE_SEAT).json["subscriptions"][0]["id"]
    before = world.contents()
    for method, path, body, permissions in (
        ("POST", world.seats, {"quantity": 2}, "billing.modify"),
        ("POST", world.seats, '{"quantity":1}', "billing.modify"),
        ("POST", world.seats.replace(world.subscription, other_seats), SEAT, "billing.modify"),
        ("POST", "/accounts/acme/checkout", ONE_SEAT, "billing.modify"),
        ("PUT", "/accounts/acme", {"seller": "us"}, STAFF),
    ):
        reply = world.call(method, path, body, key="k", permissions=permissions)
        assert (reply.status, reply.json["code"]) == (422, "idempotency_key_reused"), (method, path, body)
    assert world.contents() == before


def test_another_account_may_use_the_same_key(world):
    world.account("globex")
    for account in ("acme", "globex"):
        bought = world.call("POST", f"/accounts/{account}/checkout", ONE_SEAT, account=account, key="k")
        assert (bought.status, bought.json["status"]) == (201, "complete")
    assert [len(world.invoices(account)) for account in ("acme", "globex")] == [2, 1]


def test_a_refused_request_leaves_its_key_free(world):
    assert buy(world, "k", {"quantity": 0}).status == 422
    assert buy(world, "k", {"quantity": 1, "expect_amount": "1.00"}).status == 409
    assert buy(world, "k").status == 201


# -- at once -----------------------------------------------------------------------------------------------


def test_two_requests_at_once_with_one_key_have_one_effect(world):
    others = []
    Meanwhile(world).happens(lambda: others.append(buy(world, "k")))
    mine = buy(world, "k")
    assert others == [mine]
    assert mine.status == 201
    assert happened(world) == ["seats.added"]
    assert total_seats(world) == 6


def test_two_checkouts_at_once_with_one_key_are_one():
    world, others = World().sells(), []

    def check_out():
        return world.call("POST", "/accounts/acme/checkout", ONE_SEAT, key="k")

    Meanwhile(world).happens(lambda: others.append(check_out()))
    mine = check_out()
    assert others == [mine]
    assert (mine.status, mine.json["status"]) == (201, "complete")
    assert [invoice["status"] for invoice in world.invoices()] == ["paid"]
    assert world.cloud.stripe.calls["POST /v1/payment_intents"] == 1


def test_two_requests_at_once_with_one_key_that_differ_are_not_mixed_up(world):
    others = []
    Meanwhile(world).happens(lambda: others.append(buy(world, "k", {"quantity": 3})))
    mine = buy(world, "k")
    assert (mine.status, mine.json["code"]) == (422, "idempotency_key_reused")
    assert [reply.json["total"] for reply in others] == [8]
    assert total_seats(world) == 8


def test_whoever_loses_a_race_decides_again_on_what_is_there_then(world):
    others = []
    Meanwhile(world).happens(
        *[lambda key=key: others.append(buy(world, key, {"quantity": 2})) for key in ("a", "b", "c")]
    )
    mine = buy(world, "mine", {"quantity": 1, "expect_amount": "100.00"})
    assert [reply.json["total"] for reply in [*others, mine]] == [7, 9, 11, 12]
    assert happened(world) == ["seats.added"] * 4
    assert total_seats(world) == 12


@pytest.mark.parametrize("conflicts", [1, 9])
def test_a_conflict_is_tried_again_up_to_ten_times(world, conflicts):
    world.cloud.faults.arm("store.commit", "conflict", conflicts)
    assert buy(world, "k").status == 201
    assert happened(world) == ["seats.added"]


def test_after_ten_times_the_account_is_busy(world):
    waits = []
    clock.sleep = waits.append
    before = world.contents()
    world.cloud.faults.arm("store.commit", "conflict", 10)
    reply = buy(world, "k")
    assert reply.headers["retry-after"] == "1"
    assert reply.json == {
        "type": "/problems/busy",
        "title": "Busy",
        "status": 409,
        "detail": "Others are changing the same things right now. Please try again.",
        "code": "busy",
    }
    assert world.contents() == before
    assert len(waits) == 9
    assert sum(waits) < 5, "a caller waits no longer than this"
    assert buy(world, "k").status == 201, "the same request may be sent again"


@pytest.mark.parametrize("how", ["answer_lost", "request_lost", "error_500_after", "error_500_before", "throttled"])
def test_a_store_that_does_not_answer_is_asked_again_with_the_same_key(world, how, monkeypatch):
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)  # between its own tries
    world.cloud.faults.arm("store.commit", how, 20)
    reply = buy(world, "k")
    assert (reply.status, reply.json["code"], reply.headers["retry-after"]) == (503, "unavailable", "1")
    while world.cloud.faults.take("store.commit"):
        pass  # it answers again
    again = buy(world, "k")
    assert (again.status, again.json["total"]) == (201, 6)
    assert happened(world) == ["seats.added"], "whether or not the first one was carried out"
