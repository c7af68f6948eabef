"""What a payer can pay, and the attempt that is left to them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain import collection
from shared.domain.changes import Changes
from shared.domain.collection import Step
from shared.domain.invoice import AttemptState, GiveUp, InvoiceStatus, past_attempt
from tests.domain.payments import DAY, FIRST, ISSUED, T0, in_state

NEVER_TRIED = replace(ISSUED, attempt=None, status=InvoiceStatus.WAITING_FOR_PAYER, due_at=None)
ENDED = (AttemptState.DECLINED, AttemptState.WAITING_FOR_PAYER)


@pytest.mark.parametrize("status", InvoiceStatus)
def test_what_is_owed_and_not_on_its_way_can_be_paid(status):
    done = (InvoiceStatus.PAID, InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE, InvoiceStatus.PROCESSING)
    assert replace(ISSUED, status=status).payable == (status not in done)
    assert not replace(ISSUED, status=status, giving_up=GiveUp.WRITE_OFF).payable


def test_c3_what_was_never_tried_gets_an_attempt_that_its_payer_confirms():
    changes = collection.offer_to_payer(NEVER_TRIED, "cus_acme", T0)
    [offered] = changes.put
    attempt = offered.live
    assert (attempt.n, attempt.state, attempt.t0) == (1, AttemptState.INTENT, T0)
    assert (attempt.amount, attempt.customer, attempt.payment_method) == (100_00, "cus_acme", None)
    assert collection.next_step(offered, T0) is Step.CREATE
    params = collection.create_params(offered)
    assert params["setup_future_usage"] == "off_session"
    assert not {"confirm", "payment_method", "off_session"} & params.keys(), "nothing is charged by making it"


@pytest.mark.parametrize("state", ENDED)
def test_c3_where_the_payment_was_cancelled_the_next_attempt_is_the_payers(state):
    gone = in_state(state, None)
    changes = collection.offer_to_payer(gone, "cus_acme", T0 + DAY)
    offered, past = changes.put
    assert past == past_attempt(gone, T0 + DAY)
    assert offered.live == replace(
        gone.live, n=2, state=AttemptState.INTENT, t0=T0 + DAY, payment_method=None, on_session=True
    )
    assert (offered.due_at, changes.events) == (T0 + DAY, ())
    assert "confirm" not in collection.create_params(offered)


@pytest.mark.parametrize("state", ENDED)
def test_c3_the_payment_that_is_there_is_the_one_to_confirm(state):
    assert collection.offer_to_payer(in_state(state, "pi_1"), "cus_acme", T0 + DAY) == Changes()


@pytest.mark.parametrize("state", [state for state in AttemptState if state not in ENDED])
def test_c2_an_attempt_that_has_not_ended_is_left_alone(state):
    for intent in (None, "pi_1"):
        left = collection.offer_to_payer(in_state(state, intent), "cus_acme", T0 + timedelta(days=9))
        assert left == Changes()


def test_the_first_invoice_of_a_checkout_is_offered_in_the_same_way():
    [offered] = collection.offer_to_payer(FIRST, "cus_acme", T0).put
    assert offered == collection.freeze(FIRST, "cus_acme", None, T0, on_session=True)
