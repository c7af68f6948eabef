"""What moved at Stripe, held against what the table says: every pair of the two has its answer (C8)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain import invoice, reconciliation
from shared.domain.changes import Event
from shared.domain.difference import TOLD_FOR, Difference, Differs
from shared.domain.invoice import AttemptState, Dispute, InvoiceStatus
from shared.domain.money import Money
from shared.domain.reconciliation import Charge, Disputed
from shared.domain.refund import Refund, RefundStatus
from shared.domain.repayment import Repayment
from tests.domain.payments import DAY, ISSUED, T0, in_state, said

CHARGE = Charge("ch_1", "pi_1", "succeeded", 100_00, "usd", "cus_acme", "acme", ISSUED.id)
PAID = invoice.paid(in_state(AttemptState.SUCCEEDED), T0)
PAID_BY_ANOTHER = invoice.paid(in_state(AttemptState.SUCCEEDED, payment_intent="pi_0"), T0)
VOID = replace(in_state(AttemptState.CANCELED), status=InvoiceStatus.VOID, due_at=None)
PROCESSING = replace(in_state(AttemptState.PROCESSING), status=InvoiceStatus.PROCESSING)
SENT = in_state(AttemptState.INTENT, payment_intent=None)
NO_ATTEMPT = replace(ISSUED, attempt=None)


@pytest.mark.parametrize(
    ("status", "bill", "differs"),
    [
        ("succeeded", PAID, None),
        ("succeeded", None, Differs.UNKNOWN_INVOICE),
        ("succeeded", SENT, Differs.UNPAID_HERE),
        ("succeeded", NO_ATTEMPT, Differs.UNPAID_HERE),
        ("succeeded", in_state(AttemptState.DECLINED), Differs.UNPAID_HERE),
        ("succeeded", PROCESSING, Differs.UNPAID_HERE),
        ("succeeded", PAID_BY_ANOTHER, Differs.PAID_TWICE),
        ("succeeded", replace(PAID, attempt=None), Differs.PAID_TWICE),
        ("succeeded", VOID, Differs.PAID_THOUGH_CLOSED),
        ("pending", PROCESSING, None),
        ("pending", in_state(AttemptState.DECLINED), None),
        ("pending", None, Differs.UNKNOWN_INVOICE),
        ("pending", SENT, Differs.UNPAID_HERE),
        ("pending", PAID_BY_ANOTHER, Differs.PAID_TWICE),
        ("pending", VOID, Differs.PAID_THOUGH_CLOSED),
        ("failed", None, None),
        ("failed", SENT, None),
        ("failed", VOID, None),
    ],
)
def test_c8_a_charge_is_known_to_its_invoice_or_differs(status, bill, differs):
    found = reconciliation.charged(replace(CHARGE, status=status), bill, T0)
    assert (found and found.differs) == differs


@pytest.mark.parametrize("other", [{"amount": 100_01}, {"currency": "eur"}, {"customer": "cus_2"}])
def test_c8_another_amount_currency_or_customer_than_was_frozen_differs(other):
    assert reconciliation.charged(replace(CHARGE, **other), PAID, T0).differs is Differs.AMOUNT
    assert reconciliation.paid(PAID, said(**other), T0).differs is Differs.AMOUNT


@pytest.mark.parametrize("bill", [None, VOID, PAID_BY_ANOTHER])
def test_c8_what_was_given_back_needs_nobody_any_more(bill):
    assert reconciliation.charged(replace(CHARGE, given_back=True), bill, T0) is None


def test_c8_a_difference_says_which_payment_moved_what_for_which_invoice():
    found = reconciliation.charged(CHARGE, None, T0)
    what = "pi_1 moved 10000 usd for sub_1a-00001, which is not in the table"
    assert found == Difference(Differs.UNKNOWN_INVOICE, "pi_1", "acme", what, T0 + TOLD_FOR)
    facts = {"code": "reconciliation_difference", "differs": "unknown_invoice", "thing": "pi_1", "what": what}
    assert found.event == Event("acme", "alarm.raised", facts)


REFUND = Refund(
    "acme", ISSUED.id, 1, RefundStatus.PENDING, Money(20_00, "USD"), 2000, "pi_1", T0, stripe_refund="re_1"
)
BACK = Repayment("re_1", "pending", 2000, "usd", "pi_1", "acme", ISSUED.id, 1)


@pytest.mark.parametrize(
    ("refund", "differs"),
    [
        (REFUND, None),
        (None, Differs.UNKNOWN_REFUND),
        (replace(REFUND, stripe_refund="re_2"), Differs.REFUND),
        (replace(REFUND, stripe_refund=None), Differs.REFUND),
        (replace(REFUND, units=2001), Differs.REFUND),
    ],
)
def test_c8_a_refund_at_stripe_carries_out_one_of_ours_or_differs(refund, differs):
    found = reconciliation.repaid(BACK, refund, T0)
    assert (found and (found.differs, found.thing)) == (differs and (differs, "re_1"))


@pytest.mark.parametrize(
    ("status", "payment", "bill", "told"),
    [
        ("succeeded", "pi_1", PAID, True),
        ("pending", "pi_1", PAID, True),
        ("failed", "pi_1", PAID, False),
        ("canceled", "pi_1", PAID, False),
        ("succeeded", "pi_2", PAID, False),
        ("succeeded", "pi_1", NO_ATTEMPT, False),
        ("succeeded", "pi_1", None, False),
    ],
)
def test_c8_a_refund_by_hand_is_told_if_it_gives_back_what_an_invoice_is_paid_by(status, payment, bill, told):
    by_hand = replace(BACK, status=status, account_id="", invoice_id="", n=0)
    found = reconciliation.repaid_by_hand(by_hand, said(id=payment), bill, T0)
    assert (found and found.differs) == (Differs.UNKNOWN_REFUND if told else None)


def test_c8_a_dispute_is_known_to_its_invoice_or_differs():
    dispute = Dispute("du_1", "needs_response", Money(100_00, "USD"))
    seen, knows = Disputed("pi_1", dispute), replace(PAID, disputes=(replace(dispute, status="lost"),))
    assert reconciliation.disputed(seen, said(), knows, T0) is None
    for bill in (PAID, None):
        assert reconciliation.disputed(seen, said(), bill, T0).differs is Differs.UNKNOWN_DISPUTE


@pytest.mark.parametrize(
    ("payment", "differs"),
    [
        (said(), None),
        (None, Differs.NO_PAYMENT),
        (said("processing"), Differs.NO_PAYMENT),
        (said("requires_payment_method"), Differs.NO_PAYMENT),
        (said("canceled"), Differs.NO_PAYMENT),
    ],
)
def test_c8_what_is_paid_here_has_succeeded_at_stripe(payment, differs):
    found = reconciliation.paid(PAID, payment, T0)
    assert (found and (found.differs, found.thing)) == (differs and (differs, PAID.id))


def test_c8_stripe_is_asked_about_what_was_paid_since_the_last_look_and_a_little_more():
    assert reconciliation.paid_of_late(PAID, T0 + 9 * DAY - timedelta(seconds=1))
    assert not reconciliation.paid_of_late(PAID, T0 + 9 * DAY)
    assert not reconciliation.paid_of_late(replace(PAID, attempt=None), T0), "nothing was to be paid"
    assert not reconciliation.paid_of_late(SENT, T0)
