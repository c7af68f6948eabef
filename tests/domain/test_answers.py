"""What Stripe answers means one thing each, in any order, early, late or twice."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.domain import collection, outcome
from shared.domain.account import Dunning
from shared.domain.changes import Changes, Event
from shared.domain.collection import Step
from shared.domain.errors import Conflict
from shared.domain.invoice import AttemptState, Invoice, InvoiceStatus, PastAttempt
from tests.domain.examples import invoices
from tests.domain.payments import (
    DAY,
    DUNNING,
    FIRST,
    HOUR,
    ISSUED,
    STATUSES,
    T0,
    after,
    begin_again,
    declined,
    in_state,
    learn,
    said,
)

# What an answer means


SUCCEEDED = [
    (
        "payment.succeeded",
        {
            "invoice": "sub_1a-00001",
            "subscription": "sub_1a",
            "amount": "100.00",
            "currency": "USD",
            "payment": "pi_1",
        },
    ),
    (
        "invoice.paid",
        {"invoice": "sub_1a-00001", "subscription": "sub_1a", "amount": "100.00", "currency": "USD"},
    ),
]


@pytest.mark.parametrize(
    ("payment", "state", "status", "due", "events"),
    [
        (said("succeeded"), "succeeded", "paid", None, ["payment.succeeded", "invoice.paid"]),
        (said("processing"), "processing", "processing", 6 * HOUR, ["payment.processing"]),
        (said("requires_action"), "action", "action_required", 6 * HOUR, ["payment.action_required"]),
        (
            declined("authentication_required"),
            "action",
            "action_required",
            6 * HOUR,
            ["payment.action_required"],
        ),
        (declined("card_declined"), "declined", "open", 3 * DAY, ["payment.failed"]),
        (declined("stolen_card"), "waiting_for_payer", "waiting_for_payer", None, ["payment.failed"]),
        (said("requires_confirmation"), "declined", "open", timedelta(0), []),
        (said("requires_capture"), "intent", "open", DAY, ["alarm.raised"]),
        (said("canceled"), "declined", "open", 3 * DAY, ["payment.failed"]),
    ],
)
def test_c5_each_of_stripes_seven_statuses_means_one_thing(payment, state, status, due, events):
    told, happened = learn(ISSUED, payment)
    assert (told.attempt.state, told.status) == (state, status)
    assert told.due_at == (None if due is None else T0 + due)
    assert [kind for kind, _ in happened] == events


def test_c5_a_success_pays_the_invoice():
    paid, events = learn(ISSUED, said(charge="ch_1"))
    assert paid == replace(
        ISSUED,
        status=InvoiceStatus.PAID,
        paid_at=T0,
        due_at=None,
        attempt=replace(ISSUED.attempt, state=AttemptState.SUCCEEDED, payment_intent="pi_1"),
    )
    assert events == SUCCEEDED


@pytest.mark.parametrize("state", [state for state in AttemptState if state is not AttemptState.SUCCEEDED])
def test_c5_a_success_is_applied_whatever_the_attempt_was(state):
    tried = in_state(state, error="card_declined", message="Declined.", look=True)
    assert learn(tried, said()) == learn(in_state(AttemptState.INTENT), said())


@pytest.mark.parametrize("status", STATUSES)
def test_c5_a_success_is_absorbing(status):
    paid = after(ISSUED, said())
    assert outcome.learned(paid, said(status), T0 + DAY, DUNNING) == Changes()
    assert outcome.learned(paid, None, T0 + DAY, DUNNING) == Changes()


@pytest.mark.parametrize(
    "other",
    [
        {"amount": 100_01},
        {"currency": "eur"},
        {"customer": "cus_other"},
        {"customer": None},
        {"account_id": "other"},
        {"invoice_id": "sub_1a-00002"},
        {"id": "pi_2", "amount": 100_01},
    ],
)
def test_c5_a_success_that_was_not_asked_for_raises_an_alarm_and_pays_nothing(other):
    asked = in_state(AttemptState.PROCESSING)
    alarmed, events = learn(asked, said(**other))
    assert alarmed == replace(asked, error="payment_mismatch", due_at=T0 + DAY)
    what = f"{other.get('id', 'pi_1')} is not what was asked for"
    assert events == [("alarm.raised", {"code": "payment_mismatch", "invoice": "sub_1a-00001", "what": what})]


@pytest.mark.parametrize(
    ("state", "due_at", "then"),
    [
        (AttemptState.DECLINED, T0 + 3 * DAY, T0 + 3 * DAY),
        (AttemptState.PROCESSING, T0 + 6 * HOUR, T0 + DAY),
        (AttemptState.WAITING_FOR_PAYER, None, T0 + DAY),
    ],
)
def test_c6_an_alarm_leaves_the_invoice_alone_for_a_day_at_least(state, due_at, then):
    assert after(in_state(state, due_at=due_at), said(amount=1)).due_at == then


def test_c5_a_success_that_fits_pays_it_whichever_payment_it_is_of():
    paid = after(in_state(AttemptState.DECLINED, "pi_2", due_at=T0 + DAY), said())
    assert (paid.status, paid.attempt.payment_intent, paid.due_at) == (InvoiceStatus.PAID, "pi_1", None)


@pytest.mark.parametrize("state", [AttemptState.DECLINED, AttemptState.WAITING_FOR_PAYER])
def test_c5_nothing_is_charged_after_a_payment_that_does_not_fit_until_somebody_has_looked(state):
    held = after(in_state(state, "pi_2"), said(amount=1))
    assert collection.next_step(held, T0) is Step.NOTHING
    assert collection.next_step(held, T0 + DAY) is Step.REMIND
    [reminded] = invoices(outcome.remind(held, T0 + DAY))
    assert reminded == replace(held, due_at=T0 + 2 * DAY)
    with pytest.raises(Conflict, match="does not fit") as refused:
        collection.pay(held, "cus_acme", "pm_new", T0)
    assert refused.value.code == "payment_mismatch"
    assert collection.bring_up(replace(held, past_due=True), "cus_acme", "pm_new", T0) == Changes()
    assert not held.payable
    [put_off] = invoices(collection.postpone(held, "SSLError: no", T0 + DAY))
    assert put_off.held, "and nothing hides it"
    assert after(held, said(id="pi_2")).status is InvoiceStatus.PAID


def test_c5_nor_is_what_was_about_to_be_sent():
    assert collection.next_step(ISSUED, T0) is Step.CREATE
    held = after(ISSUED, said(amount=1, id="pi_2"))
    assert (collection.next_step(held, T0), held.due_at) == (Step.NOTHING, T0 + DAY)
    for news in (None, said("processing"), declined()):
        assert outcome.learned(held, news, T0 + HOUR, DUNNING) == Changes()


def test_c3_late_news_of_a_payment_that_was_given_up_is_ignored():
    current = in_state(AttemptState.PROCESSING, "pi_2")
    for status in STATUSES:
        if status != "succeeded":
            assert outcome.learned(current, said(status), T0, DUNNING) == Changes()


@pytest.mark.parametrize("status", [InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE])
def test_money_for_an_invoice_that_was_given_up_raises_one_alarm(status):
    given_up = replace(in_state(AttemptState.CANCELED), status=status, due_at=None)
    alarmed, events = learn(given_up, said())
    assert alarmed == replace(given_up, error="captured_after_all")
    assert events == [
        ("alarm.raised", {"code": "captured_after_all", "invoice": "sub_1a-00001", "what": "pi_1 succeeded"})
    ]
    assert outcome.learned(alarmed, said(), T0, DUNNING) == Changes()


@pytest.mark.parametrize(("bill", "state"), [(ISSUED, AttemptState.CANCELED), (FIRST, None)])
def test_what_is_void_is_collected_no_more(bill, state):
    changes = collection.void(bill)
    [void] = invoices(changes)
    assert (void.status, void.due_at, void.settled) == (InvoiceStatus.VOID, None, True)
    assert (void.attempt and void.attempt.state) == state
    assert changes.events == (Event("acme", "invoice.voided", {"invoice": bill.id}),)


def test_money_that_comes_a_second_time_by_another_payment_raises_an_alarm():
    alarmed, events = learn(after(ISSUED, said()), said(id="pi_2"))
    assert (alarmed.status, alarmed.error) == (InvoiceStatus.PAID, "captured_after_all")
    assert [kind for kind, _ in events] == ["alarm.raised"]


@pytest.mark.parametrize("status", [status for status in STATUSES if status != "succeeded"])
def test_other_news_of_what_was_given_up_says_nothing_new(status):
    void = replace(ISSUED, status=InvoiceStatus.VOID)
    assert outcome.learned(void, said(status), T0, DUNNING) == Changes()


def test_money_for_an_invoice_that_nobody_was_asked_to_pay_raises_an_alarm():
    waiting = collection.freeze(replace(ISSUED, attempt=None), None, None, T0)
    alarmed, events = learn(waiting, said())
    assert (alarmed.status, alarmed.error) == (InvoiceStatus.WAITING_FOR_PAYER, "captured_after_all")
    assert [kind for kind, _ in events] == ["alarm.raised"]


# Bank debits and payers who must confirm


def test_a_bank_debit_is_asked_after_every_six_hours():
    on_its_way = after(ISSUED, said("processing"))
    later, events = learn(on_its_way, said("processing"), T0 + 6 * HOUR)
    assert (later, events) == (replace(on_its_way, due_at=T0 + 12 * HOUR), [])
    assert outcome.learned(later, said("processing"), T0 + 6 * HOUR, DUNNING) == Changes()


@pytest.mark.parametrize("news", [said("requires_action"), declined("authentication_required")])
def test_a_payer_who_does_not_confirm_in_three_days_has_declined(news):
    asked = after(ISSUED, news)
    assert (asked.attempt.state, asked.attempt.declines) == (AttemptState.ACTION, 0)
    still = after(asked, news, T0 + 3 * DAY - timedelta(seconds=1))
    assert (still.attempt.state, still.attempt.declines) == (AttemptState.ACTION, 0)

    failed, events = learn(still, news, T0 + 3 * DAY)
    assert (failed.attempt.state, failed.attempt.declines, failed.attempt.error) == (
        AttemptState.DECLINED,
        1,
        "authentication_not_done",
    )
    assert failed.due_at == T0 + 6 * DAY
    assert [kind for kind, _ in events] == ["payment.failed"]
    assert outcome.learned(failed, news, T0 + 4 * DAY, DUNNING) == Changes(), "counted once"


def test_the_next_attempt_may_ask_the_payer_again():
    failed = in_state(AttemptState.DECLINED, error="authentication_not_done", declines=1)
    asked = after(begin_again(failed, T0 + 3 * DAY), said("requires_action"), T0 + 3 * DAY)
    assert (asked.attempt.state, asked.due_at) == (AttemptState.ACTION, T0 + 3 * DAY + 6 * HOUR)


@pytest.mark.parametrize("error", ["card_declined", "stolen_card"])
def test_a_payer_who_tries_by_themself_after_a_decline_may_be_asked_to_confirm(error):
    asked = after(after(ISSUED, declined(error)), said("requires_action"), T0 + HOUR)
    assert (asked.attempt.state, asked.due_at, asked.past_due) == (AttemptState.ACTION, T0 + 7 * HOUR, True)


@pytest.mark.parametrize(
    "news",
    [
        declined("payment_intent_authentication_failure", charge="ch_1"),
        declined("lost_card", charge="ch_2", tried="pm_other"),
        said("requires_payment_method"),
    ],
)
def test_a_payer_who_fails_to_confirm_may_try_again_until_the_time_is_up(news):
    asked = after(ISSUED, declined("authentication_required", tried="pm_visa"))
    failed = after(asked, news, T0 + DAY)
    assert (failed.attempt.state, failed.due_at, failed.past_due) == (AttemptState.ACTION, T0 + DAY + 6 * HOUR, False)
    late, events = learn(failed, news, T0 + 3 * DAY)
    assert (late.attempt.state, late.attempt.error, late.attempt.declines) == (
        AttemptState.DECLINED,
        "authentication_not_done",
        1,
    )
    assert (late.due_at, late.attempt.dead_method) == (T0 + 6 * DAY, None)
    assert [kind for kind, _ in events] == ["payment.failed"]


def test_what_a_payer_tries_with_another_card_is_no_decline_of_the_one_that_is_saved():
    failed = after(ISSUED, declined("card_declined", tried="pm_visa"))
    theirs = declined("lost_card", charge="ch_2", tried="pm_other")
    noted, events = learn(failed, theirs, T0 + DAY)
    assert (noted, events) == (replace(failed, attempt=replace(failed.attempt, charge="ch_2")), [])
    again = replace(begin_again(failed, T0 + 3 * DAY), error=None)
    lost = replace(again, attempt=replace(again.attempt, look=True))
    seen, events = learn(lost, theirs, T0 + 3 * DAY + HOUR)
    assert (seen.attempt, seen.due_at, events) == (lost.attempt, T0 + 3 * DAY + 21 * HOUR, [])
    own = declined("lost_card", charge="ch_3", tried="pm_visa")
    assert after(seen, own, T0 + 3 * DAY + HOUR).attempt.dead_method == "pm_visa"


def test_a_payer_who_confirms_in_time_has_paid():
    asked = after(ISSUED, said("requires_action"))
    assert after(asked, said(), T0 + 2 * DAY).status is InvoiceStatus.PAID


def test_on_the_pay_page_it_waits_for_a_method():
    opened = collection.freeze(FIRST, "cus_acme", None, T0, on_session=True)
    waiting, events = learn(opened, said("requires_payment_method", invoice_id="co_1-00000"))
    assert (waiting.attempt.state, waiting.attempt.payment_intent) == (AttemptState.WAITING_FOR_PAYER, "pi_1")
    assert (waiting.status, waiting.due_at, events) == (InvoiceStatus.WAITING_FOR_PAYER, None, [])
    assert after(waiting, said(invoice_id="co_1-00000")).status is InvoiceStatus.PAID


def test_on_the_pay_page_a_declined_card_is_a_decline():
    opened = collection.freeze(FIRST, "cus_acme", None, T0, on_session=True)
    changes = outcome.learned(opened, declined(invoice_id="co_1-00000"), T0, Dunning())
    [failed] = invoices(changes)
    assert (failed.status, failed.due_at) == (InvoiceStatus.WAITING_FOR_PAYER, None)
    assert (failed.attempt.declines, failed.attempt.error) == (1, "card_declined")


# Whatever happens


payments = st.builds(
    said,
    st.sampled_from(STATUSES),
    id=st.sampled_from(["pi_1", "pi_1", "pi_1", "pi_2"]),
    charge=st.sampled_from([None, "ch_1", "ch_2", "ch_3"]),
    error=st.sampled_from([None, "card_declined", "authentication_required", "lost_card"]),
    amount=st.sampled_from([100_00, 100_00, 100_00, 1]),
    payment_method=st.sampled_from([None, "pm_visa", "pm_other"]),
    tried=st.sampled_from([None, "pm_visa", "pm_other"]),
)


class AnyAnswers(RuleBasedStateMachine):
    """Answers in any order, at any time, some of them lost; a worker that does what is to be done."""

    @initialize(method=st.sampled_from(["pm_visa", None]))
    def issue(self, method):
        self.now = T0
        drawn = replace(ISSUED, attempt=None)
        self.bill = collection.freeze(drawn, "cus_acme", method, T0, on_session=True)
        self.keys = {self.bill.attempt.n}

    @rule(hours=st.sampled_from([1, 6, 20, 24, 72, 168]))
    def time_passes(self, hours):
        self.now += timedelta(hours=hours)

    @rule(payment=st.one_of(st.none(), payments))
    def stripe_says(self, payment):
        self.move(outcome.learned(self.bill, payment, self.now, DUNNING))

    @precondition(lambda self: self.step in (Step.CREATE, Step.CONFIRM))
    @rule()
    def the_answer_is_unclear(self):
        self.move(collection.unclear(self.bill))

    @precondition(lambda self: self.step in (Step.CREATE, Step.CONFIRM))
    @rule()
    def stripe_refuses(self):
        self.move(outcome.refused(self.bill, "resource_missing", "No such customer", self.now))

    @precondition(lambda self: self.step in (Step.CREATE, Step.CONFIRM))
    @rule()
    def stripe_does_not_take_it(self):
        self.move(outcome.not_taken(self.bill, "invalid_request", self.now))

    @precondition(lambda self: self.step is Step.REPLACE)
    @rule()
    def its_payment_is_cancelled(self):
        canceled = said("canceled", id=self.bill.attempt.payment_intent)
        self.move(outcome.learned(self.bill, canceled, self.now, DUNNING))
        assert self.step in (Step.CREATE, Step.LOOK)

    @precondition(lambda self: self.step is Step.REMIND)
    @rule()
    def it_is_told_again(self):
        self.move(outcome.remind(self.bill, self.now))
        assert self.step is Step.NOTHING

    @precondition(lambda self: self.step is Step.RETRY)
    @rule()
    def it_is_tried_again(self):
        self.move(collection.retry(self.bill, "pm_visa", self.now))

    @precondition(lambda self: self.step is Step.GET and self.bill.due_at <= self.now)
    @rule(payment=payments)
    def stripe_is_asked_when_it_is_time(self, payment):
        payment = replace(payment, id=self.bill.attempt.payment_intent)
        self.move(outcome.learned(self.bill, payment, self.now, DUNNING))
        assert self.bill.due_at is None or self.bill.due_at > self.now or self.step is not Step.GET, "it goes on"

    @rule()
    def the_worker_fails(self):
        self.move(collection.postpone(self.bill, "SSLError: no", self.now))

    def move(self, changes):
        before = self.bill
        self.bill = next((entity for entity in changes.put if isinstance(entity, Invoice)), before)
        if before.settled:
            assert self.bill.status is before.status, "paid never becomes unpaid"
        if before.attempt.n != self.bill.attempt.n:
            assert self.bill.attempt.n not in self.keys, "no key is used for two attempts"
            assert any(isinstance(entity, PastAttempt) for entity in changes.put), "how the attempt ended is kept"
            self.keys.add(self.bill.attempt.n)

    @property
    def step(self):
        return collection.next_step(self.bill, self.now)

    @invariant()
    def c6_what_is_open_has_a_timer_or_waits_for_its_payer(self):
        waits = self.bill.attempt.state is AttemptState.WAITING_FOR_PAYER and not self.bill.held
        assert (self.bill.due_at is None) == (waits or self.bill.settled)

    @invariant()
    def what_the_customer_sees_agrees_with_the_attempt(self):
        assert self.bill.settled == (self.bill.attempt.state is AttemptState.SUCCEEDED)
        assert (self.bill.status is InvoiceStatus.WAITING_FOR_PAYER) == (
            self.bill.attempt.state is AttemptState.WAITING_FOR_PAYER
        )

    @invariant()
    def c1_the_frozen_amount_stays(self):
        assert (self.bill.attempt.amount, self.bill.total.amount) == (100_00, 100_00)


TestAnyAnswers = AnyAnswers.TestCase


@given(payments)
def test_c5_the_same_answer_twice_is_once(payment):
    once = after(ISSUED, payment)
    twice, events = learn(once, payment)
    if once.error is None:  # an alarm may sound again
        assert (twice, events) == (once, [])
