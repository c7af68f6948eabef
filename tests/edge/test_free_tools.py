"""From free tools to a plan that is paid: whose seat goes where, however many they are, and what is refused."""

import pytest

from infra.local.faults import Crash
from shared.domain.changes import Changes
from shared.domain.user import HeldSeat, User
from shared.store import queries, table
from tests.edge.another_lambda import Meanwhile
from tests.edge.test_seats import GIVE, HUB
from tests.world import World

FREE = {
    "prices": HUB["prices"] | {
        "hub-free": HUB["prices"]["hub-professional"] | {"edition": "free", "amount": "0.00", "included_seats": 2},
        "hub-starter": HUB["prices"]["hub-professional"] | {
            "edition": "starter", "amount": "20.00", "included_seats": 1,
        },
        "core-starter": HUB["prices"]["core-seat"] | {"edition": "starter", "amount": "20.00"},
    },
    "products": HUB["products"], "seat_types": HUB["seat_types"],
}  # fmt: skip


@pytest.fixture
def free():
    """Acme uses free tools: ann and bob sit on the two seats, and eve looks on."""
    world = World()
    world.staff("PUT", "/catalog", FREE)
    world.sub = world.subscribed({"price": "hub-free"})
    for name, kind in (("ann", "core"), ("bob", "core"), ("eve", "view-only")):
        seat = {"seats": [{"subscription": world.sub, "seat_type": kind}]}
        assert world.call("PUT", f"/accounts/acme/users/{name}", seat, permissions=GIVE).status == 200
    return world


def upgrade(world, *items, **more):
    body = {"items": [{"price": "hub-starter"}, *items], **more}
    shown = world.call("POST", "/accounts/acme/checkout/preview", body)
    return shown.json, world.call("POST", "/accounts/acme/checkout", body)


def seats_of(world):
    users = world.call("GET", "/accounts/acme/users", permissions="billing.view").json["items"]
    return {each["id"]: [(seat["seat_type"], seat["subscription"]) for seat in each["seats"]] for each in users}


def test_r37_f3_free_seats_go_at_the_upgrade_and_the_preview_names_who_loses_access(free):
    shown, bought = upgrade(free)
    assert shown["loses_access"] == ["bob"]
    assert (bought.status, bought.json["status"], bought.json["invoice"]["total"]["amount"]) == (
        201,
        "complete",
        "20.00",
    )
    paid = bought.json["subscriptions"][0]["id"]
    assert seats_of(free) == {"ann": [("core", paid)], "bob": [], "eve": [("view-only", paid)]}
    listed = free.call("GET", "/accounts/acme/subscriptions").json["items"]
    assert {each["id"]: each["status"] for each in listed} == {free.sub: "canceled", paid: "active"}
    seats = free.call("GET", f"/accounts/acme/subscriptions/{paid}/seats").json["seats"]
    assert [(each["seat_type"], each["assigned"]) for each in seats] == [("core", 1), ("view-only", 1)]
    assert free.audit()[-5:] == [
        "subscription.upgraded", "seats.unassigned", "seats.unassigned", "seats.assigned", "seats.assigned",
    ]  # fmt: skip


def test_r37_whom_the_checkout_covers_keeps_their_access(free):
    shown, bought = upgrade(free, {"price": "core-starter"})
    assert shown["loses_access"] == []
    paid = bought.json["subscriptions"][0]["id"]
    assert seats_of(free) == {"ann": [("core", paid)], "bob": [("core", paid)], "eve": [("view-only", paid)]}


def test_r37_nothing_is_taken_before_the_upgrade_is_paid():
    world = World(card="pm_card_chargeCustomerFail")
    world.staff("PUT", "/catalog", FREE)
    world.sub = world.subscribed({"price": "hub-free"})
    seat = {"seats": [{"subscription": world.sub, "seat_type": "core"}]}
    world.call("PUT", "/accounts/acme/users/ann", seat, permissions=GIVE)
    _, declined = upgrade(world)
    assert declined.json["status"] == "open"
    assert seats_of(world) == {"ann": [("core", world.sub)]}
    world.cloud.stripe.pay(declined.json["payment"]["client_secret"].partition("_secret_")[0], "pm_card_visa")
    world.cloud.settle()
    assert seats_of(world) == {"ann": [("core", declined.json["subscriptions"][0]["id"])]}


