"""Users and their seats, through the real handlers: given, bought, taken, removed, and refused."""

import pytest

from infra.local.simulate import STAFF
from tests.world import SEAT, World

HUB = {
    "products": {
        "hub": {"editions": ["free", "starter", "professional"]}, "sales": {}, "service": {}, "marketing": {},
    },
    "seat_types": {
        "core": {}, "sales": {}, "service": {},
        "view-only": {"name": "View-Only", "free": True, "unlimited": True}, "partner": {"free": True},
    },
    "prices": {
        "hub-professional": {"product": "hub", "kind": "plan", "edition": "professional", "interval": "month",
                             "amount": "890.00", "seat_type": "core", "included_seats": 3},
        "core-seat": {"product": "hub", "kind": "seat", "edition": "professional", "interval": "month",
                      "amount": "45.00", "seat_type": "core", "name": "Core seat"},
        "partner-seat": {"product": "hub", "kind": "seat", "interval": "month", "amount": "0.00",
                         "seat_type": "partner"},
        "sales-seat": SEAT,
        "service-seat": SEAT | {"product": "service", "seat_type": "service", "name": "Service Hub seat"},
        "contacts-starter": {"product": "marketing", "kind": "contacts", "interval": "month", "name": "Contacts",
                             "included_contacts": 10, "tiers": {"step": 10, "amount": "30.00"}},
    },
}  # fmt: skip
GIVE = "users.edit billing.modify"


class Office(World):
    """Acme has three sales seats and two service seats, and five users."""

    def __init__(self, *items, term="month", now="2026-01-25T15:00:00Z", **prices):
        super().__init__(now)
        self.staff("PUT", "/catalog", HUB | {"prices": HUB["prices"] | prices})
        bought = items or ({"price": "sales-seat", "quantity": 3}, {"price": "service-seat", "quantity": 2})
        self.sub = self.subscribed(*({**item, "term": term} for item in bought))
        self.seats = f"/accounts/acme/subscriptions/{self.sub}/seats"
        for name in ("ann", "bob", "cid", "dan", "eve"):
            self.ask("PUT", f"/accounts/acme/users/{name}")

    def ask(self, method, path, body=None, permissions=GIVE):
        """The answer to a request that must succeed."""
        reply = self.call(method, path, body, permissions=permissions)
        assert reply.status < 300, reply.body
        return reply.json

    def refused(self, method, path, body=None, permissions=GIVE):
        """The status and the code of a refusal, which writes nothing."""
        before = self.contents()
        reply = self.call(method, path, body, permissions=permissions)
        assert self.contents() == before
        return reply.status, reply.json.get("code")

    def move(self, assign=(), unassign=(), seat_type="sales", **more):
        """Give and take seats."""
        body = {"assign": list(assign), "unassign": list(unassign), **more}
        return self.ask("POST", f"{self.seats}/{seat_type}/assignments", body)

    def of(self, seat_type="sales"):
        """All there is to know of the seats of a type."""
        listed = self.ask("GET", self.seats, permissions="billing.view")["seats"]
        return next(each for each in listed if each["seat_type"] == seat_type)

    def numbers(self, seat_type="sales"):
        """How many seats there are, taken and free."""
        seats = self.of(seat_type)
        return seats["total"], seats["assigned"], seats["available"]


@pytest.fixture
def office():
    return Office()


# -- giving and taking -------------------------------------------------------------------------------------


def test_r3_r17_r18_a_user_is_given_one_seat_for_each_product(office):
    given = office.ask("PUT", f"{office.seats}/sales/users/ann", {})
    assert (given["action"], given["joined"], given["assigned"], given["available"]) == ("save", ["ann"], 1, 2)
    office.ask("PUT", f"{office.seats}/service/users/ann", {})
    again = office.ask("PUT", f"{office.seats}/sales/users/ann", {})
    assert (again["joined"], again["assigned"]) == ([], 1), "one of each"

    [ann, bob] = office.ask("GET", "/accounts/acme/users", permissions="billing.view")["items"][:2]
    seats = [{"seat_type": each, "subscription": office.sub} for each in ("sales", "service")]
    assert ann == {"id": "ann", "active": True, "super_admin": False, "seats": seats}
    assert bob["seats"] == [], "without a seat there is no access"
    limits = office.ask("GET", "/accounts/acme", permissions="billing.view")["products"][0]["limits"]
    assert limits == {"seats": 3, "assigned": 1}


