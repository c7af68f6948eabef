"""What contacts cost: write units of a status change, one by one, and read units of a million that are counted."""

import pytest

from bench import recount
from tests.edge.contact_world import ContactWorld, named

CONTACT, LIVE, PEAK, ANSWER = 1, 1, 1, 2
"""Write units: of the contact itself; of the live count, where that moves; of the most there were, where there never
were so many; and of the answer that is kept if the request bears an Idempotency-Key, a transaction."""


@pytest.fixture
def world():
    world = ContactWorld()
    world.batch(marketing=named(10), non_marketing=["old"])
    world.edit("DELETE", "/contacts/c0000")
    return world


def put(contact, marketing, key=""):
    return lambda world: world.edit("PUT", f"/contacts/{contact}", {"marketing": marketing}, key)


def delete(contact):
    return lambda world: world.edit("DELETE", f"/contacts/{contact}", key="")


@pytest.mark.parametrize(
    ("act", "units"),
    [
        (put("c0001", False), CONTACT),
        (put("c0001", False, "a key"), CONTACT + ANSWER),
        (put("old", True), CONTACT + LIVE),
        (put("new", True), CONTACT + LIVE),
        (put("new", False), CONTACT + LIVE),
        (put("c0001", True), 0),
        (put("c0001", True, "a key"), ANSWER),
        (delete("c0001"), CONTACT + LIVE),
        (delete("nobody"), 0),
    ],
    ids=[
        "set as non-marketing",
        "set as non-marketing, the answer kept",
        "set as marketing",
        "new",
        "new, non-marketing",
        "as it was",
        "as it was, the answer kept",
        "deleted",
        "not there",
    ],
)
def test_a_status_change_by_itself_writes_its_contact_and_what_counts_it(world, act, units):
    before = world.cloud.store.units["store.commit"]
    act(world)
    assert world.cloud.store.units["store.commit"] - before == units


def test_back_again_before_the_update_date_writes_the_contact_alone(world):
    world.sets("c0001", marketing=False)
    before = world.cloud.store.units["store.commit"]
    put("c0001", True)(world)
    assert world.cloud.store.units["store.commit"] - before == CONTACT


def test_one_more_than_there_ever_were_writes_the_peak_too(world):
    world.sets("new")
    before = world.cloud.store.units["store.commit"]
    put("newer", True)(world)
    assert world.cloud.store.units["store.commit"] - before == CONTACT + LIVE + PEAK


def test_counting_a_million_contacts_stays_within_15000_read_units():
    """By the sizes of the pages that are read: 8 KB to a unit, each page rounded up."""
    found = recount.measure(20_000, recount.Here())
    assert recount.BUDGET == 15_000
    assert found.per_million <= recount.BUDGET
    assert found.units == pytest.approx(found.size / 8192, abs=found.pages), "nothing but the contacts is read"


def test_ministack_reads_as_many_units_in_as_many_pages():
    stores = recount.Ministack, recount.Here
    ministack, here = (recount.measure(1000, store())[:4] for store in stores)
    assert ministack == here