def test_r37_free_tools_that_are_bought_while_a_checkout_is_open_go_once_that_is_paid():
    world = World(card="pm_card_chargeCustomerFail")
    world.staff("PUT", "/catalog", FREE)
    _, declined = upgrade(world)
    assert declined.json["status"] == "open"
    free = world.subscribed({"price": "hub-free"})
    seat = {"seats": [{"subscription": free, "seat_type": "core"}]}
    world.call("PUT", "/accounts/acme/users/ann", seat, permissions=GIVE)
    world.cloud.stripe.pay(declined.json["payment"]["client_secret"].partition("_secret_")[0], "pm_card_visa")
    world.cloud.settle()
    paid = declined.json["subscriptions"][0]["id"]
    listed = world.call("GET", "/accounts/acme/subscriptions").json["items"]
    assert {each["id"]: each["status"] for each in listed} == {free: "canceled", paid: "active"}
    assert seats_of(world) == {"ann": [("core", paid)]}


def test_r37_free_tools_taken_anew_while_an_upgrade_is_open_go_with_it(waiting):
    waiting.call("POST", f"/accounts/acme/subscriptions/{waiting.sub}/cancel", {"understood": True})
    anew = waiting.subscribed({"price": "hub-free"})
    seat = {"seats": [{"subscription": anew, "seat_type": "core"}]}
    waiting.call("PUT", "/accounts/acme/users/eve", seat, permissions=GIVE)
    paid = pay(waiting)
    listed = waiting.call("GET", "/accounts/acme/subscriptions").json["items"]
    assert {each["id"]: each["status"] for each in listed} == {
        waiting.sub: "canceled",
        anew: "canceled",
        paid: "active",
    }
    assert seats_of(waiting) == {"ann": [], "bob": [], "eve": [("core", paid)]}


def test_r37_what_is_paid_for_is_never_taken_for_free_tools(waiting):
    any_seat = FREE["prices"]["core-seat"] | {"edition": None}
    waiting.staff("PUT", "/catalog", FREE | {"prices": FREE["prices"] | {"any-seat": any_seat}})
    bought = waiting.call("POST", f"/accounts/acme/subscriptions/{waiting.sub}/seats/core", {"quantity": 1})
    assert bought.json["cost_from_then"]["amount"] == "45.00"
    paid = pay(waiting)
    listed = waiting.call("GET", "/accounts/acme/subscriptions").json["items"]
    assert {each["id"]: each["status"] for each in listed} == {waiting.sub: "active", paid: "active"}
    assert seats_of(waiting) == {"ann": [("core", waiting.sub)], "bob": [("core", waiting.sub)]}
    shown = waiting.call("POST", "/accounts/acme/checkout/preview", {"items": [{"price": "hub-starter"}]})
    assert (shown.status, shown.json["replaces"]) == (200, None)


def test_f6_free_tools_are_had_in_a_checkout_of_their_own():
    world = World()
    world.staff("PUT", "/catalog", FREE)
    assert buy(world, "hub-free", "sales-seat") == (409, "free_alone")


def test_what_is_no_upgrade_from_free_tools_is_refused(free):
    _, late = upgrade(free, {"price": "core-starter", "starts_on": "2026-03-01"})
    assert (late.status, late.json["code"]) == (422, "invalid_start")
    paid = upgrade(free)[1].json["subscriptions"][0]["id"]
    for named in (paid, free.sub):  # what is paid, and what has ended
        _, again = upgrade(free, replaces=named)
        assert (again.status, again.json["code"]) == (409, "not_free")


