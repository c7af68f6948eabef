"""Who may call what: every route, as every kind of caller, on the caller's own account and on another's."""

import json

import pytest

from infra.local import template
from infra.local.invocations import Call
from shared.edge import links
from shared.edge.api import Api
from shared.edge.links import Kind, Link
from shared.edge.permissions import CONTACTS, EDIT, GIVE, MODIFY, PERMISSIONS, SEE, STAFF, UNSIGNED, VIEW
from tests.world import SEAT, World

CALLERS = {
    "nobody": set(),
    "an editor of users": {"users.edit", "contacts.edit"},
    "a viewer": {VIEW},
    "a buyer": {MODIFY},
    "a buyer who may view": {VIEW, MODIFY},
    "a buyer who edits users": {EDIT, MODIFY},
    "staff": {STAFF},
}
MAY = {
    "nobody": set(),
    "an editor of users": {EDIT, CONTACTS, SEE},
    "a viewer": {VIEW, SEE},
    "a buyer": {VIEW, MODIFY, SEE},
    "a buyer who may view": {VIEW, MODIFY, SEE},
    "a buyer who edits users": {VIEW, MODIFY, EDIT, GIVE, SEE},
    "staff": {VIEW, MODIFY, EDIT, GIVE, SEE, CONTACTS, STAFF},
}
ONE_SEAT = {"items": [{"price": "sales-seat"}]}
BODIES = {
    "PUT /v1/catalog": {"prices": {"sales-seat": SEAT}},
    "PUT /v1/sellers/{seller}": {"timezone": "America/New_York", "currency": "USD"},
    "PUT /v1/accounts/{account}": {"seller": "us"},
    "POST /v1/accounts/{account}/checkout": ONE_SEAT,
    "POST /v1/accounts/{account}/checkout/preview": ONE_SEAT,
    "POST /v1/accounts/{account}/payment-method": {},
    "POST /v1/accounts/{account}/invoices/{invoice}/refunds": {"amount": {"amount": "1.00", "currency": "USD"}},
    "PUT /v1/accounts/{account}/quotes/{quote}": {"dated": "2026-06-01"},
    "PUT /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/removal": {"quantity": 1},
    "POST /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/removal/preview": {"quantity": 1},
    "PUT /v1/accounts/{account}/contacts/{contact}": {"marketing": True},
    "POST /v1/accounts/{account}/contacts/batch": {"marketing": ["bob"]},
    "PUT /v1/accounts/{account}/usage/maximum": {"maximum": 100},
    "POST /v1/accounts/{account}/usage/maximum/request": {"maximum": 200},
    "PUT /v1/accounts/{account}/tier-reduction": {"contacts": 10},
    "POST /v1/accounts/{account}/tier-reduction/preview": {"contacts": 10},
    "POST /v1/accounts/{account}/subscriptions/{subscription}/cancel": {},
    "POST /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}": {"quantity": 1},
    "POST /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/preview": {"quantity": 1},
    "POST /v1/accounts/{account}/contacts/imports": {"bytes": 9},
}
REFUSED_ANYWAY = {
    "POST /v1/accounts/{account}/subscriptions/{subscription}/cancel": (422, "not_understood"),
    "POST /v1/accounts/{account}/subscriptions/{subscription}/release": (409, "not_parked"),
    "POST /v1/accounts/{account}/invoices/{invoice}/write-off": (409, "invoice_paid"),
    "POST /v1/accounts/{account}/contacts/imports/{file}/start": (409, "nothing_uploaded"),
    **dict.fromkeys(
        (
            "PUT /v1/accounts/{account}/tier-reduction",
            "DELETE /v1/accounts/{account}/tier-reduction",
            "POST /v1/accounts/{account}/tier-reduction/preview",
        ),
        (409, "no_contact_tier"),
    ),
}
"""What there is nothing to do for, once it is clear that the caller may."""


AS_THINGS_STAND = {
    "POST /v1/accounts/{account}/usage/maximum/request": {None, "no_maximum"},
    "PUT /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/users/{user}": {None, "unknown_user"},
    "DELETE /v1/accounts/{account}/contacts/imports/{file}": {None, "import_over"},
    "DELETE /v1/accounts/{account}/quotes/{quote}": {None, "unknown_quote"},
    "DELETE /v1/accounts/{account}/users/{user}": {None, "unknown_user"},
    "DELETE /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/users/{user}": {None, "unknown_user"},
    "DELETE /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/removal": {None, "no_removal_pending"},
    **{route: {None, "removal_pending", "below_minimum", "quote_open"} for route in (
        "PUT /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/removal",
        "POST /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/removal/preview",
    )},
}  # fmt: skip
"""What may be done already, or not yet, by those who asked before: the codes that say so."""


def open_to_the_caller(route, status, code):
    if route in AS_THINGS_STAND:
        return code in AS_THINGS_STAND[route]
    return (status, code) == REFUSED_ANYWAY[route] if route in REFUSED_ANYWAY else status in (200, 201)


