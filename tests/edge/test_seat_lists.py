"""What is told of seats and of who sits there: warnings, minimums, lots, and what has ended."""

import pytest

from infra.local.simulate import STAFF
from shared.store import queries
from tests.edge.another_lambda import Meanwhile
from tests.edge.test_seats import GIVE, HUB, Office
from tests.world import SEAT, World


@pytest.fixture
def office():
    return Office()


def idle(office, seat_type="sales"):
    """How many seats are said to be paid for nobody."""
    found = (each for each in office.of(seat_type)["warnings"] if each["code"] == "unassigned_and_paid")
    return sum(each["quantity"] for each in found)


# -- warnings ----------------------------------------------------------------------------------------------


def test_r22_what_is_to_be_removed_is_no_longer_warned_of(office):
    assert idle(office) == 3
    office.ask("PUT", f"{office.seats}/sales/removal", {"quantity": 2})
    assert idle(office) == 1


def test_r22_what_cannot_be_removed_is_not_warned_of():
    alone = Office({"price": "sales-seat", "quantity": 1})
    assert idle(alone) == 0, "without it nothing would be left"
    plan = Office({"price": "hub-professional"}, {"price": "core-seat", "quantity": 2})
    assert idle(plan, "core") == 2, "the included ones cannot be given back"
    old = Office()
    old.staff("PUT", "/catalog", HUB | {"products": HUB["products"] | {"sales": {"legacy": True}}})
    assert idle(old) == 3, "though that is the seller's to do"


def test_r22_seats_that_cost_nothing_are_not_warned_of():
    world = Office({"price": "hub-professional"})
    world.ask("POST", f"{world.seats}/partner", {"quantity": 2})
    assert idle(world, "partner") == 0
    gifts = SEAT | {"amount": "0.00"}
    world = Office({"price": "sales-seat", "quantity": 1}, {"price": "service-seat"})
    world.staff("PUT", "/catalog", HUB | {"prices": {"gift": gifts, "service-seat": HUB["prices"]["service-seat"]}})
    world.ask("POST", f"{world.seats}/sales", {"quantity": 4})
    assert (world.numbers(), idle(world)) == ((5, 0, 5), 1)


@pytest.mark.parametrize("terms", [{"starts_on": "2026-03-01"}, {"payments": 1}, {"term": "quarter", "payments": 3}])
def test_r22_what_has_not_begun_or_has_no_further_term_is_not_warned_of(terms):
    world = World().sells()
    path = f"/accounts/acme/subscriptions/{world.subscribed({'price': 'sales-seat', 'quantity': 3} | terms)}/seats"
    assert world.call("GET", path).json["seats"][0]["warnings"] == []
    refused = world.call("PUT", f"{path}/sales/removal", {"quantity": 1}).json["code"]
    assert refused == ("subscription_not_active" if "starts_on" in terms else "no_next_term")


def test_r22_before_the_last_term_of_a_fixed_number_of_payments_is_warned():
    world = Office({"price": "sales-seat", "quantity": 3, "payments": 2})
    assert idle(world) == 2
    world.on("2026-02-26")
    assert idle(world) == 0


def test_of_what_has_ended_nothing_is_warned(office):
    office.move(["ann"])
    office.ask("PUT", "/accounts/acme/users/ann", {"active": False})
    office.ask("POST", f"{office.seats.removesuffix('/seats')}/cancel", {"understood": True})
    assert office.of()["warnings"] == []


# -- what can be removed -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [("sales", "service"), ("service", "sales")])
def test_f2_seats_of_two_types_are_not_all_removed_one_type_after_the_other(office, order):
    first, second = order
    have = {"sales": 3, "service": 2}
    office.ask("PUT", f"{office.seats}/{first}/removal", {"quantity": have[first]})
    path = f"{office.seats}/{second}/removal"
    assert office.of(second)["minimum"] == 1
    assert office.refused("POST", f"{path}/preview", {"quantity": have[second]}) == (409, "below_minimum")
    assert office.refused("PUT", path, {"quantity": have[second]}) == (409, "below_minimum")
    office.ask("PUT", path, {"quantity": have[second] - 1})
    office.on("2026-02-26")
    assert [(each["seat_type"], each["total"]) for each in office.ask("GET", office.seats)["seats"][:1]] == [
        (second, 1),
    ]


def test_f2_of_two_who_remove_all_of_one_type_each_at_once_one_does(office):
    Meanwhile(office).happens(lambda: office.ask("PUT", f"{office.seats}/service/removal", {"quantity": 2}))
    late = office.call("PUT", f"{office.seats}/sales/removal", {"quantity": 3})
    assert (late.status, late.json["code"]) == (409, "below_minimum")