def buy(world, *prices, **more):
    """The status of a checkout, and the code of a refusal."""
    body = {"items": [{"price": price, **more} for price in prices]}
    reply = world.call("POST", "/accounts/acme/checkout", body)
    return reply.status, reply.json.get("code")


def test_f6_free_tools_are_not_had_twice_nor_beside_a_plan(free):
    assert buy(free, "hub-free") == (409, "already_subscribed")
    assert buy(free, "hub-free", starts_on="2026-03-01") == (409, "already_subscribed")
    upgrade(free)
    assert buy(free, "hub-free") == (409, "already_subscribed")
    other = World()
    other.staff("PUT", "/catalog", FREE)
    assert buy(other, "hub-free", "hub-starter") == (409, "already_subscribed")
    assert other.call("GET", "/accounts/acme/subscriptions").json["items"] == []


def test_f6_of_two_who_want_free_tools_at_once_one_has_them():
    world = World()
    world.staff("PUT", "/catalog", FREE)
    Meanwhile(world).happens(lambda: buy(world, "hub-free"))
    assert buy(world, "hub-free") == (409, "already_subscribed")
    assert len(queries.alive_subscriptions("acme")) == 1


def test_r14_seats_are_sold_at_the_rate_of_an_edition_that_is_there_or_comes_with_them(free):
    items = [{"price": "hub-professional"}, {"price": "core-starter", "quantity": 10}]
    refused = free.call("POST", "/accounts/acme/checkout/preview", {"items": items}).json
    assert refused["detail"] == (
        "core-starter is the rate of the starter plan, which you neither have nor buy here. "
        "Please choose what is sold beside your own plan."
    )
    before = free.contents()
    for prices in (["hub-professional", "core-starter"], ["core-starter"], ["core-seat"]):
        assert buy(free, *prices) == (409, "other_edition")
    assert free.contents() == before
    assert buy(free, "hub-professional", "core-seat") == (201, None)
    assert buy(free, "core-starter") == (409, "other_edition")
    assert buy(free, "core-seat") == (201, None)
    assert buy(free, "sales-seat") == (201, None), "a product of which no plan is sold"


def test_r37_f3_starter_is_not_had_beside_the_free_seats_though_nobody_names_them(free):
    shown = free.call("POST", "/accounts/acme/checkout/preview", {"items": [{"price": "hub-starter"}]}).json
    assert (shown["replaces"], shown["loses_access"]) == (free.sub, ["bob"])
    assert buy(free, "hub-starter") == (201, None)
    assert [each.items[0].price for each in queries.alive_subscriptions("acme")] == ["hub-starter"]
    sales = free.call("POST", "/accounts/acme/checkout/preview", {"items": [{"price": "sales-seat"}]}).json
    assert (sales["replaces"], sales["loses_access"]) == (None, [])


def test_r37_whoever_is_active_is_served_first(free):
    free.call("PUT", "/accounts/acme/users/ann", {"active": False}, permissions=GIVE)
    free.on("2026-01-26T15:00:00Z")
    shown, bought = upgrade(free)
    assert shown["loses_access"] == ["ann"]
    paid = bought.json["subscriptions"][0]["id"]
    assert seats_of(free) == {"ann": [], "bob": [("core", paid)], "eve": [("view-only", paid)]}
    events = free.call("GET", "/accounts/acme/events", permissions="billing.view").json["items"]
    told = [(each["type"], each["seat_type"], each["users"]) for each in events[:4]]
    assert told[::-1] == [
        ("seats.unassigned", "core", ["bob", "ann"]),
        ("seats.unassigned", "view-only", ["eve"]),
        ("seats.assigned", "core", ["bob"]),
        ("seats.assigned", "view-only", ["eve"]),
    ]


def crowd(world, many, kind="view-only"):
    """So many more users who look on, or sit on another seat."""
    names = [f"user-{n:03}" for n in range(many)]
    book = queries.book("acme", world.sub).subscription
    seat = (HeldSeat(kind, world.sub),)
    for start in range(0, many, 50):
        some = names[start : start + 50]
        grown = book.with_assigned(kind, book.assigned_of(kind) + len(some))
        users = (User("acme", name, seats=seat) for name in some)
        table.commit(Changes(put=(grown, *users)), world.cloud.now)
        book = queries.book("acme", world.sub).subscription
    return names


