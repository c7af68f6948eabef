"""What the stand-in for Stripe does with bank accounts: consent, days of waiting, late failures, microdeposits."""

from datetime import UTC, datetime, timedelta

import pytest
import stripe as library

from infra.local.cloud import Cloud
from tests.edge.stripe_world import KEY, World, refused

ACH, SEPA = "us_bank_account", "sepa_debit"
CURRENCY = {ACH: "usd", SEPA: "eur"}
CONSENT = {"mandate_data": {"customer_acceptance": {"type": "offline"}}}


@pytest.fixture
def world():
    return World()


def saved(world, account="pm_usBankAccount_success", type_=ACH):
    """A customer with a bank account saved in the Payment Element, and the account."""
    customer = world.client.customers.create({}).id
    setup = world.client.setup_intents.create({"customer": customer, "payment_method_types": [type_]}).id
    world.stripe.save(setup, account)
    world.events()
    return customer, world.client.setup_intents.retrieve(setup).payment_method


def debit(world, customer, account, type_=ACH, **params):
    """A payment of 40.00 off-session."""
    sent = {"currency": CURRENCY[type_], "payment_method_types": [type_], "off_session": True, **params}
    return world.charge(customer=customer, payment_method=account, **sent)


def charge_of(world, intent):
    return world.client.charges.retrieve(world.payments.retrieve(intent).latest_charge)


def moved(world):
    return [(one.type, one.amount, one.status) for one in list(world.client.balance_transactions.list())[::-1]]


# -- the days ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "account", "days"),
    [(ACH, "pm_usBankAccount_success", 4), (SEPA, "pm_sepaDebit_success_at", 5)],
)
def test_a_debit_is_paid_days_later(world, type_, account, days):
    customer, account = saved(world, account, type_)
    assert world.stripe.next_at() is None
    intent = debit(world, customer, account, type_)
    assert (intent.status, intent.amount_received) == ("processing", 0)
    assert (charge_of(world, intent.id).status, charge_of(world, intent.id).paid) == ("pending", False)
    assert moved(world) == [("payment", 4000, "pending")]
    assert world.events() == ["payment_intent.created", "charge.pending", "payment_intent.processing"]
    assert world.stripe.next_at() == world.calendar() + timedelta(days=days)

    world.calendar.moves(days=days, seconds=-1)
    world.stripe.turn()
    assert world.events() == []
    world.calendar.moves(seconds=1)
    world.stripe.turn()
    assert world.events() == ["charge.succeeded", "payment_intent.succeeded"]
    paid = world.payments.retrieve(intent.id)
    assert (paid.status, paid.amount_received, paid.payment_method) == ("succeeded", 4000, account)
    charge = charge_of(world, intent.id)
    assert (charge.status, charge.id[:3], charge.payment_method_details.type) == ("succeeded", "py_", type_)
    assert moved(world) == [("payment", 4000, "available")]
    assert world.stripe.next_at() is None


@pytest.mark.parametrize(
    ("type_", "account", "days", "code"),
    [
        (ACH, "pm_usBankAccount_insufficientFunds", 4, "insufficient_funds"),
        (ACH, "pm_usBankAccount_accountClosed", 4, "account_closed"),
        (ACH, "pm_usBankAccount_noAccount", 4, "no_account"),
        (ACH, "pm_usBankAccount_debitNotAuthorized", 4, "debit_not_authorized"),
        (SEPA, "pm_sepaDebit_failed_at", 5, "could_not_process"),
        (SEPA, "pm_sepaDebit_insufficientFunds_at", 5, "insufficient_funds"),
    ],
)
def test_a_debit_fails_days_later_and_the_same_payment_can_be_tried_again(world, type_, account, days, code):
    customer, account = saved(world, account, type_)
    intent = debit(world, customer, account, type_).id
    first = charge_of(world, intent).id
    world.events()
    world.calendar.moves(days=days)
    assert world.events() == ["charge.failed", "payment_intent.payment_failed"], "asked for, it has happened"
    failed = world.payments.retrieve(intent)
    assert (failed.status, failed.payment_method, failed.amount_received) == ("requires_payment_method", None, 0)
    error = failed.last_payment_error.to_dict()
    assert (error["code"], error["charge"], error["payment_method"]["id"]) == (code, first, account)
    assert (error["type"], error.get("decline_code")) == ("invalid_request_error", None)
    assert (charge_of(world, intent).status, charge_of(world, intent).failure_code) == ("failed", code)
    assert moved(world) == [("payment", 4000, "pending"), ("payment_failure_refund", -4000, "available")]

    world.stripe.becomes(account, "ach_ok" if type_ == ACH else "sepa_ok")
    again = world.payments.confirm(intent, {"payment_method": account, "off_session": True})
    assert (again.status, again.last_payment_error) == ("processing", None)
    assert again.latest_charge != first
    world.calendar.moves(days=days)
    assert world.payments.retrieve(intent).status == "succeeded"


