"""What Stripe says by itself: believed if it is signed, and then only as far as it must be."""

import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from aws_lambda_powertools.utilities import parameters

from infra.local import aws
from infra.local.cloud import WEBHOOK_SECRET
from infra.local.invocations import Call
from shared.store import queries
from tests.edge.test_stripe_requests import connected

HARMLESS = json.dumps({"type": "charge.updated", "created": 1769353200, "data": {"object": {"id": "ch_1"}}})


@pytest.fixture(autouse=True)
def _forget_secrets():
    """Powertools keeps a secret for five minutes of the machine's time."""
    parameters.clear_caches()
    yield
    parameters.clear_caches()


@pytest.fixture
def world():
    """Acme has opened a checkout of one seat, and its payer has still to confirm it."""
    world = connected(card=None).sells()
    world.checkout = world.call("POST", "/accounts/acme/checkout", {"items": [{"price": "sales-seat"}]}).json
    world.intent = world.checkout["payment"]["client_secret"].partition("_secret")[0]
    world.cloud.stripe.webhooks()
    world.line.told()
    return world


def signed(body, at, secret=WEBHOOK_SECRET):
    """The header of a message as Stripe signs it."""
    seconds = int(at.timestamp())
    return f"t={seconds},v1={hmac.digest(secret.encode(), f'{seconds}.{body}'.encode(), hashlib.sha256).hex()}"


def deliver(world, body, signature=None):
    """Hand a message to the webhook, signed now unless otherwise named; status, and the code of a refusal."""
    body = body if isinstance(body, str) else body.decode()
    headers = {"Stripe-Signature": signed(body, world.cloud.now) if signature is None else signature}
    reply = world.cloud.request(Call("POST", "/v1/stripe/webhook", body, headers, None))
    return reply.status, reply.json.get("code")


def told(world):
    """The messages that Stripe has for us, by their type."""
    return {message.type: message.body.decode() for message in world.cloud.stripe.webhooks()}


def standing(world):
    """The checkout and its invoice."""
    shown = world.call("GET", f"/accounts/acme/checkout/{world.checkout['id']}").json
    return shown["status"], shown["payment"]["status"]


# -- the signature -----------------------------------------------------------------------------------------


def test_a_message_that_stripe_signed_is_taken_note_of(world):
    assert deliver(world, HARMLESS) == (200, None)


def test_any_other_message_is_refused_and_changes_nothing(world):
    now, good = world.cloud.now, signed(HARMLESS, world.cloud.now)
    before = world.contents()
    for why, body, signature in (
        ("tampered body", HARMLESS.replace("ch_1", "ch_2"), good),
        ("tampered time", HARMLESS, good.replace("t=1", "t=2")),
        ("tampered signature", HARMLESS, good[:-1] + ("0" if good[-1] != "0" else "1")),
        ("signed by somebody else", HARMLESS, signed(HARMLESS, now, "whsec_other")),
        ("no signature", HARMLESS, ""),
        ("a time only", HARMLESS, good.partition(",")[0]),
        ("a signature only", HARMLESS, good.partition(",")[2]),
        ("another scheme", HARMLESS, good.replace("v1=", "v0=")),
        ("no time at all", HARMLESS, good.replace("t=", "t=x")),
        ("letters that no signature has", HARMLESS, f"t={int(now.timestamp())},v1=é"),
        ("nothing", "", good),
    ):
        assert deliver(world, body, signature) == (422, "invalid_signature"), why
    assert world.contents() == before


@pytest.mark.parametrize(
    ("seconds", "answer"),
    [
        (-301, (422, "invalid_signature")),
        (-300, (200, None)),
        (300, (200, None)),
        (301, (422, "invalid_signature")),
    ],
)
def test_a_signature_is_good_for_five_minutes(world, seconds, answer):
    at = world.cloud.now + timedelta(seconds=seconds)
    assert deliver(world, HARMLESS, signed(HARMLESS, at)) == answer


def test_an_old_message_does_not_get_young_by_another_time_beside_its_own(world):
    old = signed(HARMLESS, world.cloud.now - timedelta(days=1))
    now = int(world.cloud.now.timestamp())
    for replayed in (f"{old},t={now}", f"{old},T={now}", f"{old},x"):
        assert deliver(world, HARMLESS, replayed) == (422, "invalid_signature")


def test_while_the_secret_is_being_changed_both_are_good(world):
    def secrets_are(value):
        parameters.clear_caches()
        aws.answering["ssm"] = lambda _: aws.response(200, {"Parameter": {"Name": "s", "Value": value}})

    def answers():
        return [deliver(world, HARMLESS, signed(HARMLESS, world.cloud.now, by))[0] for by in ("old", "new", "third")]

    secrets_are("old")
    assert answers() == [200, 422, 422]
    secrets_are("new old")
    assert answers() == [200, 200, 422]
    secrets_are("new")
    assert answers() == [422, 200, 422]