def everybody_sits_where_the_counters_say(world, paid):
    subscription = queries.book("acme", paid).subscription
    sitting = [held.type for user in queries.seated_users("acme", paid) for held in user.seats]
    assert dict(subscription.assigned) == {each: sitting.count(each) for each in set(sitting)}
    old = queries.book("acme", world.sub).subscription
    assert (old.assigned, queries.seated_users("acme", world.sub)) == ((), [])
    return sorted(sitting)


def test_r37_more_users_than_one_transaction_holds_move_in_the_same_request(free):
    crowd(free, 120)
    shown, bought = upgrade(free, {"price": "core-starter"})
    assert (shown["loses_access"], bought.json["status"]) == ([], "complete")
    paid = bought.json["subscriptions"][0]["id"]
    assert everybody_sits_where_the_counters_say(free, paid) == ["core"] * 2 + ["view-only"] * 121
    assert queries.checkout("acme", bought.json["id"]).due_at is None


def upgrade_that_dies(world):
    """Starter, paid; but only the first users have moved when the function dies."""
    normally, commits = world.cloud.store.fault, []

    def dies(where, call):
        commits.append(where == "store.commit")
        if sum(commits) == 3:  # it is opened, it is paid, and then
            raise Crash(where)
        return normally(where, call)

    world.cloud.store.fault = dies
    assert upgrade(world)[1].status == 500
    world.cloud.store.fault = normally
    [paid] = [each.id for each in queries.alive_subscriptions("acme")]
    return paid


def test_r37_what_a_crash_has_left_behind_is_moved_by_the_sweep(free):
    names = crowd(free, 60)

    paid = upgrade_that_dies(free)
    moved_before = [user.id for user in queries.seated_users("acme", paid)]
    assert 0 < len(moved_before) < len(names)
    free.on("2026-01-25T16:00:00Z")
    assert everybody_sits_where_the_counters_say(free, paid) == ["core"] + ["view-only"] * 61


def test_r37_whoever_is_changed_before_they_have_moved_moves_nonetheless(free):
    last = crowd(free, 60)[-1]
    paid = upgrade_that_dies(free)
    path = f"/accounts/acme/users/{last}"
    changed = free.call("PUT", path, {"active": False}, permissions=GIVE)
    assert changed.json == {
        "id": last, "active": False, "super_admin": False, "seats": [], "action": "save", "given": [],
    }  # fmt: skip
    free.on("2026-01-25T16:00:00Z")
    assert everybody_sits_where_the_counters_say(free, paid) == ["core"] + ["view-only"] * 61
    assert seats_of(free)[last] == [("view-only", paid)]


def test_r34_a_removal_asked_for_while_users_still_move_in_is_cancelled_where_its_seats_are_needed(free):
    partners = crowd(free, 30, "partner")
    free.staff("PUT", "/catalog", FREE)

    normally, commits = free.cloud.store.fault, []

    def asks(where, call):
        commits.append(where == "store.commit")
        if where == "store.commit" and sum(commits) == 3:  # it is opened, it is paid, and then
            free.cloud.store.fault = normally
            [paid] = [each.id for each in queries.alive_subscriptions("acme")]
            asked = free.call("PUT", f"/accounts/acme/subscriptions/{paid}/seats/partner/removal", {"quantity": 5})
            assert asked.status == 200
        return normally(where, call)

    free.cloud.store.fault = asks
    _, bought = upgrade(free, {"price": "partner-seat", "quantity": 31})
    paid = bought.json["subscriptions"][0]["id"]
    [partner] = [
        each
        for each in free.call("GET", f"/accounts/acme/subscriptions/{paid}/seats").json["seats"]
        if each["seat_type"] == "partner"
    ]
    assert (partner["assigned"], partner["additional"], partner["pending_removal"]) == (len(partners), 31, None)
    assert "seats.removal_canceled" in free.audit()


