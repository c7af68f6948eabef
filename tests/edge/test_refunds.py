"""Refunds over the API: what is asked for goes back once, whatever breaks on the way."""

import json

import boto3
import pytest

from infra.local.simulate import CUSTOMER, STAFF
from shared.store import queries
from tests.edge.another_lambda import Meanwhile
from tests.edge.test_stripe_requests import connected
from tests.world import SEAT

USD_100 = {"amount": "100.00", "currency": "USD"}
LATER = "2026-02-20T00:00:00Z"  # before the renewal


@pytest.fixture
def world():
    """Acme has paid 500.00 USD for five seats."""
    world = connected().sells()
    bought = world.call("POST", "/accounts/acme/checkout", {"items": [{"price": "sales-seat", "quantity": 5}]}).json
    world.subscription, world.bill = bought["subscriptions"][0]["id"], bought["invoice"]["id"]
    world.refunds = f"/accounts/acme/invoices/{world.bill}/refunds"
    world.line.told()
    return world


@pytest.fixture
def unheard(world):
    """The same, while Stripe's messages get lost: only the timer can find out."""
    world.cloud.deliveries.lost_until = world.cloud.now.replace(year=2027)
    return world


def refund(world, body=None, **options):
    return world.call("POST", world.refunds, body or {}, permissions=STAFF, **options)


def listed(world):
    """What became of the refunds: number, amount and status."""
    items = world.call("GET", world.refunds).json["items"]
    return [(each["id"][-3:], each["amount"]["amount"], each["status"]) for each in items]


def sent_back(world):
    """What Stripe has sent back, in cents, and how it stands there."""
    return [(each["amount"], each["status"]) for each in world.cloud.stripe._account.refunds.values()]


def happened(world):
    """What happened of refunds; of one instant, in any order."""
    told = ("credit_note.issued", "payment.refunded", "payment.disputed", "alarm.raised")
    return sorted(kind for kind in world.audit() if kind in told)


def alarms(world):
    told = world.call("GET", "/accounts/acme/events").json["items"]
    return [event["code"] for event in told if event["type"] == "alarm.raised"]


# -- what is asked for and what is answered ----------------------------------------------------------------


def test_a_refund_of_part_and_of_the_rest(world):
    made = refund(world, {"amount": USD_100, "reason": "requested_by_customer"})
    assert (made.status, made.json) == (
        201,
        {
            "id": f"{world.bill}-R01",
            "invoice": world.bill,
            "status": "succeeded",
            "amount": USD_100,
            "credit_note": {
                "number": f"{world.bill}-C01",
                "date": "2026-01-25",
                "amount": USD_100,
                "reason": "requested_by_customer",
            },
            "error": None,
        },
    )
    rest = refund(world).json
    assert (rest["id"], rest["amount"], rest["credit_note"]["reason"]) == (
        f"{world.bill}-R02",
        {"amount": "400.00", "currency": "USD"},
        None,
    )
    assert world.call("GET", world.refunds).json == {"items": [made.json, rest], "cursor": None}
    shown = world.call("GET", world.refunds.removesuffix("/refunds")).json
    assert (shown["status"], shown["refunded"]) == ("paid", {"amount": "500.00", "currency": "USD"})
    assert sent_back(world) == [(100_00, "succeeded"), (400_00, "succeeded")]
    assert happened(world) == ["credit_note.issued"] * 2 + ["payment.refunded"] * 2


def test_what_is_sent_to_stripe_is_one_request_under_a_key_of_its_own(world):
    made = refund(world, {"amount": USD_100, "reason": "duplicate"}).json
    [sent] = world.line.sent
    intent = queries.invoice("acme", world.bill).attempt.payment_intent
    assert sent.params == {
        "payment_intent": intent,
        "amount": "10000",
        "reason": "duplicate",
        "metadata": {"account": "acme", "invoice": world.bill, "refund": "1"},
    }
    assert sent.key == f"acme:{world.bill}:refund:1:1"
    assert made["status"] == "succeeded"


