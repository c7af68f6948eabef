"""A dry run writes nothing, and says exactly what the import then comes to and costs."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.invocations import Context, sqs_event
from shared.edge import import_pages
from tests.edge.contact_world import named
from tests.edge.import_world import LINES, TALLY, ImportWorld, die_after, run_again, tally

DAY = timedelta(days=1)
names = st.sampled_from(named(24))
files = st.lists(
    st.tuples(names, st.sampled_from(["true", "true", "true", "false", "delete", "perhaps"])), max_size=60
)
days = st.sampled_from(["2026-04-15", "2026-04-30", "2026-05-12", "2026-05-13", "2026-05-14", "2026-05-15"])


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    """A page holds eight rows or so."""
    monkeypatch.setattr(import_pages, "PAGE", 90)


def checked(world, lines):
    """A file that is only checked, and what the API says then."""
    import_id = world.opened(*lines)
    assert world.started(import_id, dry_run=True).status == 200
    before = world.entities(), world.usage()["live"]
    world.cloud.drain()
    assert (world.entities(), world.usage()["live"]) == before, "nothing is written"
    shown = world.shown(import_id)
    assert shown["status"] == "checked", shown
    return shown


def really(world, import_id):
    """The same file imported, and what the next count makes of it: the tally, the count, the tier and the charge."""
    day = world.today
    world.started(import_id)
    world.cloud.drain()
    shown = world.shown(import_id)
    assert shown["status"] == "done"
    world.on(f"{day + DAY}T23:00:00Z")
    counted = next(each for each in world.usage()["series"] if each["on"] == str(day + DAY))
    tier = world.usage()["tier"]
    world.on(f"{day + 2 * DAY}T23:00:00Z")
    charged = [it["total"] for it in world.invoices() if it["date"] == str(day + 2 * DAY) and upgrades(it)]
    return tally(shown), counted["marketing"], tier, charged


def upgrades(invoice):
    return any(
        "of 30 days" in line["description"] or "of 31 days" in line["description"] for line in invoice["lines"]
    )


@settings(max_examples=12, deadline=None)
@given(files, days, st.lists(names, max_size=12, unique=True), st.sampled_from([None, None, 9, 12]), st.data())
def test_a_dry_run_comes_to_what_the_import_comes_to(rows, day, there, maximum, data):
    world = ImportWorld()
    if there:
        world.batch(marketing=there)
        if leaving := data.draw(st.lists(st.sampled_from(there), max_size=6, unique=True)):
            world.batch(non_marketing=leaving)
    if maximum:
        world.call("PUT", "/accounts/acme/usage/maximum", {"maximum": maximum})
    world.on(f"{day}T17:00:00Z")
    shown = checked(world, [",".join(row) for row in rows])
    outcome = shown["outcome"]
    came_to, marketing, tier, charged = really(world, shown["id"])
    assert tally(shown) == came_to
    assert (outcome["marketing"], outcome["tier_after"]) == (marketing, tier)
    expected = [outcome["charge"]["amount"]] if outcome["charge"] and outcome["charge"]["amount"] != "0.00" else []
    assert charged == expected


@pytest.mark.parametrize("at", ["2026-04-16T03:55:00Z", "2026-04-16T04:05:00Z"])
def test_before_midnight_and_between_it_and_the_count_a_dry_run_says_what_follows_from_that_count(at):
    world = ImportWorld()
    world.batch(marketing=named(8))
    world.on("2026-04-15T20:00:00Z").suddenly(at)
    import_id = world.opened(*(f"{name},true" for name in named(5, "new")))
    world.started(import_id, dry_run=True)
    work(world, "Import")
    outcome = world.shown(import_id)["outcome"]
    assert (outcome["marketing"], outcome["charge"]["amount"]) == (13, "28.00")
    world.started(import_id)
    work(world, "Import")
    world.on("2026-04-18T12:00:00Z")
    assert world.invoices()[-1]["total"] == "28.00"


def work(world, what):
    """One run of a worker."""
    [message] = world.cloud.queues.receive(f"{what}Queue", 1)
    world.cloud.queues.delete(f"{what}Queue", message)
    function = {"Import": "ImportsWorkFunction", "Recount": "RecountWorkFunction"}[what]
    world.cloud.invoke(function, sqs_event(f"{what}Queue", [message]))


@pytest.mark.parametrize("pages", [1, 2])
def test_a_dry_run_that_a_count_overtakes_at_an_update_date_begins_anew(monkeypatch, pages):
    """Twelve contacts leave at midnight: in its first pages they still do, and the count that it tells of is over."""
    world = ImportWorld()
    lines = *(f"{name},false" for name in named(12)), *(f"{name},true" for name in named(9, "e"))
    world.batch(marketing=named(12))
    world.on("2026-05-15T03:50:00Z")
    import_id = world.opened(*lines)
    world.started(import_id, dry_run=True)
    with monkeypatch.context() as patch:
        steps = iter([900_000] * pages)
        patch.setattr(Context, "get_remaining_time_in_millis", lambda _: next(steps, 0))
        work(world, "Import")
    assert 0 < world.shown(import_id)["rows"] < 21
    world.suddenly("2026-05-15T04:05:00Z").cloud.invoke("RecountSweepFunction", {})
    work(world, "Recount")
    world.cloud.drain()
    shown = world.shown(import_id)
    assert (shown["status"], shown["rows"], shown["leaving"]) == ("checked", 21, 12)
    assert shown["outcome"]["marketing"] == 21, "on 16 May"


def test_a_contact_that_stands_in_a_file_twice_far_apart_is_counted_once():
    lines = [f"{name},true" for name in named(9)]
    shown = checked(ImportWorld(), [*lines, *lines])
    assert (tally(shown)["new"], shown["outcome"]["marketing"], shown["outcome"]["tier_after"]) == (9, 9, 10)


def test_f12_the_maximum_is_held_across_pages():
    world = ImportWorld()
    world.call("PUT", "/accounts/acme/usage/maximum", {"maximum": 20})
    shown = checked(world, [f"{name},true" for name in named(40)])
    assert (shown["marketing"], shown["held_back"], shown["outcome"]["marketing"]) == (20, 20, 20)


def test_a_dry_run_that_takes_longer_than_a_function_may_run_is_handed_over():
    world = ImportWorld()
    import_id = world.opened(*LINES, *LINES)
    world.started(import_id, dry_run=True)
    with pytest.MonkeyPatch.context() as patch:
        steps = iter([900_000, 0] * 40)
        patch.setattr(Context, "get_remaining_time_in_millis", lambda _: next(steps))
        world.cloud.drain()
    shown = world.shown(import_id)
    assert (shown["status"], tally(shown)) == ("checked", {**TALLY, "rows": 120, "rejected": 4})
    assert shown["outcome"]["marketing"] == 39
    assert not any(place.endswith("/draft") for place in world.cloud.files.contents)


@pytest.mark.parametrize("pages", [1, 3, 6])
def test_a_dry_run_that_breaks_off_begins_anew(pages):
    world = ImportWorld()
    import_id = world.opened(*LINES)
    world.started(import_id, dry_run=True)
    die_after(world, pages)
    run_again(world)
    shown = world.shown(import_id)
    assert (shown["status"], tally(shown), shown["outcome"]["marketing"]) == ("checked", TALLY, 39)


@pytest.mark.parametrize("day", ["2026-05-12", "2026-05-13", "2026-05-14", "2026-05-15"])
def test_around_a_renewal_a_dry_run_says_what_is_charged_then(day):
    world = ImportWorld()
    world.on(f"{day}T17:00:00Z")
    shown = checked(world, [f"{name},true" for name in named(11)])
    charge = shown["outcome"]["charge"]["amount"]
    *_, tier, charged = really(world, shown["id"])
    assert (tier, shown["outcome"]["tier_after"]) == (20, 20)
    assert charged == ([] if day == "2026-05-13" else [charge]), "the last day of a period has no rest"