def test_r19_a_user_is_made_with_seats_and_what_is_missing_is_bought_in_the_same_step(office):
    office.on("2026-02-07T15:30:00Z").move(["ann", "bob"], seat_type="service")
    wanted = {"seats": [{"subscription": office.sub, "seat_type": each} for each in ("sales", "service")]}
    path = "/accounts/acme/users/fay"

    before = office.contents()
    shown = office.ask("POST", f"{path}/preview", wanted)
    assert office.contents() == before
    assert shown["action"] == "checkout"
    sales, service = shown["given"]
    assert (sales["action"], sales["purchase"]) == ("save", None)
    assert (service["purchase"]["quantity"], service["purchase"]["charge"]["amount"]) == (1, "58.06")
    assert office.refused("PUT", path, wanted) == (409, "no_free_seat")
    assert office.refused("PUT", path, wanted | {"buy": 1, "expect_amount": "58.05"}) == (409, "price_changed")

    assert office.ask("PUT", path, wanted | {"buy": 1, "expect_amount": "58.06"}) == shown
    assert office.ask("POST", "/accounts/acme/users/gus/preview", {"seats": wanted["seats"][:1]})["action"] == "send"
    assert office.ask("POST", "/accounts/acme/users/ann/preview", {"active": True})["action"] == "save"
    assert (office.numbers("sales"), office.numbers("service")) == ((3, 1, 2), (3, 3, 0))
    assert office.audit()[-4:] == ["user.created", "seats.assigned", "seats.added", "seats.assigned"]
    office.on("2026-02-26")
    assert [line["amount"] for line in office.invoices()[-1]["lines"]] == ["300.00", "300.00", "58.06"]


def test_r20_a_super_admin_is_given_no_seat_while_they_are_made(office):
    seat = [{"subscription": office.sub, "seat_type": "sales"}]
    path = "/accounts/acme/users/root"
    refusal = (409, "super_admin_at_creation")
    assert office.refused("PUT", path, {"super_admin": True, "seats": seat}) == refusal
    office.ask("PUT", path, {"super_admin": True})
    assert office.ask("PUT", path, {"super_admin": True, "seats": seat})["given"][0]["joined"] == ["root"]


def test_r21_one_command_gives_takes_and_buys(office):
    office.on("2026-02-07T15:30:00Z").move(["ann", "bob", "cid"])
    wanted = {"assign": ["dan", "eve"], "unassign": ["ann"]}
    shown = office.ask("POST", f"{office.seats}/sales/assignments/preview", wanted)
    assert (shown["action"], shown["joined"], shown["left"]) == ("checkout", ["dan", "eve"], ["ann"])
    assert (shown["total"], shown["assigned"], shown["purchase"]["quantity"]) == (4, 4, 1)
    assert office.refused("POST", f"{office.seats}/sales/assignments", wanted) == (409, "no_free_seat")
    body = wanted | {"buy": 5, "expect_amount": shown["purchase"]["charge"]["amount"]}
    assert office.ask("POST", f"{office.seats}/sales/assignments", body) == shown, "no more than is missing"
    assert [each["user"] for each in office.of()["users"]] == ["bob", "cid", "dan", "eve"]
    assert office.audit()[-3:] == ["seats.added", "seats.unassigned", "seats.assigned"]


def test_r21_forty_users_at_once_and_no_more():
    world = Office({"price": "sales-seat", "quantity": 1})
    everybody = [f"user-{n:02}" for n in range(41)]
    for name in everybody:
        world.ask("PUT", f"/accounts/acme/users/{name}")
    path = f"{world.seats}/sales/assignments"
    assert world.refused("POST", path, {"assign": everybody[:39], "unassign": everybody[39:]})[1] == "too_many_users"
    assert world.refused("POST", path, {"assign": everybody})[1] == "invalid_body"
    moved = world.move(everybody[:40], buy=39)
    assert (moved["total"], moved["assigned"], moved["purchase"]["quantity"]) == (40, 40, 39)


