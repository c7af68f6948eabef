"""Giving and taking seats: the same in one step as in many, and never beyond what is paid."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import seating
from shared.domain.checkout import LineItem
from shared.domain.errors import Conflict
from shared.domain.seating import Moves, charged
from shared.domain.subscription import Book
from shared.domain.user import User
from tests.domain.examples import CATALOG, SEAT, at, bought, day

NAMES = [f"user-{n}" for n in range(6)]
ON = "2026-02-07"


def move(book, users, assign=(), unassign=()):
    """The book and the users after moving them, and what was charged for seats that were missing."""
    moves = [Moves("sales", tuple(assign), tuple(unassign))]
    moved = seating.move(book, users, moves, CATALOG, day(ON), at(ON))
    charge = charged(moved.seatings, len(NAMES))
    return book.after(moved.changes), moved.users, charge.amount if charge else 0


def facts(book):
    """A book without its version, which counts the steps."""
    return Book(replace(book.subscription, version=0), book.pending, book.removals)


def office(seats):
    return bought(LineItem(SEAT, seats)), {name: User("acme", name) for name in NAMES}


@given(st.integers(1, 6), st.lists(st.sampled_from(NAMES), unique=True))
def test_one_by_one_comes_to_what_all_at_once_comes_to(seats, chosen):
    book, users = office(seats)
    at_once = move(book, users, chosen)
    spent = 0
    for name in chosen:
        book, users, charge = move(book, users, [name])
        spent += charge
    assert (facts(book), users, spent) == (facts(at_once[0]), *at_once[1:])

    taken_at_once = move(*at_once[:2], unassign=chosen)
    for name in chosen:
        book, users, _ = move(book, users, unassign=[name])
    assert (facts(book), users) == (facts(taken_at_once[0]), taken_at_once[1])


@given(st.integers(1, 3), st.lists(st.tuples(st.booleans(), st.sampled_from(NAMES)), max_size=20))
def test_as_many_sit_as_the_counter_says_and_no_more_than_are_paid(seats, steps):
    book, users = office(seats)
    for gives, name in steps:
        book, users, _ = move(book, users, **{"assign" if gives else "unassign": [name]})
        sitting = [user for user in users.values() if user.seat("sales")]
        [item] = book.subscription.items
        assert book.subscription.assigned_of("sales") == len(sitting) <= item.quantity


def test_what_is_missing_is_named_with_its_price():
    book, users = office(1)
    moved = seating.move(book, users, [Moves("sales", tuple(NAMES[:3]))], CATALOG, day(ON), at(ON))
    with pytest.raises(Conflict, match=r"it takes 2 more sales seats, for 116\.13 USD until 2026-02-25") as refusal:
        charged(moved.seatings, 1)
    assert refusal.value.code == "no_free_seat"
