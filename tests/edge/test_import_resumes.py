"""Imports that are killed, doubled, overtaken or lost on their way come to the same, and the live count is right."""

from datetime import timedelta

import pytest

from infra.local.invocations import Context, sqs_event
from shared.domain.contact_import import LEASE
from shared.edge import import_pages
from shared.store import contacts
from tests.edge.contact_world import named
from tests.edge.import_world import (
    AFTER,
    EXPECTED,
    LINES,
    ImportWorld,
    broken_summary,
    changes,
    die_after,
    killed_at,
    outcome,
    run_again,
)  # fmt: skip


@pytest.fixture
def world():
    return ImportWorld()


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    """A page holds eight rows or so."""
    monkeypatch.setattr(import_pages, "PAGE", 90)


def test_page_by_page_an_import_comes_to_the_same(world):
    import_id = world.opened(*LINES)
    world.started(import_id)
    world.cloud.drain()
    assert outcome(world, import_id) == EXPECTED


@pytest.mark.parametrize("how", ["crash_before", "crash_after"])
@pytest.mark.parametrize("nth", range(0, 90, 7))
def test_killed_at_any_write_an_import_resumes_to_the_same_result(world, how, nth):
    """Every seventh write in turn is the one that the function dies at, before it or after it."""
    import_id = world.opened(*LINES)
    world.started(import_id)
    killed_at(world, nth, how)
    assert outcome(world, import_id) == EXPECTED


@pytest.mark.parametrize("nth", range(3, 60, 11))
def test_f12_killed_in_the_middle_the_same_rows_are_held_back(world, nth):
    world.call("PUT", "/accounts/acme/usage/maximum", {"maximum": 25})
    import_id = world.opened(*LINES)
    world.started(import_id)
    killed_at(world, nth, "crash_before")
    shown = world.shown(import_id)
    assert (shown["status"], shown["marketing"], shown["held_back"]) == ("done", 25, 14)
    assert world.usage()["live"] == {"marketing": 25, "total": 45}
    assert sorted(id_ for id_, until in world.contacts().items() if until) == named(25)


def test_an_import_that_takes_longer_than_a_function_may_run_goes_on_in_another_message(world):
    import_id = world.opened(*LINES)
    world.started(import_id)
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        steps = iter([900_000, 0] * 40)
        patch.setattr(Context, "get_remaining_time_in_millis", lambda _: next(steps))
        for _ in range(20):
            [message] = world.cloud.queues.receive("ImportQueue", 1) or [None]
            if message is None:
                break
            world.cloud.queues.delete("ImportQueue", message)
            world.cloud.invoke("ImportsWorkFunction", sqs_event("ImportQueue", [message]))
            seen.append(world.shown(import_id)["bytes_done"])
    assert len(seen) > 5
    assert seen == sorted(seen), "progress is visible"
    assert outcome(world, import_id) == EXPECTED


def test_messages_that_come_twice_import_once(world):
    import_id = world.opened(*LINES)
    world.started(import_id)
    [message] = world.cloud.queues.messages("ImportQueue")
    world.cloud.queues.double("ImportQueue", message)
    world.cloud.drain()
    assert outcome(world, import_id) == EXPECTED


def test_what_keeps_failing_is_told_and_can_be_started_again(world):
    import_id = world.opened("ann,true")
    world.started(import_id)
    with broken_summary(world):
        for _ in range(7):
            run_again(world)
    shown = world.shown(import_id)
    assert (shown["status"], shown["error"]) == ("failed", "internal_error")
    assert [alarm["code"] for alarm in world.told("alarm.raised")] == ["import_failed"]
    assert world.started(import_id).status == 200
    run_again(world)
    assert world.shown(import_id)["status"] == "done"


def test_a_file_that_changes_in_the_middle_is_not_imported_further(world):
    import_id = world.opened(*LINES)
    world.started(import_id)
    die_after(world, 2)
    changes(world, b"\ne0000,", b"\nf0000,")
    run_again(world)
    shown = world.shown(import_id)
    assert (shown["status"], shown["error"], shown["rows"]) == ("failed", "file_changed", 16)
    assert world.started(import_id).status == 200, "from its beginning"
    run_again(world)
    assert world.shown(import_id)["status"] == "done"
    assert world.contacts() == {**{id_: day for id_, day in AFTER.items() if id_ != "e0000"}, "f0000": "-"}
    assert world.usage()["live"] == {"marketing": 39, "total": 45}