@pytest.fixture(scope="module")
def world():
    """Acme has bought, globex is another customer of the same seller."""
    world = World().sells()
    world.account("globex")
    world.call("PUT", "/accounts/acme/contacts/ann", {"marketing": True}, permissions=STAFF)
    world.file = world.call("POST", "/accounts/acme/contacts/imports", {"bytes": 9}, permissions=STAFF).json["id"]
    world.bought = world.call("POST", "/accounts/acme/checkout", ONE_SEAT).json
    return world


@pytest.fixture
def ask(world):
    """Send a well-formed request for a route to acme's account, with these claims."""
    ids = {
        "token": links.write(Link(Kind.INVOICE, "acme", world.bought["invoice"]["id"])),
        "account": "acme",
        "contact": "ann",
        "file": world.file,
        "seller": "us",
        "type": "sales",
        "user": "nobody",
        "quote": "q-none",
        "checkout": world.bought["id"],
        "invoice": world.bought["invoice"]["id"],
        "subscription": world.bought["subscriptions"][0]["id"],
    }

    def ask(route, claims):
        method, path = route.split(" ")
        ids["contact"] = "bob" if method == "DELETE" else "ann"
        world.calls += 1
        headers = {"Idempotency-Key": f"call-{world.calls}"}
        body = json.dumps(BODIES[route]) if route in BODIES else None
        before = world.contents()
        reply = world.cloud.request(Call(method, path.format(**ids), body, headers, claims))
        assert reply.status < 300 or world.contents() == before, "a refusal writes nothing"
        is_page = reply.headers["content-type"].startswith("text/html")
        return reply.status, None if is_page else reply.json.get("code")

    return ask


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", PERMISSIONS)
def test_a_route_is_open_to_whoever_has_its_permission(ask, route, caller):
    claims = {"account": "acme", "permissions": " ".join(sorted(CALLERS[caller]))}
    status, code = ask(route, claims)
    if PERMISSIONS[route] in MAY[caller]:
        assert open_to_the_caller(route, status, code)
    else:
        assert (status, code) == (403, "permission_missing")


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", [route for route in PERMISSIONS if "{account}" in route])
def test_another_account_is_open_to_staff_only(ask, route, caller):
    claims = {"account": "globex", "permissions": " ".join(sorted(CALLERS[caller]))}
    status, code = ask(route, claims)
    if caller == "staff":
        assert open_to_the_caller(route, status, code)
    else:
        assert (status, code) == (403, "foreign_account")


@pytest.mark.parametrize("route", PERMISSIONS)
def test_without_a_token_every_route_is_closed(ask, route):
    assert ask(route, None) == (401, None)


def test_without_a_token_there_is_a_description_and_what_is_signed_otherwise(ask):
    answers = {route: ask(route, None) for route in UNSIGNED}
    assert answers == {
        "GET /v1/openapi.json": (200, None),
        "GET /v1/pay/{token}": (200, None),
        "POST /v1/pay/{token}": (409, "nothing_to_pay"),
        "POST /v1/stripe/webhook": (422, "invalid_signature"),
    }


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({}, "foreign_account"),
        ({"permissions": "billing.modify"}, "foreign_account"),
        ({"account": "", "permissions": "billing.modify"}, "foreign_account"),
        ({"account": "acm", "permissions": "billing.modify"}, "foreign_account"),
        ({"account": "ACME", "permissions": "billing.modify"}, "foreign_account"),
        ({"account": "acme"}, "permission_missing"),
        ({"account": "acme", "permissions": "billing"}, "permission_missing"),
        ({"account": "acme", "permissions": "billing.modify.later"}, "permission_missing"),
        ({"account": "acme", "permissions": "billing.modify,billing.view"}, "permission_missing"),
        ({"account": "acme", "permissions": "[billing.modify]"}, "permission_missing"),
        ({"account": "globex", "permissions": "seller.administrator"}, "foreign_account"),
    ],
)
def test_a_token_that_says_nearly_the_right_thing_says_nothing(ask, claims, code):
    assert ask("POST /v1/accounts/{account}/checkout", claims) == (403, code)


def test_every_route_of_the_template_has_its_permission_and_there_are_no_others():
    routes = {f"{route.method} {route.path}": route.needs_token for route in template.read().routes}
    assert routes == dict.fromkeys(PERMISSIONS, True) | dict.fromkeys(UNSIGNED, False)


def test_a_viewer_looks_and_what_concerns_no_account_is_for_staff():
    assert {route.split(" ")[0] for route, needs in PERMISSIONS.items() if needs == VIEW} == {"GET"}
    open_to_customers = {route for route, needs in PERMISSIONS.items() if needs != STAFF}
    assert {route for route in open_to_customers if "{account}" not in route} == {"GET /v1/catalog"}
    assert {route for route in PERMISSIONS if "{account}" in route} - open_to_customers == {
        "PUT /v1/accounts/{account}",
        "PUT /v1/accounts/{account}/quotes/{quote}",
        "DELETE /v1/accounts/{account}/quotes/{quote}",
        "POST /v1/accounts/{account}/subscriptions/{subscription}/release",
        "POST /v1/accounts/{account}/invoices/{invoice}/write-off",
        "POST /v1/accounts/{account}/invoices/{invoice}/refunds",
    }


def test_a_route_without_a_permission_cannot_be_served():
    with pytest.raises(KeyError, match="GET /v1/everything"):
        Api().serve("GET /v1/everything")
