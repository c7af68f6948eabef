"""Safety bounds: what would be billed beyond its terms is parked, not billed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import renewal, seats
from shared.domain.changes import Event
from shared.domain.checkout import LineItem
from shared.domain.errors import Conflict
from shared.domain.subscription import MOST_PENDING, Book
from tests.domain.examples import CATALOG, SEAT, YEARLY_SEAT, at, bought, day, run, started

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
    book = book.after(seats.add(book, "sales", 900, CATALOG, day("2026-02-24"), at("2026-02-24")).changes)
    [pending] = book.pending
    whole_month = replace(pending, period=pending.whole)
    book = Book(book.subscription, (whole_month,))
    assert parked(book, "2026-02-25") == "1080000.00 USD at once is more than can be charged"
    looked_at = book.after(renewal.step(book, at("2026-02-25")))
    released = looked_at.after(renewal.release(looked_at.subscription))
    [again] = started(renewal.step(released, at("2026-02-25")))
    assert (again.parked, again.billed) == (True, 1)


def test_invoices_between_two_periods_are_held_to_the_bounds_together():
    """A mistake that draws one every day, each of which is within them."""
    book, stuck = run(bought(LineItem(SEAT, 5)), "2026-02-25").book, []
    for on in (f"2026-03-{n:02}" for n in range(1, 10)):
        more = seats.add(book, "sales", 5, CATALOG, day(on), at(on)).changes
        book = book.after(more)
        spoilt = replace(book.pending[0], period=book.pending[0].whole, invoice_on=day(on))
        back = replace(book.subscription, items=RENEWED.subscription.items, extra_invoice_on=day(on))
        book = Book(back, (spoilt,))
        changes = renewal.step(book, at(on))
        book = book.after(changes)
        stuck = [event.data["what"] for event in changes.events if event.type == "alarm.raised"]
        if stuck:
            break
    assert (on, stuck) == ("2026-03-04", ["2000.00 USD would be billed, more than 3 times what it costs"])
    assert book.subscription.parked
    released = book.after(renewal.release(book.subscription))
    renewed = run(released, "2026-03-25").book.subscription
    assert (renewed.parked, renewed.billed_between) == (False, 0)


def test_nor_is_far_more_billed_at_once_because_too_much_waits():
    book = bought(LineItem(YEARLY_SEAT), on="2026-01-01")
    for n in range(MOST_PENDING):
        on = str(day("2026-01-02") + timedelta(days=n))
        book = book.after(seats.add(book, "sales", 1, CATALOG, day(on), at(on)).changes)
    spoilt = Book(book.subscription, (replace(book.pending[0], quantity=500), *book.pending[1:]))
    with pytest.raises(Conflict) as refusal:
        seats.add(spoilt, "sales", 1, CATALOG, day("2026-02-21"), at("2026-02-21"))
    assert refusal.value.code == "beyond_terms"


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
