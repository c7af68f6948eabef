"""Ending a subscription before its time: what is charged, and what is left alone."""

from dataclasses import replace

import pytest

from shared.domain import cancellation, seats
from shared.domain.changes import Event
from shared.domain.checkout import LineItem
from shared.domain.errors import Conflict
from shared.domain.invoice import AttemptState, GiveUp, InvoiceStatus
from shared.domain.periods import Interval
from shared.domain.subscription import Book, Status
from tests.domain.examples import CATALOG, SEAT, at, bill, bought, day, invoices, run, started
from tests.domain.payments import ISSUED, SUBSCRIPTION, in_state

YEARLY = LineItem(SEAT, 5, term=Interval.YEAR)


def ended(book, on="2026-02-07", open_invoices=(), **more):
    return cancellation.at_once(book, tuple(open_invoices), day(on), at(on), **more)


def with_a_seat_more(book, on):
    return book.after(seats.add(book, "sales", 1, CATALOG, day(on), at(on)).changes)


def test_r80_r84_without_a_commitment_it_ends_at_once_and_nothing_is_charged_any_more():
    book = with_a_seat_more(bought(LineItem(SEAT, 5)), "2026-02-01")
    made = ended(book)
    [subscription] = started(made.changes)
    assert (subscription.status, subscription.canceled_on) == (Status.CANCELED, day("2026-02-07"))
    assert (subscription.due_at, subscription.alive) == (None, False)
    assert (made.charge.decimal, made.committed_until, invoices(made.changes)) == ("0.00", None, [])
    assert made.changes.delete == book.pending
    assert made.changes.events == (
        Event(
            "acme",
            "subscription.canceled",
            {"subscription": "sub_1a", "on": "2026-02-07", "charge": "0.00", "currency": "USD"},
        ),
    )
    assert run(book.after(made.changes), "2027-01-25").invoices == []


def test_d16_the_rest_of_a_commitment_is_invoiced_at_once_with_what_was_pending():
    book = with_a_seat_more(bought(YEARLY), "2026-02-07")
    made = ended(book, "2026-02-08")
    [last] = invoices(made.changes)
    assert bill(last) == [
        ("1 × Sales Hub seat, 18 of 31 days", "58.06"),
        ("6 × Sales Hub seat, 11 further periods of the commitment", "6600.00"),
    ]
    assert str(last.lines[1].period) == "2026-02-25/2027-01-25"
    assert (made.charge.decimal, made.committed_until) == ("6658.06", day("2027-01-25"))
    assert (last.status, last.attempt.amount) == (InvoiceStatus.OPEN, 6658_06)
    assert book.after(made.changes).pending == ()


@pytest.mark.parametrize(
    ("on", "rest"),
    [("2026-01-25", 11), ("2026-02-25", 10), ("2026-12-24", 1), ("2026-12-25", 0), ("2027-01-25", 11)],
)
def test_d16_what_is_left_of_the_commitment_gets_less_with_every_period_billed(on, rest):
    book = run(bought(YEARLY), on).book
    assert ended(book, on).charge.amount == rest * 500_00


def test_d16_the_seller_may_waive_it():
    made = ended(bought(YEARLY), waive=True)
    assert (made.charge.decimal, invoices(made.changes)) == ("0.00", [])


def test_r82_what_has_not_started_yet_costs_nothing():
    book = bought(LineItem(SEAT, 5, term=Interval.YEAR, starts_on=day("2026-03-01")))
    made = ended(book)
    assert (made.charge.decimal, started(made.changes)[0].status) == ("0.00", Status.CANCELED)


def test_r86_a_payment_on_its_way_is_named_and_left_alone():
    on_its_way = replace(in_state(AttemptState.PROCESSING), status=InvoiceStatus.PROCESSING)
    made = ended(Book(SUBSCRIPTION), open_invoices=[on_its_way])
    assert (made.under_way, made.owed) == ((on_its_way,), ())
    assert invoices(made.changes) == []


@pytest.mark.parametrize("state", [AttemptState.INTENT, AttemptState.ACTION])
def test_r84_what_is_being_charged_already_is_named_and_left_alone(state):
    made = ended(Book(SUBSCRIPTION), open_invoices=[in_state(state)])
    assert (made.under_way, made.owed, invoices(made.changes)) == ((in_state(state),), (), [])


@pytest.mark.parametrize(
    "owed",
    [in_state(AttemptState.DECLINED), in_state(AttemptState.WAITING_FOR_PAYER), replace(ISSUED, attempt=None)],
)
def test_r84_f28_what_was_owed_before_is_named_and_stays_owed(owed):
    made = ended(Book(SUBSCRIPTION), open_invoices=[owed])
    assert (made.under_way, made.owed, invoices(made.changes)) == ((), (owed,), [])


def test_what_is_being_written_off_is_not_owed_but_a_debit_of_it_may_still_arrive():
    given_up = [replace(in_state(state), giving_up=GiveUp.WRITE_OFF) for state in AttemptState]
    debit = replace(in_state(AttemptState.PROCESSING), status=InvoiceStatus.PROCESSING, giving_up=GiveUp.WRITE_OFF)
    made = ended(Book(SUBSCRIPTION), open_invoices=[*given_up, debit])
    assert (made.under_way, made.owed) == ((debit,), ())


@pytest.mark.parametrize("status", [Status.CANCELED, Status.EXPIRED])
def test_r83_what_has_ended_cannot_be_cancelled(status):
    with pytest.raises(Conflict, match="ended already") as refusal:
        ended(Book(replace(SUBSCRIPTION, status=status)))
    assert refusal.value.code == "subscription_ended"


def test_a_commitment_too_dear_for_one_charge_is_refused():
    with pytest.raises(Conflict) as refusal:
        ended(bought(LineItem(SEAT, 1000, term=Interval.YEAR)))
    assert refusal.value.code == "amount_too_large"


def test_d17_the_seller_may_end_what_nobody_pays():
    book = with_a_seat_more(bought(LineItem(SEAT, 5)), "2026-02-07")
    given_up = replace(ISSUED, giving_up=GiveUp.CANCEL)
    changes = cancellation.unpaid(book, given_up, day("2026-03-12"))
    assert changes.put == (cancellation.canceled(book.subscription, day("2026-03-12")),)
    assert changes.delete == book.pending
    assert changes.events == (
        Event(
            "acme",
            "subscription.canceled",
            {"subscription": "sub_1a", "on": "2026-03-12", "invoice": "sub_1a-00001"},
        ),
    )


def test_what_has_ended_meanwhile_is_not_ended_again():
    gone = replace(SUBSCRIPTION, status=Status.EXPIRED)
    assert cancellation.unpaid(Book(gone), ISSUED, day("2026-03-12")).put == (gone,)
