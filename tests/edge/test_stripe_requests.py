"""Every request that goes to Stripe: as Stripe publishes it, under our own key, and never twice by mistake."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import stripe

from infra.local.invocations import sqs_event
from infra.local.queues import Message
from infra.local.stripe_requests import decode
from shared import payments
from shared.domain.invoice import AttemptState
from shared.edge import upkeep
from shared.store import queries
from tests.edge.stripe_shapes import Checked, check_request, endpoint
from tests.world import SEAT, World

CHECKOUT = "/accounts/acme/checkout"
ONE_SEAT = {"items": [{"price": "sales-seat"}]}
MIDNIGHT = datetime(2026, 2, 25, 5, tzinfo=UTC)  # of New York, on which the second period begins


class Sent(NamedTuple):
    """One request; ``key`` is its idempotency key, ids are left out of ``what``."""

    what: str
    key: str | None
    params: dict[str, Any]


class Line(Checked):
    """The line to Stripe's stand-in: it lets through only what Stripe publishes, and remembers it."""

    def __init__(self, cloud):
        super().__init__(cloud.stripe)
        self.fault = cloud._stripe_fault
        self.everything = []
        self.told_of = 0

    def request(self, method, url, headers, post_data=None, *, _usage=None):
        parts, method = urlsplit(url), method.upper()
        check_request(method, parts.path, post_data or parts.query)
        assert headers["Stripe-Version"] == payments.API_VERSION
        key = headers.get("Idempotency-Key")
        assert (key is not None) == (method == "POST"), "every POST bears a key, and nothing else"
        self.everything.append(Sent(endpoint(method, parts.path), key, decode(post_data or parts.query)))
        return super().request(method, url, headers, post_data, _usage=_usage)

    def told(self):
        """What was sent since this was last asked: each call, and the key with short names for ids."""
        told = [f"{call.what} {_short(call.key)}".strip() for call in self.sent]
        self.told_of = len(self.everything)
        return told

    @property
    def sent(self):
        """What was sent since this was last told."""
        return [call for call in self.everything[self.told_of :] if not _daily(call)]


def _daily(call):
    """What is asked every day, whatever happens: what moved, and what was saved."""
    saved = call.what == "GET /v1/events" and "setup_intent.succeeded" in str(call.params)
    return saved or call.what == "GET /v1/balance_transactions"


def _short(key):
    return re.sub(r"(co|seti)_[0-9a-f]{16}|(sub)_[0-9a-f]{16}a", r"\1\2", key or "")


def connected(**options):
    """A world with a line that is listened to, after acme has saved a card (or ``card=None``)."""
    world = World(**options)
    world.line = Line(world.cloud)
    stripe.default_http_client = world.line
    payments.forget()
    return world


@pytest.fixture
def world():
    return connected().sells()


@pytest.fixture
def renewing(world):
    """Five seats, and the calendar a moment before the second period."""
    world.subscription = world.subscribed()
    world.on("2026-02-25T04:59:59Z")
    world.line.told()
    return world


@pytest.fixture
def owing(renewing):
    """The second period has begun and its invoice is drawn; nobody has collected it yet."""
    renewing.cloud.now = MIDNIGHT
    upkeep.current("acme", renewing.subscription, MIDNIGHT)
    return renewing


def collecting(world, hours=0, minutes=0):
    """What one run of the worker sends, so long after the invoice was drawn."""
    world.cloud.now = MIDNIGHT + timedelta(hours=hours, minutes=minutes)
    body = json.dumps({"kind": "invoice", "account": "acme", "id": f"{world.subscription}-00001"})
    message = Message("message-1", body, MIDNIGHT, MIDNIGHT, receives=1)
    world.cloud.invoke("ChargesWorkFunction", sqs_event("ChargeQueue", [message]))
    return world.line.told()


def statuses(world):
    return [invoice["status"] for invoice in world.invoices()]


