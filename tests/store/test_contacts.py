"""The access patterns of contacts, and writing one that somebody else may have changed."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from shared.domain.changes import Changes
from shared.domain.contact_import import ContactImport
from shared.domain.contacts import Change, Contact
from shared.domain.counting import Counting, LiveCount, ShardCount
from shared.domain.errors import NotFound
from shared.domain.recount import DailyCount
from shared.store import contacts, imports, table
from shared.store.record import PARTS, part
from shared.store.table import Stale
from tests.store.examples import DAILY, IMPORT, NOW, PRICE, SUMMARY, write

pytestmark = pytest.mark.usefixtures("store")

DAY = date(2026, 2, 7)
NOBODY = ContactImport("acme", "imp_none", NOW, NOW)


def made(*ids, since=DAY, until=None, account="acme"):
    """Contacts that are written."""
    found = [Contact(account, id_, since, until) for id_ in ids]
    assert all(contacts.write(Change(None, each)) for each in found)
    return found


def settle(before, marketing, total):
    """The live count put right by a count that began when it was ``before``, with a daily count that is stored."""
    counting = Counting(DAY, before, (ShardCount(marketing, total, done=True),))
    beside = contacts.settled("acme", counting.tally(contacts.live("acme")))
    table.commit(Changes(put=(replace(DAILY, marketing=marketing),)), NOW, beside=beside)


def counted(day=DAY, account="acme"):
    """All parts of an account's contacts, counted page by page."""
    totals = [0, 0]
    for number in range(PARTS):
        part_ = ShardCount()
        while not part_.done:
            part_ = contacts.count(account, number, day, part_)
        totals = [totals[0] + part_.marketing, totals[1] + part_.total]
    return tuple(totals)


def test_ap22_what_was_counted_last():
    assert contacts.summary("acme") is None
    write(SUMMARY)
    assert contacts.summary("acme") == replace(SUMMARY, version=1)


def test_ap23_how_many_there_are_now():
    assert contacts.live("acme") == LiveCount("acme")
    assert contacts.add("acme", 3, 5)
    assert contacts.add("acme", -1, 0)
    assert contacts.live("acme") == LiveCount("acme", 2, 5, 3, 3, 5)
    settle(contacts.live("acme"), 7, 9)
    assert contacts.live("acme") == LiveCount("acme", 7, 9, 7, 3, 5)


def test_ap23_what_changes_while_it_is_counted_is_kept():
    contacts.add("acme", 3, 5)
    before = contacts.live("acme")
    contacts.add("acme", 2, 2)
    settle(before, 6, 8)
    assert contacts.live("acme") == LiveCount("acme", 6, 8, 6, 5, 7)


def test_ap23_no_more_are_counted_than_there_is_room_for():
    assert not contacts.add("acme", 4, 4, at_most=3)
    assert contacts.add("acme", 3, 3, at_most=3)
    assert not contacts.add("acme", 1, 1, at_most=3)
    assert contacts.live("acme").marketing == 3


def test_ap24_the_last_days_the_oldest_first():
    days = [replace(DAILY, day=DAY + timedelta(days=n), marketing=n) for n in range(5)]
    write(*days)
    write(replace(DAILY, account_id="globex"))
    assert contacts.daily_counts("acme") == days
    assert contacts.daily_counts("acme", 2) == days[3:]
    assert [type(each) for each in contacts.daily_counts("globex")] == [DailyCount]


def test_ap25_those_contacts_that_there_are():
    [jane, john] = made("jane", "john")
    made("jane", account="globex", since=None)
    assert contacts.some("acme", ["john", "nobody", "jane", "john"]) == {"jane": jane, "john": john}
    assert contacts.some("acme", []) == {}


def test_ap26_contacts_are_counted_as_they_are_on_a_day():
    assert counted() == (0, 0)
    made(*(f"m{n}" for n in range(20)))
    made(*(f"n{n}" for n in range(7)), since=None)
    made(*(f"l{n}" for n in range(5)), until=DAY + timedelta(days=1))
    made(*(f"g{n}" for n in range(3)), until=DAY)
    made("elsewhere", account="globex")
    assert counted() == (25, 35)
    assert counted(DAY + timedelta(days=1)) == (20, 35)


def test_ap26_a_count_goes_on_where_it_stood():
    ids = [f"c{n}" for n in range(60) if part(f"c{n}") == "3"]
    made(*ids)
    [first, *others] = sorted(ids)
    rest = contacts.count("acme", 3, DAY, ShardCount(marketing=1, total=1, after=f"CONTACT#{first}"))
    assert rest == ShardCount(1 + len(others), 1 + len(others), "", done=True)


def test_ap28_an_import():
    write(IMPORT)
    assert imports.contact_import("acme", IMPORT.id) == replace(IMPORT, version=1)
    with pytest.raises(NotFound) as refused:
        imports.contact_import("acme", "imp_none")
    assert refused.value.code == "unknown_import"


def test_ap29_all_imports_of_an_account():
    write(IMPORT)
    write(NOBODY)
    write(replace(IMPORT, account_id="other"))
    assert [it.id for it in imports.imports("acme")] == [IMPORT.id, NOBODY.id]


def test_the_live_count_is_put_right_by_what_was_counted():
    contacts.add("acme", 7, 9)
    before = contacts.live("acme")
    contacts.add("acme", 1, 1)  # meanwhile
    counting = Counting(DAY, before, (ShardCount(4, 11, done=True),), waited=True)
    imports.correct("acme", counting.tally(contacts.live("acme")))
    assert contacts.live("acme") == LiveCount("acme", 5, 11, 8, 8, 10)


def test_ap28_a_page_of_an_import_is_decided_once_and_counted_with_it():
    decided = imports.decide_page(NOBODY, 2, 3, None)
    assert decided.version == 1
    assert contacts.live("acme") == LiveCount("acme", 2, 3, 0, 2, 3)
    for again, at_most in ((NOBODY, None), (decided, 3)):
        with pytest.raises(Stale):
            imports.decide_page(again, 2, 2, at_most)
    assert contacts.live("acme").marketing == 2
    assert imports.decide_page(decided, 0, 0, 0).version == 2


def test_ap27_a_price_that_was_published_once():
    write(PRICE)
    assert contacts.price(PRICE.id) == PRICE
    assert contacts.price("none") is None


@pytest.mark.parametrize("now", [{"since": None}, {"until": DAY}, {"since": DAY - timedelta(days=1)}])
def test_a_contact_that_somebody_else_has_changed_is_not_written(now):
    [jane] = made("jane")
    changed = replace(jane, **now)
    assert contacts.write(Change(jane, changed))
    assert not contacts.write(Change(jane, replace(jane, until=DAY + timedelta(days=9))))
    assert not contacts.write(Change(jane, None))
    assert not contacts.write(Change(None, jane))
    assert contacts.some("acme", ["jane"]) == {"jane": changed}
    assert contacts.write(Change(changed, None))
    assert not contacts.write(Change(changed, jane))
    assert contacts.some("acme", ["jane"]) == {}