def test_r22_r23_a_seat_that_is_taken_stays_and_is_paid(office):
    office.move(["ann"])
    assert office.ask("DELETE", f"{office.seats}/sales/users/ann")["left"] == ["ann"]
    assert office.numbers() == (3, 0, 3)
    [warning] = office.of()["warnings"]
    assert (warning["code"], warning["quantity"]) == ("unassigned_and_paid", 3)
    office.on("2026-02-26")
    assert [line["amount"] for line in office.invoices()[-1]["lines"]] == ["300.00", "200.00"]


def test_r24_d13_the_seat_of_an_inactive_user_stays_until_they_are_active_again(office):
    office.move(["ann"])
    office.ask("PUT", "/accounts/acme/users/ann", {"active": False})
    assert office.numbers() == (3, 1, 2)
    assert office.of()["users"] == [{"user": "ann", "active": False}]
    assert {"code": "held_by_inactive", "users": ["ann"]}.items() <= office.of()["warnings"][0].items()
    assert office.refused("DELETE", f"{office.seats}/sales/users/ann") == (409, "user_inactive")
    assert office.refused("PUT", f"{office.seats}/service/users/ann") == (409, "user_inactive")

    office.ask("PUT", "/accounts/acme/users/ann", {"active": True})
    office.ask("DELETE", f"{office.seats}/sales/users/ann")
    office.ask("PUT", "/accounts/acme/users/ann", {"active": False})
    assert office.numbers() == (3, 0, 3)
    changes = [each for each in office.audit() if each == "user.changed"]
    assert len(changes) == 3


def test_r25_whoever_sits_on_a_seat_cannot_be_deleted(office):
    office.move(["ann"])
    assert office.refused("DELETE", "/accounts/acme/users/ann") == (409, "user_holds_seats")
    office.move(unassign=["ann"])
    office.ask("DELETE", "/accounts/acme/users/ann")
    office.ask("DELETE", "/accounts/acme/users/bob")
    assert office.refused("DELETE", "/accounts/acme/users/ann") == (404, "unknown_user")
    assert office.audit().count("user.deleted") == 2


@pytest.mark.parametrize(
    ("path", "body", "refusal"),
    [
        ("sales/assignments", {"assign": ["ann"], "unassign": ["ann"]}, (422, "invalid_moves")),
        ("sales/assignments", {"assign": ["nobody"]}, (404, "unknown_user")),
        ("sales/assignments", {"unassign": ["nobody"]}, (404, "unknown_user")),
        ("core/assignments", {"assign": ["ann"]}, (404, "unknown_seat_type")),
        ("sales/assignments", {"assign": ["ann", "bob", "cid", "dan"]}, (409, "no_free_seat")),
    ],
)
def test_what_cannot_be_moved_is_refused(office, path, body, refusal):
    assert office.refused("POST", f"{office.seats}/{path}", body) == refusal


def test_a_seat_of_another_subscription_is_taken_there_first(office):
    other = office.subscribed({"price": "sales-seat"})
    office.move(["ann"])
    there = f"/accounts/acme/subscriptions/{other}/seats/sales/users/ann"
    assert office.refused("PUT", there, {}) == (409, "seat_held_elsewhere")
    assert office.ask("DELETE", there)["left"] == [], "she does not sit there"
    office.move(unassign=["ann"])
    assert office.ask("PUT", there, {})["joined"] == ["ann"]


def test_r38_f5_of_some_seats_there_is_no_end_and_some_cost_nothing():
    world = Office({"price": "hub-professional"})
    names = ["ann", "bob", "cid", "dan", "eve"]
    assert world.move(names, seat_type="view-only") == {
        "subscription": world.sub, "seat_type": "view-only", "included": 0, "additional": 0, "total": None,
        "assigned": 5, "available": None, "action": "save", "joined": names, "left": [], "purchase": None,
        "removal_canceled": None,
    }  # fmt: skip
    assert world.refused("POST", f"{world.seats}/view-only", {"quantity": 1}) == (409, "seats_unlimited")
    partner = world.ask("POST", f"{world.seats}/partner", {"quantity": 2})
    assert (partner["charge"]["amount"], partner["cost_from_then"]["amount"]) == ("0.00", "890.00")
    assert world.of("partner")["warnings"] == [], "nobody pays for them"
    assert world.refused("POST", f"{world.seats}/sales", {"quantity": 1}) == (404, "unknown_seat_type")


