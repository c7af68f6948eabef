"""Bank debits: accepted where the checkout says so, on their way for days, and failing late."""

from dataclasses import replace

import pytest

from shared.domain import checkout, collection, outcome
from shared.domain.account import AfterRetries, Dunning
from shared.domain.checkout import LineItem
from shared.domain.errors import Invalid
from shared.domain.invoice import AttemptState, GiveUp, InvoiceStatus
from tests.domain.examples import ACME, SEAT, SELLER, YEARLY_SEAT, at, invoices, started
from tests.domain.payments import DAY, DUNNING, HOUR, ISSUED, T0, after, declined, learn, said

BOTH = ("card", "us_bank_account")
BANK = replace(ACME, payment_method="pm_bank", payment_method_type="us_bank_account")
OFFER = checkout.offer(ACME, SELLER, [LineItem(SEAT), LineItem(YEARLY_SEAT)], "co_1", at("2026-01-25"), BOTH)
DEBIT = collection.freeze(OFFER.invoice, "cus_acme", "pm_bank", T0)


def of_the_checkout(status, **more):
    return said(status, invoice_id="co_1-00000", amount=1000_00, **more)


def test_r65_the_accepted_methods_stand_on_all_that_a_checkout_makes():
    assert OFFER.invoice.payment_methods == BOTH
    assert {each.payment_methods for each in OFFER.checkout.subscriptions} == {BOTH}
    assert collection.create_params(DEBIT)["payment_method_types"] == list(BOTH)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [(("cash",), "no way to pay"), (("sepa_debit",), "takes no USD"), ((), "at least one")],
)
def test_r65_a_method_that_does_not_exist_or_moves_another_currency_is_refused(wanted, said):
    with pytest.raises(Invalid, match=said) as refusal:
        checkout.offer(ACME, SELLER, [LineItem(SEAT)], "co_1", at("2026-01-25"), wanted)
    assert refusal.value.code == "invalid_payment_methods"


@pytest.mark.parametrize(
    ("account", "method", "on_session"),
    [(ACME, "pm_visa", True), (BANK, "pm_bank", False)],
)
def test_r65_a_saved_method_is_charged_if_the_checkout_accepts_it(account, method, on_session):
    [opened] = invoices(checkout.begin(account, OFFER, T0))
    assert (opened.live.payment_method, opened.live.on_session) == (method, on_session)


def test_r65_a_saved_method_that_is_not_accepted_is_left_alone():
    cards_only = checkout.offer(BANK, SELLER, [LineItem(SEAT)], "co_1", at("2026-01-25"))
    [opened] = invoices(checkout.begin(BANK, cards_only, T0))
    assert (opened.live.payment_method, opened.live.on_session) == (None, True)


def test_r65_a_new_method_is_charged_where_it_is_accepted():
    accepting, other = (
        OFFER.checkout.subscriptions[0],
        replace(OFFER.checkout.subscriptions[1], payment_methods=("card",)),
    )
    assert checkout.charged_by(accepting, BANK).payment_method == "pm_bank"
    assert checkout.charged_by(other, BANK).payment_method is None


def test_r72_what_was_bought_is_there_as_soon_as_the_debit_is_submitted():
    pending, events = learn(DEBIT, of_the_checkout("processing"))
    assert (pending.status, pending.submitted, pending.due_at) == (InvoiceStatus.PROCESSING, True, T0 + 6 * HOUR)
    assert events == [("payment.processing", {"invoice": "co_1-00000", "payment": "pi_1"})]
    assert pending.subscription_ids == tuple(each.id for each in OFFER.checkout.subscriptions)
    assert DEBIT.subscription_ids == ()
    assert len(started(checkout.complete(OFFER.checkout, BANK, None))) == 2