def test_a_debit_ends_when_a_test_says_so(world):
    customer, account = saved(world)
    paid, failed = debit(world, customer, account).id, debit(world, customer, account).id
    world.events()
    world.stripe.settle(paid)
    world.stripe.fail(failed, "account_closed")
    assert [world.payments.retrieve(one).status for one in (paid, failed)] == ["succeeded", "requires_payment_method"]
    assert world.payments.retrieve(failed).last_payment_error.code == "account_closed"
    assert world.stripe.next_at() is None, "and not once more"
    for again in (world.stripe.settle, world.stripe.fail):
        for one in (paid, "pi_none"):
            with pytest.raises(ValueError, match=r"nothing|no pi_none"):
                again(one)


def test_a_debit_can_stay_on_its_way(world):
    customer, account = saved(world, "pm_usBankAccount_processing")
    intent = debit(world, customer, account).id
    world.calendar.moves(days=90)
    assert (world.payments.retrieve(intent).status, world.stripe.next_at()) == ("processing", None)
    world.stripe.fail(intent)
    assert world.payments.retrieve(intent).last_payment_error.code == "insufficient_funds"


def test_what_is_due_happens_in_the_order_of_time(world):
    customer, account = saved(world)
    euro, sepa = saved(world, "pm_sepaDebit_success_at", SEPA)
    late = debit(world, euro, sepa, SEPA).id
    world.calendar.moves(hours=12)
    early = debit(world, customer, account).id
    world.events()
    world.calendar.moves(days=30)
    world.stripe.turn()
    ended = [event.data.object["id"] for event in world.client.events.list({"type": "payment_intent.succeeded"})]
    assert ended[::-1] == [early, late]


def test_the_calendar_stops_where_a_debit_ends():
    cloud = Cloud(datetime(2026, 11, 7, 9, tzinfo=UTC))
    form = (
        "amount=4000&currency=usd&payment_method=pm_usBankAccount_success&payment_method_types[]=us_bank_account"
        "&confirm=true&mandate_data[customer_acceptance][type]=offline"
    )
    cloud.stripe.answer("POST", "/v1/payment_intents", {"Authorization": f"Bearer {KEY}"}, form)
    stops = []
    cloud.advance(datetime(2026, 11, 20, tzinfo=UTC), stops.append)
    assert [stop for stop in stops if stop.hour] == [datetime(2026, 11, 11, 9, tzinfo=UTC)]
    [paid] = [event for event in cloud.stripe._account.events.values() if event["type"] == "payment_intent.succeeded"]
    assert paid["created"] == datetime(2026, 11, 11, 9, tzinfo=UTC).timestamp()


def test_a_debit_on_its_way_is_neither_confirmed_nor_canceled_nor_refunded(world):
    customer, account = saved(world)
    intent = debit(world, customer, account).id
    for call in (world.payments.confirm, world.payments.cancel):
        error = refused(library.InvalidRequestError, call, intent)
        assert (error.code, error.json_body["error"]["payment_intent"]["status"]) == (
            "payment_intent_unexpected_state",
            "processing",
        )
    error = refused(library.InvalidRequestError, world.client.refunds.create, {"payment_intent": intent})
    assert "does not have a successful charge to refund" in error.user_message
    with pytest.raises(ValueError, match="not succeeded"):
        world.stripe.dispute(intent)