# -- saving a way to pay -----------------------------------------------------------------------------------


def test_a_customer_is_made_once_and_its_card_saved():
    world = connected(card=None)
    world.call("POST", "/accounts/acme/payment-method", {"payment_method": "pm_card_visa"})
    assert world.line.sent[0].params == {"description": "acme", "metadata": {"account": "acme"}}
    assert world.line.sent[1].params == {
        "customer": world.line.sent[1].params["customer"],
        "usage": "off_session",
        "payment_method_types": {"0": "card"},
        "metadata": {"account": "acme"},
        "payment_method": "pm_card_visa",
        "confirm": "true",
    }
    assert world.line.told() == [
        "POST /v1/customers acme:customer:2026-01-25T15:00:00+00:00",
        "POST /v1/setup_intents acme:seti",
        "GET /v1/payment_methods/{payment_method}",
        "GET /v1/setup_intents/{intent}",
        "GET /v1/payment_methods/{payment_method}",
    ]
    world.call("POST", "/accounts/acme/payment-method", {})
    assert world.line.told() == [
        "POST /v1/setup_intents acme:seti",
        "GET /v1/setup_intents/{intent}",
    ], "for the payer to enter one"


def test_a_customer_whose_answer_was_lost_is_looked_for_when_its_key_is_old():
    world = connected(card=None)
    card = {"payment_method": "pm_card_visa"}
    world.cloud.stripe.fail_next("stripe.other", "error_500_after")
    assert world.call("POST", "/accounts/acme/payment-method", card).status == 503
    world.suddenly("2026-01-26T10:59:59Z")
    assert world.call("POST", "/accounts/acme/payment-method", card).status == 503
    assert world.line.told() == ["POST /v1/customers acme:customer:2026-01-25T15:00:00+00:00"] * 2, "the same again"

    world.suddenly("2026-01-26T11:00:00Z")
    assert world.call("POST", "/accounts/acme/payment-method", card).status == 201
    assert world.line.told() == [
        "GET /v1/events",
        "POST /v1/setup_intents acme:seti",
        "GET /v1/payment_methods/{payment_method}",
        "GET /v1/setup_intents/{intent}",
        "GET /v1/payment_methods/{payment_method}",
    ]
    assert world.cloud.stripe.calls["POST /v1/customers"] == 2


def test_a_card_that_is_declined_when_saved_is_a_refusal(world):
    reply = world.call("POST", "/accounts/acme/payment-method", {"payment_method": "pm_card_chargeDeclined"})
    assert (reply.status, reply.json["code"], reply.json["detail"]) == (
        422,
        "card_declined",
        "Your card was declined.",
    )
    unknown = world.call("POST", "/accounts/acme/payment-method", {"payment_method": "pm_nobodys"})
    assert (unknown.status, unknown.json["code"]) == (422, "unknown_payment_method")


# -- checkout ----------------------------------------------------------------------------------------------


def test_a_checkout_with_a_saved_card_is_one_payment_confirmed_at_once(world):
    bought = world.call("POST", CHECKOUT, ONE_SEAT).json
    [sent] = world.line.sent
    assert sent.params == {
        "amount": "10000",
        "currency": "usd",
        "customer": sent.params["customer"],
        "payment_method": sent.params["payment_method"],
        "payment_method_types": {"0": "card"},
        "setup_future_usage": "off_session",
        "confirm": "true",
        "metadata": {"account": "acme", "invoice": bought["invoice"]["id"], "attempt": "1"},
    }
    assert sent.key == f"acme:{bought['invoice']['id']}:1"
    assert world.line.told() == ["POST /v1/payment_intents acme:co-00000:1"]


