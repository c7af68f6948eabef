"""Paying a refund out: once, whatever Stripe answers, and nothing that is open is forgotten."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import refund, repayment
from shared.domain.changes import Changes
from shared.domain.collection import Step
from shared.domain.refund import RefundStatus
from shared.domain.repayment import Repayment
from tests.domain.payments import DAY, HOUR
from tests.domain.test_refund import DAY as ON
from tests.domain.test_refund import NOW, PAID, usd

REQUESTED, PENDING, SUCCEEDED, FAILED = RefundStatus
[_, _, ASKED] = refund.issue(PAID, usd("40.00"), None, ON, NOW).put
"""40.00 USD of pi_1, about to be sent."""
STATUSES = ("pending", "requires_action", "succeeded", "failed", "canceled")
FACTS = {"invoice": ASKED.invoice_id, "credit_note": ASKED.credit_note_id, "amount": "40.00", "currency": "USD"}


def said(status="succeeded", **more):
    """What Stripe says of that refund."""
    facts = {"id": "re_1", "amount": 40_00, "currency": "usd", "payment_intent": "pi_1", "account_id": "acme"}
    return Repayment(status=status, **{**facts, "invoice_id": ASKED.invoice_id, "n": 1, **more})


def learn(it, told, now=NOW):
    """The refund after that answer, and the events of it."""
    changes = repayment.learned(it, told, now)
    [new] = changes.put or [it]
    return new, [(event.type, event.data) for event in changes.events]


def after(it, told, now=NOW):
    return learn(it, told, now)[0]


# What is sent


def test_c4_what_is_sent_is_built_from_what_is_stored():
    metadata = {"account": "acme", "invoice": "sub_1a-00001", "refund": "1"}
    sent = {"payment_intent": "pi_1", "amount": 40_00, "metadata": metadata}
    assert repayment.params(ASKED) == sent
    told = replace(ASKED, reason=refund.Reason.FRAUDULENT)
    assert repayment.params(told) == {**sent, "reason": "fraudulent"}
    assert repayment.key(ASKED) == "acme:sub_1a-00001:refund:1:1"


def test_every_refund_and_every_attempt_has_a_key_of_its_own():
    others = [replace(ASKED, **other) for other in (
        {"n": 2}, {"attempt": 2}, {"invoice_id": "sub_1a-00002"}, {"account_id": "globex"}
    )]  # fmt: skip
    keys = {repayment.key(each) for each in (ASKED, *others)}
    assert len(keys) == 5
    same = replace(ASKED, look=True, failures=3, due_at=None, stripe_refund="re_1", version=7)
    assert repayment.key(same) == repayment.key(ASKED)


# What to do next


@pytest.mark.parametrize(
    ("status", "age", "step"),
    [
        (REQUESTED, timedelta(0), Step.CREATE),
        (REQUESTED, 20 * HOUR - timedelta(seconds=1), Step.CREATE),
        (REQUESTED, 20 * HOUR, Step.LOOK),
        (REQUESTED, 30 * DAY, Step.LOOK),
        (PENDING, 6 * HOUR - timedelta(seconds=1), Step.NOTHING),
        (PENDING, 6 * HOUR, Step.GET),
        (PENDING, 30 * DAY, Step.GET),
        (SUCCEEDED, 30 * DAY, Step.NOTHING),
        (FAILED, 30 * DAY, Step.NOTHING),
    ],
)
def test_what_is_done_next_depends_on_how_far_it_is_and_on_its_age(status, age, step):
    due_at = {REQUESTED: NOW, PENDING: NOW + 6 * HOUR}.get(status)
    assert repayment.next_step(replace(ASKED, status=status, due_at=due_at), NOW + age) is step


def test_after_an_unclear_answer_it_is_looked_before_anything_is_sent():
    [unclear] = repayment.unclear(ASKED).put
    assert unclear == replace(ASKED, look=True)
    assert repayment.next_step(unclear, NOW) is Step.LOOK


# What an answer means


def test_a_success_ends_it():
    done, events = learn(ASKED, said())
    assert done == replace(ASKED, status=SUCCEEDED, stripe_refund="re_1", due_at=None)
    assert events == [("payment.refunded", {**FACTS, "payment": "pi_1", "refund": "re_1"})]


@pytest.mark.parametrize("status", ["pending", "requires_action"])
def test_c6_what_is_pending_is_asked_after_every_six_hours(status):
    pending, events = learn(ASKED, said(status))
    assert (pending, events) == (
        replace(ASKED, status=PENDING, stripe_refund="re_1", due_at=NOW + 6 * HOUR),
        [],
    )
    assert after(pending, said(status), NOW + 6 * HOUR).due_at == NOW + 12 * HOUR


@pytest.mark.parametrize("before", [REQUESTED, PENDING, SUCCEEDED])
@pytest.mark.parametrize(
    ("told", "error"),
    [
        (said("failed", error="expired_or_canceled_card"), "expired_or_canceled_card"),
        (said("failed"), "failed"),
        (said("canceled"), "canceled"),
    ],
)
def test_what_does_not_arrive_or_comes_back_raises_an_alarm(before, told, error):
    known = replace(ASKED, status=before, stripe_refund=None if before is REQUESTED else "re_1")
    failed, events = learn(known, told)
    assert failed == replace(ASKED, status=FAILED, stripe_refund="re_1", due_at=None, error=error)
    [(kind, data)] = events
    assert kind == "alarm.raised"
    assert data == {"code": "refund_failed", **FACTS, "what": f"re_1 {told.status}"}
    assert learn(failed, told) == (failed, []), "one alarm"


def test_what_stripe_refuses_for_good_has_failed_and_says_why():
    changes = repayment.refused(ASKED, "charge_disputed", "This charge is disputed.")
    [failed] = changes.put
    assert (failed.status, failed.due_at) == (FAILED, None)
    assert (failed.error, failed.message) == ("charge_disputed", "This charge is disputed.")
    [alarm] = changes.events
    assert alarm.data == {"code": "refund_failed", **FACTS, "what": "This charge is disputed."}


def test_what_was_held_to_be_refused_and_went_out_after_all_is_a_success():
    [failed] = repayment.refused(ASKED, "charge_already_refunded", "Refunded already.").put
    done, events = learn(failed, said())
    assert (done.status, done.error, done.message) == (SUCCEEDED, None, None)
    assert [kind for kind, _ in events] == ["payment.refunded"]


@pytest.mark.parametrize("order", [*itertools.permutations(["pending", "succeeded", "failed"])])
def test_in_whichever_order_it_is_told_the_last_thing_that_happened_counts(order):
    it = ASKED
    for status in order:
        it = after(it, said(status))
    assert it.status is FAILED


@pytest.mark.parametrize("late", ["pending", "requires_action", "succeeded"])
@pytest.mark.parametrize("status", [SUCCEEDED, FAILED])
def test_late_news_changes_nothing(status, late):
    ended = replace(ASKED, status=status, stripe_refund="re_1", due_at=None)
    assert repayment.learned(ended, said(late), NOW + DAY) == Changes()


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    "other",
    [
        {"amount": 40_01},
        {"amount": 100_00},
        {"currency": "eur"},
        {"payment_intent": "pi_2"},
        {"payment_intent": None},
    ],
)
def test_c5_what_is_not_what_was_asked_for_counts_for_nothing_and_raises_one_alarm(status, other):
    told = said(status, **other)
    odd, events = learn(ASKED, told)
    assert odd == replace(ASKED, error="refund_mismatch", due_at=NOW + DAY)
    what = {"code": "refund_mismatch", "invoice": ASKED.invoice_id, "what": "re_1 is not what was asked for"}
    assert events == [("alarm.raised", what)]
    assert learn(odd, told, NOW + DAY) == (replace(odd, due_at=NOW + 2 * DAY), [])


def test_a_second_refund_at_stripe_for_one_of_ours_raises_an_alarm():
    done = after(ASKED, said())
    odd, events = learn(done, said(id="re_2"))
    assert odd == replace(done, error="refund_mismatch")
    assert [data["code"] for _, data in events] == ["refund_mismatch"]


# When nothing came of it


@pytest.mark.parametrize(
    ("age", "attempt", "due"),
    [(HOUR, 1, 21 * HOUR), (20 * HOUR, 1, 21 * HOUR), (21 * HOUR - timedelta(seconds=1), 1, 21 * HOUR)],
)
def test_f33_what_is_not_found_may_still_be_on_its_way_for_21_hours(age, attempt, due):
    unclear = replace(ASKED, look=True)
    waiting, events = learn(unclear, None, NOW + age)
    assert (waiting, events) == (replace(unclear, attempt=attempt, due_at=NOW + due), [])
    assert repayment.learned(waiting, None, NOW + age) == Changes(), "and it waits"


def test_f33_after_21_hours_it_is_sent_again_with_another_key():
    unclear = replace(ASKED, look=True, due_at=NOW + 21 * HOUR)
    again, events = learn(unclear, None, NOW + 21 * HOUR)
    assert again == replace(ASKED, attempt=2, t0=NOW + 21 * HOUR, due_at=NOW + 21 * HOUR)
    assert events == []
    assert repayment.next_step(again, NOW + 21 * HOUR) is Step.CREATE
    assert repayment.key(again) == "acme:sub_1a-00001:refund:1:2"
    assert {**repayment.params(again)} == repayment.params(ASKED), "it is the same refund"


@pytest.mark.parametrize("status", [PENDING, SUCCEEDED, FAILED])
def test_what_was_seen_once_is_not_sent_again_for_not_being_found(status):
    seen = replace(ASKED, status=status, stripe_refund="re_1")
    assert repayment.learned(seen, None, NOW + 30 * DAY) == Changes()


# When it keeps failing


@pytest.mark.parametrize(("failures", "wait", "alarms"), [(0, HOUR, 1), (1, 6 * HOUR, 0), (2, DAY, 0), (9, DAY, 0)])
def test_what_keeps_failing_is_left_alone_longer_each_time_with_one_alarm(failures, wait, alarms):
    changes = repayment.postpone(replace(ASKED, failures=failures), "SSLError: no", NOW)
    [put_off] = changes.put
    assert put_off == replace(ASKED, failures=failures + 1, due_at=NOW + wait, error="SSLError: no")
    assert [event.data["code"] for event in changes.events] == ["refunding_failed"] * alarms
    assert after(put_off, said()).failures == 0


@pytest.mark.parametrize("due_at", [None, NOW + HOUR])
def test_what_is_not_due_is_not_put_off(due_at):
    assert repayment.postpone(replace(ASKED, due_at=due_at), "SSLError: no", NOW) == Changes()


# Any course of things


@given(st.lists(st.sampled_from([*STATUSES, None]), max_size=8))
def test_a_refund_only_moves_on_and_while_it_is_open_it_has_a_timer(course):
    it, refunded = ASKED, 0
    rank = {status: n for n, status in enumerate(RefundStatus)}
    for number, status in enumerate(course):
        before = it
        it, events = learn(it, said(status) if status else None, NOW + number * 6 * HOUR)
        refunded += [kind for kind, _ in events].count("payment.refunded")
        assert rank[it.status] >= rank[before.status]
        assert (it.due_at is not None) == (it.status in (REQUESTED, PENDING))
        assert (it.units, it.amount, it.payment_intent) == (ASKED.units, ASKED.amount, "pi_1")
    assert refunded <= 1
