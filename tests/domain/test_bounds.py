"""Safety bounds: what would be billed beyond its terms is parked, not billed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import renewal, seats
from shared.domain.changes import Event
from shared.domain.checkout import LineItem
from shared.domain.errors import Conflict
from shared.domain.subscription import Book
from tests.domain.examples import CATALOG, SEAT, at, bought, day, run, started

RENEWED = run(bought(LineItem(SEAT, 5)), "2026-02-25").book


def parked(book, on):
    """What the alarm says, after the one step that parks it."""
    changes = renewal.step(book, at(on))
    [after] = changes.put
    assert after == replace(book.subscription, parked=True)
    assert (after.due_at, renewal.step(Book(after, book.pending), at("2027-01-01"))) == (None, None)
    [event] = changes.events
    assert (event.type, event.data["code"], event.data["subscription"]) == (
        "alarm.raised",
        "billing_parked",
        "sub_1a",
    )
    return event.data["what"]


@pytest.mark.parametrize("billed", [0, 1])
def test_a_period_that_was_billed_already_is_not_billed_again(billed):
    turned_back = replace(RENEWED.subscription, billed=billed)
    assert parked(Book(turned_back), "2026-03-01").endswith("would be billed after that from 2026-02-25")


def test_far_more_than_it_costs_is_not_billed():
    book = bought(LineItem(SEAT, 5))
    dear = seats.add(book, "sales", 5, CATALOG, day("2026-01-26"), at("2026-01-26")).changes
    book = book.after(dear)
    spoilt = replace(book.pending[0], quantity=500)
    said = parked(Book(book.subscription, (spoilt,)), "2026-02-25")
    assert said == "49387.10 USD would be billed, more than 3 times what it costs"


def test_the_last_invoice_is_held_to_the_bounds_too():
    book = bought(LineItem(SEAT, 5, payments=1))
    book = book.after(seats.add(book, "sales", 5, CATALOG, day("2026-01-26"), at("2026-01-26")).changes)
    spoilt = replace(book.pending[0], quantity=500)
    said = parked(Book(book.subscription, (spoilt,)), "2026-02-25")
    assert said == "48387.10 USD would be billed, more than 3 times what it costs"


def test_what_stripe_would_refuse_as_too_large_is_parked_even_when_it_was_released():
    book = bought(LineItem(SEAT, 9000))
    book = book.after(seats.add(book, "sales", 900, CATALOG, day("2026-01-25"), at("2026-01-25")).changes)
    assert parked(book, "2026-02-25") == "1080000.00 USD at once is more than can be charged"
    looked_at = book.after(renewal.step(book, at("2026-02-25")))
    released = looked_at.after(renewal.release(looked_at.subscription))
    [again] = started(renewal.step(released, at("2026-02-25")))
    assert (again.parked, again.billed) == (True, 1)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 400)), max_size=8))
def test_seats_bought_in_a_period_never_come_near_the_bounds(purchases):
    book = bought(LineItem(SEAT))
    for days, quantity in sorted(purchases):
        on = day("2026-01-25").fromordinal(day("2026-01-25").toordinal() + days)
        book = book.after(seats.add(book, "sales", quantity, CATALOG, on, at(str(on))).changes)
    renewed = run(book, "2026-02-25")
    assert len(renewed.invoices) == 1
    assert not renewed.book.subscription.parked


def test_what_somebody_has_looked_at_is_billed_once_as_it_is():
    turned_back = Book(replace(RENEWED.subscription, billed=1))
    looked_at = turned_back.after(renewal.step(turned_back, at("2026-03-01")))
    changes = renewal.release(looked_at.subscription)
    assert changes.events == (Event("acme", "subscription.released", {"subscription": "sub_1a"}),)
    again = run(looked_at.after(changes), "2026-03-26")
    assert [str(bill.date) for bill in again.invoices] == ["2026-02-25", "2026-03-25"]
    assert not again.book.subscription.released


def test_what_is_not_parked_cannot_be_released():
    with pytest.raises(Conflict) as refusal:
        renewal.release(RENEWED.subscription)
    assert refusal.value.code == "not_parked"
    assert started(renewal.step(RENEWED, at("2026-03-25")))[0].billed == 3