# -- consent -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("type_", "account"), [(ACH, "pm_usBankAccount_success"), (SEPA, "pm_sepaDebit_success_at")])
def test_the_payment_element_takes_consent_and_saves_the_account(world, type_, account):
    customer = world.client.customers.create({}).id
    sent = {"customer": customer, "payment_method_types": ["card", type_], "setup_future_usage": "off_session"}
    intent = world.payments.create({"amount": 4000, "currency": CURRENCY[type_], **sent}).id
    world.stripe.pay(intent, account)
    [kept] = world.client.customers.payment_methods.list(customer, {"type": type_})
    assert list(world.client.customers.payment_methods.list(customer, {"type": "card"})) == []
    assert (kept.type, kept.id) == (type_, world.payments.retrieve(intent).payment_method)
    mandate = charge_of(world, intent).payment_method_details[type_].mandate
    assert mandate.startswith("mandate_")
    again = debit(world, customer, kept.id, type_)
    assert charge_of(world, again.id).payment_method_details[type_].mandate == mandate


def test_an_account_is_saved_with_the_consent_it_is_debited_by(world):
    customer = world.client.customers.create({}).id
    sent = {"customer": customer, "payment_method": "pm_usBankAccount_success", "confirm": True}
    setup = world.client.setup_intents.create({**sent, "payment_method_types": [ACH], **CONSENT})
    assert (setup.status, setup.mandate[:8]) == ("succeeded", "mandate_")
    intent = debit(world, customer, setup.payment_method).id
    assert charge_of(world, intent).payment_method_details[ACH].mandate == setup.mandate


def test_nobody_is_debited_without_consent(world):
    customer, account = world.customer("pm_usBankAccount_success")
    error = refused(library.InvalidRequestError, debit, world, customer, account)
    assert (error.http_status, error.code) == (400, None)
    assert error.user_message.startswith("This PaymentIntent requires a mandate, but no existing mandate was found.")
    intent = error.json_body["error"]["payment_intent"]
    assert (intent["status"], intent["latest_charge"]) == ("requires_confirmation", None)
    world.payments.confirm(intent["id"], CONSENT)
    assert world.payments.retrieve(intent["id"]).status == "processing"

    setup = {"customer": customer, "payment_method": account, "confirm": True, "payment_method_types": [ACH]}
    other = world.client.setup_intents.create(setup)
    assert other.status == "succeeded", "given once, it holds"
    fresh = {**setup, "payment_method": "pm_usBankAccount_success"}
    error = refused(library.InvalidRequestError, world.client.setup_intents.create, fresh)
    assert error.user_message.startswith("This SetupIntent requires a mandate")


def test_a_debit_that_is_disputed_is_lost_and_the_consent_with_it(world):
    customer, account = saved(world)
    intent = debit(world, customer, account).id
    world.stripe.settle(intent)
    world.events()
    dispute = world.stripe.dispute(intent)
    assert world.events() == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.closed",
    ]
    assert (world.client.disputes.list().data[0].id, world.client.disputes.list().data[0].status) == (dispute, "lost")
    error = refused(library.InvalidRequestError, debit, world, customer, account)
    assert "no existing mandate" in error.user_message


def test_a_bank_account_becomes_another_of_its_kind_only(world):
    _, account = saved(world)
    for wrong in ("card_ok", "sepa_ok", "ach_moody"):
        with pytest.raises(ValueError, match="ach_ok"):
            world.stripe.becomes(account, wrong)


# -- refunds -----------------------------------------------------------------------------------------------


def test_a_refund_to_a_bank_account_takes_days(world):
    customer, account = saved(world)
    intent = debit(world, customer, account).id
    world.stripe.settle(intent)
    arrives, fails = (
        world.client.refunds.create({"payment_intent": intent, "amount": amount}) for amount in (1000, 2000)
    )
    assert (arrives.status, fails.status, arrives.id[:4]) == ("pending", "pending", "pyr_")
    assert charge_of(world, intent).amount_refunded == 3000
    world.events()
    world.stripe.fail_refund(fails.id)
    world.calendar.moves(days=4)
    assert world.events() == ["refund.updated", "refund.failed", "refund.updated"]
    assert [one.status for one in world.client.refunds.list()] == ["failed", "succeeded"]
    assert moved(world)[1:] == [
        ("payment_refund", -1000, "available"),
        ("payment_refund", -2000, "pending"),
        ("refund_failure", 2000, "available"),
    ]
    assert charge_of(world, intent).amount_refunded == 1000