def test_the_same_request_twice_is_one_refund_and_shows_how_it_stands_then(world):
    world.cloud.faults.arm("stripe.refund", "request_lost")
    first = refund(world, {"amount": USD_100}, key="once").json
    assert first["status"] == "requested"
    again = refund(world, {"amount": USD_100}, key="once")
    assert (again.status, again.json) == (201, {**first, "status": "succeeded"})
    assert refund(world, {"amount": USD_100}, key="once").json == again.json
    other = refund(world, key="once")
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    assert sent_back(world) == [(100_00, "succeeded")]


def test_d9_what_was_paid_for_unused_days_goes_back(world):
    world.on("2026-02-07T15:00:00Z")
    made = refund(world, {"unused_days": True}).json
    assert made["amount"]["amount"] == "274.19", "14 of 31 days are used: 500.00 less 225.81"
    assert made["credit_note"]["date"] == "2026-02-07"
    again = refund(world, {"unused_days": True})
    assert (again.status, again.json["code"]) == (409, "nothing_to_refund"), "whoever asks twice gets it once"


def test_r85_after_a_cancellation_unused_days_begin_with_the_day_after_it(world):
    world.on("2026-01-30T15:00:00Z")
    path = f"/accounts/acme/subscriptions/{world.subscription}/cancel"
    assert world.call("POST", path, {"understood": True}).status == 200
    world.on("2026-02-10T15:00:00Z")
    assert refund(world, {"unused_days": True}).json["amount"]["amount"] == "403.23", "25 of 31 days"


def test_f30_a_refund_does_not_touch_the_subscription(world):
    before = queries.book("acme", world.subscription)
    refund(world)
    assert queries.book("acme", world.subscription) == before


def test_a_credit_note_bears_the_sellers_day(world):
    world.on("2026-01-31T04:59:00Z")  # in New York it is still the 30th
    assert refund(world).json["credit_note"]["date"] == "2026-01-30"


# -- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"amount": {"amount": "500.01", "currency": "USD"}}, (409, "refund_too_large")),
        ({"amount": {"amount": "100.00", "currency": "EUR"}}, (409, "wrong_currency")),
        ({"amount": {"amount": "100.00", "currency": "XXX"}}, (422, "unknown_currency")),
        ({"amount": {"amount": "0.00", "currency": "USD"}}, (422, "invalid_amount")),
        ({"amount": {"amount": "-1.00", "currency": "USD"}}, (422, "invalid_amount")),
        ({"amount": {"amount": "1.001", "currency": "USD"}}, (422, "invalid_amount")),
        ({"amount": USD_100, "unused_days": True}, (422, "invalid_amount")),
        ({"amount": {"amount": "1e3", "currency": "USD"}}, (422, "invalid_body")),
        ({"amount": {"amount": 100, "currency": "USD"}}, (422, "invalid_body")),
        ({"amount": {"amount": "100.00"}}, (422, "invalid_body")),
        ({"amount": "100.00"}, (422, "invalid_body")),
        ({"unused_days": 1}, (422, "invalid_body")),
        ({"reason": "changed_their_mind"}, (422, "invalid_body")),
        ({"status": "succeeded"}, (422, "invalid_body")),
        ([], (422, "invalid_body")),
        ("{", (400, "malformed_json")),
    ],
)
def test_what_cannot_go_back_is_refused_and_writes_nothing(world, body, refusal):
    before = world.contents()
    reply = world.call("POST", world.refunds, body, permissions=STAFF)
    assert (reply.status, reply.json["code"]) == refusal
    assert (world.contents(), world.line.told()) == (before, [])


