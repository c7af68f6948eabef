"""What an update date leaves alone, who has a place in the tier, and whether the forecast comes true."""

from datetime import date, timedelta

import pytest

from tests.edge.contact_world import TOLD, ContactWorld, days, named


def stored(world):
    """The contacts as they lie in the table."""
    return [item for item in world.contents() if item["kind"]["S"] == "contact"]


@pytest.mark.parametrize("leaving", [0, 1, 40])
def test_r46_nothing_is_rewritten_at_the_update_date_however_many_leave(leaving):
    """The status follows from the day: the night of 1 May writes what each night writes."""
    world = ContactWorld("2026-04-20T14:00:00Z", contacts=100, term="year")
    world.batch(marketing=named(60))
    if leaving:
        world.batch(non_marketing=named(leaving))
    world.on("2026-04-29T12:00:00Z")
    before, spent, nights = stored(world), world.cloud.store.units, []
    for day in ("2026-04-30", "2026-05-01", "2026-05-02"):
        so_far = spent["store.commit"]
        world.on(f"{day}T12:00:00Z")
        nights.append(spent["store.commit"] - so_far)
    assert [count[1] for count in days(world)[-3:]] == [60, 60 - leaving, 60 - leaving]
    assert stored(world) == before
    assert len(set(nights)) == 1, nights


def test_r53_in_the_place_of_a_deleted_contact_another_fits_at_once():
    world = ContactWorld()
    world.batch(marketing=named(10))
    world.on("2026-04-16T12:00:00Z")
    assert world.edit("DELETE", "/contacts/c0000").json["marketing"] == 9
    assert world.sets("new")["marketing"] is True
    assert world.usage()["live"] == {"marketing": 10, "total": 10}
    world.on("2026-04-18T12:00:00Z")
    assert (days(world)[-1], world.usage()["tier"]) == (("2026-04-18", 10, 10, 10), 10)
    assert [event["type"] for event in world.told(*TOLD)] == [TOLD[0]]


def test_r53_f12_in_the_place_of_a_deleted_contact_another_fits_under_the_maximum():
    world = ContactWorld()
    assert world.call("PUT", "/accounts/acme/usage/maximum", {"maximum": 3}).status == 200
    world.batch(marketing=named(3))
    assert world.sets("new")["marketing"] is False
    world.sets("c0001", marketing=False)
    assert world.sets("new")["marketing"] is False, "c0001 has its place until the update date"
    world.edit("DELETE", "/contacts/c0000")
    assert world.sets("new")["marketing"] is True
    assert world.sets("newer")["marketing"] is False


def test_d11_a_contact_that_comes_and_goes_between_two_counts_is_in_neither():
    world = ContactWorld()
    world.batch(marketing=named(9))
    world.on("2026-04-16T12:00:00Z")
    world.batch(marketing=named(5, "short"))
    assert world.usage()["live"] == {"marketing": 14, "total": 14}
    world.batch(delete=named(5, "short"))
    world.on("2026-04-18T12:00:00Z")
    assert days(world)[1:] == [("2026-04-17", 9, 9, 14), ("2026-04-18", 9, 9, 9)], "the peak alone shows them"
    assert (world.usage()["tier"], world.told("contacts.tier_exceeded")) == (10, [])


@pytest.mark.parametrize("term", [None, "year"])
def test_r58_what_the_forecast_says_comes_true(term):
    """Two contacts more each day: the day, the tier, the charge and what it costs more are those of the forecast."""
    world = ContactWorld(contacts=20, term=term)
    world.batch(marketing=named(10))
    on = date(2026, 4, 15)

    def tomorrow():
        nonlocal on
        on += timedelta(days=1)
        world.on(f"{on}T12:00:00Z")
        world.batch(marketing=named(2, f"{on}-"))

    for _ in range(3):
        tomorrow()
    said = world.usage()["forecast"]
    assert (said["exceeded_on"], said["tier"]) == ("2026-04-22", 30)
    while str(on) < said["exceeded_on"]:
        assert world.usage()["tier"] == 20
        tomorrow()
    [raised] = world.told("tier.upgraded")
    assert (raised["to"], raised["amount"]) == (said["tier"], said["charge"]["amount"])
    assert days(world)[-1][:2] == (said["exceeded_on"], 22)
    world.on("2026-05-15T12:00:00Z")
    bought, charged, renewed = [invoice["total"] for invoice in world.invoices()]
    assert charged == said["charge"]["amount"] == "22.00", "22 of 30 days of 30.00"
    assert float(renewed) - float(bought) == float(said["costs_more"]["amount"])
