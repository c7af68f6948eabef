"""Collection: each invoice is paid exactly once, and nothing that is open is forgotten."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain import collection, invoice, outcome
from shared.domain.changes import Changes, Event
from shared.domain.collection import Step
from shared.domain.invoice import Attempt, AttemptState, InvoiceStatus, PastAttempt
from shared.domain.outcome import HARD_DECLINES
from shared.domain.subscription import Status
from tests.domain.examples import invoices
from tests.domain.payments import (
    DAY,
    DUNNING,
    FIRST,
    HOUR,
    ISSUED,
    SUBSCRIPTION,
    T0,
    after,
    begin_again,
    declined,
    in_state,
    learn,
    said,
)

# T1: freezing what is asked for


def test_c1_an_invoice_is_frozen_as_stripe_will_be_asked_for_it():
    assert ISSUED.attempt == Attempt(
        n=1,
        state=AttemptState.INTENT,
        t0=T0,
        amount=100_00,
        customer="cus_acme",
        payment_method="pm_visa",
    )
    assert (ISSUED.status, ISSUED.due_at) == (InvoiceStatus.OPEN, T0)


@pytest.mark.parametrize(
    ("customer", "method", "on_session", "waits"),
    [
        ("cus_acme", "pm_visa", False, False),
        ("cus_acme", "pm_visa", True, False),
        ("cus_acme", None, True, False),
        ("cus_acme", None, False, True),
        (None, "pm_visa", False, True),
        (None, None, True, True),
    ],
)
def test_c6_what_cannot_be_charged_by_itself_waits_for_its_payer(customer, method, on_session, waits):
    frozen = collection.freeze(FIRST, customer, method, T0, on_session=on_session)
    assert (frozen.attempt is None) == waits
    assert frozen.due_at == (None if waits else T0)
    assert frozen.status is (InvoiceStatus.WAITING_FOR_PAYER if waits else InvoiceStatus.OPEN)


def test_what_is_settled_is_not_frozen():
    settled = invoice.paid(replace(ISSUED, attempt=None), T0)
    assert collection.freeze(settled, "cus_acme", "pm_visa", T0) is settled


def test_c4_a_payment_is_built_from_what_is_stored():
    assert collection.create_params(ISSUED) == {
        "amount": 100_00,
        "currency": "usd",
        "customer": "cus_acme",
        "payment_method_types": ["card"],
        "metadata": {"account": "acme", "invoice": "sub_1a-00001", "attempt": "1"},
        "payment_method": "pm_visa",
        "confirm": True,
        "off_session": True,
    }
    assert collection.key(ISSUED) == "acme:sub_1a-00001:1"


@pytest.mark.parametrize(
    ("method", "confirmed"),
    [("pm_visa", {"payment_method": "pm_visa", "confirm": True}), (None, {})],
)
def test_c3_a_first_payment_saves_the_method_that_pays_it(method, confirmed):
    frozen = collection.freeze(FIRST, "cus_acme", method, T0, on_session=True)
    assert collection.create_params(frozen) == {
        "amount": 100_00,
        "currency": "usd",
        "customer": "cus_acme",
        "payment_method_types": ["card"],
        "metadata": {"account": "acme", "invoice": "co_1-00000", "attempt": "1"},
        "setup_future_usage": "off_session",
        **confirmed,
    }


# What to do next


@pytest.mark.parametrize(
    ("state", "payment_intent", "age", "step"),
    [
        (AttemptState.INTENT, None, timedelta(0), Step.CREATE),
        (AttemptState.INTENT, None, 20 * HOUR - timedelta(seconds=1), Step.CREATE),
        (AttemptState.INTENT, None, 20 * HOUR, Step.LOOK),
        (AttemptState.INTENT, None, 21 * HOUR, Step.LOOK),
        (AttemptState.INTENT, "pi_1", timedelta(0), Step.CONFIRM),
        (AttemptState.INTENT, "pi_1", 20 * HOUR, Step.GET),
        (AttemptState.PROCESSING, "pi_1", timedelta(0), Step.GET),
        (AttemptState.PROCESSING, "pi_1", 5 * DAY, Step.GET),
        (AttemptState.ACTION, "pi_1", HOUR, Step.GET),
        (AttemptState.DECLINED, "pi_1", 3 * DAY - timedelta(seconds=1), Step.NOTHING),
        (AttemptState.DECLINED, "pi_1", 3 * DAY, Step.RETRY),
        (AttemptState.WAITING_FOR_PAYER, "pi_1", 30 * DAY, Step.NOTHING),
    ],
)
def test_what_is_done_next_depends_on_the_state_and_its_age(state, payment_intent, age, step):
    due_at = {AttemptState.DECLINED: T0 + 3 * DAY, AttemptState.WAITING_FOR_PAYER: None}.get(state, T0)
    assert collection.next_step(in_state(state, payment_intent, due_at), T0 + age) is step


@pytest.mark.parametrize(("payment_intent", "step"), [(None, Step.LOOK), ("pi_1", Step.GET)])
def test_after_an_unclear_answer_it_is_looked_before_anything_is_sent(payment_intent, step):
    [unclear] = invoices(collection.unclear(in_state(AttemptState.INTENT, payment_intent)))
    assert unclear.due_at == T0
    assert collection.next_step(unclear, T0) is step


@pytest.mark.parametrize("status", [InvoiceStatus.PAID, InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE])
def test_nothing_is_done_about_what_is_settled(status):
    assert collection.next_step(replace(ISSUED, status=status), T0 + 30 * DAY) is Step.NOTHING


def test_nothing_is_done_about_what_was_never_begun():
    assert collection.next_step(replace(ISSUED, attempt=None), T0 + 30 * DAY) is Step.NOTHING


# Declines and dunning


def test_d17_a_decline_is_told_with_what_happens_next():
    failed, events = learn(ISSUED, declined("insufficient_funds", message="Your card has insufficient funds."))
    assert failed == replace(
        ISSUED,
        attempt=replace(
            ISSUED.attempt,
            state=AttemptState.DECLINED,
            payment_intent="pi_1",
            charge="ch_1",
            declines=1,
            error="insufficient_funds",
            message="Your card has insufficient funds.",
        ),
        due_at=T0 + 3 * DAY,
        past_due=True,
    )
    assert events == [
        (
            "payment.failed",
            {
                "invoice": "sub_1a-00001",
                "subscription": "sub_1a",
                "amount": "100.00",
                "currency": "USD",
                "code": "insufficient_funds",
                "retry_at": "2026-02-28T05:10:00Z",
            },
        )
    ]


def test_d17_it_is_tried_again_3_5_and_7_days_after_the_decline_before_and_then_waits():
    bill, now, waits = ISSUED, T0, []
    for n in (1, 2, 3, 4):
        bill = after(bill, declined(charge=f"ch_{n}"), now)
        waits.append(bill.due_at and bill.due_at - now)
        if bill.due_at:
            now = bill.due_at
            bill = begin_again(bill, now)
    assert waits == [3 * DAY, 5 * DAY, 7 * DAY, None]
    assert (bill.attempt.state, bill.attempt.n, bill.attempt.declines) == (AttemptState.WAITING_FOR_PAYER, 4, 4)
    assert bill.status is InvoiceStatus.WAITING_FOR_PAYER


def test_c2_c3_a_further_attempt_confirms_the_same_payment_with_the_method_of_that_day():
    failed, now = after(ISSUED, declined()), T0 + 3 * DAY
    changes = collection.retry(failed, "pm_new", now)
    again = replace(failed.attempt, n=2, state=AttemptState.INTENT, t0=now, payment_method="pm_new")
    assert changes == Changes(
        put=(
            replace(failed, attempt=again, due_at=now),
            PastAttempt(
                account_id="acme",
                invoice_id="sub_1a-00001",
                n=1,
                state=AttemptState.DECLINED,
                at=now,
                payment_intent="pi_1",
                charge="ch_1",
                error="card_declined",
                message=None,
            ),
        )
    )
    bill = changes.put[0]
    assert collection.next_step(bill, now) is Step.CONFIRM
    assert collection.confirm_params(bill) == {"payment_method": "pm_new", "off_session": True}
    assert collection.key(bill) == "acme:sub_1a-00001:2"


def test_a_further_attempt_without_a_new_method_keeps_the_one_there_was():
    [again] = invoices(collection.retry(after(ISSUED, declined()), None, T0 + 3 * DAY))
    assert again.attempt.payment_method == "pm_visa"


def test_c3_a_further_attempt_on_a_first_payment_is_made_without_its_payer():
    failed = after(
        collection.freeze(FIRST, "cus_acme", "pm_visa", T0, on_session=True),
        said("requires_confirmation", invoice_id="co_1-00000"),
    )
    again = begin_again(failed, T0)
    assert (again.attempt.on_session, collection.next_step(again, T0)) == (False, Step.REPLACE)
    assert collection.next_step(again, T0 + DAY) is Step.REPLACE, "which is no matter of keys"
    replaced, events = learn(again, said("canceled", invoice_id="co_1-00000"), T0 + HOUR)
    anew = replace(again.attempt, payment_intent=None, replace=False, t0=T0 + HOUR)
    assert (replaced, events) == (replace(again, attempt=anew, due_at=T0 + HOUR), [])
    assert collection.next_step(replaced, T0 + HOUR) is Step.CREATE
    params = collection.create_params(replaced)
    assert (params["payment_method"], params["off_session"], "setup_future_usage" in params) == (
        "pm_visa",
        True,
        False,
    )


def test_c3_a_first_payment_that_is_paid_after_all_is_not_replaced():
    failed = after(
        collection.freeze(FIRST, "cus_acme", None, T0, on_session=True),
        said("requires_payment_method", invoice_id="co_1-00000"),
    )
    again = begin_again(replace(failed, attempt=replace(failed.attempt, state=AttemptState.DECLINED)), T0)
    assert collection.next_step(again, T0) is Step.REPLACE
    assert after(again, said(invoice_id="co_1-00000")).status is InvoiceStatus.PAID
    on_its_way = after(again, said("processing", invoice_id="co_1-00000"))
    assert collection.next_step(on_its_way, T0) is Step.GET


@pytest.mark.parametrize("code", sorted(HARD_DECLINES))
def test_d17_a_hard_decline_waits_for_a_new_method(code):
    failed = after(ISSUED, declined(code))
    assert (failed.attempt.state, failed.due_at) == (AttemptState.WAITING_FOR_PAYER, None)
    assert (failed.past_due, failed.attempt.dead_method) == (True, "pm_visa")


def test_d17_what_was_declined_for_good_is_never_charged_by_itself_again():
    """Its payer begins to confirm another card, and does not finish: that is a decline which retries could mend."""
    hard = after(ISSUED, declined("lost_card"))
    begun = after(hard, said("requires_action"), T0 + HOUR)
    left = after(begun, said("requires_action"), T0 + HOUR + 3 * DAY)
    assert (left.attempt.state, left.attempt.error) == (AttemptState.DECLINED, "authentication_not_done")
    [waiting] = invoices(collection.retry(left, "pm_visa", left.due_at))
    assert (waiting.attempt.state, waiting.due_at) == (AttemptState.WAITING_FOR_PAYER, None)
    [again] = invoices(collection.retry(left, "pm_new", left.due_at))
    assert (again.attempt.state, again.attempt.payment_method) == (AttemptState.INTENT, "pm_new")


@pytest.mark.parametrize("code", ["card_declined", "lost_card"])
def test_f28_what_fails_after_another_method_was_saved_is_charged_by_that_at_once(code):
    changes = outcome.learned(
        in_state(AttemptState.PROCESSING), declined(code), T0 + DAY, DUNNING._replace(newer=True)
    )
    [failed] = invoices(changes)
    assert (failed.attempt.state, failed.attempt.declines, failed.due_at) == (AttemptState.DECLINED, 1, T0 + DAY)
    assert changes.events[0].data["retry_at"] == "2026-02-26T05:10:00Z"
    last = in_state(AttemptState.INTENT, declines=3)
    [failed] = invoices(outcome.learned(last, declined(code), T0, DUNNING._replace(newer=True)))
    assert (failed.attempt.state, failed.due_at, failed.giving_up) == (AttemptState.DECLINED, T0, None)


def test_f28_a_debit_is_known_by_the_method_that_its_payer_chose():
    submitted = after(
        in_state(AttemptState.WAITING_FOR_PAYER, payment_method=None), said("processing", payment_method="ba")
    )
    assert submitted.attempt.payment_method == "ba"


def test_f28_what_waits_to_be_confirmed_is_charged_by_a_new_method():
    asked = after(ISSUED, declined("authentication_required"))
    assert (asked.attempt.state, asked.past_due) == (AttemptState.ACTION, False)
    [again] = invoices(collection.bring_up(asked, "cus_acme", "pm_new", T0 + HOUR))
    assert (again.attempt.state, again.attempt.payment_method) == (AttemptState.INTENT, "pm_new")
    unconfirmed = declined("authentication_required")
    assert after(again, unconfirmed, T0 + HOUR).attempt.state is AttemptState.INTENT, "that was the one before"
    begun = said("requires_action", payment_method="pm_visa")
    assert after(again, begun, T0 + HOUR).attempt.state is AttemptState.INTENT, "and so was this"
    asked_again = after(again, replace(begun, answers=True, payment_method="pm_new"), T0 + HOUR)
    assert (asked_again.attempt.state, asked_again.attempt.action_since) == (AttemptState.ACTION, T0 + HOUR)


def test_what_waits_to_be_confirmed_is_no_checkout():
    bill = replace(FIRST, attempt=replace(ISSUED.attempt, state=AttemptState.ACTION, payment_intent="pi_1"))
    assert collection.bring_up(bill, "cus_acme", "pm_new", T0) == Changes()


def test_an_attempt_that_never_was_is_no_decline():
    """Made for its payer, then confirmed with a saved method, which Stripe broke off before it began."""
    sent = replace(in_state(AttemptState.INTENT, look=True), due_at=T0)
    told = after(sent, said("requires_payment_method"), T0 + HOUR)
    assert (told.attempt.state, told.attempt.declines, told.due_at) == (AttemptState.INTENT, 0, T0 + 21 * HOUR)


@pytest.mark.parametrize("error", ["card_declined", "authentication_required"])
@pytest.mark.parametrize("look", [False, True])
def test_an_old_decline_is_not_counted_twice(error, look):
    """The next attempt is on its way: what Stripe still says is the decline before it."""
    failed = replace(after(ISSUED, declined()), due_at=T0 + 3 * DAY)
    again = begin_again(failed, T0 + 3 * DAY)
    again = replace(again, attempt=replace(again.attempt, look=look))
    told = after(again, declined(error), T0 + 3 * DAY)
    assert (told.attempt.state, told.attempt.n, told.attempt.declines) == (AttemptState.INTENT, 2, 1)
    assert told.due_at == (T0 + 3 * DAY + 21 * HOUR if look else T0 + 3 * DAY)

    news = after(again, declined(charge="ch_2"), T0 + 3 * DAY)
    assert (news.attempt.state, news.attempt.declines, news.attempt.look) == (AttemptState.DECLINED, 2, False)


def test_the_same_decline_told_twice_changes_nothing():
    failed = after(ISSUED, declined())
    assert outcome.learned(failed, declined(), T0 + DAY, DUNNING) == Changes()


def test_c3_once_a_payment_is_cancelled_another_one_may_be_made():
    canceled, events = learn(after(ISSUED, said("requires_action")), said("canceled"), T0 + HOUR)
    assert (canceled.attempt.payment_intent, canceled.attempt.error) == (None, "payment_canceled")
    assert [kind for kind, _ in events] == ["payment.failed"]
    again = begin_again(canceled, T0 + 3 * DAY + HOUR)
    assert collection.next_step(again, T0 + 3 * DAY + HOUR) is Step.CREATE


@pytest.mark.parametrize("error", ["card_declined", "stolen_card"])
def test_c3_a_payment_cancelled_after_its_decline_is_no_second_decline(error):
    failed = after(ISSUED, declined(error))
    canceled, events = learn(failed, said("canceled"), T0 + DAY)
    assert canceled == replace(failed, attempt=replace(failed.attempt, payment_intent=None))
    assert events == []


def test_what_stripe_refuses_to_do_waits_for_its_payer():
    again = begin_again(after(ISSUED, declined()), T0 + 3 * DAY)
    changes = outcome.refused(again, "resource_missing", "No such PaymentMethod: 'pm_visa'", T0 + 3 * DAY)
    [waiting] = invoices(changes)
    assert waiting == replace(
        again,
        status=InvoiceStatus.WAITING_FOR_PAYER,
        due_at=None,
        attempt=replace(
            again.attempt,
            state=AttemptState.WAITING_FOR_PAYER,
            declines=2,
            error="resource_missing",
            message="No such PaymentMethod: 'pm_visa'",
        ),
    )
    assert [event.type for event in changes.events] == ["payment.failed"]


def test_c3_what_stripe_made_before_it_refused_is_the_payment_of_the_invoice():
    [waiting] = invoices(outcome.refused(ISSUED, "invalid_request", "No mandate.", T0, payment_intent="pi_1"))
    assert waiting.attempt.payment_intent == "pi_1"


def test_f28_what_stripe_refuses_is_charged_by_a_newer_method():
    [failed] = invoices(outcome.refused(ISSUED, "resource_missing", "No such PaymentMethod", T0, newer=True))
    assert (failed.attempt.state, failed.due_at) == (AttemptState.DECLINED, T0)


def test_what_no_payer_can_mend_is_no_decline_but_an_alarm_and_tried_again_tomorrow():
    again = begin_again(after(ISSUED, declined()), T0 + 3 * DAY)
    changes = outcome.not_taken(again, "resource_missing: No such customer", T0 + 3 * DAY)
    sentence = "The payment could not be made. The seller has been told."
    failed = replace(again.attempt, state=AttemptState.DECLINED, error="payment_refused", message=sentence)
    data = {"code": "payment_refused", "invoice": "sub_1a-00001", "what": "resource_missing: No such customer"}
    assert changes == Changes(
        put=(replace(again, attempt=failed, due_at=T0 + 4 * DAY),), events=(Event("acme", "alarm.raised", data),)
    )
    [left] = invoices(outcome.not_taken(collection.freeze(FIRST, "cus_acme", "pm_visa", T0), "no", T0))
    assert (left.status, left.due_at) == (InvoiceStatus.WAITING_FOR_PAYER, None)


def test_only_an_invoice_of_a_subscription_becomes_past_due():
    frozen = collection.freeze(FIRST, "cus_acme", "pm_visa", T0, on_session=True)
    failed = after(frozen, declined(invoice_id="co_1-00000"))
    assert (failed.attempt.declines, failed.past_due) == (1, False)


# Answers that never came


@pytest.mark.parametrize(
    ("look", "age", "due", "n"),
    [
        (False, HOUR, timedelta(0), 1),  # it may still be on its way
        (True, HOUR, 21 * HOUR, 1),  # unclear: ask again when it is certain
        (True, 20 * HOUR, 21 * HOUR, 1),
        (False, 20 * HOUR, 21 * HOUR, 1),
        (False, 21 * HOUR - timedelta(seconds=1), 21 * HOUR, 1),
        (False, 21 * HOUR, 21 * HOUR, 2),  # certain: it never arrived
        (True, 21 * HOUR, 21 * HOUR, 2),
        (True, 3 * DAY, 3 * DAY, 2),
    ],
)
def test_f33_what_is_not_found_is_given_up_after_21_hours_and_not_before(look, age, due, n):
    sent = replace(ISSUED, attempt=replace(ISSUED.attempt, look=look))
    told = after(sent, None, T0 + age)
    assert (told.attempt.state, told.attempt.n, told.attempt.declines) == (AttemptState.INTENT, n, 0)
    assert told.due_at == T0 + due
    assert (collection.next_step(told, T0 + age) is Step.CREATE) == (n == 2 or (age == HOUR and not look))


def test_f33_an_attempt_that_never_arrived_is_kept_and_the_next_one_has_a_key_of_its_own():
    now = T0 + 21 * HOUR
    changes = outcome.learned(ISSUED, None, now, DUNNING)
    abandoned = PastAttempt("acme", "sub_1a-00001", 1, AttemptState.INTENT, now, None, None, None, None)
    again = replace(ISSUED, attempt=replace(ISSUED.attempt, n=2, t0=now), due_at=now)
    assert changes == Changes(put=(again, abandoned))
    assert collection.next_step(again, now) is Step.CREATE
    assert collection.key(again) == "acme:sub_1a-00001:2"


def test_what_is_found_after_all_is_adopted():
    found = after(replace(ISSUED, attempt=replace(ISSUED.attempt, look=True)), said("processing"), T0 + 20 * HOUR)
    assert (found.attempt.payment_intent, found.attempt.state) == ("pi_1", AttemptState.PROCESSING)
    assert (found.attempt.n, found.attempt.look) == (1, False)


@pytest.mark.parametrize("state", [AttemptState.PROCESSING, AttemptState.DECLINED, AttemptState.WAITING_FOR_PAYER])
def test_finding_nothing_means_nothing_for_what_was_answered(state):
    assert outcome.learned(in_state(state), None, T0 + 30 * DAY, DUNNING) == Changes()


# What keeps failing


def test_what_keeps_failing_is_left_alone_for_longer_each_time_and_alarms_once():
    bill, waits, events = ISSUED, [], []
    for _ in range(4):
        now = bill.due_at
        changes = collection.postpone(bill, "SSLError: no", now)
        [bill] = invoices(changes)
        waits.append(bill.due_at - now)
        events += changes.events
    assert waits == [HOUR, 6 * HOUR, DAY, DAY]
    assert events == [
        Event(
            "acme",
            "alarm.raised",
            {"code": "collection_failed", "invoice": "sub_1a-00001", "what": "SSLError: no"},
        )
    ]
    assert (bill.failures, bill.error) == (4, "SSLError: no")


def test_an_answer_ends_a_run_of_failures():
    [failing] = invoices(collection.postpone(ISSUED, "SSLError: no", T0))
    answered = after(failing, said("processing"))
    assert (answered.failures, answered.error) == (0, None)


def test_what_was_settled_meanwhile_is_not_brought_up_again():
    paid = after(ISSUED, said())
    assert collection.postpone(paid, "Stale: busy", T0) == Changes()


def test_what_was_put_off_meanwhile_is_not_put_off_further():
    [put_off] = invoices(collection.postpone(ISSUED, "SSLError: no", T0))
    assert collection.postpone(put_off, "SSLError: no", T0) == Changes()


def test_a_long_error_is_cut():
    [bill] = invoices(collection.postpone(ISSUED, "x" * 1000, T0))
    assert bill.error == "x" * 200


# What it means for the subscription


def standing(before, then, subscription):
    changes = collection.standing(before, then, subscription)
    [subscription] = changes.put
    return (subscription.status, subscription.unpaid), [event.type for event in changes.events]


def test_r78_r79_unpaid_from_the_first_failure_until_all_is_paid_and_active_again():
    failed = after(ISSUED, declined())
    again = after(begin_again(failed, T0 + 3 * DAY), declined(charge="ch_2"), T0 + 3 * DAY)
    paid = after(again, said())
    one = replace(SUBSCRIPTION, status=Status.PAST_DUE, unpaid=1)
    two = replace(SUBSCRIPTION, status=Status.PAST_DUE, unpaid=2)

    assert standing(ISSUED, after(ISSUED, said()), SUBSCRIPTION) == ((Status.ACTIVE, 0), [])
    assert standing(ISSUED, failed, SUBSCRIPTION) == ((Status.PAST_DUE, 1), ["subscription.past_due"])
    assert standing(failed, again, one) == ((Status.PAST_DUE, 1), [])
    assert standing(ISSUED, failed, one) == ((Status.PAST_DUE, 2), [])
    assert standing(again, paid, two) == ((Status.PAST_DUE, 1), [])
    assert standing(again, paid, one) == ((Status.ACTIVE, 0), ["subscription.recovered"])


@pytest.mark.parametrize("status", [Status.CANCELED, Status.EXPIRED, Status.PAUSED])
def test_r83_what_has_ended_stays_ended_whatever_is_paid(status):
    failed = after(ISSUED, declined())
    ended = replace(SUBSCRIPTION, status=status)
    assert standing(ISSUED, failed, ended) == ((status, 1), [])
    assert standing(failed, after(failed, said()), replace(ended, unpaid=1)) == ((status, 0), [])


def test_standing_is_told_with_its_invoice():
    changes = collection.standing(ISSUED, after(ISSUED, declined()), SUBSCRIPTION)
    data = {"subscription": "sub_1a", "invoice": "sub_1a-00001"}
    assert changes.events == (Event("acme", "subscription.past_due", data),)