def test_what_is_not_paid_is_not_refunded():
    world = connected(card="pm_card_chargeCustomerFail").sells()
    opened = world.call("POST", "/accounts/acme/checkout", {"items": [{"price": "sales-seat"}]}).json
    world.refunds = f"/accounts/acme/invoices/{opened['invoice']['id']}/refunds"
    assert (refund(world).status, refund(world).json["code"]) == (409, "not_paid")
    assert listed(world) == []


def test_the_refunds_of_what_does_not_exist_are_not_found(world):
    for method, path in (("POST", "sub_1-00001"), ("GET", "sub_1-00001")):
        reply = world.call(method, f"/accounts/acme/invoices/{path}/refunds", {}, permissions=STAFF)
        assert (reply.status, reply.json["code"]) == (404, "unknown_invoice")


def test_money_goes_back_by_the_sellers_staff_only(world):
    reply = world.call("POST", world.refunds, {}, permissions=CUSTOMER)
    assert (reply.status, reply.json["code"]) == (403, "permission_missing")
    assert world.call("GET", world.refunds, permissions="billing.view").status == 200


# -- a line that breaks, a Stripe that breaks, a function that dies ----------------------------------------


@pytest.mark.parametrize(
    "how",
    ["request_lost", "answer_lost", "throttled", "conflict", "error_500_before", "error_500_after", "late"],
)
@pytest.mark.parametrize("times", [1, 2])
def test_whatever_breaks_on_the_way_to_stripe_the_money_goes_back_once(unheard, how, times):
    unheard.cloud.faults.arm("stripe.refund", how, times)
    answered = refund(unheard, {"amount": USD_100})
    assert answered.status == 201
    assert answered.json["status"] == ("succeeded" if how == "error_500_after" else "requested")
    unheard.on(LATER)
    assert listed(unheard) == [("R01", "100.00", "succeeded")]
    assert sent_back(unheard) == [(100_00, "succeeded")]
    assert happened(unheard) == ["credit_note.issued", "payment.refunded"]


@pytest.mark.parametrize(
    ("where", "how"),
    [
        ("stripe.refund", "crash_before"),
        ("stripe.refund", "crash_after"),
        ("store.commit", "crash_after"),
    ],
)
def test_a_function_that_dies_leaves_the_rest_to_the_timer(unheard, where, how):
    unheard.cloud.faults.arm(where, how)
    assert refund(unheard, {"amount": USD_100}).status == 500
    assert listed(unheard) == [("R01", "100.00", "requested")]
    unheard.on(LATER)
    assert listed(unheard) == [("R01", "100.00", "succeeded")]
    assert sent_back(unheard) == [(100_00, "succeeded")]


def test_a_function_that_dies_before_its_commit_has_done_nothing(world):
    world.cloud.faults.arm("store.commit", "crash_before")
    assert refund(world, key="once").status == 500
    assert (listed(world), sent_back(world)) == ([], [])
    assert refund(world, key="once").json["status"] == "succeeded"


@pytest.mark.parametrize("how", ["request_lost", "answer_lost"])
def test_after_an_outage_of_thirty_hours_stripe_is_looked_at_before_anything_is_sent(unheard, how):
    unheard.cloud.faults.arm("stripe.refund", how)
    refund(unheard, {"amount": USD_100})
    unheard.suddenly("2026-01-26T21:00:00Z")  # Stripe has forgotten the key
    unheard.line.told()
    unheard.on(LATER)
    looked = ["GET /v1/refunds"]
    assert unheard.line.told() == looked + (
        [f"POST /v1/refunds acme:{unheard.bill[:2]}-00000:refund:1:2"] if how == "request_lost" else []
    )
    assert listed(unheard) == [("R01", "100.00", "succeeded")]
    assert sent_back(unheard) == [(100_00, "succeeded")]


