"""What people and banks do in the scripts: sellers, customers, payers, and whoever meddles at Stripe."""

import base64
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlencode

from infra.local.cloud import STRIPE_KEY
from infra.local.simulate import STAFF
from tests.faults.ways import QUEUED
from tests.world import SEAT

BOUGHT = datetime(2026, 1, 25, 15, tzinfo=UTC)
RENEWAL = datetime(2026, 2, 25, 5, tzinfo=UTC)  # midnight in New York, on which the second period begins
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
VISA, LOST, BANK = "pm_card_visa", "pm_card_chargeDeclinedLostCard", "pm_usBankAccount_success"
SMALL_DEPOSITS = "pm_usBankAccount_microdeposits"
BOTH = ["card", "us_bank_account"]

# -- the seller --------------------------------------------------------------------------------------------


def sells(stage, prices=None, retry_days=(3, 5, 7), **seller):
    """The seller, and a catalogue with one seat unless others are named by what is special of them."""
    seller |= {"timezone": "America/New_York", "currency": "USD", "retry_days": list(retry_days)}
    stage.staff("PUT", "/sellers/us", seller)
    prices = {name: SEAT | special for name, special in (prices or {"sales-seat": {}}).items()}
    stage.staff("PUT", "/catalog", {"prices": prices})


def raises_price(stage):
    """A seat that is bought from now on costs a fifth more; the price of before is for those who have it."""
    dearer = SEAT | {"amount": "120.00"}
    prices = {"sales-seat": SEAT | {"legacy": True}, "sales-seat-dearer": dearer}
    return stage.ask("PUT", "/catalog", {"prices": prices}, key=f"prices at {stage.now}", permissions=STAFF)


def account(stage, name="acme", method=VISA):
    """An account, with a saved way to pay unless ``None``."""
    stage.staff("PUT", f"/accounts/{name}", {"seller": "us"})
    if method:
        (enters if method == BANK else saves)(stage, method, name)
        stage.settle()


def writes_off(stage, name="acme"):
    """Give the invoice of the renewal up."""
    path = f"/accounts/{name}/invoices/{latest_invoice(stage, name)}/write-off"
    return stage.ask("POST", path, key=f"write-off at {stage.now}", permissions="seller.admin")


def puts_back(stage):
    """The table is lost, and put back to how it was five minutes ago."""
    stage.put_back(5 * MINUTE)


def refunds(amount=None, name="acme"):
    """Give the last invoice back, so much of it or all that is left."""

    def give(stage):
        path = f"/accounts/{name}/invoices/{latest_invoice(stage, name)}/refunds"
        body = {"amount": {"amount": amount, "currency": "USD"}} if amount else {}
        return stage.ask("POST", path, body, key=f"refund of {amount} at {stage.now}", permissions="seller.admin")

    return give


def is_redriven(stage):
    """What waits in the queues comes again out of the dead letters after three days, in which nothing runs."""
    for name in stage.template.queues:
        for message in stage.queues.messages(name):
            message.visible_at = stage.now + QUEUED["redriven"]
    stage.stop(QUEUED["redriven"])


# -- the customer ------------------------------------------------------------------------------------------


def buys(stage, name="acme", price="sales-seat", **body):
    """Check out five seats."""
    items = [{"price": price, "quantity": 5}]
    return stage.ask("POST", f"/accounts/{name}/checkout", {"items": items} | body, key="checkout", account=name)


def saves(stage, method=VISA, name="acme"):
    """Save a new card, which is charged from now on."""
    body = {"payment_method": method, "payment_methods": ["card"]}
    return stage.ask("POST", f"/accounts/{name}/payment-method", body, key=f"card at {stage.now}", account=name)


def enters(stage, method=BANK, name="acme"):
    """Save a bank account: the payer enters it in Stripe's form, and Stripe tells of it."""
    body = {"payment_methods": BOTH}
    reply = stage.ask("POST", f"/accounts/{name}/payment-method", body, key=f"form at {stage.now}", account=name)
    if reply.status < 300:
        stage.by_payer(lambda: stage.stripe.save(reply.json["setup_intent"], method))


