"""Imports that somebody lists, or does not want any more."""

import pytest

from shared.domain.contact_import import MOST_OPEN
from shared.edge import import_pages
from tests.edge.another_lambda import Meanwhile
from tests.edge.import_world import EXPECTED, IMPORTS, LINES, ImportWorld, die_after, outcome, run_again


@pytest.fixture
def world():
    return ImportWorld()


@pytest.fixture
def small_pages(monkeypatch):
    """A page holds eight rows or so."""
    monkeypatch.setattr(import_pages, "PAGE", 90)


def stop(world, import_id):
    return world.edit("DELETE", f"{IMPORTS}/{import_id}")


def test_imports_are_listed_the_newest_first_for_a_month(world):
    first = world.imported("ann,true")["id"]
    world.on("2026-05-10T15:00:00Z")
    second = world.imported("bob,true", dry_run=True)["id"]
    listed = world.edit("GET", "/contact-imports").json
    assert listed == {"items": [world.shown(second), world.shown(first)], "cursor": None}
    world.on("2026-05-15T15:00:00Z")
    assert [each["id"] for each in world.edit("GET", "/contact-imports").json["items"]] == [second]


def test_whoever_is_not_there_has_no_imports(world):
    reply = world.call("GET", "/accounts/nobody/contact-imports", account="nobody", permissions="contacts.edit")
    assert (reply.status, reply.json["code"]) == (404, "unknown_account")


def test_what_was_not_uploaded_is_stopped_at_once_and_makes_room_for_another(world):
    opened = [world.edit("POST", IMPORTS, {"bytes": 9}).json["id"] for _ in range(MOST_OPEN)]
    shown = stop(world, opened[0]).json
    assert (shown["status"], shown["error"], shown["stopping"], shown["upload"]) == ("failed", "stopped", False, None)
    assert world.edit("POST", IMPORTS, {"bytes": 9}).status == 201
    assert stop(world, opened[0]).json["code"] == "import_over"


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_has_ended_is_not_stopped(world, dry_run):
    ended = world.imported("ann,true", dry_run=dry_run)["id"]
    reply = stop(world, ended)
    assert (reply.status, reply.json["code"]) == (409, "import_over")


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_waits_for_a_worker_stops_before_anything_is_written(world, dry_run):
    import_id = world.opened("ann,true")
    world.started(import_id, dry_run=dry_run)
    before = "checking" if dry_run else "running"
    shown = stop(world, import_id).json
    assert (shown["status"], shown["stopping"]) == (before, True)
    assert stop(world, import_id).json == shown, "said twice it is the same"
    assert world.started(import_id).json["code"] == "import_under_way"
    world.cloud.drain()
    shown = world.shown(import_id)
    assert (shown["status"], shown["error"], shown["stopping"]) == ("failed", "stopped", False)
    assert world.contacts() == {}


@pytest.mark.parametrize("nth", range(1, 90, 8))
def test_stopped_at_any_write_nothing_is_half_counted_and_the_file_may_be_started_again(world, small_pages, nth):
    import_id = world.opened(*LINES)
    world.started(import_id)
    Meanwhile(world).happens(*[lambda: None] * nth, lambda: stop(world, import_id))
    world.cloud.drain()
    shown = world.shown(import_id)
    assert (shown["status"], shown["error"]) == ("failed", "stopped")
    there = world.contacts()
    marketing = [name for name, until in there.items() if until]
    assert world.usage()["live"] == {"marketing": len(marketing), "total": len(there)}
    assert (shown["new"], shown["marketing"]) == (len(there), len(marketing))
    world.started(import_id)
    world.cloud.drain()
    assert outcome(world, import_id)[0] == "done"
    assert outcome(world, import_id)[3:] == EXPECTED[3:]


def test_what_nobody_goes_on_with_is_stopped_by_the_next_who_takes_it_up(world, small_pages):
    import_id = world.opened(*LINES)
    world.started(import_id)
    die_after(world, 2)
    stop(world, import_id)
    run_again(world)
    shown = world.shown(import_id)
    assert (shown["status"], shown["error"]) == ("failed", "stopped")
    assert 0 < shown["bytes_done"] < shown["bytes"]
    assert world.usage()["live"]["total"] == len(world.contacts())