def test_what_is_refused_because_it_went_out_already_is_found(unheard):
    """A request that everybody had given up arrives when the next one is sent: nothing is left to refund then."""
    unheard.cloud.faults.arm("stripe.refund", "request_lost")
    refund(unheard)
    intent = queries.invoice("acme", unheard.bill).attempt.payment_intent
    unheard.suddenly("2026-01-26T21:00:00Z")
    metadata = {"account": "acme", "invoice": unheard.bill, "refund": "1"}
    looked = unheard.line.fault

    def arrives_meanwhile(where, call):
        answer = looked(where, call)
        if unheard.line.sent[-1].what == "GET /v1/refunds" and not unheard.cloud.stripe._account.refunds:
            stand_in_refund(unheard, intent, metadata)
        return answer

    unheard.line.fault = arrives_meanwhile
    unheard.on(LATER)
    assert listed(unheard) == [("R01", "500.00", "succeeded")]
    assert sent_back(unheard) == [(500_00, "succeeded")]
    assert alarms(unheard) == []


def stand_in_refund(world, intent, metadata):
    """A refund at Stripe that no request of ours is waiting for."""
    form = "&".join(f"metadata[{key}]={value}" for key, value in metadata.items())
    headers = {"Authorization": "Bearer sk_test_local"}
    answer = world.cloud.stripe.answer("POST", "/v1/refunds", headers, f"payment_intent={intent}&{form}")
    assert answer.status == 200, answer.body


def test_a_bank_debit_on_its_way_back_is_asked_after_every_six_hours():
    world = connected(card=None).sells()
    bank = {"payment_method": "pm_usBankAccount_success", "payment_methods": ["us_bank_account"]}
    assert world.call("POST", "/accounts/acme/payment-method", bank).status == 201
    body = {"items": [{"price": "sales-seat"}], "payment_methods": ["us_bank_account"]}
    world.bill = world.call("POST", "/accounts/acme/checkout", body).json["invoice"]["id"]
    world.refunds = f"/accounts/acme/invoices/{world.bill}/refunds"
    assert (refund(world).status, refund(world).json["code"]) == (409, "payment_pending")
    world.on("2026-01-30T12:00:00Z")
    world.cloud.deliveries.lost_until = world.cloud.now.replace(year=2027)
    assert refund(world).json["status"] == "pending"
    world.line.told()
    world.on("2026-01-31T12:00:00Z")
    assert world.line.told() == ["GET /v1/refunds/{refund}"] * 4
    assert listed(world) == [("R01", "100.00", "pending")]
    world.on("2026-02-07T00:00:00Z")
    assert listed(world) == [("R01", "100.00", "succeeded")]
    assert happened(world) == ["credit_note.issued", "payment.refunded"]


@pytest.mark.parametrize(
    ("currency", "price", "asked", "units"),
    [("KWD", "12.345", "12.340", "12340"), ("KWD", "12.345", "2.340", "2340"), ("ISK", "500", "50", "5000")],
)
def test_an_amount_goes_back_in_stripes_units(currency, price, asked, units):
    world = connected(currency=currency).sells(seat=SEAT | {"amount": price})
    bought = world.call("POST", "/accounts/acme/checkout", {"items": [{"price": "seat"}]}).json
    world.bill = bought["invoice"]["id"]
    world.refunds = f"/accounts/acme/invoices/{world.bill}/refunds"
    made = refund(world, {"amount": {"amount": asked, "currency": currency}}).json
    assert (made["status"], made["amount"]["amount"]) == ("succeeded", asked)
    [sent] = [sent for sent in world.line.everything if sent.what == "POST /v1/refunds"]
    assert sent.params["amount"] == units


def test_what_stripe_cannot_write_is_refused():
    world = connected(currency="KWD").sells(seat=SEAT | {"amount": "12.345"})
    bought = world.call("POST", "/accounts/acme/checkout", {"items": [{"price": "seat"}]}).json
    world.refunds = f"/accounts/acme/invoices/{bought['invoice']['id']}/refunds"
    too_fine = refund(world, {"amount": {"amount": "0.005", "currency": "KWD"}})
    assert (too_fine.status, too_fine.json["code"]) == (422, "invalid_amount")
    assert refund(world).json["amount"]["amount"] == "12.340", "what was captured, and not what was owed"