def test_on_what_has_ended_no_seat_is_given_but_one_can_be_taken(office):
    office.move(["ann"])
    office.ask("POST", f"{office.seats.removesuffix('/seats')}/cancel", {"understood": True})
    assert office.refused("PUT", f"{office.seats}/sales/users/bob", {}) == (409, "subscription_not_active")
    office.move(unassign=["ann"])
    assert office.numbers() == (3, 0, 3)


# -- permissions -------------------------------------------------------------------------------------------


def test_r90_r91_r93_giving_access_takes_two_permissions_and_both_from_the_token(office):
    seat = {"seats": [{"subscription": office.sub, "seat_type": "sales"}]}
    office.ask("PUT", "/accounts/acme/users/someone", {"super_admin": True})  # the caller of every request
    for permissions in ("users.edit", "billing.modify", "billing.view users.edit"):
        for method, path in (
            ("PUT", "sales/users/ann"), ("DELETE", "sales/users/ann"),
            ("POST", "sales/assignments"), ("POST", "sales/assignments/preview"),
        ):  # fmt: skip
            refused = office.refused(method, f"{office.seats}/{path}", {}, permissions)
            assert refused == (403, "permission_missing")
    for path, method in (("/accounts/acme/users/fay", "PUT"), ("/accounts/acme/users/fay/preview", "POST")):
        assert office.refused(method, path, seat, "users.edit") == (403, "permission_missing")
        assert office.refused(method, path, {}, "billing.modify") == (403, "permission_missing")
    office.ask("PUT", "/accounts/acme/users/fay", {}, "users.edit")
    office.ask("PUT", "/accounts/acme/users/fay", seat, GIVE)


def test_r92_removing_seats_needs_the_permission_to_modify_billing_alone(office):
    path = f"{office.seats}/sales/removal"
    for permissions in ("users.edit", "billing.view users.edit"):
        assert office.refused("PUT", path, {"quantity": 1}, permissions) == (403, "permission_missing")
    office.ask("PUT", path, {"quantity": 1}, "billing.modify")
    office.ask("DELETE", path, None, "billing.modify")


# -- removing ----------------------------------------------------------------------------------------------


def test_r28_r30_r31_r32_f1_a_removal_is_previewed_scheduled_and_done_at_the_renewal(office):
    path = f"{office.seats}/sales/removal"
    office.move(["ann"])
    billed = office.invoices()
    shown = office.ask("POST", f"{path}/preview", {"quantity": 2})
    assert shown == {
        "subscription": office.sub, "seat_type": "sales", "scheduled": False,
        "quantity": 2, "effective_on": "2026-02-25", "cost_from_then": {"amount": "300.00", "currency": "USD"},
        "leaving": [{"price": "sales-seat", "quantity": 2, "unit_price": {"amount": "100.00", "currency": "USD"}}],
        "current": {"seats": 3, "cost": {"amount": "500.00", "currency": "USD"}},
        "after_update": {"seats": 1, "cost": {"amount": "300.00", "currency": "USD"}},
    }  # fmt: skip
    assert office.ask("PUT", path, {"quantity": 2}) == shown | {"scheduled": True}
    pending = {name: shown[name] for name in ("quantity", "effective_on", "leaving", "cost_from_then")}
    assert office.of()["pending_removal"] == pending
    billing = office.ask("GET", office.seats.removesuffix("/seats"), permissions="billing.view")
    assert billing["removals"] == [{"seat_type": "sales", "quantity": 2, "effective_on": "2026-02-25"}]
    assert (office.numbers(), office.invoices()) == ((3, 1, 2), billed), "they stay until then, and so does the bill"

    office.on("2026-02-26")
    assert office.numbers() == (1, 1, 0)
    assert (office.of()["pending_removal"], office.invoices()[-1]["total"]) == (None, "300.00")
    assert "seats.removed" in office.audit()
    office.on("2026-03-26")
    assert office.numbers() == (1, 1, 0), "and it happens once"


def test_r29_r106_d1_under_a_yearly_commitment_they_go_when_the_year_is_over():
    office = Office(term="year")
    office.on("2026-06-10T12:00:00Z")
    removal = office.ask("PUT", f"{office.seats}/sales/removal", {"quantity": 2})
    assert removal["effective_on"] == "2027-01-25"
    office.on("2027-01-24")
    assert office.numbers() == (3, 0, 3)
    assert {bill["total"] for bill in office.invoices()} == {"500.00"}
    office.on("2027-01-26")
    assert (office.numbers(), office.invoices()[-1]["total"]) == ((1, 0, 1), "300.00")


