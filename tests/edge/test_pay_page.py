"""The pay page of an invoice: what is shown of it to whom, and that it is paid once however often it is opened."""

import hashlib
import os
import re
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from infra.local.invocations import Call
from shared import pages
from shared.domain.account import Account
from shared.domain.changes import Changes
from shared.domain.invoice import GiveUp, InvoiceStatus
from shared.edge import links
from shared.edge.links import Kind, Link
from shared.pages import frame
from shared.payments import API_VERSION
from shared.store import queries, table
from tests.domain.examples import SELLER
from tests.domain.payments import FIRST, ISSUED
from tests.edge.html import Page
from tests.world import SEAT, World

FIVE_SEATS = {"items": [{"price": "sales-seat", "quantity": 5}]}


@pytest.fixture
def world():
    """Acme has opened a checkout of five seats and saved nothing, so that its payer must do something."""
    world = World(card=None).sells()
    seller = {"timezone": "America/New_York", "currency": "USD", "name": "Hub, Inc."}
    world.staff("PUT", "/sellers/us", seller | {"billing_mailbox": "billing@hub.test"})
    world.staff("PUT", "/accounts/acme", {"seller": "us", "name": "Acme Corporation"})
    world.checkout = world.call("POST", "/accounts/acme/checkout", FIVE_SEATS).json
    world.invoice = world.checkout["invoice"]["id"]
    world.address = world.checkout["payment"]["pay_page"]
    return world


def ask(world, address, method="GET", **headers):
    """What a browser gets: it has no token of the API."""
    parts = urlsplit(address)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return world.cloud.request(Call(method, path, None, headers, None))


def begin(world, address):
    """What the page's script gets."""
    return ask(world, address, "POST", **{"Idempotency-Key": "a-page"})


def shown(world, address):
    reply = ask(world, address)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return Page(reply.body)


def intents(world):
    return len(world.cloud.stripe._account.payment_intents)


def pay(world, secret, method="pm_card_visa"):
    """The payer confirms in the Payment Element."""
    world.cloud.stripe.pay(secret.partition("_secret")[0], method)


# -- what is shown -----------------------------------------------------------------------------------------


def test_the_page_tells_who_wants_what_for_what(world):
    page = shown(world, world.address)
    assert page.said("title") == f"Invoice {world.invoice}"
    assert page.said("seller") == "Hub, Inc."
    assert page.said("h1") == f"Invoice {world.invoice}"
    assert "For Acme Corporation, 25 January 2026" in page.said("main")
    assert page.said("standing") == "500.00 USD to pay."
    assert page.rows == [
        ["What", "Period", "Amount"],
        ["5 × Sales Hub seat", "25 January 2026 to 24 February 2026", "500.00"],
        ["Total", "500.00 USD"],
    ]
    assert page.form == {"kind": "invoice", "key": "pk_test_local"}
    assert page.said("button") == "Pay 500.00 USD"
    assert page.said("contact") == "Questions about a bill? Write to billing@hub.test."
    assert page.links == ["mailto:billing@hub.test"]


def test_what_is_paid_once_has_no_days(world):
    fee = {"product": "sales", "kind": "addon", "amount": "50.00", "name": "Onboarding"}
    world.sells(onboarding=fee, **{"sales-seat": SEAT})
    bought = world.call("POST", "/accounts/acme/checkout", {"items": [{"price": "onboarding"}]}).json
    page = shown(world, bought["payment"]["pay_page"])
    assert page.rows[1:] == [["1 × Onboarding", "", "50.00"], ["Total", "50.00 USD"]]


NASTY = """</title><script>alert("1")</script><b a='&quot;'>&amp;$x ${y}"""


def test_names_are_shown_as_they_are_and_never_run(world):
    seller = {"timezone": "America/New_York", "currency": "USD", "name": NASTY, "billing_mailbox": '"><b>@hub.test'}
    world.staff("PUT", "/sellers/us", seller)
    world.staff("PUT", "/accounts/acme", {"seller": "us", "name": NASTY})
    world.sells(**{"sales-seat": SEAT | {"name": NASTY}})
    bought = world.call("POST", "/accounts/acme/checkout", FIVE_SEATS).json
    page = shown(world, bought["payment"]["pay_page"])
    assert page.said("seller") == NASTY
    assert f"For {NASTY}, 25 January 2026" in page.said("main")
    assert page.rows[1][0] == f"5 × {NASTY}"
    assert page.links == ['mailto:"><b>@hub.test']
    assert len(page.scripts) == 2, "Stripe's and ours"
    assert "b" not in page.text, "no element that was put in"