def test_r37_all_who_lose_a_seat_are_told(free):
    losing = crowd(free, 30, "partner")
    shown, _ = upgrade(free)
    assert shown["loses_access"] == ["bob", *losing]
    [told] = [
        each
        for each in free.call("GET", "/accounts/acme/events", permissions="billing.view").json["items"]
        if each["type"] == "subscription.upgraded"
    ]
    assert (told["lost"], told["lost_seats"]) == (31, ["bob", *losing])


@pytest.fixture
def waiting():
    """An upgrade whose card is declined: it waits for its payer."""
    world = World(card="pm_card_chargeCustomerFail")
    world.staff("PUT", "/catalog", FREE)
    world.sub = world.subscribed({"price": "hub-free"})
    for name in ("ann", "bob"):
        seat = {"seats": [{"subscription": world.sub, "seat_type": "core"}]}
        world.call("PUT", f"/accounts/acme/users/{name}", seat, permissions=GIVE)
    world.call("POST", f"/accounts/acme/subscriptions/{world.sub}/seats/partner", {"quantity": 2})
    _, declined = upgrade(world)
    world.checkout = declined.json
    return world


def pay(world):
    secret = world.checkout["payment"]["client_secret"]
    world.cloud.stripe.pay(secret.partition("_secret_")[0], "pm_card_visa")
    world.cloud.settle()
    return world.checkout["subscriptions"][0]["id"]


def test_r37_a_removal_that_waits_is_cancelled_before_an_upgrade(free):
    partner = f"/accounts/acme/subscriptions/{free.sub}/seats/partner"
    free.call("POST", partner, {"quantity": 2})
    free.call("PUT", f"{partner}/removal", {"quantity": 1})
    assert buy(free, "hub-starter") == (409, "removal_pending")


def test_r37_what_came_to_wait_meanwhile_goes_with_the_free_seats(waiting):
    partner = f"/accounts/acme/subscriptions/{waiting.sub}/seats/partner"
    assert waiting.call("PUT", f"{partner}/removal", {"quantity": 1}).status == 200
    before = queries.book("acme", waiting.sub)
    assert (len(before.pending), len(before.removals)) == (1, 1)
    paid = pay(waiting)
    after = queries.book("acme", waiting.sub)
    assert (after.subscription.status.value, after.pending, after.removals) == ("canceled", (), ())
    assert seats_of(waiting) == {"ann": [("core", paid)], "bob": []}


def test_r37_an_upgrade_of_what_has_ended_meanwhile_moves_nobody(waiting):
    waiting.call("POST", f"/accounts/acme/subscriptions/{waiting.sub}/cancel", {"understood": True})
    paid = pay(waiting)
    assert queries.book("acme", paid).subscription.status.value == "active"
    assert queries.book("acme", paid).subscription.assigned == ()
    assert "subscription.upgraded" not in waiting.audit()
    assert seats_of(waiting) == {"ann": [], "bob": []}, "their seats ended with the subscription"
    given = waiting.call("PUT", f"/accounts/acme/subscriptions/{paid}/seats/core/users/bob", {}, permissions=GIVE)
    assert given.json["joined"] == ["bob"]


def test_f5_the_first_partner_seat_is_bought_and_given_in_one_step(free):
    seat = f"/accounts/acme/subscriptions/{free.sub}/seats/partner/users/bob"
    refused = free.call("PUT", seat, {}, permissions=GIVE)
    assert (refused.status, refused.json["code"]) == (409, "no_free_seat")
    given = free.call("PUT", seat, {"buy": 1}, permissions=GIVE)
    assert (given.status, given.json["joined"], given.json["additional"]) == (200, ["bob"], 1)
    unknown = free.call("PUT", seat.replace("partner", "sales"), {"buy": 1}, permissions=GIVE)
    assert (unknown.status, unknown.json["code"]) == (404, "unknown_seat_type")
