"""The live count beside whatever counts the contacts: what is under way stays counted, what broke off does not."""

import pytest

from shared.edge import clock, import_pages
from shared.edge import contacts as edge
from shared.store import contacts
from tests.edge.contact_world import TOLD, days, named
from tests.edge.import_world import ImportWorld, run_again

NIGHT = "2026-04-16T04:00:00Z"


@pytest.fixture
def world():
    return ImportWorld()


def maximum(world, value):
    assert world.call("PUT", "/accounts/acme/usage/maximum", {"maximum": value}).status == 200


def while_it_writes(monkeypatch, act):
    """``act`` happens when a request has counted its contacts; whoever waits then lets it write them."""
    real, written = edge.write, []

    def write(*args):
        monkeypatch.setattr(edge, "write", real)
        monkeypatch.setattr(clock, "sleep", lambda _: written or written.append(real(*args)))
        act()
        return written[0] if written else real(*args)

    monkeypatch.setattr(edge, "write", write)


def live(world):
    shown = world.usage()["live"]
    assert shown["total"] == len(world.contacts())
    return shown["marketing"]


def test_f12_a_count_beside_a_request_leaves_no_room_beyond_the_maximum(world, monkeypatch):
    world.batch(marketing=["zoe"])
    maximum(world, 10)
    world.on("2026-04-15T20:00:00Z").suddenly(NIGHT)

    def count():
        world.cloud.invoke("RecountSweepFunction", {})
        world.cloud.drain()

    while_it_writes(monkeypatch, count)
    assert world.batch(marketing=named(9))["marketing"] == 10
    assert (days(world), live(world)) == ([("2026-04-16", 10, 10, 10)], 10)
    assert len(world.batch(marketing=named(9, "more"))["held_back"]) == 9
    world.on("2026-04-18T12:00:00Z")
    assert [each["type"] for each in world.told(*TOLD)] == ["contacts.threshold_reached"]


def test_what_a_stale_read_does_not_see_yet_stays_counted(world, monkeypatch):
    """An eventually consistent read misses a contact that was set a moment ago."""
    world.batch(marketing=named(5))
    real = contacts.count

    def counted(account, number, day, so_far, *, consistent):
        found = real(account, number, day, so_far, consistent=consistent)
        missed = not consistent and number == 0
        return found._replace(marketing=found.marketing - missed, total=found.total - missed)

    monkeypatch.setattr(contacts, "count", counted)
    world.on("2026-04-16T12:00:00Z")
    assert (days(world), live(world)) == ([("2026-04-16", 5, 5, 5)], 5)


def test_an_import_that_counts_at_its_end_beside_a_request_does_not_take_off_its_contacts(world, monkeypatch):
    import_id = world.opened("ann,true", "bob,true")
    world.started(import_id)
    world.cloud.faults.arm("store.commit", "crash_before", after=3)
    world.cloud.drain()
    assert list(world.contacts()) == ["ann"]
    while_it_writes(monkeypatch, lambda: run_again(world))
    world.batch(marketing=named(9))
    assert world.shown(import_id)["status"] == "done"
    assert live(world) == 11


def test_f12_an_import_that_was_killed_before_a_count_goes_on_with_the_room_that_there_is(world, monkeypatch):
    monkeypatch.setattr(import_pages, "PAGE", 90)
    maximum(world, 25)
    import_id = world.opened(*(f"{name},true" for name in named(40)))
    world.on("2026-04-16T03:50:00Z")
    world.started(import_id)
    world.cloud.faults.arm("store.commit", "crash_before", after=4)
    world.cloud.drain()
    assert 0 < len(world.contacts()) < 8
    world.on("2026-04-16T04:02:00Z")
    assert world.usage()["live"]["total"] < 8, "counted, and what is not written is taken off"
    run_again(world)
    shown = world.shown(import_id)
    assert (shown["status"], shown["held_back"], live(world)) == ("done", 15, 25)
