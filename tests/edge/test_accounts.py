"""Seller entities and accounts: made once, and changed in what a request names."""

import pytest

from infra.local.simulate import STAFF
from tests.edge.contact_world import ContactWorld
from tests.world import World

HUB = {
    "timezone": "America/New_York", "currency": "USD", "name": "Hub Inc.", "address": "1 Road", "retry_days": [1, 2],
    "billing_mailbox": "billing@hub.test", "after_retries": "cancel", "seats_leave_first": "oldest",
    "seats_invoiced": "at_once", "contacts_update": "renewal", "tier_notice_days": 9,
}  # fmt: skip


@pytest.fixture
def world():
    world = World()
    world.staff("PUT", "/sellers/us", HUB)
    return world


def test_what_a_request_about_a_seller_does_not_name_stays_as_it_is(world):
    shown = world.staff("PUT", "/sellers/us", {"timezone": "America/New_York", "currency": "USD"}).json
    assert {name: shown[name] for name in HUB} == HUB
    changed = world.staff("PUT", "/sellers/us", {**HUB, "address": "", "tier_notice_days": 0}).json
    assert {name: changed[name] for name in HUB} == HUB | {"address": "", "tier_notice_days": 0}


def test_what_a_request_about_an_account_does_not_name_stays_as_it_is(world):
    acme = {"seller": "us", "name": "Acme Corporation", "billing_contacts": ["bill@acme.test"]}
    world.staff("PUT", "/accounts/acme", acme)
    off = world.staff("PUT", "/accounts/acme", {"marketing_contacts": False}).json
    assert {name: off[name] for name in acme} == acme
    assert off["marketing_contacts"] is False
    nobody = world.staff("PUT", "/accounts/acme", {"billing_contacts": []}).json
    assert (nobody["billing_contacts"], nobody["name"], nobody["marketing_contacts"]) == (
        [],
        "Acme Corporation",
        False,
    )


def test_a_new_account_says_who_sells_to_it(world):
    refused = world.call("PUT", "/accounts/bolt", {"name": "Bolt"}, permissions=STAFF)
    assert (refused.status, refused.json["code"]) == (422, "invalid_body")
    unknown = world.call("PUT", "/accounts/bolt", {"seller": "eu"}, permissions=STAFF)
    assert (unknown.status, unknown.json["code"]) == (404, "unknown_seller")


def test_f12_r41_nothing_is_forecast_where_no_tier_can_rise():
    world = ContactWorld()
    for day, count in ((20, 2), (21, 4), (22, 6)):
        world.batch(marketing=[f"c{n}" for n in range(count)])
        world.on(f"2026-04-{day}T16:00:00Z")
    usage = "/accounts/acme/usage"
    assert world.call("GET", usage).json["forecast"] is not None
    world.call("PUT", f"{usage}/maximum", {"maximum": 10})
    assert world.call("GET", usage).json["forecast"] is None
    world.call("PUT", f"{usage}/maximum", {"maximum": 11})
    assert world.call("GET", usage).json["forecast"] is not None
    world.staff("PUT", "/accounts/acme", {"marketing_contacts": False})
    assert world.call("GET", usage).json["forecast"] is None
