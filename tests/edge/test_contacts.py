"""Contacts through the API: what counts at once, what later, and how much a status change costs."""

import pytest

from shared.edge import contacts as edge
from shared.store import contacts, table
from shared.store.record import Record
from tests.edge.contact_world import ContactWorld, named

CONTACTS = "/accounts/acme/contacts"


@pytest.fixture
def world():
    return ContactWorld()


def counts(world):
    """Marketing and all contacts: the live count, and what a count of the contacts themselves comes to."""
    live = world.usage()["live"]
    items = [item for item in world.contents() if item["kind"]["S"] == "contact"]
    today = world.cloud.now.date()
    records = [Record.from_raw_data(item).to_entity() for item in items]
    assert live == {"marketing": sum(each.counts_on(today) for each in records), "total": len(records)}
    return live["marketing"], live["total"]


def test_r47_a_contact_counts_at_once_and_leaves_at_the_next_update(world):
    assert world.sets("ann") == {"id": "ann", "marketing": True, "until_next_update": None, "notice": None}
    left = world.sets("ann", marketing=False)
    assert left == {"id": "ann", "marketing": True, "until_next_update": "2026-05-15", "notice": None}
    assert world.edit("GET", "/contacts/ann").json == left
    assert counts(world) == (1, 1)
    world.on("2026-05-15T04:30:00Z")
    assert world.edit("GET", "/contacts/ann").json["marketing"] is False
    assert counts(world) == (0, 1)


def test_d11_back_again_before_the_date_nothing_has_happened(world):
    world.sets("ann")
    before = [item for item in world.contents() if item["kind"]["S"] == "contact"]
    world.sets("ann", marketing=False)
    world.sets("ann")
    assert [item for item in world.contents() if item["kind"]["S"] == "contact"] == before
    assert counts(world) == (1, 1)


def test_a_contact_that_was_never_set_is_non_marketing(world):
    made = world.sets("bob", marketing=False)
    assert made == {"id": "bob", "marketing": False, "until_next_update": None, "notice": None}
    assert counts(world) == (0, 1)


def test_r53_deleting_frees_capacity_at_once_and_leaves_the_tier_as_it_is(world):
    world.batch(marketing=named(11))
    world.on("2026-04-16T04:30:00Z")
    assert world.usage()["tier"] == 20
    gone = world.edit("DELETE", "/contacts/c0000")
    assert (gone.status, gone.json["marketing"], gone.json["total"]) == (200, 10, 10)
    assert world.edit("GET", "/contacts/c0000").json["code"] == "unknown_contact"
    assert world.edit("DELETE", "/contacts/c0000").json["changed"] == 0
    world.on("2026-05-16T05:00:00Z")
    assert (world.usage()["tier"], counts(world)) == (20, (10, 10))


def test_many_are_set_at_once_and_the_same_request_again_changes_nothing(world):
    body = {"marketing": named(30), "non_marketing": named(20, "n")}
    first = world.edit("POST", "/contacts/batch", body, key="once")
    assert first.json == {
        "changed": 50, "marketing": 30, "total": 50, "held_back": [], "next_update_on": "2026-05-15", "notice": None,
    }  # fmt: skip
    assert world.edit("POST", "/contacts/batch", body, key="once").json == first.json
    assert world.batch(**body)["changed"] == 0
    assert world.batch(delete=["c0001", "nobody"], non_marketing=["c0002"], marketing=["n0001"])["changed"] == 3
    assert counts(world) == (30, 49)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "no_contacts"),
        ({"marketing": named(600), "delete": named(401, "d")}, 422, "too_many_contacts"),
        ({"marketing": named(1001)}, 422, "invalid_body"),
        ({"marketing": ["a"], "delete": ["a"]}, 422, "contact_named_twice"),
        ({"marketing": ["a#b"]}, 422, "invalid_body"),
        ({"marketing": ["a\n"]}, 422, "invalid_body"),
        ({"marketing": ["-a"]}, 422, "invalid_body"),
    ],
)
def test_what_cannot_be_set_is_refused_and_nothing_is_written(world, body, status, code):
    before = world.contents()
    refused = world.edit("POST", "/contacts/batch", body)
    assert (refused.status, refused.json["code"]) == (status, code)
    assert [item for item in world.contents() if item["kind"]["S"] == "contact"] == []
    assert len(world.contents()) <= len(before) + 1


def test_a_thousand_contacts_fit_into_a_request(world):
    assert world.batch(marketing=named(1000, "x" * 60))["changed"] == 1000
    assert counts(world) == (1000, 1000)


def switched_off(world):
    made = world.staff("PUT", "/accounts/acme", {"seller": "us", "marketing_contacts": False})
    assert made.json["marketing_contacts"] is False


def test_r41_an_account_without_marketing_contacts_is_told_so(world):
    switched_off(world)
    commands = {"marketing": ["ann"]}, {"non_marketing": ["ann"]}, {"marketing": ["ann"], "delete": ["bob"]}
    refused = [world.edit("POST", "/contacts/batch", body) for body in commands]
    refused += [world.edit("PUT", "/contacts/ann", {"marketing": True})]
    assert [(each.status, each.json["code"]) for each in refused] == [(409, "no_marketing_contacts")] * 4