# -- microdeposits -----------------------------------------------------------------------------------------


def test_a_payment_waits_for_its_microdeposits(world):
    customer = world.client.customers.create({}).id
    sent = {"customer": customer, "payment_method_types": [ACH], "setup_future_usage": "off_session"}
    intent = world.payments.create({"amount": 4000, "currency": "usd", **sent}).id
    world.stripe.pay(intent, "pm_usBankAccount_microdeposits")
    waiting = world.payments.retrieve(intent)
    assert (waiting.status, waiting.next_action.type) == ("requires_action", "verify_with_microdeposits")
    assert (waiting.latest_charge, list(world.client.customers.payment_methods.list(customer))) == (None, [])
    world.events()

    world.calendar.moves(days=9)
    world.stripe.verify(intent)
    assert world.payments.retrieve(intent).status == "processing"
    assert world.events() == ["payment_method.attached", "charge.pending", "payment_intent.processing"]
    world.stripe.settle(intent)
    [account] = world.client.customers.payment_methods.list(customer)
    assert debit(world, customer, account.id).status == "processing", "verified once, it can be debited"
    with pytest.raises(ValueError, match="asks for no microdeposits"):
        world.stripe.verify(intent)


def test_an_account_is_saved_after_its_microdeposits(world):
    customer = world.client.customers.create({}).id
    setup = world.client.setup_intents.create({"customer": customer, "payment_method_types": [ACH]}).id
    world.stripe.save(setup, "pm_usBankAccount_microdeposits")
    waiting = world.client.setup_intents.retrieve(setup)
    assert (waiting.status, waiting.next_action.type) == ("requires_action", "verify_with_microdeposits")
    world.stripe.verify(setup)
    done = world.client.setup_intents.retrieve(setup)
    assert (done.status, done.next_action, done.mandate) == ("succeeded", None, waiting.mandate)
    assert world.events()[-3:] == [
        "setup_intent.requires_action",
        "payment_method.attached",
        "setup_intent.succeeded",
    ]


def test_microdeposits_lapse_after_ten_days(world):
    sent = {"payment_method_types": [ACH], "currency": "usd"}
    intent = world.payments.create({"amount": 4000, **sent}).id
    setup = world.client.setup_intents.create({"payment_method_types": [ACH]}).id
    world.stripe.pay(intent, "pm_usBankAccount_microdeposits")
    world.stripe.save(setup, "pm_usBankAccount_microdeposits")
    world.events()
    world.calendar.moves(days=10)
    assert world.events() == ["payment_intent.payment_failed", "setup_intent.setup_failed"]
    lapsed = world.payments.retrieve(intent)
    assert (lapsed.status, lapsed.latest_charge) == ("requires_payment_method", None)
    assert lapsed.last_payment_error.code == "payment_method_microdeposit_verification_timeout"
    assert world.client.setup_intents.retrieve(setup).last_setup_error.code == lapsed.last_payment_error.code


def test_a_payment_can_be_made_another_way_or_given_up_while_it_waits(world):
    sent = {"amount": 4000, "currency": "usd", "payment_method_types": [ACH, "card"]}
    other_way, given_up, failed = (world.payments.create(sent).id for _ in range(3))
    for intent in (other_way, given_up, failed):
        world.stripe.pay(intent, "pm_usBankAccount_microdeposits")
    world.stripe.pay(other_way, "pm_card_visa")
    world.payments.cancel(given_up)
    world.stripe.fail(failed)
    statuses = [world.payments.retrieve(intent).status for intent in (other_way, given_up, failed)]
    assert statuses == ["succeeded", "canceled", "requires_payment_method"]
    code = world.payments.retrieve(failed).last_payment_error.code
    assert code == "payment_method_microdeposit_verification_attempts_exceeded"
    assert world.stripe.next_at() is None