# -- payments ----------------------------------------------------------------------------------------------


def test_a_success_is_applied_once_however_often_it_is_told(world):
    world.cloud.stripe.pay(world.intent, "pm_card_visa")
    succeeded = told(world)["payment_intent.succeeded"]
    assert deliver(world, succeeded) == (200, None)
    assert standing(world) == ("complete", "paid")
    happened, contents = world.audit(), world.contents()
    assert happened == [
        "invoice.issued",
        "payment.succeeded",
        "invoice.paid",
        "checkout.completed",
        "subscription.started",
    ]
    for minutes in (0, 5, 60 * 24 * 3):
        world.suddenly((world.cloud.now + timedelta(minutes=minutes)).isoformat())
        assert deliver(world, succeeded) == (200, None)
    assert (world.audit(), world.contents()) == (happened, contents)


def test_a_checkout_is_complete_though_stripe_does_not_know_the_card_any_more(world):
    world.cloud.stripe.pay(world.intent, "pm_card_visa")
    succeeded = told(world)["payment_intent.succeeded"]
    world.cloud.stripe._account.payment_methods.clear()
    assert deliver(world, succeeded) == (200, None)
    assert standing(world) == ("complete", "paid")
    assert method_of(world) is None


def test_of_a_failure_stripe_is_asked_how_things_stand(world):
    world.cloud.stripe.pay(world.intent, "pm_card_chargeDeclined")
    failed = told(world)["payment_intent.payment_failed"]
    world.line.told()
    assert deliver(world, failed) == (200, None)
    assert world.line.told() == ["GET /v1/payment_intents/{intent}"]
    assert standing(world) == ("open", "waiting_for_payer"), "the payer sees why, and may try another card"


def test_a_failure_told_late_does_not_undo_the_success_after_it(world):
    world.cloud.stripe.pay(world.intent, "pm_card_chargeDeclined")
    world.cloud.stripe.pay(world.intent, "pm_card_visa")
    messages = told(world)
    assert deliver(world, messages["payment_intent.payment_failed"]) == (200, None)
    assert standing(world) == ("complete", "paid"), "Stripe was asked, and told of the success"
    contents = world.contents()
    for late in messages.values():
        assert deliver(world, late) == (200, None)
    assert world.contents() == contents


def test_while_stripe_does_not_answer_the_message_is_to_be_sent_again(world):
    world.cloud.stripe.pay(world.intent, "pm_card_chargeDeclined")
    failed = told(world)["payment_intent.payment_failed"]
    world.cloud.faults.arm("stripe.get", "request_lost")
    assert deliver(world, failed) == (503, "unavailable")
    assert deliver(world, failed) == (200, None)


@pytest.mark.parametrize(
    ("what", "other"),
    [("amount_received", 9999), ("currency", "eur"), ("customer", "cus_other")],
)
def test_a_success_that_is_not_what_was_asked_for_raises_an_alarm_and_pays_nothing(world, what, other):
    world.cloud.stripe.pay(world.intent, "pm_card_visa")
    message = json.loads(told(world)["payment_intent.succeeded"])
    message["data"]["object"][what] = other
    assert deliver(world, json.dumps(message)) == (200, None)
    assert standing(world)[0] == "open"
    assert world.audit() == ["invoice.issued", "alarm.raised"]
    [alarm, _] = world.call("GET", "/accounts/acme/events").json["items"]
    assert (alarm["code"], alarm["invoice"]) == ("payment_mismatch", world.checkout["invoice"]["id"])


def test_money_for_a_checkout_that_was_given_up_raises_one_alarm(world):
    intent = world.cloud.stripe._account.payment_intents[world.intent]
    world.on("2026-01-26T15:00:00Z")
    assert standing(world) == ("expired", "void")
    message = {
        "type": "payment_intent.succeeded",
        "created": int(world.cloud.now.timestamp()),
        "data": {"object": intent | {"status": "succeeded"}},
    }
    for _ in range(2):
        assert deliver(world, json.dumps(message)) == (200, None)
    assert standing(world) == ("expired", "void")
    assert world.audit() == ["invoice.issued", "checkout.expired", "invoice.voided", "alarm.raised"]


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        ("payment_intent.succeeded", {"metadata": {}}),
        ("payment_intent.succeeded", {"metadata": None}),
        ("payment_intent.succeeded", {"metadata": {"order": "7"}}),
        ("payment_intent.succeeded", {"metadata": {"invoice": "co_1-00000"}}),
        ("payment_intent.succeeded", {"metadata": {"account": "acme", "invoice": "x" * 500}}),
        ("payment_intent.succeeded", {"metadata": {"account": "nobody", "invoice": "co_1-00000"}}),
        ("setup_intent.succeeded", {"payment_method": "pm_1", "metadata": {}}),
        ("setup_intent.succeeded", {"payment_method": "pm_1", "metadata": {"account": "nobody"}}),
        ("setup_intent.created", {}),
        ("customer.updated", {}),
        ("something.that_did_not_exist_yet", {}),
    ],
)
def test_what_concerns_nothing_of_ours_is_taken_note_of(world, kind, thing):
    before = world.contents()
    intent = {"id": "pi_1", "status": "succeeded", "amount_received": 10000, "currency": "usd"}
    setup = {"created": 1769353100, "client_secret": "seti_1_secret"}
    message = {"type": kind, "created": 1769353200, "data": {"object": intent | setup | thing}}
    assert deliver(world, json.dumps(message)) == (200, None)
    assert world.contents() == before
    assert world.line.told() == []


