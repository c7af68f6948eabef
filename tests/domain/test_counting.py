"""What a count found and what of that is certain, while contacts come and go in front of it and behind it."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
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


@pytest.mark.parametrize("waited", [False, True])
def test_what_is_counted_again_is_read_consistently(waited):
    assert Counting(DAY, BEFORE, (), waited=waited).consistent is waited


@pytest.mark.parametrize("found_now", [5, 10, 12])
def test_what_somebody_else_has_put_right_meanwhile_is_not_put_right_twice(found_now):
    """The live count was two too low; another count has found that first."""
    assert found(found_now, 14, moved(marketing=2)).marketing_off == 0


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


WAITED = 3
REQUESTS = st.lists(st.tuples(st.integers(-5, 5), PEOPLE, st.booleans(), st.integers(0, WAITED)), max_size=20)


@settings(max_examples=500)
@given(st.sets(PEOPLE), REQUESTS)
def test_after_a_wait_what_is_counted_and_not_yet_written_is_neither_certain_nor_off(there, requests):
    """Requests count at one moment and write at another; contact n is counted at moment n, three after ``before``."""
    live, due, counted, before, began = LiveCount("acme", len(there), len(there)), {}, 0, None, None
    now, to_be = set(there), set(there)
    for moment in range(-6, 8):
        before = live if moment == -WAITED else before
        for person in [person for person, at in due.items() if at == moment]:
            now ^= {person}
            del due[person]
        began = len(now) if moment == 0 else began
        for at, person, sets, delay in requests:
            if at != moment or person in due or (person in to_be) is sets:
                continue
            to_be ^= {person}
            live = replace(
                live, marketing=len(to_be), total=len(to_be), gained=live.gained + sets, made=live.made + sets
            )
            if delay:
                due[person] = moment + delay
            else:
                now ^= {person}
        counted += moment >= 0 and moment in now
    tally = Counting(DAY, before, (ShardCount(counted, counted, done=True),), waited=True).tally(live)
    assert tally.certain <= began
    assert not tally.is_off
