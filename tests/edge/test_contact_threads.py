"""Threads, as many as a function has on Lambda: a count and an import side by side with requests come to the same."""

import threading
from functools import partial

import pytest

from infra.local import template
from infra.local.invocations import sqs_event
from shared.domain.contacts import Command, Wish
from shared.edge import clock, import_pages, imports, recount
from shared.edge import contacts as edge
from shared.store import contacts, table
from tests.edge.another_lambda import side_by_side
from tests.edge.contact_world import COUNT, TOLD, ContactWorld, days, named
from tests.edge.import_world import EXPECTED, LINES, ImportWorld, outcome

pytestmark = pytest.mark.usefixtures("switching")


def threads_of(function, what="SIDE_BY_SIDE"):
    """As many as the template gives a function."""
    return template.read().functions[function].environment[what]


def sets(world, wish, *names):
    """What the function does, without Powertools, which serves one request at a time."""
    return partial(edge.set_all, "acme", [Command(name, wish) for name in names], world.cloud.now)


@pytest.fixture
def world(monkeypatch):
    """Ten contacts, as many as the tier holds; at midnight the parts are counted side by side."""
    world = ContactWorld()
    world.batch(marketing=named(10))
    world.suddenly("2026-04-16T04:15:00Z")
    monkeypatch.setenv("SIDE_BY_SIDE", threads_of("RecountWorkFunction"))
    return world


def count():
    """As the queue does it: what others were in the way of comes again."""
    while True:
        try:
            return recount.count("acme", lambda: True)
        except table.Stale:
            continue


def test_the_parts_are_counted_side_by_side_and_two_workers_tell_of_it_once(world):
    world.batch(marketing=named(200, "more"))
    assert side_by_side(count, count) == [True, True]
    assert days(world) == [("2026-04-16", 210, 210, 210)]
    assert [event["type"] for event in world.told(COUNT, *TOLD)] == [COUNT, *TOLD[1:]]
    assert (world.usage()["tier"], world.usage()["live"]) == (210, {"marketing": 210, "total": 210})


def test_contacts_that_come_and_go_while_they_are_counted_raise_no_tier_and_none_is_lost(world):
    """Three swap contacts one by one, so there never are more than ten."""

    def swap(who):
        for n in range(8):
            sets(world, Wish.DELETE, f"c{who:04}" if n == 0 else f"new{who}-{n - 1}")()
            sets(world, Wish.MARKETING, f"new{who}-{n}")()

    side_by_side(count, count, *[partial(swap, who) for who in range(3)])
    assert world.usage()["live"] == {"marketing": 10, "total": 10}
    assert world.told("contacts.tier_exceeded", "tier.upgraded") == []
    world.on("2026-04-17T12:00:00Z")
    assert days(world)[-1][:3] == ("2026-04-17", 10, 10)
    assert world.usage()["tier"] == 10


def test_r42_on_an_update_date_all_accounts_of_a_batch_wait_at_once(monkeypatch):
    """Each has a contact that leaves on 1 May, so that it is counted again half a minute later."""
    world = ContactWorld("2026-04-30T12:00:00Z")
    threads = threads_of("RecountWorkFunction", "WORKER_THREADS")
    names = named(int(threads), "account")
    for name in names:
        world.account(name, None)
        for marketing in (True, False):
            contact = f"/accounts/{name}/contacts/ann"
            world.call("PUT", contact, {"marketing": marketing}, account=name, permissions="contacts.edit")
    world.suddenly("2026-05-01T04:00:00Z")
    assert world.cloud.invoke("RecountSweepFunction", {}) == len(names)
    messages = [each for _ in range(3) for each in world.cloud.queues.receive("RecountQueue", 10)]
    all_wait = threading.Barrier(len(names), timeout=30)
    monkeypatch.setattr(clock, "sleep", lambda seconds: all_wait.wait() if seconds >= 30 else None)
    monkeypatch.setenv("WORKER_THREADS", threads)
    assert world.cloud.invoke("RecountWorkFunction", sqs_event("RecountQueue", messages)) == {"batchItemFailures": []}
    assert [contacts.daily_counts(name)[-1].marketing for name in names] == [0] * len(names)
    assert [contacts.live(name).marketing for name in names] == [0] * len(names)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_import_side_by_side_with_requests_comes_to_the_same(monkeypatch, workers):
    monkeypatch.setattr(import_pages, "PAGE", 90)  # eight rows or so
    world = ImportWorld()
    import_id = world.opened(*LINES)
    world.started(import_id)
    monkeypatch.setenv("SIDE_BY_SIDE", threads_of("ImportsWorkFunction"))
    requests = [sets(world, Wish.MARKETING, *named(20, f"other{who}-")) for who in range(3)]
    go_on = partial(imports.go_on, "acme", import_id, lambda: True)
    assert side_by_side(*[go_on] * workers, *requests)[:workers] == [True] * workers
    world.cloud.drain()
    status, rows, report, found, live = outcome(world, import_id)
    there = {id_: until for id_, until in found.items() if not id_.startswith("other")}
    assert (status, rows, report, there) == EXPECTED[:4]
    assert len(found) == len(there) + 60
    assert live == {"marketing": 39 + 60, "total": 45 + 60}