def test_f2_a_price_that_demands_more_than_there_are_keeps_those():
    world = World().sells()
    path = f"/accounts/acme/subscriptions/{world.subscribed({'price': 'sales-seat', 'quantity': 2})}/seats/sales"
    world.staff("PUT", "/catalog", {"prices": {"sales-2": SEAT | {"minimum": 5}}})
    assert world.call("POST", path, {"quantity": 1}).status == 201
    refused = world.call("PUT", f"{path}/removal", {"quantity": 1}).json
    assert refused["detail"] == "Of 3 sales seats 3 must stay; 0 can be removed."
    assert (refused["code"], world.call("POST", path, {"quantity": 4}).status) == ("below_minimum", 201)
    assert world.call("PUT", f"{path}/removal", {"quantity": 2}).status == 200


def test_r35_what_is_not_in_the_catalogue_any_more_is_legacy(office):
    left = {name: each for name, each in HUB["prices"].items() if each["product"] != "sales"}
    products = {name: each for name, each in HUB["products"].items() if name != "sales"}
    office.staff("PUT", "/catalog", HUB | {"prices": left, "products": products})
    path = f"{office.seats}/sales/removal"
    assert office.refused("PUT", path, {"quantity": 1}) == (409, "legacy_subscription")
    office.ask("PUT", path, {"quantity": 1}, STAFF)


@pytest.mark.parametrize(("status", "starts_on"), [("canceled", None), ("scheduled", "2026-03-01")])
def test_r28_of_what_does_not_run_no_seat_is_removed(status, starts_on):
    world = World().sells()
    item = {"price": "sales-seat", "quantity": 3} | ({"starts_on": starts_on} if starts_on else {})
    path = f"/accounts/acme/subscriptions/{world.subscribed(item)}"
    if status == "canceled":
        world.call("POST", f"{path}/cancel", {"understood": True})
    for method, way in (("POST", "removal/preview"), ("PUT", "removal")):
        refused = world.call(method, f"{path}/seats/sales/{way}", {"quantity": 1}).json
        assert refused["code"] == "subscription_not_active"
        assert status in refused["detail"]


def test_r32_a_cancelled_request_leaves_the_subscription_as_it_is(office):
    office.ask("PUT", f"{office.seats}/service/removal", {"quantity": 1})
    office.ask("PUT", f"{office.seats}/sales/removal", {"quantity": 2})
    said = office.ask("DELETE", f"{office.seats}/sales/removal")
    assert (said["scheduled"], said["quantity"], said["leaving"]) == (False, 2, [])
    assert said["current"] == {"seats": 3, "cost": {"amount": "500.00", "currency": "USD"}}
    assert said["after_update"] == {"seats": 3, "cost": {"amount": "400.00", "currency": "USD"}}, (
        "without the other's"
    )


# -- lots --------------------------------------------------------------------------------------------------


def test_d4_r98_seats_of_a_price_that_came_back_are_a_lot_of_their_own_and_leave_first():
    world = Office({"price": "sales-seat", "quantity": 2})
    for prices in ({"sales-2": SEAT | {"amount": "120.00"}}, {"sales-seat": SEAT}):
        world.staff("PUT", "/catalog", {"prices": prices})
        world.ask("POST", f"{world.seats}/sales", {"quantity": 1})
        world.ask("POST", f"{world.seats}/sales", {"quantity": 1})
    assert [(lot["price"], lot["quantity"]) for lot in world.of()["lots"]] == [
        ("sales-seat", 2), ("sales-2", 2), ("sales-seat", 2),
    ]  # fmt: skip
    leaving = world.ask("PUT", f"{world.seats}/sales/removal", {"quantity": 3})["leaving"]
    assert [(lot["price"], lot["quantity"]) for lot in leaving] == [("sales-seat", 2), ("sales-2", 1)]
    world.on("2026-02-26")
    assert [(lot["price"], lot["quantity"]) for lot in world.of()["lots"]] == [("sales-seat", 2), ("sales-2", 1)]
    assert world.invoices()[-1]["total"] == "760.00", "320 for what is left, 440 for the month before"


def test_d2_d4_who_buys_while_a_removal_waits_is_shown_which_seats_will_leave(office):
    office.ask("PUT", f"{office.seats}/sales/removal", {"quantity": 2})
    dearer = {name: each for name, each in HUB["prices"].items() if name != "sales-seat"}
    office.staff("PUT", "/catalog", HUB | {"prices": dearer | {"sales-3": SEAT | {"amount": "120.00"}}})
    body = {"quantity": 1}
    shown = office.ask("POST", f"{office.seats}/sales/preview", body)
    assert [(lot["price"], lot["quantity"]) for lot in shown["pending_removal"]["leaving"]] == [
        ("sales-3", 1), ("sales-seat", 1),
    ]  # fmt: skip
    assert shown["pending_removal"]["cost_from_then"]["amount"] == "400.00"
    assert office.ask("POST", f"{office.seats}/sales", body) == shown
    office.ask("DELETE", f"{office.seats}/sales/removal")
    assert office.ask("POST", f"{office.seats}/sales/preview", body)["pending_removal"] is None