def test_a_seller_without_a_mailbox_is_not_written_to(world):
    here = {"timezone": "America/New_York", "currency": "USD", "billing_mailbox": ""}
    assert world.staff("PUT", "/sellers/us", here).json["billing_mailbox"] is None
    page = shown(world, world.address)
    assert (page.said("contact"), page.links) == ("", [])


NO_MORE = "There is nothing to pay."
SEVENTH = datetime(2026, 2, 8, 3, 30, tzinfo=UTC)
"""In New York it is still the 7th."""
DECLINED = "Your card was declined."


@pytest.mark.parametrize(
    ("bill", "said", "standing", "can_be_paid"),
    [
        (FIRST, None, "100.00 USD to pay.", True),
        (replace(FIRST, status=InvoiceStatus.WAITING_FOR_PAYER), None, "100.00 USD to pay.", True),
        (ISSUED, DECLINED, "100.00 USD to pay. The last payment failed: Your card was declined.", True),
        (
            replace(ISSUED, status=InvoiceStatus.ACTION_REQUIRED),
            DECLINED,
            "100.00 USD to pay. Your bank asks you to confirm it.",
            True,
        ),
        (
            replace(ISSUED, status=InvoiceStatus.PROCESSING),
            None,
            "Your bank debit is on its way. That can take some days; there is nothing more to do.",
            False,
        ),
        (
            replace(ISSUED, status=InvoiceStatus.PAID, paid_at=SEVENTH),
            DECLINED,
            "Paid on 7 February 2026. Thank you.",
            False,
        ),
        (replace(ISSUED, status=InvoiceStatus.PAID, paid_at=SEVENTH, lines=()), None, NO_MORE, False),
        (replace(ISSUED, status=InvoiceStatus.VOID), None, NO_MORE, False),
        (replace(ISSUED, status=InvoiceStatus.UNCOLLECTIBLE), DECLINED, NO_MORE, False),
        (replace(ISSUED, giving_up=GiveUp.WRITE_OFF), DECLINED, NO_MORE, False),
    ],
)
def test_the_page_says_in_words_how_far_an_invoice_is_paid(bill, said, standing, can_be_paid):
    page = Page(pages.pay_page(bill, said, SELLER, Account("acme", "us", "Acme", "USD"), "pk_test_1"))
    assert page.said("standing") == standing
    assert (page.form is not None) == can_be_paid
    assert len(page.scripts) == (2 if can_be_paid else 0), "what needs no script has none"


# -- what a browser may do ---------------------------------------------------------------------------------


def test_a_browser_may_do_what_the_payment_element_needs_and_nothing_else(world):
    reply = ask(world, world.address)
    policy = dict(part.split(" ", 1) for part in reply.headers.pop("content-security-policy").split("; "))
    ours = Page(reply.body).scripts[1]
    digest = b64encode(hashlib.sha256(ours.encode()).digest()).decode()
    assert policy == {
        "default-src": "'none'",
        "script-src": f"'sha256-{digest}' https://js.stripe.com https://*.js.stripe.com 'self'",
        "connect-src": "'self' https://api.stripe.com",
        "frame-src": "https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert reply.headers == {
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }


def test_where_stripe_is_the_script_is_stripes_own_and_of_the_release_that_we_speak(world, monkeypatch):
    monkeypatch.delitem(os.environ, "STRIPE_JS")
    reply = ask(world, world.address)
    release = API_VERSION.rpartition(".")[2]
    assert Page(reply.body).scripts[0] == f"https://js.stripe.com/{release}/stripe.js"
    assert re.search("script-src[^;]*", reply.headers["content-security-policy"])[0].split(" ")[2:] == [
        "https://js.stripe.com",
        "https://*.js.stripe.com",
    ]


def test_the_page_holds_no_secret(world):
    body = ask(world, world.address).body
    assert "_secret_" not in body
    assert "sk_" not in body


def test_nothing_is_fetched_from_anywhere_but_stripe():
    folder = Path(frame.__file__).parent
    sources = "".join(path.read_text() for path in folder.iterdir() if path.suffix in (".html", ".css", ".js"))
    assert re.findall(r"https?://\S+", sources) == []
    assert "@import" not in sources
    assert "url(" not in sources


# -- paying ------------------------------------------------------------------------------------------------