def test_r41_switched_off_its_contacts_can_still_be_read_and_deleted(world):
    world.sets("ann", "bob", "cyd")
    switched_off(world)
    assert world.edit("GET", "/contacts/ann").json["marketing"] is True
    assert world.edit("DELETE", "/contacts/ann").json["changed"] == 1
    assert world.batch(delete=["bob", "dan"])["changed"] == 1
    assert counts(world) == (1, 1)


def test_r41_the_switch_stays_where_it_is_unless_it_is_named(world):
    switched_off(world)
    changed = world.staff("PUT", "/accounts/acme", {"seller": "us", "billing_contacts": ["bill@acme.test"]})
    assert (changed.json["marketing_contacts"], changed.json["billing_contacts"]) == (False, ["bill@acme.test"])
    assert world.staff("PUT", "/accounts/globex", {"seller": "us"}).json["marketing_contacts"] is True
    on = world.staff("PUT", "/accounts/acme", {"seller": "us", "marketing_contacts": True})
    assert on.json["marketing_contacts"] is True


def test_who_only_looks_writes_nothing(world):
    before = world.contents()
    assert world.edit("GET", "/contacts/ann").json["code"] == "unknown_contact"
    assert world.usage()["live"] == {"marketing": 0, "total": 0}
    assert world.contents() == before
    assert contacts.summary("acme") is None


def test_f13_a_seller_may_let_contacts_leave_at_the_renewal_of_the_commitment_only():
    world = ContactWorld(term="year")
    us = {"timezone": "America/New_York", "currency": "USD"}
    world.staff("PUT", "/sellers/us", us | {"contacts_update": "renewal"})
    world.sets("ann")
    assert world.usage()["next_update_on"] == "2027-04-15"
    assert world.sets("ann", marketing=False)["until_next_update"] == "2027-04-15"


def test_r41_switched_off_later_its_contacts_are_counted_and_nothing_follows(world):
    world.batch(marketing=named(11))
    world.staff("PUT", "/accounts/acme", {"seller": "us", "marketing_contacts": False})
    world.on("2026-04-17T05:00:00Z")
    assert [event["tier"] for event in world.told("contacts.counted")] == [None, None]
    assert world.told("tier.upgraded", "contacts.tier_exceeded") == []


# -- the customer's own maximum


def maximum(world, value):
    reply = world.call("PUT", "/accounts/acme/usage/maximum", {"maximum": value})
    assert reply.status == 200, reply.body
    return reply.json["maximum"]


def test_f12_beyond_the_maximum_contacts_become_non_marketing_with_a_clear_answer_and_one_notice(world):
    assert maximum(world, 5) == 5
    made = world.batch(marketing=named(8))
    assert (made["marketing"], made["total"], made["held_back"]) == (5, 8, ["c0005", "c0006", "c0007"])
    assert made["notice"] == "Your own maximum of 5 marketing contacts is reached: further ones are non-marketing."
    one = world.sets("ann")
    assert (one["marketing"], one["notice"]) == (False, made["notice"])
    assert counts(world) == (5, 9)
    assert [event["maximum"] for event in world.told("contacts.maximum_reached")] == [5]


def test_f12_what_counts_already_is_not_held_back(world):
    world.batch(marketing=named(5))
    maximum(world, 3)
    world.sets("c0001", marketing=False)
    assert world.batch(marketing=named(6))["held_back"] == ["c0005"]
    assert world.edit("GET", "/contacts/c0001").json["until_next_update"] is None
    assert counts(world) == (5, 6)


def test_f12_with_a_higher_maximum_or_none_they_fit(world):
    maximum(world, 1)
    world.batch(marketing=named(3))
    maximum(world, 2)
    assert world.batch(marketing=named(3))["held_back"] == ["c0002"]
    assert maximum(world, None) is None
    assert world.batch(marketing=named(3))["held_back"] == []
    assert len(world.told("contacts.maximum_reached")) == 2
    assert counts(world) == (3, 3)


def test_f12_who_may_not_set_the_maximum_asks_those_who_may(world):
    asked = "/usage/maximum/request"
    assert world.edit("POST", asked, {"maximum": 9}).json["code"] == "no_maximum"
    maximum(world, 5)
    assert world.edit("POST", asked, {"maximum": 5}).json["code"] == "maximum_not_higher"
    assert world.edit("POST", asked, {"maximum": 9}, key="once").json == {"maximum": 5, "requested": 9}
    assert world.edit("POST", asked, {"maximum": 9}, key="once").status == 200
    assert world.edit("POST", asked, {"maximum": None}).json == {"maximum": 5, "requested": None}
    told = [(it["by"], it["maximum"], it["requested"]) for it in world.told("contacts.maximum_requested")]
    assert told == [("someone", 5, 9), ("someone", 5, None)]
    assert world.usage()["maximum"] == 5


# -- races


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_transaction_in_the_way_of_the_live_count_is_waited_for(world, times):
    world.sets("ann")
    world.cloud.faults.arm("store.commit", "conflict", times)
    assert world.batch(marketing=named(5))["changed"] == 5
    assert counts(world) == (6, 6)


