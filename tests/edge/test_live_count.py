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


def test_f12_killed_after_its_decision_a_page_still_tells_of_the_contacts_that_it_held_back(world):
    maximum(world, 3)
    import_id = world.opened(*(f"{name},true" for name in named(5)))
    world.started(import_id)
    world.cloud.faults.arm("store.commit", "crash_after", after=1)
    world.cloud.drain()
    assert (world.contacts(), world.told("contacts.maximum_reached")) == ({}, [])
    run_again(world)
    assert (world.shown(import_id)["held_back"], live(world)) == (2, 3)
    assert [each["maximum"] for each in world.told("contacts.maximum_reached")] == [3]
    again = world.imported(*(f"{name},true" for name in named(5)))
    assert (again["held_back"], len(world.told("contacts.maximum_reached"))) == (2, 1)


def test_f12_what_was_held_back_once_and_is_again_is_told_after_the_maximum_has_changed(world):
    maximum(world, 3)
    world.imported(*(f"{name},true" for name in named(5)))
    maximum(world, None)
    maximum(world, 3)
    assert world.imported(*(f"{name},true" for name in named(5)))["held_back"] == 2, "nothing changes"
    assert len(world.told("contacts.maximum_reached")) == 2


def test_f12_what_others_have_deleted_meanwhile_is_set_again_and_held_back_where_there_is_no_room(world, monkeypatch):
    """Both fit when the page is decided; before it is written they are deleted, and the maximum is lowered."""
    maximum(world, 2)
    world.batch(non_marketing=["ann", "bob"])
    real, first = contacts.write, iter([True])

    def after_others(change):
        if next(first, False):
            world.batch(delete=["ann", "bob"])
            maximum(world, 1)
        return real(change)

    monkeypatch.setattr(contacts, "write", after_others)
    shown = world.imported("ann,true", "bob,true")
    assert (shown["status"], shown["held_back"], live(world)) == ("done", 1, 1)
    assert [each["maximum"] for each in world.told("contacts.maximum_reached")] == [1]