def test_opening_the_page_makes_and_changes_nothing(world):
    shown(world, world.address)
    before = world.contents(), dict(world.cloud.stripe.calls)
    for _ in range(3):
        shown(world, world.address)
    asked = {name: n - before[1].get(name, 0) for name, n in world.cloud.stripe.calls.items()}
    assert world.contents() == before[0]
    assert {name for name, n in asked.items() if n} == {"GET /v1/payment_intents/{intent}"}


def test_c3_the_page_pays_the_one_payment_intent_that_the_api_names_too(world):
    begun = begin(world, world.address)
    assert (begun.status, begun.json) == (200, {"client_secret": world.checkout["payment"]["client_secret"]})
    assert begin(world, world.address) == begun
    assert intents(world) == 1


def test_who_has_paid_sees_it_before_stripe_has_told_us(world):
    world.cloud.deliveries.lost_until = datetime(2027, 1, 1, tzinfo=UTC)
    pay(world, begin(world, world.address).json["client_secret"])
    page = shown(world, world.address)
    assert (page.said("standing"), page.form) == ("Paid on 25 January 2026. Thank you.", None)
    [subscription] = world.call("GET", "/accounts/acme/subscriptions").json["items"]
    assert subscription["status"] == "active"
    assert world.audit()[-3:] == ["invoice.paid", "checkout.completed", "subscription.started"]


def test_a_declined_card_is_told_and_the_next_one_pays(world):
    secret = begin(world, world.address).json["client_secret"]
    pay(world, secret, "pm_card_chargeDeclinedInsufficientFunds")
    standing = "500.00 USD to pay. The last payment failed: Your card has insufficient funds."
    assert shown(world, world.address).said("standing") == standing
    assert begin(world, world.address).json["client_secret"] == secret
    pay(world, secret)
    assert shown(world, world.address).said("standing") == "Paid on 25 January 2026. Thank you."
    assert intents(world) == 1


def test_what_is_paid_cannot_be_paid_again(world):
    pay(world, begin(world, world.address).json["client_secret"])
    shown(world, world.address)
    refused = begin(world, world.address)
    assert (refused.status, refused.json["code"]) == (409, "nothing_to_pay")


def test_a_checkout_that_has_ended_cannot_be_paid(world):
    world.on("2026-01-26T16:00:00Z")
    page = shown(world, world.address)
    assert (page.said("standing"), page.form) == (NO_MORE, None)
    assert begin(world, world.address).json["code"] == "nothing_to_pay"


@pytest.fixture
def never_tried(world):
    """A renewal that nothing could be charged by: no PaymentIntent was ever made for it."""
    pay(world, begin(world, world.address).json["client_secret"])
    world.cloud.settle()
    subscription = queries.book("acme", world.checkout["subscriptions"][0]["id"]).subscription
    table.commit(Changes(put=(replace(subscription, payment_method=None),)), world.cloud.now)
    world.on("2026-02-26T12:00:00Z")
    world.invoice = f"{subscription.id}-00001"
    world.address = world.call("GET", f"/accounts/acme/invoices/{world.invoice}").json["pay_page"]
    assert intents(world) == 1
    return world


def test_c3_an_invoice_that_was_never_tried_gets_one_payment_intent_however_often_its_page_is_opened(never_tried):
    world = never_tried
    assert shown(world, world.address).said("standing") == "500.00 USD to pay."
    assert intents(world) == 1, "looking at it makes none"
    secrets = {begin(world, world.address).json["client_secret"] for _ in range(3)}
    assert (len(secrets), intents(world)) == (1, 2)
    assert shown(world, world.address).said("standing") == "500.00 USD to pay."
    pay(world, *secrets)
    assert shown(world, world.address).said("standing") == "Paid on 26 February 2026. Thank you."
    assert [bill["status"] for bill in world.invoices()] == ["paid", "paid"]


@pytest.mark.parametrize("how", ["answer_lost", "error_500_after", "error_500_before", "request_lost"])
def test_c3_a_payment_intent_whose_answer_was_lost_is_not_made_twice(never_tried, how):
    world = never_tried
    world.cloud.faults.arm("stripe.create", how)
    replies = [begin(world, world.address) for _ in range(3)]
    assert {reply.status for reply in replies} <= {200, 503}
    world.on("2026-02-28T12:00:00Z")
    secret = begin(world, world.address).json["client_secret"]
    assert intents(world) == 2
    pay(world, secret)
    assert shown(world, world.address).said("standing") == "Paid on 28 February 2026. Thank you."


