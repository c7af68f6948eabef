"""Disputes: recorded on the invoice, and nothing more is charged by itself until one is won."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain import collection, dispute, renewal
from shared.domain.changes import Changes
from shared.domain.invoice import AttemptState, Dispute, InvoiceStatus
from shared.domain.money import Money
from shared.domain.subscription import Book
from tests.domain.examples import at, invoices
from tests.domain.payments import HOUR, ISSUED, SUBSCRIPTION, T0, after, in_state, said

PAID = after(ISSUED, said())
OPEN = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")
AGAINST = (*OPEN, "lost", "prevented")
FOR = ("won", "warning_closed")


def disputed(status="needs_response", id_="dp_1"):
    return Dispute(id_, status, Money(100_00, "USD"))


def learn(bill, told, subscription=SUBSCRIPTION):
    """The invoice and the subscription after that news, and the events of it."""
    changes = dispute.learned(bill, told, [subscription])
    if not changes.put:
        return bill, subscription, []
    new, held = changes.put
    return new, held, [(event.type, event.data) for event in changes.events]


@pytest.mark.parametrize("status", AGAINST)
def test_a_dispute_is_recorded_told_and_raises_an_alarm(status):
    bill, subscription, events = learn(PAID, disputed(status))
    assert bill == replace(PAID, disputes=(disputed(status),))
    assert subscription == replace(SUBSCRIPTION, disputes=("dp_1",))
    data = {"invoice": PAID.id, "dispute": "dp_1", "status": status, "amount": "100.00", "currency": "USD"}
    what = "100.00 USD of sub_1a-00001 is disputed: answer it at Stripe in time"
    alarm = {"code": "payment_disputed", "invoice": PAID.id, "dispute": "dp_1", "what": what}
    assert events == [("payment.disputed", data), ("alarm.raised", alarm)]


@pytest.mark.parametrize("status", ["under_review", "lost", "won"])
def test_what_becomes_of_it_is_told_without_another_alarm(status):
    bill, subscription, _ = learn(PAID, disputed())
    bill, subscription, events = learn(bill, disputed(status), subscription)
    assert bill.disputes == (disputed(status),)
    assert [(kind, data["status"]) for kind, data in events] == [("payment.disputed", status)]
    assert subscription.disputes == (() if status == "won" else ("dp_1",))


def test_the_same_news_twice_is_no_news():
    bill, subscription, _ = learn(PAID, disputed())
    assert dispute.learned(bill, disputed(), [subscription]) == Changes()


@pytest.mark.parametrize("late", OPEN)
@pytest.mark.parametrize("closed", ["won", "lost", "warning_closed", "prevented"])
def test_what_is_decided_stays_decided(closed, late):
    bill, subscription, _ = learn(PAID, disputed(closed))
    assert dispute.learned(bill, disputed(late), [subscription]) == Changes()


@pytest.mark.parametrize("status", FOR)
def test_a_dispute_heard_of_only_when_it_was_won_holds_nothing_back(status):
    bill, subscription, events = learn(PAID, disputed(status))
    assert (bill.disputes, subscription) == ((disputed(status),), SUBSCRIPTION)
    assert len(events) == 2


def test_of_two_disputes_each_holds_back_by_itself():
    bill, subscription, _ = learn(PAID, disputed())
    bill, subscription, _ = learn(bill, disputed(id_="dp_2"), subscription)
    assert subscription.disputes == ("dp_1", "dp_2")
    bill, subscription, _ = learn(bill, disputed("won"), subscription)
    assert (len(bill.disputes), subscription.disputes) == (2, ("dp_2",))
    assert subscription.automatic_method is None
    _, subscription, _ = learn(bill, disputed("won", "dp_2"), subscription)
    assert subscription.automatic_method == "pm_visa"


def test_after_a_new_way_to_pay_an_old_dispute_holds_nothing_back_again():
    bill, subscription, _ = learn(PAID, disputed())
    renewed = replace(subscription, payment_method="pm_new", disputes=())
    _, subscription, _ = learn(bill, disputed("under_review"), renewed)
    assert subscription == renewed


def test_every_subscription_of_a_checkout_is_held_back():
    others = [replace(SUBSCRIPTION, id=f"sub_{n}") for n in range(3)]
    changes = dispute.learned(PAID, disputed(), others)
    assert changes.put[1:] == tuple(replace(each, disputes=("dp_1",)) for each in others)


# What it holds back


def test_a_new_invoice_waits_for_its_payer():
    book = Book(replace(SUBSCRIPTION, disputes=("dp_1",)))
    [bill] = invoices(renewal.step(book, at("2026-02-25T00:10")))
    assert (bill.status, bill.attempt, bill.due_at) == (InvoiceStatus.WAITING_FOR_PAYER, None, None)
    assert bill.total == ISSUED.total


def test_what_is_left_to_its_payer_is_not_tried_again():
    declined = in_state(AttemptState.DECLINED)
    [left] = invoices(collection.leave_to_payer(declined))
    waiting = replace(declined.attempt, state=AttemptState.WAITING_FOR_PAYER)
    assert left == replace(declined, attempt=waiting, status=InvoiceStatus.WAITING_FOR_PAYER, due_at=None)
    assert collection.next_step(left, T0 + timedelta(days=30)) is collection.Step.NOTHING


def test_a_new_way_to_pay_charges_what_waited_for_one():
    book = Book(replace(SUBSCRIPTION, disputes=("dp_1",)))
    [bill] = invoices(renewal.step(book, at("2026-02-25T00:10")))
    [charged] = invoices(collection.bring_up(bill, "cus_acme", "pm_new", T0 + HOUR))
    assert (charged.live.payment_method, charged.live.t0, charged.due_at) == ("pm_new", T0 + HOUR, T0 + HOUR)