# -- two at once


@pytest.mark.parametrize("nth", range(0, 60, 6))
@pytest.mark.parametrize("late", [False, True])
def test_two_workers_on_one_import_write_each_page_once(world, monkeypatch, nth, late):
    """The twin begins at any write of the first; ``late``, when the first has held its lease for too long."""
    world.call("PUT", "/accounts/acme/usage/maximum", {"maximum": 39})
    import_id = world.opened(*LINES)
    world.started(import_id)
    [message] = world.cloud.queues.messages("ImportQueue")
    written, write = iter(range(1000)), contacts.write

    def beside_a_twin(change):
        if next(written) == nth:
            world.cloud.now += LEASE if late else timedelta(minutes=1)
            before = world.shown(import_id)
            world.cloud.invoke("ImportsWorkFunction", sqs_event("ImportQueue", [message]))
            assert late or world.shown(import_id) == before, "whoever has no lease leaves it alone"
        return write(change)

    monkeypatch.setattr(contacts, "write", beside_a_twin)
    run_again(world)
    assert outcome(world, import_id) == EXPECTED
    assert len(world.told("contacts.imported")) == 1
    made = world.batch(marketing=named(3, "z"))
    assert len(made["held_back"]) == 3, "the maximum holds"


def test_a_replay_of_start_queues_no_second_worker_while_one_is_alive(world):
    import_id = world.opened(*LINES)
    start = f"/contacts/imports/{import_id}/start"
    world.edit("POST", start, {}, key="k")
    die_after(world, 2)
    [message] = world.cloud.queues.messages("ImportQueue")
    world.cloud.queues.delete("ImportQueue", message)
    assert world.edit("POST", start, {}, key="k").status == 200
    assert world.cloud.queues.messages("ImportQueue") == []
    world.cloud.now += LEASE
    world.edit("POST", start, {}, key="k")
    assert len(world.cloud.queues.messages("ImportQueue")) == 1
    world.cloud.drain()
    assert outcome(world, import_id) == EXPECTED


# -- never stuck


def test_a_message_that_is_lost_is_sent_again_by_the_sweep(world):
    import_id = world.opened(*LINES)
    world.started(import_id)
    [message] = world.cloud.queues.messages("ImportQueue")
    world.cloud.queues.delete("ImportQueue", message)
    run_again(world)
    assert outcome(world, import_id) == EXPECTED


@pytest.mark.parametrize("kills", range(1, 6))
def test_killed_at_each_receive_it_goes_on_with_the_next(world, kills):
    import_id = world.opened(*LINES)
    world.started(import_id)
    for _ in range(kills):
        die_after(world, 0)
        [message] = world.cloud.queues.messages("ImportQueue")
        world.cloud.queues.delete("ImportQueue", message)
        world.cloud.now += LEASE
        assert world.cloud.invoke("ImportsSweepFunction", {}) == 1
    world.cloud.drain()
    if kills < 5:
        assert outcome(world, import_id) == EXPECTED
    else:
        assert (world.shown(import_id)["status"], world.shown(import_id)["error"]) == ("failed", "internal_error")
        assert world.started(import_id).status == 200


def test_an_import_that_nobody_goes_on_with_can_be_started_anew(world):
    import_id = world.opened(*LINES)
    world.started(import_id)
    killed_in_the_middle_of_a_page(world)
    world.cloud.now += LEASE
    assert world.started(import_id).json["code"] == "import_under_way"
    world.cloud.now += timedelta(hours=1)
    assert world.started(import_id).status == 200
    world.cloud.drain()
    shown = world.shown(import_id)
    assert (shown["status"], shown["rows"]) == ("done", 60)
    assert (world.contacts(), world.usage()["live"]) == (AFTER, {"marketing": 39, "total": 45})


def test_an_error_stops_an_import_until_the_next_sweep_only(world):
    import_id = world.opened(*LINES)
    world.started(import_id)
    with broken_summary(world):
        world.cloud.drain()
    world.cloud.advance(world.cloud.now + timedelta(minutes=15))
    assert outcome(world, import_id) == EXPECTED


# -- the live count is right