def test_a_checkout_without_a_card_is_one_payment_that_its_payer_confirms():
    world = connected(card=None).sells()
    opened = world.call("POST", CHECKOUT, ONE_SEAT).json
    created = world.line.sent[1].params
    assert "confirm" not in created
    assert "payment_method" not in created
    assert world.line.told() == [
        "POST /v1/customers acme:customer:2026-01-25T15:00:00+00:00",
        "POST /v1/payment_intents acme:co-00000:1",
        "GET /v1/payment_intents/{intent}",
    ]
    world.cloud.stripe.pay(opened["payment"]["client_secret"].partition("_secret")[0], "pm_card_visa")
    world.cloud.settle()
    assert world.line.told() == ["GET /v1/payment_methods/{payment_method}"], "a success needs no further question"
    assert world.call("GET", f"{CHECKOUT}/{opened['id']}").json["status"] == "complete"


def test_a_checkout_that_nobody_pays_is_cancelled_at_stripe_first():
    world = connected(card=None).sells()
    opened = world.call("POST", CHECKOUT, ONE_SEAT).json
    world.line.told()
    world.on("2026-01-26T14:59:59Z")
    assert world.line.told() == []
    world.on("2026-01-26T15:00:00Z")
    assert world.line.told() == [
        "POST /v1/payment_intents/{intent}/cancel acme:co-00000:1:cancel:2",
        "GET /v1/payment_intents/{intent}",  # asked for by the webhook that tells of it
    ]
    assert world.call("GET", f"{CHECKOUT}/{opened['id']}").json["status"] == "expired"


# -- renewal, decline, retry -------------------------------------------------------------------------------


def test_a_renewal_is_one_payment_off_session(renewing):
    renewing.on("2026-02-25T05:00:00Z")
    [sent] = renewing.line.sent
    assert sent.params == {
        "amount": "50000",
        "currency": "usd",
        "customer": sent.params["customer"],
        "payment_method": sent.params["payment_method"],
        "payment_method_types": {"0": "card"},
        "confirm": "true",
        "off_session": "true",
        "metadata": {"account": "acme", "invoice": sent.key.split(":")[1], "attempt": "1"},
    }
    assert renewing.line.told() == ["POST /v1/payment_intents acme:sub-00001:1"]


def test_a_declined_renewal_confirms_the_same_payment_again_at_each_of_its_days(renewing):
    method = renewing.call("GET", "/accounts/acme").json["payment_method"]["id"]
    renewing.cloud.stripe.becomes(method, "card_declined")
    tries = {}
    for day in ("25T05:00", "28T04:59", "28T05:00", "05T04:59", "05T05:00", "12T05:00", "24T05:00"):
        renewing.on(f"2026-0{2 if day > '25' else 3}-{day}:00Z")
        tries[day] = [told for told in renewing.line.told() if told.startswith("POST")]
    assert tries == {
        "25T05:00": ["POST /v1/payment_intents acme:sub-00001:1"],
        "28T04:59": [],
        "28T05:00": ["POST /v1/payment_intents/{intent}/confirm acme:sub-00001:2"],
        "05T04:59": [],
        "05T05:00": ["POST /v1/payment_intents/{intent}/confirm acme:sub-00001:3"],
        "12T05:00": ["POST /v1/payment_intents/{intent}/confirm acme:sub-00001:4"],
        "24T05:00": [],
    }
    assert renewing.cloud.stripe.calls["POST /v1/payment_intents"] == 2, "the checkout's and the renewal's"


def test_a_confirmation_bears_the_method_that_is_current(renewing):
    old = renewing.call("GET", "/accounts/acme").json["payment_method"]["id"]
    renewing.cloud.stripe.becomes(old, "card_declined")
    renewing.on("2026-02-26")
    renewing.call("POST", "/accounts/acme/payment-method", {"payment_method": "pm_card_mastercard"})
    new = renewing.call("GET", "/accounts/acme").json["payment_method"]["id"]
    renewing.line.told()
    renewing.on("2026-02-28T05:00:00Z")
    [sent] = renewing.line.sent
    assert (sent.what, sent.params) == (
        "POST /v1/payment_intents/{intent}/confirm",
        {"payment_method": new, "off_session": "true"},
    )
    assert new != old
    assert statuses(renewing) == ["paid", "paid"]