def test_r72_a_debit_that_settles_is_paid_and_one_that_fails_late_enters_dunning():
    pending = after(DEBIT, of_the_checkout("processing"))
    assert after(pending, of_the_checkout("succeeded"), T0 + 4 * DAY).status is InvoiceStatus.PAID
    news = of_the_checkout("requires_payment_method", error="insufficient_funds", charge="ch_1")
    failed = after(pending, news, T0 + 4 * DAY)
    assert (failed.status, failed.past_due, failed.due_at) == (InvoiceStatus.OPEN, True, T0 + 7 * DAY)


def test_a_card_declined_at_checkout_is_not_past_due_for_nothing_was_sold():
    failed, _ = learn(DEBIT, of_the_checkout("requires_payment_method", error="card_declined", charge="ch_1"))
    assert not failed.past_due


# What the payer must do


def test_micro_deposits_are_waited_for_ten_days_and_a_confirmation_three():
    for action, days in (("verify_with_microdeposits", 10), ("use_stripe_sdk", 3)):
        asked, events = learn(ISSUED, said("requires_action", action=action))
        assert events == [
            ("payment.action_required", {"invoice": "sub_1a-00001", "payment": "pi_1", "action": action})
        ]
        assert (asked.status, asked.live.action) == (InvoiceStatus.ACTION_REQUIRED, action)
        still = after(asked, said("requires_action", action=action), T0 + days * DAY - HOUR)
        assert (still.status, still.due_at) == (InvoiceStatus.ACTION_REQUIRED, T0 + days * DAY)
        late = after(still, said("requires_action", action=action), T0 + days * DAY)
        assert (late.live.error, late.live.action, late.live.declines) == ("authentication_not_done", None, 1)


def test_the_time_to_confirm_counts_from_when_it_was_asked_for():
    failed = after(ISSUED, declined())
    later = T0 + 2 * DAY
    asked = after(failed, said("requires_action", action="use_stripe_sdk", charge="ch_2"), later)
    assert asked.live.action_since == later
    assert (
        after(asked, said("requires_action", action="use_stripe_sdk"), T0 + 4 * DAY).live.state is AttemptState.ACTION
    )


@pytest.mark.parametrize("state", [AttemptState.WAITING_FOR_PAYER, AttemptState.DECLINED])
def test_a_payment_that_its_payer_is_about_to_confirm_is_left_to_the_payer(state):
    waiting = replace(ISSUED, attempt=replace(ISSUED.attempt, state=state, payment_intent="pi_1"), due_at=T0 + DAY)
    assert after(waiting, said("requires_confirmation"), T0 + HOUR) == waiting


def test_but_not_for_longer_than_they_have():
    asked = after(ISSUED, said("requires_action"))
    still = after(asked, said("requires_confirmation"), T0 + 6 * HOUR)
    assert still == replace(asked, due_at=T0 + 12 * HOUR)
    late = after(still, said("requires_confirmation"), T0 + 3 * DAY)
    assert (late.attempt.state, late.attempt.error) == (AttemptState.DECLINED, "authentication_not_done")


# What the seller does at last


def test_d17_after_the_last_retry_the_seller_leaves_it_unpaid_or_ends_it():
    for then, giving_up in ((AfterRetries.LEAVE_UNPAID, None), (AfterRetries.CANCEL, GiveUp.CANCEL)):
        [failed] = invoices(outcome.learned(ISSUED, declined(), T0, Dunning((), then)))
        assert (failed.status, failed.giving_up) == (InvoiceStatus.WAITING_FOR_PAYER, giving_up)
        assert failed.due_at == (T0 if giving_up else None)


def test_d17_a_hard_decline_waits_for_a_new_method_whatever_the_seller_does_at_last():
    [failed] = invoices(outcome.learned(ISSUED, declined("lost_card"), T0, Dunning((), AfterRetries.CANCEL)))
    assert (failed.status, failed.giving_up, failed.due_at) == (InvoiceStatus.WAITING_FOR_PAYER, None, None)
    assert DUNNING.then is AfterRetries.LEAVE_UNPAID