# -- two at once -------------------------------------------------------------------------------------------


def test_two_refunds_at_once_give_back_no_more_than_was_paid(world):
    other = []
    meanwhile = Meanwhile(world)
    meanwhile.happens(lambda: other.append(refund(world, {"amount": {"amount": "400.00", "currency": "USD"}})))
    mine = refund(world, {"amount": {"amount": "200.00", "currency": "USD"}})
    assert [each.status for each in other] == [201]
    assert (mine.status, mine.json["code"]) == (409, "refund_too_large")
    assert sent_back(world) == [(400_00, "succeeded")]


def test_two_refunds_at_once_that_fit_have_numbers_of_their_own(world):
    meanwhile = Meanwhile(world)
    meanwhile.happens(lambda: refund(world, {"amount": {"amount": "150.00", "currency": "USD"}}))
    mine = refund(world, {"amount": USD_100})
    assert mine.json["id"].endswith("-R02")
    assert listed(world) == [("R01", "150.00", "succeeded"), ("R02", "100.00", "succeeded")]


def test_a_webhook_that_is_quicker_than_the_request_settles_it_once(world):
    meanwhile = Meanwhile(world)
    meanwhile.happens(lambda: None, lambda: world.cloud.deliveries.send(world.cloud.now))
    made = refund(world, {"amount": USD_100})
    assert (made.status, made.json["status"]) == (201, "succeeded")
    assert happened(world) == ["credit_note.issued", "payment.refunded"]


def test_a_worker_and_a_webhook_at_once_settle_it_once(world):
    world.cloud.faults.arm("stripe.refund", "answer_lost")
    refund(world, {"amount": USD_100})
    meanwhile = Meanwhile(world)
    meanwhile.happens(world.cloud.settle)  # the sweep's worker, while the webhook is about to commit
    world.cloud.deliveries.send(world.cloud.now)
    assert listed(world) == [("R01", "100.00", "succeeded")]
    assert happened(world) == ["credit_note.issued", "payment.refunded"]


# -- what does not arrive ----------------------------------------------------------------------------------


def test_a_refund_that_comes_back_raises_an_alarm_and_the_credit_note_stands(world):
    refund(world, {"amount": USD_100})
    [at_stripe] = world.cloud.stripe._account.refunds
    world.cloud.stripe.fail_refund(at_stripe)
    world.cloud.settle()
    [failed] = world.call("GET", world.refunds).json["items"]
    assert (failed["status"], failed["error"]) == ("failed", {"code": "lost_or_stolen_card", "detail": None})
    assert failed["credit_note"]["amount"] == USD_100
    assert alarms(world) == ["refund_failed"]
    rest = refund(world).json
    assert rest["amount"]["amount"] == "400.00", "what is credited is not left to refund"


def test_what_stripe_refuses_for_good_has_failed(world):
    intent = queries.invoice("acme", world.bill).attempt.payment_intent
    stand_in_refund(world, intent, {"by": "hand"})
    failed = refund(world).json
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "charge_already_refunded"
    assert "has already been refunded" in failed["error"]["detail"]
    assert alarms(world) == ["refund_failed"]
    world.on(LATER)
    assert sent_back(world) == [(500_00, "succeeded")]


def test_a_refund_that_cannot_be_done_is_left_alone_longer_each_time_and_goes_out_in_the_end(unheard):
    unheard.cloud.faults.arm("stripe.refund", "request_lost", times=20)
    refund(unheard, {"amount": USD_100})
    unheard.on("2026-01-25T15:50:00Z")  # five tries, twelve minutes apart
    waiting = queries.refund("acme", f"{unheard.bill}-R01")
    assert (waiting.failures, waiting.error[:10]) == (1, "NoAnswer: ")
    assert alarms(unheard) == ["refunding_failed"]
    unheard.on(LATER)
    assert listed(unheard) == [("R01", "100.00", "succeeded")]
    assert queries.refund("acme", f"{unheard.bill}-R01").failures == 0
    assert sent_back(unheard) == [(100_00, "succeeded")]


