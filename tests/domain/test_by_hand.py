"""What people do about an invoice: have it charged now, or write it off."""

from dataclasses import replace

import pytest

from shared.domain import collection, invoice
from shared.domain.changes import Changes, Event
from shared.domain.collection import Step
from shared.domain.errors import Conflict
from shared.domain.invoice import AttemptState, GiveUp, InvoiceStatus
from tests.domain.examples import invoices
from tests.domain.payments import DAY, FIRST, ISSUED, T0, after, declined, in_state, said

LATER = T0 + DAY
FAILED = after(ISSUED, declined())


def paid_by_hand(bill, method="pm_visa", now=LATER):
    [again] = invoices(collection.pay(bill, "cus_acme", method, now))
    return again


def refusal_of(bill, method="pm_visa"):
    with pytest.raises(Conflict) as refusal:
        collection.pay(bill, "cus_acme", method, LATER)
    return refusal.value.code


def test_f29_a_declined_charge_is_tried_again_now_on_the_same_payment():
    again = paid_by_hand(FAILED)
    attempt = again.live
    assert (attempt.n, attempt.state, attempt.by_hand, attempt.t0) == (2, AttemptState.INTENT, 1, LATER)
    assert (attempt.payment_intent, again.due_at, again.status) == ("pi_1", LATER, InvoiceStatus.OPEN)
    assert collection.next_step(again, LATER) is Step.CONFIRM


def test_f29_three_times_and_no_more():
    bill = FAILED
    for n in range(1, 4):
        bill = after(paid_by_hand(bill), declined(charge=f"ch_by_hand_{n}"), LATER)
    assert bill.live.by_hand == 3
    assert refusal_of(bill) == "too_many_retries"


def test_f29_what_was_declined_for_good_needs_another_method():
    lost = after(ISSUED, declined("lost_card"))
    assert refusal_of(lost) == "method_declined_for_good"
    assert paid_by_hand(lost, "pm_other").live.payment_method == "pm_other"


@pytest.mark.parametrize(
    "state", [AttemptState.INTENT, AttemptState.PROCESSING, AttemptState.ACTION, AttemptState.SUCCEEDED]
)
def test_what_is_on_its_way_or_waits_for_its_payer_is_not_charged_beside(state):
    assert collection.pay(in_state(state), "cus_acme", "pm_visa", LATER) == Changes()


def test_without_a_saved_method_the_payment_is_made_for_its_payer():
    waiting = collection.freeze(ISSUED, "cus_acme", None, T0)
    begun = paid_by_hand(replace(waiting, attempt=None), method=None)
    assert (begun.status, begun.live.on_session, begun.live.payment_method) == (InvoiceStatus.OPEN, True, None)
    assert "confirm" not in collection.create_params(begun)
    made = after(begun, said("requires_payment_method"), LATER)
    assert made.status is InvoiceStatus.WAITING_FOR_PAYER
    assert collection.pay(made, "cus_acme", None, LATER) == Changes()


@pytest.mark.parametrize("status", [InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE])
def test_what_was_given_up_is_not_charged(status):
    assert refusal_of(replace(ISSUED, status=status)) == "invoice_closed"
    assert refusal_of(replace(FAILED, giving_up=GiveUp.WRITE_OFF)) == "invoice_closed"


def test_what_is_paid_stays_paid():
    assert collection.pay(invoice.paid(ISSUED, T0), "cus_acme", "pm_visa", LATER) == Changes()


# Writing off


def test_c3_before_an_invoice_is_written_off_its_payment_is_cancelled():
    [given_up] = invoices(collection.write_off(FAILED, LATER))
    assert (given_up.giving_up, given_up.status, given_up.due_at) == (GiveUp.WRITE_OFF, InvoiceStatus.OPEN, LATER)
    assert collection.next_step(given_up, LATER) is Step.CANCEL
    changes = collection.written_off(given_up)
    [closed] = changes.put
    assert (closed.status, closed.due_at, closed.past_due) == (InvoiceStatus.UNCOLLECTIBLE, None, False)
    assert closed.live.state is AttemptState.CANCELED
    assert collection.next_step(closed, LATER) is Step.NOTHING
    assert changes.events == (
        Event(
            "acme",
            "invoice.uncollectible",
            {"invoice": "sub_1a-00001", "subscription": "sub_1a", "amount": "100.00", "currency": "USD"},
        ),
    )


def test_a_payment_that_succeeds_meanwhile_is_taken():
    [given_up] = invoices(collection.write_off(FAILED, LATER))
    assert after(given_up, said(), LATER).status is InvoiceStatus.PAID


@pytest.mark.parametrize("status", ["requires_payment_method", "canceled"])
def test_what_fails_while_it_is_given_up_is_seen_to_at_once(status):
    debit = replace(in_state(AttemptState.PROCESSING), giving_up=GiveUp.WRITE_OFF, due_at=LATER + DAY)
    failed = after(debit, said(status, error="insufficient_funds", charge="ch_2"), LATER)
    assert (failed.due_at, collection.next_step(failed, LATER)) == (LATER, Step.CANCEL)


@pytest.mark.parametrize(
    "done", [replace(ISSUED, status=InvoiceStatus.VOID), replace(ISSUED, giving_up=GiveUp.CANCEL)]
)
def test_what_is_given_up_already_is_left_as_it_is(done):
    assert collection.write_off(done, LATER) == Changes()


@pytest.mark.parametrize(
    ("bill", "code"),
    [(invoice.paid(ISSUED, T0), "invoice_paid"), (FIRST, "checkout_open")],
)
def test_what_is_paid_or_still_being_bought_is_not_written_off(bill, code):
    with pytest.raises(Conflict) as refusal:
        collection.write_off(bill, LATER)
    assert refusal.value.code == code
