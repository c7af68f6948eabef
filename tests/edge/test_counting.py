"""Counting contacts: for one day, once, and certain where it costs money, whatever happens in the middle of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from infra.local.faults import Crash
from infra.local.invocations import Context, sqs_event
from shared.domain.changes import Changes
from shared.domain.counting import LiveCount
from shared.edge import batch, recount
from shared.store import contacts, table
from shared.store.record import part
from tests.edge.contact_world import COUNT, TOLD, ContactWorld, days, named
from tests.edge.import_world import ImportWorld

NIGHT = "2026-04-16T04:15:00Z"


@pytest.fixture
def world():
    return ContactWorld()


def facts(world):
    return [(event["type"], event.get("day"), event.get("marketing")) for event in world.told(COUNT, *TOLD)]


def in_parts(numbers, count, prefix="c"):
    """So many names of contacts that lie in these parts."""
    return [name for name in named(200, prefix) if part(name) in numbers][:count]


def meanwhile(monkeypatch, *acts):
    """What happens in the first counts when half of the parts are counted, one act in each count."""
    real, left = contacts.count, list(acts)

    def counted(account, number, *args, **options):
        if number == 4 and left:
            left.pop(0)()
        return real(account, number, *args, **options)

    monkeypatch.setattr(contacts, "count", counted)
    return left


def work(world):
    """One run of the worker on the message that waits."""
    [message] = world.cloud.queues.receive("RecountQueue", 10)
    world.cloud.invoke("RecountWorkFunction", sqs_event("RecountQueue", [message]))
    world.cloud.queues.delete("RecountQueue", message)


def short_of_time(monkeypatch, pages):
    """The function has time for so many pages."""
    left = iter([900_000] * pages)
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: next(left, 0))


def swap(world, gone, new):
    """One contact leaves and another comes; there never were more."""
    return lambda: [world.batch(delete=[gone]), world.batch(marketing=[new])]


# -- past midnight


@pytest.mark.parametrize(("held", "leave"), [(10, 5), (5, 3)])
def test_r42_what_is_counted_past_midnight_is_counted_again_for_the_day_that_has_begun(
    world, monkeypatch, held, leave
):
    """The tier holds ten. Some leave on 15 May, and as many come for them: no day has had more."""
    world.batch(marketing=named(held))
    world.batch(non_marketing=named(leave))
    world.on("2026-05-14T12:00:00Z")
    late = replace(contacts.summary("acme"), counts_at=datetime(2026, 5, 14, 13, tzinfo=UTC))
    table.commit(Changes(put=(late,)), world.cloud.now)
    world.suddenly("2026-05-15T03:59:58Z")
    meanwhile(monkeypatch, lambda: world.suddenly("2026-05-15T04:00:01Z").batch(marketing=named(leave, "new")))
    assert world.cloud.invoke("RecountSweepFunction", {}) == 1
    work(world)
    assert days(world)[-1] == ("2026-05-15", held, held + leave, held + leave)
    assert contacts.daily_counts("acme")[-1].day.isoformat() == "2026-05-15"
    assert world.usage()["live"] == {"marketing": held, "total": held + leave}
    assert world.usage()["tier"] == 10
    assert contacts.summary("acme").counts_at == datetime(2026, 5, 16, 4, tzinfo=UTC)


def test_what_was_counted_for_another_day_is_not_used(world, monkeypatch):
    world.batch(marketing=named(40))
    world.batch(non_marketing=named(40))
    world.on("2026-05-14T03:50:00Z").suddenly("2026-05-14T04:15:00Z")
    world.cloud.invoke("RecountSweepFunction", {})
    short_of_time(monkeypatch, 5)
    work(world)
    monkeypatch.undo()
    assert contacts.summary("acme").progress.day.isoformat() == "2026-05-14"
    world.suddenly("2026-05-15T04:15:00Z").cloud.drain()
    assert days(world)[-1] == ("2026-05-15", 0, 40, 40)


# -- contacts that change while they are counted


def test_f9_a_tier_that_was_never_exceeded_is_not_raised_by_what_changed_during_the_count(world, monkeypatch):
    old, new = in_parts("0123", 2), in_parts("4567", 2, "x")
    world.batch(marketing=[*in_parts("4567", 8), *old])
    monkeypatch.setattr(recount.clock, "pause", lambda *_: None)
    left = meanwhile(monkeypatch, swap(world, old[0], new[0]), swap(world, old[1], new[1]))
    world.on("2026-04-16T12:00:00Z")
    assert left == [], "counted in doubt, counted again in doubt"
    assert days(world) == [("2026-04-16", 10, 10, 10)]
    assert world.told(*TOLD) == [{"type": TOLD[0], "threshold": 98} | world.told(TOLD[0])[0]]
    assert world.usage()["tier"] == 10
    assert world.usage()["live"] == {"marketing": 10, "total": 10}


def test_in_a_request_what_is_deleted_is_gone_before_another_takes_its_place(world, monkeypatch):
    """A count that begins between reserving and writing finds no more than there were."""
    gone, new = in_parts("0123", 1), in_parts("4567", 1, "x")
    world.batch(marketing=[*in_parts("4567", 9), *gone])
    world.suddenly(NIGHT)
    real, written = contacts.write, []

    def write(change):
        if not written:
            world.cloud.invoke("RecountSweepFunction", {})
            real_count = contacts.count

            def counted(account, number, *args, **options):
                if number == 4 and not written:
                    written.append(real(change))
                return real_count(account, number, *args, **options)

            monkeypatch.setattr(contacts, "count", counted)
            work(world)
            return written[0]
        return real(change)

    monkeypatch.setattr(contacts, "write", write)
    assert world.batch(delete=gone, marketing=new)["changed"] == 2
    assert world.usage()["tier"] == 10
    world.on("2026-04-17T12:00:00Z")
    assert (days(world)[-1][:3], world.usage()["tier"]) == (("2026-04-17", 10, 10), 10)


def test_with_doubt_left_after_some_counts_it_does_not_rise_today_and_the_next_count_decides(world, monkeypatch):
    old, new = in_parts("0123", 5), in_parts("4567", 5, "x")
    world.batch(marketing=[*in_parts("4567", 5), *old])
    left = meanwhile(monkeypatch, *(swap(world, *pair) for pair in zip(old, new, strict=True)))
    world.on("2026-04-16T12:00:00Z")
    assert len(left) == 1, "counted four times"
    assert days(world) == [("2026-04-16", 11, 11, 11)]
    assert [event["type"] for event in world.told(*TOLD)] == [TOLD[0]]
    assert (world.usage()["tier"], world.usage()["live"]["marketing"]) == (10, 10)
    left.clear()
    world.batch(marketing=["one-more"])
    world.on("2026-04-17T12:00:00Z")
    assert world.usage()["tier"] == 20
    assert [event["marketing"] for event in world.told("tier.upgraded")] == [11]


def test_r57_what_is_in_doubt_does_not_cancel_a_lower_tier(monkeypatch):
    world = ContactWorld(contacts=20)
    old, new = in_parts("0123", 5), in_parts("4567", 5, "x")
    world.batch(marketing=[*in_parts("4567", 5), *old])
    assert world.call("PUT", "/accounts/acme/tier-reduction", {"contacts": 10}).status == 200
    world.on("2026-05-14T12:00:00Z")
    left = meanwhile(monkeypatch, *(swap(world, *pair) for pair in zip(old, new, strict=True)))
    world.on("2026-05-15T12:00:00Z")
    assert len(left) == 1
    assert world.usage()["tier"] == 10


def test_what_would_cost_money_is_read_again_consistently_and_nothing_else_is(world, monkeypatch):
    real, reads = contacts.count, []

    def counted(*args, consistent):
        reads.append(consistent)
        return real(*args, consistent=consistent)

    monkeypatch.setattr(contacts, "count", counted)
    world.batch(marketing=named(10))
    world.on("2026-04-16T12:00:00Z")
    assert reads == [False] * 8
    world.batch(marketing=["one-more"])
    world.on("2026-04-17T12:00:00Z")
    assert reads[8:] == [False] * 8 + [True] * 8
    world.on("2026-04-18T12:00:00Z")
    assert reads[24:] == [False] * 8
    world.batch(marketing=named(10, "more"))
    world.staff("PUT", "/accounts/acme", {"seller": "us", "marketing_contacts": False})
    world.on("2026-04-19T12:00:00Z")
    assert reads[32:] == [False] * 8


def test_what_a_stale_read_still_sees_raises_no_tier(world, monkeypatch):
    """An eventually consistent read finds a contact that was deleted a moment ago."""
    world.batch(marketing=named(10))
    real = contacts.count

    def counted(account, number, day, so_far, *, consistent):
        found = real(account, number, day, so_far, consistent=consistent)
        return found if consistent or number else found._replace(marketing=found.marketing + 1)

    monkeypatch.setattr(contacts, "count", counted)
    world.on("2026-04-16T12:00:00Z")
    assert days(world) == [("2026-04-16", 10, 10, 10)]
    assert world.usage()["tier"] == 10


@pytest.mark.parametrize("ahead", [True, False])
def test_what_changes_while_it_is_counted_leaves_the_live_count_right(world, monkeypatch, ahead):
    world.batch(marketing=named(5))
    new = in_parts("4567" if ahead else "0123", 2, "x")
    meanwhile(monkeypatch, lambda: world.batch(marketing=new))
    world.on("2026-04-16T12:00:00Z")
    assert days(world) == [("2026-04-16", 7 if ahead else 5, 7 if ahead else 5, 7)]
    assert world.usage()["live"] == {"marketing": 7, "total": 7}


@pytest.fixture
def importing():
    """A tier that is full, and an import under way that deletes five contacts and sets five others in their place."""
    world = ImportWorld()
    old, new = in_parts("0123", 5), in_parts("4567", 5, "x")
    world.batch(marketing=[*in_parts("4567", 5), *old])
    import_id = world.opened(*(f"{name},delete" for name in old), *(f"{name},true" for name in new))
    world.on("2026-04-16T03:50:00Z").started(import_id)
    return world


def never_exceeded(world):
    world.on("2026-04-17T12:00:00Z")
    assert [count[:2] for count in days(world)] == [("2026-04-16", 10), ("2026-04-17", 10)]
    return world.usage()["live"]["marketing"] == 10 and world.told(*TOLD[1:]) == []


def test_f9_a_page_of_an_import_that_is_half_written_at_midnight_raises_no_tier(importing, monkeypatch):
    """Its threads write in any order, what is set first; it dies at the first contact that it deletes."""
    real = batch.side_by_side

    def in_any_order(do, things):
        if do is not contacts.write:
            return real(do, things)
        for change in sorted(things, key=lambda change: change.after is None):
            if change.after is None:
                raise Crash("out of memory")
            do(change)
        return [True] * len(things)

    with monkeypatch.context() as patch:
        patch.setattr(batch, "side_by_side", in_any_order)
        importing.cloud.drain()
    importing.suddenly(NIGHT).cloud.invoke("RecountSweepFunction", {})
    importing.cloud.drain()
    assert never_exceeded(importing)


def test_f9_a_page_that_is_written_again_beside_a_count_raises_no_tier(importing, monkeypatch):
    """What it deletes is counted before, what it sets is counted after; and the live count was off already."""
    importing.cloud.faults.arm("store.commit", "crash_after", after=1)
    importing.cloud.drain()
    contacts.add("acme", 2, 2)  # by a request that broke off
    importing.suddenly(NIGHT).cloud.invoke("RecountSweepFunction", {})

    def goes_on():
        importing.cloud.invoke("ImportsSweepFunction", {})
        importing.cloud.invoke(
            "ImportsWorkFunction", sqs_event("ImportQueue", importing.cloud.queues.receive("ImportQueue", 1))
        )

    left = meanwhile(monkeypatch, lambda: None, goes_on)
    work(importing)
    assert (left, importing.contacts().keys()) == ([], {*in_parts("4567", 5), *in_parts("4567", 5, "x")})
    assert never_exceeded(importing)


# -- whatever dies in the middle


@pytest.mark.parametrize(
    ("where", "how"),
    [
        ("store.commit", "crash_before"), ("store.commit", "crash_after"), ("store.commit", "conflict"),
        ("store.query", "crash_after"), ("store.get", "throttled"), ("queue.delete", "crash_after"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("times", [1, 2, 3])
def test_each_count_and_each_threshold_is_told_once_whatever_dies(where, how, times):
    world = ContactWorld()
    world.batch(marketing=named(14))
    world.batch(delete=named(3))
    contacts.add("acme", 2, 3)  # by a request that broke off
    world.cloud.faults.arm(where, how, times)
    world.on("2026-04-17T12:00:00Z")
    assert facts(world) == [
        (COUNT, "2026-04-16", 11),
        ("contacts.tier_exceeded", "2026-04-16", 11),
        ("tier.upgraded", None, 11),
        (COUNT, "2026-04-17", 11),
    ]
    assert [peak for *_, peak in days(world)] == [14, 11]
    live = contacts.live("acme")
    assert live == LiveCount("acme", 11, 11, 11, live.gained, live.made)
    assert [invoice["total"] for invoice in world.invoices()] == ["20.00", "28.00"]


def test_messages_that_come_twice_count_once(world):
    world.batch(marketing=named(11))
    world.suddenly(NIGHT)
    for _ in range(2):
        assert world.cloud.invoke("RecountSweepFunction", {}) == 1
    world.cloud.drain()
    assert [event["type"] for event in world.told(COUNT, *TOLD)] == [COUNT, *TOLD[1:]]


@pytest.mark.parametrize("moment", ["live", "alive_subscriptions"])
def test_two_workers_side_by_side_tell_each_event_once(world, monkeypatch, moment):
    """The other one counts and concludes while this one is about to."""
    world.batch(marketing=named(11))
    world.suddenly(NIGHT)
    for _ in range(2):
        world.cloud.invoke("RecountSweepFunction", {})
    first, second = world.cloud.queues.receive("RecountQueue", 10)
    where = contacts if moment == "live" else recount.queries
    real, calls = getattr(where, moment), []

    def overtaken(*args):
        calls.append(args)
        if len(calls) == (4 if moment == "live" else 2):
            world.cloud.invoke("RecountWorkFunction", sqs_event("RecountQueue", [second]))
        return real(*args)

    monkeypatch.setattr(where, moment, overtaken)
    world.cloud.invoke("RecountWorkFunction", sqs_event("RecountQueue", [first]))
    assert len(calls) > 4 - (moment != "live")
    assert [event["type"] for event in world.told(COUNT, *TOLD)] == [COUNT, *TOLD[1:]]
    live = contacts.live("acme")
    assert (live.marketing, live.total, live.peak) == (11, 11, 11)


# -- counts that take long


def test_a_count_that_takes_longer_than_a_function_may_run_goes_on_in_another_message(world, monkeypatch):
    """What was counted by the first message is not counted again; what changes between the two is known."""
    world.batch(marketing=named(40))
    world.suddenly(NIGHT)
    world.cloud.invoke("RecountSweepFunction", {})
    short_of_time(monkeypatch, 3)
    work(world)
    assert [part.done for part in contacts.summary("acme").progress.parts] == [True] * 3 + [False] * 5
    assert days(world) == []
    monkeypatch.undo()
    counted, to_come = in_parts("012", 2), in_parts("34567", 3)
    world.batch(delete=[*counted, *to_come], marketing=in_parts("34567", 1, "later"))
    assert contacts.summary("acme").progress.before.marketing == 40
    monkeypatch.setattr(recount, "MOST_AGAIN", 0)
    work(world)
    assert days(world) == [("2026-04-16", 38, 38, 40)], "40, less 3 deleted in front of it, and one that came"
    [raised] = world.told("tier.upgraded")
    assert (raised["marketing"], raised["to"]) == (37, 40), "at least so many there were"
    assert world.usage()["live"] == {"marketing": 36, "total": 36}
    assert contacts.summary("acme").progress is None


def test_a_count_that_is_killed_goes_on_where_it_was_kept(world, monkeypatch):
    world.batch(marketing=named(9))
    world.suddenly(NIGHT)
    world.cloud.invoke("RecountSweepFunction", {})
    monkeypatch.setattr(recount, "PAGES", 1)
    real, reads = contacts.count, []

    def counted(account, number, day, so_far, *, consistent):
        reads.append(number)
        if len(reads) == 12:
            raise Crash("out of memory")
        found = real(account, number, day, so_far, consistent=consistent)
        return found if so_far.after else found._replace(marketing=0, total=0, after="CONTACT#", done=False)

    monkeypatch.setattr(contacts, "count", counted)
    work_died = world.cloud.queues.receive("RecountQueue", 10)
    with pytest.raises(Crash):
        world.cloud.invoke("RecountWorkFunction", sqs_event("RecountQueue", work_died))
    assert [part.after for part in contacts.summary("acme").progress.parts] == ["CONTACT#"] * 8
    world.cloud.invoke("RecountWorkFunction", sqs_event("RecountQueue", work_died))
    assert days(world) == [("2026-04-16", 9, 9, 9)]
    assert reads[12:] == list(range(8)), "nothing but the second page of each part"


def test_a_long_count_is_not_begun_anew_by_each_sweep(world, monkeypatch):
    world.batch(marketing=named(9))
    world.suddenly(NIGHT)
    world.cloud.invoke("RecountSweepFunction", {})
    short_of_time(monkeypatch, 3)
    work(world)
    monkeypatch.undo()
    [lost] = world.cloud.queues.receive("RecountQueue", 10)
    world.cloud.queues.delete("RecountQueue", lost)
    assert contacts.summary("acme").due_at == world.cloud.now + recount.LEASE
    world.suddenly("2026-04-16T04:30:00Z")
    assert world.cloud.invoke("RecountSweepFunction", {}) == 0
    world.cloud.now += timedelta(minutes=15)
    assert world.cloud.invoke("RecountSweepFunction", {}) == 1, "its message was lost"
    work(world)
    assert days(world) == [("2026-04-16", 9, 9, 9)]


def test_of_two_that_count_on_side_by_side_one_stops(world, monkeypatch):
    world.batch(marketing=named(9))
    world.suddenly(NIGHT)
    monkeypatch.setattr(recount, "PAGES", 1)
    began = contacts.summary("acme")
    counting = recount._begun("acme", began)
    assert recount._keep("acme", None, counting)
    assert not recount._keep("acme", None, replace(counting, again=1)), "somebody has kept more"
    assert recount._keep("acme", counting, replace(counting, again=1))
    assert recount.count("acme", lambda: True)
    assert not recount._keep("acme", counting, counting), "it is counted"
    assert days(world) == [("2026-04-16", 9, 9, 9)]


def test_a_maximum_that_is_set_in_the_middle_of_a_count_stays(world, monkeypatch):
    world.batch(marketing=named(9))
    meanwhile(monkeypatch, lambda: world.call("PUT", "/accounts/acme/usage/maximum", {"maximum": 50}))
    world.on("2026-04-16T12:00:00Z")
    assert (days(world), world.usage()["maximum"]) == ([("2026-04-16", 9, 9, 9)], 50)
