"""What must hold of all that lies in the table of an account; each way of its not holding is found (C6)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain import audit, checkout
from shared.domain.checkout import CheckoutStatus, LineItem
from shared.domain.difference import Differs
from shared.domain.invoice import AttemptState, InvoiceStatus
from shared.domain.money import Money
from shared.domain.periods import Period
from shared.domain.refund import Refund, RefundStatus
from shared.domain.subscription import Status
from tests.domain.examples import ACME, PLAN, SEAT, at, bought, day, offered, run
from tests.domain.payments import DAY, in_state

NOW = at("2026-05-01")
BOUGHT = offered(LineItem(SEAT), LineItem(PLAN), on="2026-01-25")
RUN = run(bought(LineItem(SEAT), LineItem(PLAN), on="2026-01-25"), "2026-05-01")
SUBSCRIPTION = RUN.book.subscription
PAID = {"status": InvoiceStatus.PAID, "due_at": None}
FIRST = replace(BOUGHT.invoice, **PAID)
BILLS = tuple(replace(bill, **PAID) for bill in RUN.invoices)
ALL = (SUBSCRIPTION, FIRST, *BILLS)


def found(*things, now=NOW):
    return [(each.differs, each.thing) for each in audit.of_account(things, now)]


def test_c6_an_account_in_order_has_no_differences():
    assert [str(bill.date) for bill in BILLS] == ["2026-02-25", "2026-03-25", "2026-04-25"]
    assert found(*ALL, BOUGHT.checkout, now=at("2026-01-26")) == []
    assert found(*ALL) == []
    assert found() == []


@pytest.mark.parametrize("status", InvoiceStatus)
def test_c6_an_open_invoice_has_a_timer_or_waits_for_its_payer(status):
    waits = status in ("waiting_for_payer", "awaiting_payment", "paid", "uncollectible", "void")
    bill = replace(BILLS[-1], status=status)
    assert found(bill) == ([] if waits else [(Differs.NO_TIMER, bill.id)])
    assert found(replace(bill, due_at=NOW)) == [], "with a timer, any is in order"


def test_c6_what_is_parked_has_no_timer_and_is_told_of_again():
    parked = replace(SUBSCRIPTION, parked=True)
    [told] = audit.of_account((parked, FIRST, *BILLS), NOW)
    assert (told.differs, told.thing) == (Differs.PARKED, SUBSCRIPTION.id)
    assert told.what == f"{SUBSCRIPTION.id} is not billed before somebody has looked at it"
    assert found(replace(parked, status=Status.CANCELED, parked=False), FIRST, *BILLS) == []


@pytest.mark.parametrize("status", RefundStatus)
def test_c6_a_refund_that_is_under_way_has_a_timer(status):
    refund = Refund("acme", BILLS[0].id, 1, status, Money(20_00, "USD"), 2000, "pi_1", NOW)
    assert found(refund) == ([(Differs.NO_TIMER, refund.id)] if status in ("requested", "pending") else [])
    assert found(replace(refund, due_at=NOW)) == []


@pytest.mark.parametrize(
    "thing",
    [
        in_state(AttemptState.DECLINED, due_at=NOW),
        replace(SUBSCRIPTION, retry_at=NOW),
        replace(BOUGHT.checkout, expires_at=NOW),
    ],
    ids=["invoice", "subscription", "checkout"],
)
def test_c6_what_nobody_did_within_two_days_is_overdue(thing):
    assert found(thing, now=NOW + 2 * DAY) == []
    late = NOW + 2 * DAY + timedelta(seconds=1)
    assert found(thing, now=late) == [(Differs.OVERDUE, thing.id)]


def test_c6_what_is_over_is_never_overdue():
    done = checkout.complete(BOUGHT.checkout, ACME, None).put[0]
    assert done.status is CheckoutStatus.COMPLETE
    ended = replace(SUBSCRIPTION, status=Status.EXPIRED)
    assert found(ended, FIRST, *BILLS, done, now=NOW + 900 * DAY) == []


@pytest.mark.parametrize(
    ("counted", "failed", "wrong"),
    [(0, 0, False), (2, 2, False), (4, 4, False), (1, 0, True), (1, 2, True), (3, 4, True)],
)
def test_r79_a_subscription_counts_the_invoices_that_are_past_due(counted, failed, wrong):
    bills = [replace(bill, past_due=n < failed) for n, bill in enumerate(BILLS)]
    first = replace(FIRST, submitted=True, past_due=failed > len(BILLS))
    of_another = replace(BILLS[0], id="sub_2-00001", subscription_id="sub_2", past_due=True)
    subscription = replace(SUBSCRIPTION, unpaid=counted)
    expected = [(Differs.UNPAID_COUNT, subscription.id)] if wrong else []
    assert found(subscription, first, *bills, of_another) == expected


# ---- periods


def periods(*things):
    """What is wrong with the periods of the subscription."""
    [differs] = audit.of_account((SUBSCRIPTION, *things), NOW)
    assert (differs.differs, differs.thing) == (Differs.PERIODS, SUBSCRIPTION.id)
    return differs.what.removeprefix(f"{SUBSCRIPTION.id}: ")


def test_d15_a_period_that_was_not_billed_is_found():
    what = "2026-01-25/2026-02-25 is followed by 2026-03-25/2026-04-25"
    assert periods(FIRST, *BILLS[1:]) == what


def test_d15_a_period_that_was_billed_twice_is_found():
    again = replace(BILLS[0], id=f"{SUBSCRIPTION.id}-00009")
    assert periods(FIRST, *BILLS, again) == (
        "2026-02-25/2026-03-25 of hub-professional is billed 2 times; "
        "2026-02-25/2026-03-25 of sales-seat is billed 2 times"
    )


def test_d15_a_subscription_that_moved_on_without_an_invoice_is_found():
    assert periods(FIRST, *BILLS[:-1]) == "2026-03-25/2026-04-25 is billed, the next is from 2026-05-25"


def test_d15_what_was_pending_is_of_a_period_that_was_billed_before():
    """A seat of the first day of a period comes with the next invoice, for the same whole period."""
    whole = Period(day("2026-02-25"), day("2026-03-25"))
    line = replace(BILLS[1].lines[0], period=whole)
    bill = replace(BILLS[1], lines=(*BILLS[1].lines, line))
    assert found(SUBSCRIPTION, FIRST, BILLS[0], bill, BILLS[2]) == []


def test_d15_what_is_billed_at_once_by_a_cancellation_is_no_period():
    line = replace(BILLS[2].lines[0], period=Period(day("2026-05-07"), day("2026-05-25")))
    at_once = replace(BILLS[2], id=f"{SUBSCRIPTION.id}-00009", date=day("2026-05-07"), lines=(line,))
    ended = replace(SUBSCRIPTION, status=Status.CANCELED)
    assert found(ended, FIRST, *BILLS, at_once) == []


def test_d15_what_costs_nothing_is_billed_nowhere():
    free = tuple(replace(item, unit=Money(0, "USD")) for item in SUBSCRIPTION.items)
    assert found(replace(SUBSCRIPTION, items=free)) == []
    assert found(replace(SUBSCRIPTION, items=free), FIRST) == []
