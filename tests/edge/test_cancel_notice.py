"""What a customer is told on cancelling: what is still charged, what is still owed, in sentences."""

from dataclasses import replace

import pytest

from shared.domain import cancellation
from shared.domain.checkout import LineItem
from shared.domain.invoice import AttemptState, InvoiceStatus
from shared.domain.periods import Interval
from shared.domain.subscription import Book
from shared.edge import bills
from tests.domain.examples import SEAT, at, bought, day
from tests.domain.payments import SUBSCRIPTION, in_state

CHARGED = in_state(AttemptState.INTENT)
ASKED = replace(in_state(AttemptState.ACTION), id="sub_1a-00002", status=InvoiceStatus.ACTION_REQUIRED)
DEBIT = replace(in_state(AttemptState.PROCESSING), id="sub_1a-00003", status=InvoiceStatus.PROCESSING)
DECLINED = replace(in_state(AttemptState.DECLINED), id="sub_1a-00004")
LAST = "No further period is charged."
R86 = "A bank debit is on its way: cancelling neither stops nor refunds it. To give it back, refund it."
OWED = "Still owed, and charged by the next way to pay that is saved:"
MONTHLY = Book(SUBSCRIPTION)
COMMITTED = bought(LineItem(SEAT, term=Interval.QUARTER))


def answer(*left, book=MONTHLY):
    return bills.cancellation(cancellation.at_once(book, left, day("2026-02-26"), at("2026-02-26")))


@pytest.mark.parametrize(
    ("left", "notice"),
    [
        ([], "Nothing is charged any more."),
        ([DEBIT], f"Nothing is charged any more. {R86}"),
        ([CHARGED], f"{LAST} What fell due before will still be charged: sub_1a-00001 (100.00 USD)."),
        (
            [DEBIT, ASKED],
            f"{LAST} Charged as soon as the payer confirms it: sub_1a-00002 (100.00 USD). {R86}",
        ),
        (
            [DECLINED, replace(DECLINED, id="sub_1a-00005")],
            f"{LAST} {OWED} sub_1a-00004 (100.00 USD), sub_1a-00005 (100.00 USD).",
        ),
    ],
)
def test_r84_r86_the_notice_says_what_is_still_charged(left, notice):
    assert answer(*left)["notice"] == notice


def test_d16_the_rest_of_a_commitment_comes_first():
    first = "The rest of the commitment, 200.00 USD, is charged at once;"
    assert answer(book=COMMITTED)["notice"] == f"{first} nothing more after that."
    assert answer(DECLINED, book=COMMITTED)["notice"].startswith(f"{first} no further period after that. {OWED}")


def test_each_invoice_is_named_with_its_status():
    told = answer(CHARGED, ASKED, DEBIT, DECLINED)
    amount = {"amount": "100.00", "currency": "USD"}
    assert told["payments_under_way"] == [
        {"invoice": "sub_1a-00001", "amount": amount, "status": "open"},
        {"invoice": "sub_1a-00002", "amount": amount, "status": "action_required"},
        {"invoice": "sub_1a-00003", "amount": amount, "status": "processing"},
    ]
    assert told["still_owed"] == [{"invoice": "sub_1a-00004", "amount": amount, "status": "open"}]