@pytest.mark.parametrize("times", [1, 3])
def test_d12_a_transaction_in_the_way_of_the_peak_is_waited_for(world, times):
    world.sets("ann")
    world.cloud.faults.arm("store.commit", "conflict", times, after=1)
    world.batch(marketing=named(5))
    world.batch(delete=named(5))
    assert contacts.live("acme").peak == 6


@pytest.mark.parametrize("times", [1, 2])
def test_the_first_contact_of_an_account_waits_for_a_transaction_too(world, times):
    world.cloud.faults.arm("store.commit", "conflict", times)
    assert world.sets("ann")["marketing"] is True
    assert counts(world) == (1, 1)


def test_what_is_given_back_waits_for_a_transaction_too(world, monkeypatch):
    """Another request sets ann first; ours has counted her already, and counts her no more."""
    write, others = contacts.write, [{"marketing": True}]

    def overtaken(change):
        if others:
            monkeypatch.setattr(contacts, "write", write)
            world.edit("PUT", "/contacts/ann", others.pop())
            lost = write(change)
            world.cloud.faults.arm("store.commit", "conflict", 2)
            return lost
        return write(change)

    monkeypatch.setattr(contacts, "write", overtaken)
    assert world.batch(marketing=["ann"])["changed"] == 0
    assert counts(world) == (1, 1)


def test_who_loses_a_race_for_a_contact_decides_again(world, monkeypatch):
    """Another request sets it as non-marketing between our reading and our writing; ours comes after it."""
    world.sets("ann")
    write, others = contacts.write, [{"marketing": False}]

    def overtaken(change):
        while others:
            monkeypatch.setattr(contacts, "write", write)
            world.edit("PUT", "/contacts/ann", others.pop())
            monkeypatch.setattr(contacts, "write", overtaken)
        return write(change)

    monkeypatch.setattr(contacts, "write", overtaken)
    assert world.edit("DELETE", "/contacts/ann").json["changed"] == 1
    assert counts(world) == (0, 0)


def test_f12_two_requests_cannot_take_the_same_room(world, monkeypatch):
    maximum(world, 4)
    found, others = edge.found, [{"marketing": named(3, "other")}]

    def overtaken(*args):
        read = found(*args)
        if others:
            world.edit("POST", "/contacts/batch", others.pop())
        return read

    monkeypatch.setattr(edge, "found", overtaken)
    assert world.batch(marketing=named(3))["held_back"] == ["c0001", "c0002"]
    assert counts(world) == (4, 6)


def test_a_request_that_breaks_off_is_put_right_by_the_next_count(world):
    world.sets("ann")
    world.cloud.faults.arm("store.commit", "crash_after")
    assert world.edit("POST", "/contacts/batch", {"marketing": named(5)}).status == 500
    assert world.usage()["live"] == {"marketing": 6, "total": 6}, "counted, and not written"
    world.on("2026-04-16T05:00:00Z")
    assert counts(world) == (1, 1)


def test_a_contact_that_is_deleted_while_it_is_set_is_answered_as_such(world, monkeypatch):
    some, first = contacts.some, iter([True])

    def read_late(*args):
        if not next(first, False):
            monkeypatch.setattr(contacts, "some", some)
            assert world.edit("DELETE", "/contacts/ann").json["changed"] == 1
        return some(*args)

    monkeypatch.setattr(contacts, "some", read_late)
    refused = world.edit("PUT", "/contacts/ann", {"marketing": True})
    assert (refused.status, refused.json["code"]) == (409, "contact_deleted")
    assert counts(world) == (0, 0)


def test_f12_who_decides_again_says_what_was_changed_the_first_time(world, monkeypatch):
    """Another request reaches the maximum first, and its notice is stored when ours is about to be."""
    maximum(world, 2)
    commit, others = table.commit, [{"marketing": ["zoe", "yan", "xia"]}]

    def overtaken(changes, now, once=None):
        if others and once:
            world.edit("POST", "/contacts/batch", others.pop())
        return commit(changes, now, once)

    monkeypatch.setattr(table, "commit", overtaken)
    made = world.batch(marketing=named(5))
    assert (made["changed"], made["held_back"], made["marketing"]) == (5, ["c0002", "c0003", "c0004"], 2)
    assert len(world.told("contacts.maximum_reached")) == 1


# -- what it costs


def test_a_status_change_costs_one_write_unit_and_a_request_one_more_for_the_live_count(world):
    world.batch(marketing=named(100))

    def units(**body):
        before = world.cloud.store.units["store.commit"]
        world.batch(**body)
        return world.cloud.store.units["store.commit"] - before - 2  # the answer kept for its idempotency key

    assert units(non_marketing=named(100)) == 100, "the live count does not move"
    assert units(marketing=named(100)) == 100
    assert units(delete=named(50)) == 51
    assert units(marketing=named(50)) == 51
    assert units(marketing=named(60, "n")) == 62, "and one where there never were so many"
    assert units(marketing=named(60, "n")) == 0