def test_r38_f5_a_seat_that_costs_nothing_is_bought_beside_dear_ones_of_its_product():
    world = Office({"price": "hub-professional"}, {"price": "core-seat", "quantity": 2})
    bought = world.ask("POST", f"{world.seats}/partner", {"quantity": 1})
    assert (bought["unit_price"]["amount"], bought["charge"]["amount"], bought["total"]) == ("0.00", "0.00", 1)
    assert (world.numbers("core"), world.numbers("partner")) == ((5, 0, 5), (1, 0, 1))


def test_r38_f5_the_first_seat_that_costs_nothing_is_bought_in_the_step_that_gives_it():
    world = Office({"price": "hub-professional"}, {"price": "core-seat", "quantity": 2})
    given = world.ask("PUT", f"{world.seats}/partner/users/ann", {"buy": 1, "expect_amount": "0.00"})
    assert (given["action"], given["total"], given["assigned"]) == ("checkout", 1, 1)
    assert (world.numbers("core"), world.numbers("partner")) == ((5, 0, 5), (1, 1, 0))


def test_r19_r21_seats_of_two_types_bought_in_one_step_say_what_both_come_to(office):
    office.move(["ann", "bob", "cid"])
    office.move(["ann", "bob"], seat_type="service")
    wanted = {"seats": [{"subscription": office.sub, "seat_type": each} for each in ("sales", "service")], "buy": 2}
    shown = office.ask("POST", "/accounts/acme/users/dan/preview", wanted)
    assert [given["purchase"]["cost_from_then"]["amount"] for given in shown["given"]] == ["700.00", "700.00"]
    assert office.ask("PUT", "/accounts/acme/users/dan", wanted)["given"] == shown["given"]
    billing = office.ask("GET", office.seats.removesuffix("/seats"), permissions="billing.view")
    assert billing["cost"]["amount"] == "700.00"


# -- users -------------------------------------------------------------------------------------------------


def test_what_is_not_said_of_a_user_stays_as_it_is(office):
    office.ask("PUT", "/accounts/acme/users/ann", {"active": False, "super_admin": True})
    seat = {"seats": [{"subscription": office.sub, "seat_type": "sales"}]}
    assert office.refused("PUT", "/accounts/acme/users/ann", seat) == (409, "user_inactive")
    office.ask("PUT", "/accounts/acme/users/ann", {"active": True})
    ann = office.ask("PUT", "/accounts/acme/users/ann", seat)
    assert (ann["active"], ann["super_admin"], ann["given"][0]["joined"]) == (True, True, ["ann"])
    new = office.ask("PUT", "/accounts/acme/users/zoe", {})
    assert (new["active"], new["super_admin"]) == (True, False)


def test_r18_a_seat_of_what_has_ended_is_held_by_nobody(office):
    names = ["ann", "bob", "cid"]
    office.move(names)
    other = office.subscribed({"price": "sales-seat", "quantity": 3})
    office.ask("POST", f"{office.seats.removesuffix('/seats')}/cancel", {"understood": True})

    listed = office.ask("GET", "/accounts/acme/users", permissions="users.edit")["items"]
    assert [each["seats"] for each in listed] == [[]] * 5, "it gives no access"
    there = f"/accounts/acme/subscriptions/{other}/seats/sales"
    assert office.ask("PUT", f"{there}/users/ann", {})["joined"] == ["ann"]
    put = office.ask("PUT", "/accounts/acme/users/bob", {"seats": [{"subscription": other, "seat_type": "sales"}]})
    assert put["seats"] == [{"seat_type": "sales", "subscription": other}]
    assert office.ask("DELETE", "/accounts/acme/users/cid")["seats"] == []
    assert [user.id for user in queries.seated_users("acme", other)] == ["ann", "bob"]
    assert queries.seated_users("acme", office.sub) == []
    assert office.numbers() == (3, 0, 3)


def test_r25_who_sits_on_what_runs_is_not_deleted_because_something_else_has_ended(office):
    office.move(["ann"])
    other = office.subscribed({"price": "service-seat"})
    office.ask("PUT", f"/accounts/acme/subscriptions/{other}/seats/service/users/ann", {})
    office.ask("POST", f"/accounts/acme/subscriptions/{other}/cancel", {"understood": True})
    assert office.refused("DELETE", "/accounts/acme/users/ann") == (409, "user_holds_seats")
    assert office.ask("PUT", "/accounts/acme/users/ann", {"active": False})["seats"] == [
        {"seat_type": "sales", "subscription": office.sub},
    ]


@pytest.mark.parametrize("permissions", ["users.edit", "billing.view", "billing.modify", GIVE])
def test_r93_who_edits_users_or_looks_at_billing_sees_who_is_there(office, permissions):
    assert len(office.ask("GET", "/accounts/acme/users", permissions=permissions)["items"]) == 5
    assert office.refused("GET", "/accounts/acme/users", permissions="contacts.edit") == (403, "permission_missing")