def test_what_stripe_does_not_know_any_more_is_taken_note_of(world):
    before = world.contents()
    intent = {"id": "pi_gone", "status": "requires_payment_method", "amount": 10000, "currency": "usd"}
    intent["metadata"] = {"account": "acme", "invoice": world.checkout["invoice"]["id"]}
    message = {"type": "payment_intent.payment_failed", "created": 1769353200, "data": {"object": intent}}
    assert deliver(world, json.dumps(message)) == (200, None)
    assert world.contents() == before


# -- ways to pay -------------------------------------------------------------------------------------------


def method_of(world):
    shown = world.call("GET", "/accounts/acme").json["payment_method"]
    return shown and shown["last4"]


def enter(world, card):
    """The payer enters a card in Stripe's form; what Stripe has to say of it."""
    setup = world.call("POST", "/accounts/acme/payment-method", {}).json
    assert setup["status"] == "requires_payment_method"
    world.cloud.stripe.save(setup["setup_intent"], card)
    return told(world)["setup_intent.succeeded"]


def test_a_card_that_the_payer_entered_is_charged_from_then_on(world):
    entered = enter(world, "pm_card_mastercard")
    assert method_of(world) is None
    for _ in range(2):
        assert deliver(world, entered) == (200, None)
        assert method_of(world) == "4444"
    subscription = world.subscribed()
    world.on("2026-02-26")
    assert [invoice["status"] for invoice in world.invoices() if invoice["subscription"] == subscription] == ["paid"]


def test_news_of_an_older_card_does_not_replace_a_newer_one(world):
    older = enter(world, "pm_card_mastercard")
    world.suddenly("2026-01-25T15:10:00Z")
    world.call("POST", "/accounts/acme/payment-method", {"payment_method": "pm_card_visa"})
    assert method_of(world) == "4242"
    assert deliver(world, older) == (200, None)
    assert method_of(world) == "4242"

    world.suddenly("2026-01-25T15:20:00Z")
    newer = enter(world, "pm_card_mastercard")
    assert deliver(world, newer) == (200, None)
    assert method_of(world) == "4444"


def test_a_bank_account_that_is_verified_days_later_does_not_replace_a_card_saved_meanwhile(world):
    body = {"payment_methods": ["us_bank_account"]}
    setup = world.call("POST", "/accounts/acme/payment-method", body).json["setup_intent"]
    world.cloud.stripe.save(setup, "pm_usBankAccount_microdeposits")
    world.suddenly("2026-01-26T15:00:00Z")
    world.call("POST", "/accounts/acme/payment-method", {"payment_method": "pm_card_visa"})
    world.suddenly("2026-01-27T15:00:00Z")
    told(world)
    world.cloud.stripe.verify(setup)
    assert deliver(world, told(world)["setup_intent.succeeded"]) == (200, None)
    assert method_of(world) == "4242"


def test_f28_what_is_past_due_is_charged_by_the_new_card_even_if_whoever_saved_it_died(world):
    deliver(world, enter(world, "pm_card_visa"))
    world.subscribed()
    world.cloud.stripe.becomes(queries.account("acme").payment_method, "card_lost")
    world.on("2026-02-26")
    assert world.invoices()[-1]["status"] == "waiting_for_payer"

    entered = enter(world, "pm_card_chargeCustomerFail")
    world.cloud.faults.arm("store.commit", "crash_after")
    assert deliver(world, entered)[0] == 500, "it is saved, and nothing was charged by it yet"
    assert method_of(world) == "0341"
    for _ in range(2):
        assert deliver(world, entered) == (200, None)
        world.on("2026-02-27")
        attempt = queries.invoice("acme", world.invoices()[-1]["id"]).attempt
        assert (attempt.n, attempt.declines, attempt.error) == (2, 2, "generic_decline"), "charged once"