def killed_in_the_middle_of_a_page(world, nth=20):
    """The function dies when a page is decided and written in part."""
    world.cloud.faults.arm("store.commit", "crash_before", after=nth)
    world.cloud.drain()
    assert len(world.contacts()) not in (0, 45)


def live_is_right(world):
    counted = [c for c in world.entities() if c.counts_on(world.today)]
    return world.usage()["live"] == {"marketing": len(counted), "total": len(world.contacts())}


def test_a_file_that_changes_in_the_middle_of_a_page_leaves_nothing_half_counted(world):
    import_id = world.opened(*LINES)
    world.started(import_id)
    killed_in_the_middle_of_a_page(world)
    changes(world, b"\ne0000,", b"\nf0000,")
    run_again(world)
    shown = world.shown(import_id)
    assert (shown["error"], shown["rows"], shown["new"]) == ("file_changed", 8, 8)
    assert live_is_right(world)
    world.started(import_id)
    run_again(world)
    assert world.shown(import_id)["status"] == "done"
    assert live_is_right(world)


def test_r41_switched_off_in_the_middle_it_fails_at_once_and_can_be_seen(world):
    import_id = world.opened(*LINES)
    world.started(import_id)
    killed_in_the_middle_of_a_page(world)
    world.staff("PUT", "/accounts/acme", {"seller": "us", "marketing_contacts": False})
    run_again(world)
    shown = world.shown(import_id)
    assert (shown["status"], shown["error"]) == ("failed", "no_marketing_contacts")
    assert contacts.live("acme").total == len(world.contacts())
    assert world.started(import_id).json["code"] == "no_marketing_contacts"


@pytest.mark.parametrize("nth", [9, 14, 20])
@pytest.mark.parametrize("at", ["2026-04-15T14:40:00Z", "2026-05-15T05:40:00Z"])
def test_others_set_the_same_contacts_and_days_pass_while_it_lies_there(world, at, nth):
    """Killed in the middle, its contacts are set and deleted by others; at midnight of an update date some leave."""
    world.batch(marketing=named(8, "y"))
    world.batch(non_marketing=named(8, "y"))
    import_id = world.opened(*LINES, *(f"{name},true" for name in named(8, "y")))
    world.started(import_id)
    killed_in_the_middle_of_a_page(world, nth)
    world.batch(marketing=named(12))
    world.batch(delete=[*named(3), "c0015"])
    world.suddenly(at)
    world.cloud.invoke("RecountSweepFunction", {})
    world.cloud.drain()
    run_again(world)
    assert world.shown(import_id)["status"] == "done"
    assert live_is_right(world)
    assert {id_ for id_, until in world.contacts().items() if until == "-"} >= {"c0003", *named(8, "y")}


def test_what_others_do_to_a_page_before_it_is_written_again_counts_as_done_before_it(world):
    import_id = world.opened(*(f"{name},true" for name in named(5)))
    world.started(import_id)
    world.cloud.faults.arm("store.commit", "crash_before", after=5)
    world.cloud.drain()
    assert 0 < len(world.contacts()) < 5
    deleted, *others = world.contacts()
    world.batch(delete=[deleted], non_marketing=others)
    run_again(world)
    shown = world.shown(import_id)
    assert (shown["status"], shown["new"], world.contacts()) == ("done", 5, dict.fromkeys(named(5), "-"))
    assert live_is_right(world)


def test_others_set_the_same_contacts_between_the_decision_and_the_writing(world, monkeypatch):
    import_id = world.opened(*(f"{name},true" for name in named(8)))
    world.started(import_id)
    write, first = contacts.write, iter([True])

    def after_others(change):
        if next(first, False):
            world.batch(marketing=named(4), delete=["c0005"])
            world.sets("c0006", marketing=False)
        return write(change)

    monkeypatch.setattr(contacts, "write", after_others)
    world.cloud.drain()
    assert world.shown(import_id)["status"] == "done"
    assert world.contacts() == dict.fromkeys(named(8), "-")
    assert live_is_right(world)


def test_a_count_between_two_pages_is_made_up_for(world):
    import_id = world.opened(*LINES)
    world.on("2026-04-16T03:50:00Z")
    world.started(import_id)
    killed_in_the_middle_of_a_page(world)
    world.on("2026-04-16T04:20:00Z")
    run_again(world)
    assert world.shown(import_id)["status"] == "done"
    assert live_is_right(world)