def test_r61_no_subscription_is_ever_made_at_stripe(renewing):
    """Stripe moves the money; what is owed and when is ours to know, all year long."""
    method = renewing.call("GET", "/accounts/acme").json["payment_method"]["id"]
    renewing.on("2026-03-01")
    renewing.cloud.stripe.becomes(method, "card_declined")
    renewing.on("2026-04-20")
    renewing.call("POST", "/accounts/acme/payment-method", {"payment_method": "pm_card_mastercard"})
    renewing.on("2026-06-01")
    assert {sent.what for sent in renewing.line.everything if not _daily(sent)} == {
        "POST /v1/payment_intents",
        "POST /v1/payment_intents/{intent}/confirm",
        "GET /v1/payment_intents/{intent}",
        "POST /v1/setup_intents",
        "GET /v1/setup_intents/{intent}",
        "GET /v1/payment_methods/{payment_method}",
    }


# -- answers that get lost ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["request_lost", "answer_lost", "conflict"])
def test_a_request_without_an_answer_is_sent_again_as_it_was(owing, how):
    owing.cloud.faults.arm("stripe.create", how)
    collecting(owing)
    [first] = owing.line.everything[-1:]
    assert collecting(owing, hours=1) == ["POST /v1/payment_intents acme:sub-00001:1"]
    assert owing.line.everything[-1:] == [first], "the same key and the same parameters"
    assert collecting(owing, hours=2) == []
    assert statuses(owing) == ["paid", "paid"]


def test_a_request_that_is_turned_away_is_sent_again_at_once_and_as_it_was(owing):
    owing.cloud.faults.arm("stripe.create", "throttled", 2)
    assert collecting(owing) == ["POST /v1/payment_intents acme:sub-00001:1"] * 3
    first, *others = owing.line.everything[-3:]
    assert others == [first, first], "the same key and the same parameters"
    assert collecting(owing, hours=1) == []
    assert statuses(owing) == ["paid", "paid"]


def test_after_a_500_that_charged_the_payment_is_found(owing):
    owing.cloud.faults.arm("stripe.create", "error_500_after")
    assert collecting(owing) == ["POST /v1/payment_intents acme:sub-00001:1", "GET /v1/payment_intents"]
    assert statuses(owing) == ["paid", "paid"]


def test_after_a_500_that_did_nothing_it_is_sent_anew_when_nothing_can_come_of_it_any_more(owing):
    owing.cloud.faults.arm("stripe.create", "error_500_before")
    sent, *looks = collecting(owing)
    assert sent == "POST /v1/payment_intents acme:sub-00001:1"
    for looks_then in (looks, *(collecting(owing, hours) for hours in (1, 19, 20))):
        assert set(looks_then) == {"GET /v1/payment_intents"}
    assert collecting(owing, 21) == ["GET /v1/payment_intents", "POST /v1/payment_intents acme:sub-00001:2"]
    assert statuses(owing) == ["paid", "paid"]


def test_a_debit_that_is_on_its_way_is_asked_after_once_every_six_hours():
    world = connected(card=None)
    bank = {"payment_method": "pm_usBankAccount_success", "payment_methods": ["us_bank_account"]}
    world.call("POST", "/accounts/acme/payment-method", bank)
    world.sells().call("POST", CHECKOUT, ONE_SEAT | {"payment_methods": ["us_bank_account"]})
    world.line.told()
    world.on("2026-01-26T12:00:00Z")
    assert world.line.told() == ["GET /v1/payment_intents/{intent}"] * (1 + 3), "once as Stripe told of it"