def buys_seat(stage, name="acme"):
    """Buy one more seat in the middle of a period."""
    path = f"/accounts/{name}/subscriptions/{subscription(stage, name)}/seats/sales"
    return stage.ask("POST", path, {"quantity": 1}, key=f"seat at {stage.now}", account=name)


def cancels(stage):
    """End the subscription at once."""
    path = f"/accounts/acme/subscriptions/{subscription(stage)}/cancel"
    body = {"when": "now", "understood": True}
    return stage.ask("POST", path, body, key=f"cancel at {stage.now}")


def buys_two_groups(stage):
    """Check out seats by the month and seats by the year: two subscriptions, paid at once."""
    items = [{"price": "sales-seat", "quantity": 5}, {"price": "yearly", "quantity": 2}]
    return buys(stage, items=items)


def pays_by_hand(stage, name="acme"):
    """Have the last invoice charged now."""
    path = f"/accounts/{name}/invoices/{latest_invoice(stage, name)}/pay"
    return stage.ask("POST", path, key=f"pay at {stage.now}", account=name)


# -- the payer and the bank --------------------------------------------------------------------------------


def becomes(behaviour, name="acme"):
    """The bank treats an account's way to pay differently from now on."""

    def change(stage):
        item = stage.store.table("prorata").get((f"ACCOUNT#{name}", "ACCOUNT"))
        stage.stripe.becomes(item["payment_method"]["S"], behaviour)

    return change


def pays(stage, method=VISA, hours=48):
    """The payer enters a way to pay for what is open; who cannot yet comes again in an hour."""
    waiting = intents(stage, "requires_payment_method")
    if waiting:
        stage.by_payer(lambda: stage.stripe.pay(waiting[-1], method))
    elif hours and not intents(stage, "succeeded", "processing", "canceled"):
        stage.later(HOUR, partial(pays, stage, method, hours - 1))


def pays_at_last(stage):
    """The payer, whose page has been open since the first decline, enters a card there."""
    first = next(each["id"] for each in _of_the_renewal(stage))
    stage.by_payer(lambda: stage.stripe.pay(first, VISA))


def pays_meanwhile(stage, method=VISA):
    """The payer enters a card for what was declined, and Stripe tells of it at once."""
    waiting = [each["id"] for each in _of_the_renewal(stage) if each["status"] == "requires_payment_method"]
    if waiting:
        stage.by_payer(lambda: stage.stripe.pay(waiting[0], method))
        stage.turn()


def pays_by_link(stage, method=VISA, hours=48, name="acme"):
    """The payer opens the pay page of the last invoice and pays there; who cannot yet comes again in an hour."""
    path = f"/accounts/{name}/invoices/{latest_invoice(stage, name)}"
    reply = stage.ask("GET", path, key=f"invoice at {stage.now}", account=name)
    link = (reply.json["pay_page"] or "").partition("/v1")[2] if reply.status == 200 else ""
    opened = link and stage.ask("GET", link, key=f"page at {stage.now}", account=name)
    begun = opened and stage.ask("POST", link, key=f"payment at {stage.now}", account=name)
    if begun and begun.status < 300:
        intent = begun.json["client_secret"].partition("_secret")[0]
        stage.by_payer(lambda: stage.stripe.pay(intent, method))
    elif hours and (link or reply.status != 200):
        stage.later(HOUR, partial(pays_by_link, stage, method, hours - 1, name))


def disputes(stage):
    """The payer's bank takes the first payment back."""
    stage.stripe.dispute(intents(stage, "succeeded")[0])


def wins(stage):
    """The bank decides that the money was owed."""
    for dispute in [each for each in stage.stripe._account.disputes.values() if each["status"] == "needs_response"]:
        stage.stripe.close_dispute(dispute["id"], won=True)


