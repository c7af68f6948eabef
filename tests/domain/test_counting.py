"""What a count found and what of that is certain, while contacts come and go in front of it and behind it."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.counting import Counting, LiveCount, ShardCount

DAY = date(2026, 4, 20)
BEFORE = LiveCount("acme", marketing=10, total=14, peak=12, gained=30, made=50)


def found(marketing, total, after=BEFORE, before=BEFORE):
    parts = (ShardCount(marketing - 3, total - 4, done=True), ShardCount(3, 4, done=True))
    return Counting(DAY, before, parts).tally(after)


def moved(marketing=0, total=0, gained=0, made=0):
    return replace(
        BEFORE,
        marketing=BEFORE.marketing + marketing,
        total=BEFORE.total + total,
        gained=BEFORE.gained + gained,
        made=BEFORE.made + made,
    )


def test_where_nothing_changed_the_count_is_exact_and_the_live_count_is_put_right_by_it():
    assert found(10, 14) == (DAY, 10, 14, 10, 12, 0, 0)
    assert found(13, 15) == (DAY, 13, 15, 13, 13, 3, 1)
    assert found(8, 13) == (DAY, 8, 13, 8, 12, -2, -1)


def test_one_deleted_behind_the_count_and_one_set_in_front_of_it_are_not_certain():
    swapped = moved(gained=1, made=1)
    for marketing in (9, 10, 11):
        tally = found(marketing, marketing + 4, swapped)
        assert tally.certain <= 10
        assert (tally.marketing_off, tally.total_off) == (0, 0), "all of these are explained by it"
    assert found(11, 15, swapped).in_doubt([10])
    assert not found(12, 16, swapped).in_doubt([10])
    assert not found(11, 15, swapped).in_doubt([11])


@pytest.mark.parametrize(("again", "consistent"), [(0, False), (1, True)])
def test_what_is_counted_again_is_read_consistently(again, consistent):
    assert Counting(DAY, BEFORE, (), again).consistent is consistent


PEOPLE = st.integers(0, 7)
STEPS = st.lists(st.tuples(st.integers(0, 8), PEOPLE, st.booleans()), max_size=20)


@given(st.sets(PEOPLE), STEPS)
def test_no_more_are_certain_than_there_were_when_it_began_whatever_changes_meanwhile(there, steps):
    """Contact n is counted at moment n; before that moment some are set, or deleted."""
    now, live = set(there), LiveCount("acme", len(there), len(there), len(there))
    before, counted = live, 0
    for moment in range(9):
        for at, person, sets in steps:
            if at != moment or (person in now) is sets:
                continue
            live = replace(live, marketing=live.marketing + (1 if sets else -1), gained=live.gained + sets)
            now = now | {person} if sets else now - {person}
        counted += moment in now and moment < 8
    tally = Counting(DAY, before, (ShardCount(counted, counted, done=True),)).tally(live)
    assert tally.certain <= len(there)
    assert tally.marketing_off == 0, "the live count was right, and stays so"
    if live == before:
        assert (tally.marketing, tally.certain) == (len(there), len(there))
