"""The tiers of the sample catalogue with as many contacts as they hold: exceeded by one, charged on the day after."""

from pathlib import Path

import pytest
import yaml

from tests.edge.contact_world import fill
from tests.world import World

HUB = Path(__file__).parents[2] / "infra/catalog/hub.yaml"
PRO = {"price": "hub-professional", "term": "year"}
ENTERPRISE = {"price": "hub-enterprise", "term": "year"}
OF_22000 = {"price": "contacts-professional", "term": "year", "quantity": 22_000}


@pytest.mark.parametrize(
    ("bought", "count", "tier", "sends", "bills"),
    [
        # 28 of 30 days of five steps of 250.00 are 1,166.67, of four 933.33
        ([PRO, OF_22000], 22_001, 27_000, 270_000, ["1890.00", "233.34", "2140.00"]),
        ([PRO], 2001, 7000, 70_000, ["890.00", "233.33", "1140.00"]),
        ([PRO], 7001, 12_000, 120_000, ["890.00", "466.67", "1390.00"]),
        ([ENTERPRISE], 10_001, 20_000, 200_000, ["3600.00", "93.33", "3700.00"]),
        ([ENTERPRISE], 20_001, 30_000, 300_000, ["3600.00", "186.67", "3800.00"]),
    ],
)
def test_f15_f16_f20_exceeded_by_one_contact_it_is_the_next_tier_charged_on_the_day_after(
    bought, count, tier, sends, bills
):
    world = World("2026-04-15T14:00:00Z")
    world.staff("PUT", "/catalog", yaml.safe_load(HUB.read_text()))
    subscription = world.subscribed(*bought)
    fill(world, count)
    world.on("2026-04-16T12:00:00Z")
    shown = world.call("GET", "/accounts/acme/usage").json
    assert (shown["live"]["marketing"], shown["tier"], shown["send_limit"]) == (count, tier, sends)
    world.on("2026-04-17T12:00:00Z")
    assert [(each["date"], each["total"], each["status"]) for each in world.invoices()] == [
        ("2026-04-15", bills[0], "paid"), ("2026-04-17", bills[1], "paid"),
    ]  # fmt: skip
    details = world.call("GET", f"/accounts/acme/subscriptions/{subscription}").json
    assert details["cost"]["amount"] == bills[2]


@pytest.mark.parametrize(
    ("plan", "contacts", "answer"),
    [
        ("hub-starter", "contacts-starter", (201, None)),
        ("hub-starter", "contacts-enterprise", (409, "other_edition")),
        ("hub-free", "contacts-starter", (201, None)),
        (None, "contacts-enterprise", (201, None)),
    ],
)
@pytest.mark.parametrize("together", [False, True])
def test_r55_beside_a_plan_contacts_are_sold_at_the_rate_of_its_edition(plan, contacts, answer, together):
    world = World("2026-04-15T14:00:00Z")
    world.staff("PUT", "/catalog", yaml.safe_load(HUB.read_text()))
    items, tier = [{"price": plan}] if plan else [], {"price": contacts, "quantity": 20_000}
    if items and (not together or plan == "hub-free"):  # which is had by itself
        world.subscribed(*items)
        items = []
    reply = world.call("POST", "/accounts/acme/checkout", {"items": [*items, tier]})
    assert (reply.status, reply.json.get("code")) == answer