@pytest.mark.parametrize(
    ("hours", "minutes", "sent"),
    [
        (19, 59, ["POST /v1/payment_intents acme:sub-00001:1"]),
        (20, 0, ["GET /v1/payment_intents"]),
        (20, 59, ["GET /v1/payment_intents"]),
        (21, 0, ["GET /v1/payment_intents", "POST /v1/payment_intents acme:sub-00001:2"]),
        (47, 0, ["GET /v1/payment_intents", "POST /v1/payment_intents acme:sub-00001:2"]),
    ],
)
def test_a_request_that_never_arrived_is_sent_until_its_key_is_20_hours_old(owing, hours, minutes, sent):
    owing.cloud.faults.arm("stripe.create", "request_lost")
    assert collecting(owing) == ["POST /v1/payment_intents acme:sub-00001:1"]
    assert list(dict.fromkeys(collecting(owing, hours, minutes))) == sent


@pytest.mark.parametrize("hours", [1, 20, 47])
def test_a_charge_whose_answer_was_lost_is_found_however_late(owing, hours):
    owing.cloud.faults.arm("stripe.create", "answer_lost")
    assert collecting(owing) == ["POST /v1/payment_intents acme:sub-00001:1"]
    again = "GET /v1/payment_intents" if hours >= 20 else "POST /v1/payment_intents acme:sub-00001:1"
    assert collecting(owing, hours) == [again]
    assert statuses(owing) == ["paid", "paid"]


def test_a_look_goes_to_the_last_page(owing):
    owing.cloud.faults.arm("stripe.create", "answer_lost")
    collecting(owing)
    customer = owing.line.everything[-1].params["customer"]
    others = stripe.StripeClient("sk_test_local", http_client=Checked(owing.cloud.stripe), max_network_retries=0)
    for number in range(101):
        others.v1.payment_intents.create(
            {"amount": 4000, "currency": "usd", "customer": customer, "metadata": {"order": str(number)}}
        )
    assert collecting(owing, 20) == ["GET /v1/payment_intents"] * 2
    assert statuses(owing) == ["paid", "paid"]


def test_a_payment_that_was_cancelled_before_is_not_the_one_that_is_looked_for(owing):
    owing.cloud.stripe.becomes(queries.account("acme").payment_method, "card_declined")
    collecting(owing)
    others = stripe.StripeClient("sk_test_local", http_client=Checked(owing.cloud.stripe), max_network_retries=0)
    others.v1.payment_intents.cancel(queries.invoice("acme", f"{owing.subscription}-00001").live.payment_intent)
    owing.cloud.settle()
    owing.call("POST", "/accounts/acme/payment-method", {"payment_method": "pm_card_mastercard"})
    owing.line.told()
    owing.cloud.faults.arm("stripe.create", "error_500_before")
    sent, *looks = collecting(owing, minutes=20)
    assert (sent, {*looks}) == ("POST /v1/payment_intents acme:sub-00001:2", {"GET /v1/payment_intents"})
    attempt = queries.invoice("acme", f"{owing.subscription}-00001").live
    assert (attempt.n, attempt.state, attempt.declines) == (2, AttemptState.INTENT, 1)
    assert collecting(owing, 22) == ["GET /v1/payment_intents", "POST /v1/payment_intents acme:sub-00001:3"]
    assert statuses(owing) == ["paid", "paid"]


# -- money -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("currency", "price", "amount"),
    [
        ("USD", "100.00", "10000"),
        ("EUR", "0.50", "50"),
        ("JPY", "100", "100"),
        ("KWD", "12.345", "12340"),
        ("ISK", "500", "50000"),
        ("HUF", "175.00", "17500"),
    ],
)
def test_an_amount_is_sent_in_stripes_units(currency, price, amount):
    world = connected(currency=currency).sells(seat=SEAT | {"amount": price})
    world.call("POST", CHECKOUT, {"items": [{"price": "seat"}]})
    [sent] = world.line.sent
    assert (sent.params["amount"], sent.params["currency"]) == (amount, currency.lower())
    assert [invoice["total"] for invoice in world.invoices()] == [price], "what is owed is not what Stripe can write"
