"""Two subscriptions with a tier each: the larger counts, on the very day on which it begins, ends or is lowered."""

import pytest

from tests.edge.contact_world import COUNT, TIERS, TOLD, named
from tests.edge.import_world import ImportWorld

LARGE = TIERS["contacts-starter"] | {"edition": "professional", "name": "Large"}
WITH_LARGE = TIERS | {"large": LARGE}


def two_tiers(now="2026-04-10T14:00:00Z", contacts=1, term=None, **large):
    """A tier of ten, or of so many, and a larger one beside it."""
    world = ImportWorld(now, contacts=contacts, term=term)
    world.sells(**WITH_LARGE)
    assert world.call("POST", "/accounts/acme/checkout", {"items": [{"price": "large", **large}]}).status == 201
    return world


def count_first(world, midnight):
    """At that midnight the contacts are counted before the sweep of renewals."""
    world.suddenly(midnight)
    assert world.cloud.invoke("RecountSweepFunction", {}) == 1
    world.cloud.drain()


def counted(world, day):
    """The marketing contacts of a day, the tier that they were held against, and what followed."""
    [count] = [(each["marketing"], each["tier"]) for each in world.told(COUNT) if each["day"] == day]
    return count, [event["type"] for event in world.told(*TOLD)]


def test_r54_a_larger_tier_that_begins_on_the_day_of_the_count_holds_the_contacts():
    world = two_tiers(quantity=100, starts_on="2026-05-01")
    world.on("2026-05-01T03:50:00Z").batch(marketing=named(50))
    count_first(world, "2026-05-01T04:00:00Z")
    assert counted(world, "2026-05-01") == ((50, 100), [])
    world.on("2026-05-03T12:00:00Z")
    assert [(it["date"], it["total"]) for it in world.invoices()] == [
        ("2026-04-10", "20.00"), ("2026-05-01", "270.00"),
    ]  # fmt: skip


def test_r54_a_larger_tier_that_runs_out_on_the_day_of_the_count_does_not_hold_them_any_more():
    world = two_tiers(quantity=100, payments=1)
    world.batch(marketing=named(15))
    world.on("2026-05-10T03:50:00Z")
    count_first(world, "2026-05-10T04:00:00Z")
    assert counted(world, "2026-05-10") == ((15, 10), ["contacts.tier_exceeded", "tier.upgraded"])
    assert world.usage()["tier"] == 20


@pytest.mark.parametrize(
    ("marketing", "tier", "told"), [(15, 20, "tier.reduced"), (21, 30, "tier.reduction_canceled")]
)
def test_r57_a_lower_tier_is_granted_where_another_one_holds_the_contacts(marketing, tier, told):
    world = two_tiers(contacts=20, quantity=30)
    world.batch(marketing=named(marketing))
    reply = world.call("PUT", "/accounts/acme/tier-reduction", {"contacts": 10})
    assert (reply.json["tier_after"], reply.json["fits_today"]) == (10, marketing <= 20)
    world.on("2026-05-11T12:00:00Z")
    assert [event["type"] for event in world.told("tier.reduction_canceled", "tier.reduced")] == [told]
    assert world.usage()["tier"] == tier
    assert world.told(*TOLD[1:]) == []


@pytest.mark.parametrize("taken_back", [True, False])
def test_r57_a_lower_tier_that_was_asked_for_is_shown_and_taken_back_beside_a_larger_one(taken_back):
    world = ImportWorld("2026-04-10T14:00:00Z", contacts=20)
    asked = world.call("PUT", "/accounts/acme/tier-reduction", {"contacts": 10}).json
    world.sells(**WITH_LARGE)
    large = {"items": [{"price": "large", "quantity": 100}]}
    assert world.call("POST", "/accounts/acme/checkout", large).status == 201
    assert (world.usage()["tier"], world.usage()["reduction"]) == (100, asked)
    if taken_back:
        shown = world.call("DELETE", "/accounts/acme/tier-reduction").json
        assert (shown["tier"], shown["reduction"]) == (100, None)
    world.on("2026-05-10T17:00:00Z")
    assert len(world.told("tier.reduction_canceled")) == taken_back
    assert len(world.told("tier.reduced")) == (not taken_back)
    smaller = "50.00" if taken_back else "20.00"
    assert sorted(it["total"] for it in world.invoices() if it["date"] == "2026-05-10") == sorted(["270.00", smaller])
    assert world.usage()["reduction"] is None


@pytest.mark.parametrize(
    ("large", "midnight", "tier", "update"),
    [
        ({"quantity": 100, "starts_on": "2026-04-20"}, "2026-04-20T04:00:00Z", 100, "2026-05-20"),
        ({"quantity": 100, "payments": 1}, "2026-05-10T04:00:00Z", 20, "2026-06-01"),
    ],
    ids=["begins", "runs out"],
)
def test_r49_r52_from_its_first_instant_on_the_tier_of_the_day_says_when_contacts_leave(
    large, midnight, tier, update
):
    """No sweep has begun or ended the larger subscription yet; the smaller is committed to for a year."""
    world = two_tiers(contacts=20, term="year", **large)
    world.batch(marketing=["ann", "bob"])
    world.on(midnight.replace("04:00", "03:59")).suddenly(midnight)
    assert (world.usage()["tier"], world.usage()["next_update_on"]) == (tier, update)
    assert world.sets("ann", marketing=False)["until_next_update"] == update
    assert world.batch(non_marketing=["bob"])["next_update_on"] == update
    world.on(midnight.replace("04:00", "12:00"))
    assert (world.usage()["tier"], world.usage()["next_update_on"]) == (tier, update)


@pytest.mark.parametrize(
    ("large", "today", "tomorrow", "after"),
    [
        ({"quantity": 100, "starts_on": "2026-05-01"}, "2026-04-30", "2026-05-01", 100),
        ({"quantity": 100, "payments": 1}, "2026-05-09", "2026-05-10", 20),
        ({"quantity": 100, "starts_on": "2026-05-02"}, "2026-04-30", "2026-05-01", 20),
    ],
)
def test_a_dry_run_knows_which_tier_begins_or_ends_on_the_day_of_the_count(large, today, tomorrow, after):
    world = two_tiers(**large)
    world.on(f"{today}T17:00:00Z")
    rows = [f"{name},true" for name in named(15)]
    checked = world.imported(*rows, dry_run=True)["outcome"]
    assert checked["tier_after"] == after
    world.imported(*rows)
    world.on(f"{tomorrow}T17:00:00Z")
    assert world.usage()["tier"] == after
    assert (checked["charge"] is None) == (world.told("tier.upgraded") == [])