def test_a_refund_that_cannot_even_be_read_is_left_alone_for_a_day_with_an_alarm(unheard):
    unheard.cloud.faults.arm("stripe.refund", "request_lost")
    refund(unheard, {"amount": USD_100})
    spoil(unheard, "a while ago")
    unheard.on("2026-01-26T12:00:00Z")
    assert alarms(unheard) == ["unreadable"]
    spoil(unheard, "2026-01-26T12:00:00.000000Z")
    unheard.on(LATER)
    assert sent_back(unheard) == [(100_00, "succeeded")]


def spoil(world, value):
    """Write into the table what no decision of ours writes."""
    boto3.client("dynamodb").update_item(
        TableName="prorata",
        Key={"PK": {"S": "ACCOUNT#acme"}, "SK": {"S": f"INVOICE#{world.bill}#REFUND#01"}},
        UpdateExpression="SET t0 = :value",
        ExpressionAttributeValues={":value": {"S": value}},
    )


# -- what Stripe says by itself ----------------------------------------------------------------------------


def message(world, kind, **changed):
    """The last message of that type, with some of its object changed."""
    found = [json.loads(each.body) for each in world.cloud.stripe.webhooks() if each.type == kind][-1]
    found["data"]["object"] |= changed
    return json.dumps(found).encode()


def deliver(world, body):
    return world.cloud._webhook(body, world.cloud.stripe.sign(body))


@pytest.mark.parametrize("changed", [{}, {"status": "failed"}, {"status": "pending"}, {"amount": 1}])
def test_a_message_is_a_hint_and_stripe_is_asked(world, changed):
    refund(world, {"amount": USD_100})
    body, contents = message(world, "refund.created", **changed), world.contents()
    world.line.told()
    for _ in range(2):
        assert deliver(world, body)
    assert world.line.told() == ["GET /v1/refunds/{refund}"] * 2
    assert world.contents() == contents


@pytest.mark.parametrize(
    "metadata", [{}, None, {"order": "7"}, {"account": "acme", "invoice": "sub_1-00001"}, {"refund": "²"}]
)
def test_a_refund_that_is_none_of_ours_is_taken_note_of(world, metadata):
    refund(world, {"amount": USD_100})
    body, contents = message(world, "refund.created", metadata=metadata), world.contents()
    world.line.told()
    assert deliver(world, body)
    assert (world.line.told(), world.contents()) == ([], contents)


def test_a_charge_that_was_refunded_tells_of_all_its_refunds(world):
    world.cloud.faults.arm("stripe.refund", "answer_lost", times=2)
    refund(world, {"amount": USD_100})
    refund(world, {"amount": USD_100})
    assert [status for *_, status in listed(world)] == ["requested", "requested"]
    intent = queries.invoice("acme", world.bill).attempt.payment_intent
    stand_in_refund(world, intent, {"by": "hand"})
    charge = {"id": "ch_1", "object": "charge", "payment_intent": intent}
    said = {"type": "charge.refunded", "created": int(world.cloud.now.timestamp()), "data": {"object": charge}}
    assert deliver(world, json.dumps(said).encode())
    assert listed(world) == [("R01", "100.00", "succeeded"), ("R02", "100.00", "succeeded")]


def test_while_stripe_does_not_answer_the_message_is_to_be_sent_again(world):
    refund(world, {"amount": USD_100})
    body = message(world, "refund.created")
    world.line.fault = lambda *_: world.cloud.stripe.answer("GET", "/v1/nothing", {}, "")._replace(status=503)
    assert not deliver(world, body)
    world.line.fault = world.cloud._stripe_fault
    assert deliver(world, body)
