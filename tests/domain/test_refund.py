"""Refunds: what goes back, never more than is left, and a credit note for each."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import invoice, refund
from shared.domain.changes import Event
from shared.domain.errors import BillingError, Conflict, Invalid
from shared.domain.invoice import Dispute, InvoiceLine, InvoiceStatus
from shared.domain.money import Money
from shared.domain.periods import Period
from shared.domain.processor import from_stripe, to_stripe
from shared.domain.refund import CreditNote, Reason, Refund, RefundStatus
from tests.domain.payments import FIRST, ISSUED, T0, after, said

DAY = date(2026, 3, 1)
NOW = T0 + timedelta(days=4)
PAID = after(ISSUED, said())
"""100.00 USD, paid by pi_1."""


def usd(text):
    return Money.parse(text, "USD")


def paid(total, currency="USD"):
    """An invoice of that amount, of which Stripe has captured what it can write."""
    owed = Money.parse(total, currency)
    line = replace(ISSUED.lines[0], amount=owed)
    attempt = replace(PAID.attempt, amount=to_stripe(owed))
    return replace(PAID, currency=currency, lines=(line,), attempt=attempt)


def issue(bill, amount=None, reason=None):
    """The invoice, the credit note and the refund that are written, and what happened."""
    changes = refund.issue(bill, amount, reason, DAY, NOW)
    return *changes.put, [(event.type, event.data) for event in changes.events]


def refused(bill, amount=None):
    with pytest.raises(BillingError) as caught:
        refund.issue(bill, amount, None, DAY, NOW)
    return type(caught.value), caught.value.code


# T1: a credit note and the refund that pays it out


def test_a_refund_of_part_leaves_the_rest_to_refund():
    bill, note, payout, events = issue(PAID, usd("40.00"), Reason.DUPLICATE)
    assert bill == replace(PAID, refunded=40_00, credit_notes=1)
    assert note == CreditNote("acme", PAID.id, 1, DAY, usd("40.00"), Reason.DUPLICATE)
    assert payout == Refund(
        account_id="acme",
        invoice_id=PAID.id,
        n=1,
        status=RefundStatus.REQUESTED,
        amount=usd("40.00"),
        units=40_00,
        payment_intent="pi_1",
        t0=NOW,
        reason=Reason.DUPLICATE,
        due_at=NOW,
    )
    facts = {"invoice": PAID.id, "credit_note": note.id, "amount": "40.00", "currency": "USD", "reason": "duplicate"}
    assert events == [("credit_note.issued", facts)]
    assert refund.left(bill) == usd("60.00")


def test_without_an_amount_all_that_is_left_goes_back():
    bill, *_ = issue(PAID, usd("40.00"))
    bill, note, payout, _ = issue(bill)
    assert (note.id, note.amount) == ("sub_1a-00001-C02", usd("60.00"))
    assert (payout.id, payout.credit_note_id, payout.units) == ("sub_1a-00001-R02", note.id, 60_00)
    assert refund.left(bill) == usd("0.00")
    assert refused(bill) == (Conflict, "nothing_to_refund")


def test_f30_a_refund_writes_nothing_of_the_subscription():
    assert [type(entity).__name__ for entity in refund.issue(PAID, None, None, DAY, NOW).put] == [
        "Invoice",
        "CreditNote",
        "Refund",
    ]
    bill, *_ = issue(PAID)
    assert (bill.status, bill.past_due, bill.due_at) == (InvoiceStatus.PAID, False, None)


def test_the_first_invoice_of_a_checkout_is_refunded_the_same_way():
    first = replace(FIRST, attempt=PAID.attempt, status=InvoiceStatus.PAID)
    bill, note, payout, _ = issue(first)
    assert (bill.id, note.id, payout.id) == ("co_1-00000", "co_1-00000-C01", "co_1-00000-R01")


@pytest.mark.parametrize(
    ("total", "currency", "captured", "units"),
    [
        ("58.065", "KWD", "58.060", 58060),  # Stripe takes dinars in steps of ten fils
        ("500", "ISK", "500", 50000),  # and counts krónur in hundredths
        ("500", "JPY", "500", 500),
        ("1001.50", "MGA", "1001.00", 1001),  # and ariary whole
    ],
)
def test_in_full_goes_back_what_stripe_has_captured(total, currency, captured, units):
    _, note, payout, _ = issue(paid(total, currency))
    assert (note.amount, payout.units) == (Money.parse(captured, currency), units)


# What is refused


@pytest.mark.parametrize(
    ("amount", "refusal"),
    [
        (usd("100.01"), (Conflict, "refund_too_large")),
        (usd("0.00"), (Invalid, "invalid_amount")),
        (usd("-1.00"), (Invalid, "invalid_amount")),
        (Money.parse("10.00", "EUR"), (Conflict, "wrong_currency")),
    ],
)
def test_an_amount_that_cannot_go_back_is_refused(amount, refusal):
    assert refused(PAID, amount) == refusal


@pytest.mark.parametrize(("amount", "currency"), [("1.005", "KWD"), ("1.50", "MGA")])
def test_an_amount_that_stripe_cannot_write_is_refused(amount, currency):
    assert refused(paid("1000", currency), Money.parse(amount, currency)) == (Invalid, "invalid_amount")


@pytest.mark.parametrize("status", [status for status in InvoiceStatus if status is not InvoiceStatus.PAID])
def test_only_what_was_paid_is_refunded(status):
    assert refused(replace(ISSUED, status=status)) == (Conflict, "not_paid")


def test_r86_a_bank_debit_that_is_on_its_way_is_refunded_once_it_has_arrived():
    pending = after(ISSUED, said("processing"))
    assert refused(pending) == (Conflict, "payment_pending")
    arrived = after(pending, said())
    assert issue(arrived)[1].amount == usd("100.00")


def test_what_was_paid_without_stripe_is_not_refunded_by_it():
    carried = invoice.paid(replace(ISSUED, attempt=None), T0)
    assert refused(carried) == (Conflict, "nothing_to_refund")


@pytest.mark.parametrize(
    ("status", "refundable"),
    [
        ("needs_response", False),
        ("under_review", False),
        ("warning_needs_response", False),
        ("warning_under_review", False),
        ("lost", False),
        ("prevented", False),
        ("won", True),
        ("warning_closed", True),
    ],
)
def test_what_is_disputed_is_refunded_only_if_the_dispute_is_won(status, refundable):
    disputed = replace(PAID, disputes=(Dispute("dp_1", status, usd("100.00")),))
    if refundable:
        assert issue(disputed)[1].amount == usd("100.00")
    else:
        assert refused(disputed) == (Conflict, "disputed")


def test_an_invoice_is_refunded_at_most_fifty_times():
    bill = PAID
    for _ in range(50):
        bill, *_ = issue(bill, usd("0.10"))
    assert refused(bill, usd("0.10")) == (Conflict, "too_many_refunds")


# Any sequence of refunds

AMOUNTS = st.lists(st.integers(1, 60_00), min_size=1, max_size=20)


@given(AMOUNTS)
def test_whatever_is_asked_for_no_more_goes_back_than_was_paid(amounts):
    bill, notes, payouts = PAID, [], []
    for amount in amounts:
        rest = refund.left(bill).amount
        if amount > rest:
            assert refused(bill, Money(amount, "USD"))[1] == ("refund_too_large" if rest else "nothing_to_refund")
            continue
        bill, note, payout, _ = issue(bill, Money(amount, "USD"))
        notes.append(note)
        payouts.append(payout)
    assert [note.n for note in notes] == list(range(1, len(notes) + 1))
    assert sum(note.amount.amount for note in notes) == bill.refunded <= 100_00
    assert [(note.amount, note.id) for note in notes] == [(each.amount, each.credit_note_id) for each in payouts]
    assert refund.left(bill) == Money(100_00 - bill.refunded, "USD")


@given(st.integers(100, 10**7), st.sampled_from(["USD", "JPY", "KWD", "ISK", "MGA"]), st.data())
def test_part_and_the_rest_are_the_whole_to_the_last_unit_of_stripe(amount, currency, data):
    bill = paid(Money(amount, currency).decimal, currency)
    units = bill.attempt.amount
    part = from_stripe(to_stripe(Money(data.draw(st.integers(1, amount)), currency)), currency)
    if 0 < part.amount < refund.left(bill).amount:
        bill, _, first, _ = issue(bill, part)
        bill, _, rest, _ = issue(bill)
        assert first.units + rest.units == units
        assert min(first.units, rest.units) > 0


# Unused days (D9)

JANUARY = Period(date(2026, 1, 25), date(2026, 2, 25))


def line(amount, period):
    return InvoiceLine("Sales Hub seat", 1, usd(amount), period, "sales-seat", "seat")


def of_lines(*lines):
    total = sum(each.amount.amount for each in lines)
    return replace(PAID, lines=lines, attempt=replace(PAID.attempt, amount=total))


@pytest.mark.parametrize(
    ("on", "back"),
    [
        (date(2026, 1, 25), "96.77"),  # one day of 31 is used: 100.00 - 3.23
        (date(2026, 2, 6), "58.06"),  # 13 days: 100.00 - 41.94
        (date(2026, 2, 23), "3.23"),  # all but the last: 100.00 - 96.77
        (date(2026, 1, 1), "100.00"),  # nothing yet
    ],
)
def test_d9_what_was_paid_for_unused_days_is_what_was_paid_less_what_was_used_rounded(on, back):
    assert refund.unused(of_lines(line("100.00", JANUARY)), on) == usd(back)


@pytest.mark.parametrize("on", [date(2026, 2, 24), date(2026, 2, 25), date(2027, 1, 1)])
def test_when_every_day_is_used_nothing_goes_back(on):
    with pytest.raises(Conflict) as caught:
        refund.unused(of_lines(line("100.00", JANUARY)), on)
    assert caught.value.code == "nothing_to_refund"


def test_each_line_has_its_own_days_and_what_is_no_matter_of_days_stays():
    bought_later = line("58.06", Period(date(2026, 2, 7), date(2026, 2, 25)))
    bill = of_lines(line("500.00", JANUARY), bought_later, line("3000.00", None))
    assert refund.unused(bill, date(2026, 2, 15)) == usd("174.19")  # 500.00 - 354.84, and 58.06 - 29.03


def test_what_was_refunded_before_counts_against_unused_days():
    bill, *_ = issue(of_lines(line("100.00", JANUARY)), usd("90.00"))
    assert refund.unused(bill, date(2026, 1, 25)) == usd("6.77"), "of 96.77; 3.23 are used and stay paid"
    again, *_ = issue(bill, usd("6.77"))
    with pytest.raises(Conflict) as caught:
        refund.unused(again, date(2026, 1, 25))
    assert caught.value.code == "nothing_to_refund"


def test_r85_of_a_subscription_that_ended_no_day_after_that_is_used():
    both = [replace(line("100.00", JANUARY), subscription_id=each) for each in ("sub_1", "sub_2")]
    bill = replace(of_lines(*both), subscription_id=None)
    ended = {"sub_1": date(2026, 1, 25), "sub_3": date(2026, 1, 25)}
    assert refund.unused(bill, date(2026, 2, 6), ended) == usd("154.83"), "96.77 of the one, 58.06 of the other"
    assert refund.unused(bill, date(2026, 1, 25), {"sub_1": date(2026, 2, 6)}) == usd("193.54"), "it ends later"


def test_what_has_not_arrived_is_not_paid_for_any_day():
    with pytest.raises(Conflict) as caught:
        refund.unused(after(ISSUED, said("processing")), DAY)
    assert caught.value.code == "payment_pending"


@given(st.lists(st.integers(100, 10**6), min_size=1, max_size=5), st.dates(date(2026, 1, 20), date(2026, 2, 23)))
def test_what_is_used_and_what_goes_back_are_what_was_paid(amounts, on):
    bill = of_lines(*(line(Money(amount, "USD").decimal, JANUARY) for amount in amounts))
    back = refund.unused(bill, on).amount
    days = max((on - JANUARY.start).days + 1, 0)
    used = sum(amounts) - back
    assert 0 <= used <= sum(amounts)
    assert abs(used - sum(amounts) * days / 31) <= len(amounts) / 2, "each line may be off by half a cent"


def test_the_place_of_a_refund_stands_in_its_id():
    [_, _, payout, _] = issue(PAID)
    assert refund.place(payout.id) == (PAID.id, 1)
    assert [refund.place(text) for text in ("sub_1-00001", "x-R", "x-R²", "")] == [
        ("", 0),
        ("x", 0),
        ("x", 0),
        ("", 0),
    ]


def test_the_event_belongs_to_the_account():
    [event] = refund.issue(PAID, None, None, DAY, NOW).events
    assert isinstance(event, Event)
    assert (event.account_id, event.data["reason"]) == ("acme", None)