def test_a_payment_intent_that_was_cancelled_elsewhere_is_replaced_by_one_for_the_payer(world):
    first = begin(world, world.address).json["client_secret"].partition("_secret")[0]
    key = {"Authorization": "Bearer sk_test_local", "Idempotency-Key": "the seller's staff"}
    world.cloud.stripe.answer("POST", f"/v1/payment_intents/{first}/cancel", key, "")
    world.cloud.settle()
    secret = begin(world, world.address).json["client_secret"]
    assert not secret.startswith(first)
    assert begin(world, world.address).json["client_secret"] == secret
    pay(world, secret)
    assert shown(world, world.address).said("standing") == "Paid on 25 January 2026. Thank you."
    assert intents(world) == 2


# -- when Stripe does not answer -----------------------------------------------------------------------------


def test_while_stripe_does_not_answer_the_page_shows_what_is_known(world):
    world.cloud.faults.arm("stripe.get", "throttled")
    assert shown(world, world.address).said("standing") == "500.00 USD to pay."


@pytest.mark.parametrize("how", ["request_lost", "throttled", "error_500_before"])
def test_while_stripe_does_not_answer_the_script_is_asked_to_come_again(world, how):
    world.cloud.faults.arm("stripe.get", how)
    told = begin(world, world.address)
    assert (told.status, told.json["code"], told.headers["retry-after"]) == (503, "unavailable", "1")
    assert begin(world, world.address).status == 200


# -- who gets the address ----------------------------------------------------------------------------------


def pay_pages(world, permissions):
    account = "/accounts/acme"
    checkout = world.call("GET", f"{account}/checkout/{world.checkout['id']}", permissions=permissions).json
    invoice = world.call("GET", f"{account}/invoices/{world.invoice}", permissions=permissions).json
    [listed] = world.call("GET", f"{account}/invoices", permissions=permissions).json["items"]
    return [checkout["payment"]["pay_page"], *(each["pay_page"] for each in (checkout["invoice"], invoice, listed))]


def test_the_address_is_for_those_who_may_pay(world):
    assert pay_pages(world, "billing.view") == [None] * 4
    assert pay_pages(world, "billing.modify") == [world.address] * 4
    assert pay_pages(world, "seller.admin") == [world.address] * 4


def test_what_is_paid_has_no_address_to_pay_at_and_its_page_is_still_there(world):
    pay(world, begin(world, world.address).json["client_secret"])
    world.cloud.settle()
    assert pay_pages(world, "billing.modify") == [None] * 4
    assert shown(world, world.address).said("standing") == "Paid on 25 January 2026. Thank you."


def test_the_address_is_that_of_the_api_unless_people_outside_know_another(world, monkeypatch):
    assert world.address.startswith("https://api.prorata.example/v1/pay/")
    monkeypatch.setenv("PUBLIC_URL", "https://billing.hub.test")
    token = world.address.rpartition("/")[2]
    assert pay_pages(world, "billing.modify") == [f"https://billing.hub.test/v1/pay/{token}"] * 4


# -- who cannot open it ------------------------------------------------------------------------------------

NOTHING = "There is nothing at this address."


@pytest.mark.parametrize("token", ["x", "-", "a" * 250, "..", "%2e%2e", "aW52b2ljZS9hY21lL3N1Yl8xYS0wMDAwMQ"])
def test_a_made_up_link_leads_to_a_page_that_says_nothing(world, token):
    reply = ask(world, f"https://api.prorata.example/v1/pay/{token}")
    assert (reply.status, reply.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert Page(reply.body).said("body") == NOTHING
    assert "content-security-policy" in reply.headers
    reply = begin(world, f"https://api.prorata.example/v1/pay/{token}")
    assert (reply.status, reply.json["detail"]) == (404, NOTHING)


def test_a_link_to_what_is_not_there_any_more_leads_to_a_page_that_says_so(world):
    token = links.write(Link(Kind.INVOICE, "acme", "gone"))
    reply = ask(world, f"https://api.prorata.example/v1/pay/{token}")
    assert (reply.status, Page(reply.body).said("body")) == (404, "There is no invoice 'gone'.")


def test_what_breaks_on_our_side_is_said_as_a_page_too(world, monkeypatch):
    monkeypatch.setattr(queries, "seller", lambda _: 1 / 0)
    reply = ask(world, world.address)
    assert (reply.status, reply.headers["content-type"]) == (500, "text/html; charset=utf-8")
    sentence = "Something went wrong on our side. Please send the same request again."
    assert Page(reply.body).said("body") == sentence