def test_r26_r27_f1_what_somebody_sits_on_cannot_be_removed(office):
    office.move(["ann", "bob"])
    assert office.refused("PUT", f"{office.seats}/sales/removal", {"quantity": 2}) == (409, "seats_assigned")
    office.move(unassign=["bob"])
    office.ask("PUT", f"{office.seats}/sales/removal", {"quantity": 2})


def test_r16_f1_f2_not_below_what_is_included_or_demanded():
    world = Office({"price": "hub-professional"}, {"price": "core-seat", "quantity": 2})
    assert (world.of("core")["included"], world.of("core")["minimum"]) == (3, 3)
    assert world.refused("PUT", f"{world.seats}/core/removal", {"quantity": 3}) == (409, "below_minimum")
    assert world.ask("POST", f"{world.seats}/core/removal/preview", {"quantity": 2})["after_update"]["seats"] == 3
    alone = Office({"price": "sales-seat", "quantity": 2})
    assert alone.refused("PUT", f"{alone.seats}/sales/removal", {"quantity": 2}) == (409, "below_minimum")
    alone.ask("PUT", f"{alone.seats}/sales/removal", {"quantity": 1})


def test_f2_a_price_may_demand_a_minimum():
    world = World()
    world.staff("PUT", "/catalog", {"prices": {"sales-seat": SEAT | {"minimum": 5}}})
    few = world.call("POST", "/accounts/acme/checkout", {"items": [{"price": "sales-seat", "quantity": 4}]})
    assert (few.status, few.json["code"]) == (422, "below_minimum")
    path = f"/accounts/acme/subscriptions/{world.subscribed({'price': 'sales-seat', 'quantity': 6})}/seats/sales"
    assert world.call("PUT", f"{path}/removal", {"quantity": 2}).json["code"] == "below_minimum"
    assert world.call("PUT", f"{path}/removal", {"quantity": 1}).status == 200


def test_r32_r33_one_request_for_each_type_cancelled_to_be_changed(office):
    path = f"{office.seats}/sales/removal"
    assert office.refused("DELETE", path) == (404, "no_removal_pending")
    office.ask("PUT", path, {"quantity": 1})
    office.ask("PUT", f"{office.seats}/service/removal", {"quantity": 1})
    assert office.refused("PUT", path, {"quantity": 2}) == (409, "removal_pending")
    assert office.refused("POST", f"{path}/preview", {"quantity": 2}) == (409, "removal_pending")
    assert office.ask("DELETE", path)["quantity"] == 1
    assert office.ask("PUT", path, {"quantity": 2})["after_update"]["cost"]["amount"] == "200.00", "with the other's"
    office.on("2026-02-26")
    assert (office.numbers(), office.numbers("service"), office.invoices()[-1]["total"]) == (
        (1, 0, 1), (1, 0, 1), "200.00",
    )  # fmt: skip


def test_r34_f4_d2_giving_one_of_the_seats_again_cancels_the_whole_request(office):
    office.on("2026-02-07T15:30:00Z").ask("PUT", f"{office.seats}/sales/removal", {"quantity": 2})
    assert office.move(["ann"])["removal_canceled"] is None, "a third seat was free"
    wanted = {"assign": ["bob"]}
    shown = office.ask("POST", f"{office.seats}/sales/assignments/preview", wanted)
    assert (shown["removal_canceled"], shown["action"]) == (2, "save")
    assert office.ask("POST", f"{office.seats}/sales/assignments", wanted) == shown
    assert office.of()["pending_removal"] is None
    assert office.audit()[-2:] == ["seats.removal_canceled", "seats.assigned"]
    office.on("2026-02-26")
    assert (office.numbers(), office.invoices()[-1]["total"]) == ((3, 2, 1), "500.00")


def test_d2_buying_more_keeps_the_removal_and_says_that_seats_are_unassigned(office):
    office.ask("PUT", f"{office.seats}/sales/removal", {"quantity": 2})
    bought = office.on("2026-02-07T15:30:00Z").ask("POST", f"{office.seats}/sales", {"quantity": 1})
    assert bought["notice"] == "3 sales seats are unassigned already. 2 will still be removed on 2026-02-25."
    assert office.of()["pending_removal"]["quantity"] == 2
    office.on("2026-02-26")
    assert (office.numbers()[0], office.invoices()[-1]["total"]) == (2, "458.06")