def comes_back(stage, hours=48):
    """The payer's bank gives the first refund back, once there is one."""
    made = next(iter(stage.stripe._account.refunds.values()), None)
    if made and made["status"] != "failed":
        stage.stripe.fail_refund(made["id"])
    elif made is None and hours:
        stage.later(HOUR, partial(comes_back, stage, hours - 1))


def verifies(stage, hours=48):
    """The payer says which small deposits came in, once they are asked for."""
    asked = [each for each in intents(stage, "requires_action") if _asks(stage, each, "verify_with_microdeposits")]
    if asked:
        stage.by_payer(lambda: stage.stripe.verify(asked[0]))
    elif hours and not intents(stage, "succeeded", "processing", "canceled"):
        stage.later(HOUR, partial(verifies, stage, hours=hours - 1))


def settles(stage):
    """The bank pays what is on its way, sooner than it must."""
    for intent in intents(stage, "processing"):
        stage.stripe.settle(intent)


def bounces(stage):
    """The bank does not pay what is on its way."""
    for intent in intents(stage, "processing"):
        stage.stripe.fail(intent)


def proves(stage, hours=48):
    """The payer proves to be the card's holder, as soon as that is asked for."""
    _when_asked_to_prove(stage, stage.stripe.authenticate, hours)


def fails_to_prove(stage):
    """The payer comes with a card of this kind, and does not prove to be its holder."""

    def fail(intent):
        stage.stripe.pay(intent, "pm_card_authenticationRequired")
        stage.stripe.fail(intent)

    _when_asked_to_prove(stage, fail)


def loses_another_card(stage):
    """The payer, asked to prove to be the holder of the saved card, comes with another one, which was lost."""
    _when_asked_to_prove(stage, lambda intent: stage.stripe.pay(intent, LOST))


def _when_asked_to_prove(stage, do, hours=48):
    asked = [
        each["id"]
        for each in stage.stripe._account.payment_intents.values()
        if (each["last_payment_error"] or {}).get("code") == "authentication_required"
        and each["status"] == "requires_payment_method"
    ]
    if asked:
        stage.by_payer(lambda: do(asked[0]))
    elif hours:
        stage.later(HOUR, partial(_when_asked_to_prove, stage, do, hours - 1))


def meddles(stage):
    """Somebody takes one dollar in Stripe's dashboard and calls it the payment of acme's last invoice."""
    item = stage.store.table("prorata").get(("ACCOUNT#acme", "ACCOUNT"))
    form = {
        "amount": 100,
        "currency": "usd",
        "customer": item["customer"]["S"],
        "payment_method": VISA,
        "confirm": "true",
        "metadata[account]": "acme",
        "metadata[invoice]": latest_invoice(stage),
    }
    login = "Basic " + base64.b64encode(f"{STRIPE_KEY}:".encode()).decode()
    stage.stripe.answer("POST", "/v1/payment_intents", {"Authorization": login}, urlencode(form))
    stage.watch.foreign.add(next(reversed(stage.stripe._account.payment_intents)))


# -- what there is -----------------------------------------------------------------------------------------


def intents(stage, *states):
    """The ids of the PaymentIntents in one of these states."""
    found = stage.stripe._account.payment_intents.values()
    return [each["id"] for each in found if each["status"] in states and each["id"] not in stage.watch.foreign]


def _asks(stage, intent, what):
    return stage.stripe._account.payment_intents[intent]["next_action"]["type"] == what


def subscription(stage, name="acme"):
    """The id of an account's subscription."""
    return next(item["id"]["S"] for item in _items(stage, name, "SUB#"))


def latest_invoice(stage, name="acme"):
    """The id of an account's last invoice."""
    return max(item["id"]["S"] for item in _items(stage, name, "INVOICE#") if item["kind"]["S"] == "invoice")


def _of_the_renewal(stage):
    found = stage.stripe._account.payment_intents.values()
    return [each for each in found if each["metadata"].get("invoice", "").startswith("sub_")]


def _items(stage, name, prefix):
    table = stage.store.table("prorata").base
    return [entry.item for entry in table.query(f"ACCOUNT#{name}", ("begins_with", [prefix]), None, forward=True)]