def test_r35_r36_a_legacy_subscription_is_changed_by_the_seller(office):
    legacy = HUB | {"products": HUB["products"] | {"sales": {"legacy": True}}}
    office.staff("PUT", "/catalog", legacy)
    path = f"{office.seats}/sales/removal"
    assert office.refused("PUT", path, {"quantity": 1}) == (409, "legacy_subscription")
    assert office.refused("POST", f"{path}/preview", {"quantity": 1}) == (409, "legacy_subscription")
    office.ask("PUT", path, {"quantity": 1}, STAFF)


def test_r35_while_a_quote_is_ahead_the_seller_removes_seats(office):
    path = f"{office.seats}/sales/removal"
    quote = "/accounts/acme/quotes/q-17"
    office.ask("PUT", quote, {"dated": "2026-02-10"}, STAFF)
    assert office.refused("POST", f"{path}/preview", {"quantity": 1}) == (409, "quote_open")
    assert office.refused("PUT", path, {"quantity": 1}) == (409, "quote_open")
    office.ask("PUT", path, {"quantity": 1}, STAFF)
    office.ask("DELETE", path)
    office.ask("PUT", quote, {"dated": "2026-01-25"}, STAFF)
    office.ask("PUT", path, {"quantity": 1})
    office.ask("DELETE", path)
    office.ask("PUT", quote, {"dated": "2026-06-01"}, STAFF)
    assert office.ask("DELETE", quote, None, STAFF) == {"id": "q-17", "dated": "2026-06-01"}
    assert office.refused("DELETE", quote, None, STAFF) == (404, "unknown_quote")
    office.ask("PUT", path, {"quantity": 1})


def test_what_ends_with_its_term_has_no_further_one_to_have_fewer_seats():
    world = World().sells()
    path = f"/accounts/acme/subscriptions/{world.subscribed({'price': 'sales-seat', 'quantity': 3, 'payments': 1})}"
    refused = world.call("PUT", f"{path}/seats/sales/removal", {"quantity": 1})
    assert (refused.status, refused.json["code"]) == (409, "no_next_term")


# -- price lots --------------------------------------------------------------------------------------------


@pytest.fixture
def lots():
    """Two seats of the old price and two of the new one."""
    world = Office({"price": "sales-seat", "quantity": 2})
    world.staff("PUT", "/catalog", {"prices": {"sales-2": SEAT | {"amount": "120.00"}}})
    world.ask("POST", f"{world.seats}/sales", {"quantity": 2})
    return world


def test_r98_r99_r100_older_seats_show_their_legacy_discount(lots):
    less = {name: {"amount": amount, "currency": "USD"} for name, amount in (
        ("list_price", "120.00"), ("per_unit", "20.00"), ("total", "40.00"),
    )}  # fmt: skip
    assert [(lot["price"], lot["quantity"], lot["discount"]) for lot in lots.of()["lots"]] == [
        ("sales-seat", 2, less),
        ("sales-2", 2, None),
    ]
    billing = lots.ask("GET", lots.seats.removesuffix("/seats"), permissions="billing.view")
    assert [item["discount"] for item in billing["items"]] == [less, None]
    assert (billing["discounts"]["amount"], billing["cost"]["amount"]) == ("40.00", "440.00")


@pytest.mark.parametrize(
    ("policy", "leaving", "cost"),
    [
        ("newest", [("sales-2", 2), ("sales-seat", 1)], "100.00"),
        ("oldest", [("sales-seat", 2), ("sales-2", 1)], "120.00"),
    ],
)
def test_d4_the_seller_says_which_lot_leaves_first_and_the_preview_shows_it(lots, policy, leaving, cost):
    lots.staff("PUT", "/sellers/us", {"timezone": "America/New_York", "currency": "USD", "seats_leave_first": policy})
    shown = lots.ask("PUT", f"{lots.seats}/sales/removal", {"quantity": 3})
    assert [(lot["price"], lot["quantity"]) for lot in shown["leaving"]] == leaving
    assert shown["after_update"] == {"seats": 1, "cost": {"amount": cost, "currency": "USD"}}
    lots.on("2026-02-26")
    assert lots.invoices()[-1]["lines"][0]["amount"] == cost
