"""What a billing admin sees, through the real handlers."""

from tests.world import SEAT, World

HUB = {
    "hub-professional": {
        "product": "hub",
        "kind": "plan",
        "edition": "professional",
        "interval": "month",
        "amount": "890.00",
        "name": "Hub Professional",
        "seat_type": "core",
        "included_seats": 3,
        "included_contacts": 2000,
    },
    "core-seat": {
        "product": "hub",
        "kind": "seat",
        "edition": "professional",
        "interval": "month",
        "amount": "45.00",
        "name": "Core seat",
        "seat_type": "core",
    },
}
PLAN = {"price": "hub-professional", "term": "year"}


def test_r1_r4_the_overview_lists_what_an_account_has_and_when_it_is_billed_next():
    world = World().sells(**HUB)
    subscription = world.subscribed(PLAN, {"price": "core-seat", "quantity": 2, "term": "year"})

    seen = world.call("GET", "/accounts/acme").json

    assert seen["next_invoice_on"] == "2026-02-25"
    assert (seen["payment_method"]["brand"], seen["payment_method"]["last4"]) == ("visa", "4242")
    assert seen["products"] == [
        {
            "subscription": subscription,
            "product": "hub",
            "edition": "professional",
            "name": name,
            "limits": limits,
        }
        for name, limits in (
            ("Hub Professional", {"seats": 5, "assigned": 0, "contacts": 2000}),
            ("Core seat", {}),
        )
    ]


def test_r2_the_overview_shows_the_contact_limit_and_the_send_limit():
    contacts = {
        "product": "marketing", "kind": "contacts", "interval": "month", "included_contacts": 1000,
        "sends_per_contact": 5, "tiers": {"step": 1000, "amount": "45.00"}, "name": "Contacts",
    }  # fmt: skip
    world = World().sells(contacts=contacts)
    world.subscribed({"price": "contacts", "quantity": 1500})
    [product] = world.call("GET", "/accounts/acme").json["products"]
    assert (product["name"], product["limits"]) == ("Contacts, up to 2,000", {"contacts": 2000, "sends": 10_000})


def test_r5_billing_details_tell_commitment_and_frequency_apart():
    world = World().sells(**HUB)
    subscription = world.subscribed(PLAN)

    seen = world.call("GET", f"/accounts/acme/subscriptions/{subscription}").json

    assert seen["commitment"] == {"term": "year", "start": "2026-01-25", "end": "2027-01-25"}
    assert (seen["frequency"], seen["next_invoice_on"]) == ("month", "2026-02-25")
    assert (seen["auto_renewal"], seen["ends_on"]) == (True, None)
    assert seen["cost"] == {"amount": "890.00", "currency": "USD"}
    assert seen["current_period"] == {"start": "2026-01-25", "end": "2026-02-25"}


def test_a_seat_that_is_pending_is_seen_in_the_billing_details():
    world = World().sells()
    subscription = world.subscribed()
    world.on("2026-02-07T20:00:00Z").call(
        "POST", f"/accounts/acme/subscriptions/{subscription}/seats/sales", {"quantity": 1}
    )

    seen = world.call("GET", f"/accounts/acme/subscriptions/{subscription}").json

    assert seen["cost"] == {"amount": "600.00", "currency": "USD"}
    assert seen["pending"] == [
        {
            "name": "Sales Hub seat",
            "quantity": 1,
            "amount": {"amount": "58.06", "currency": "USD"},
            "period": {"start": "2026-02-07", "end": "2026-02-25"},
        }
    ]


def test_r62_a_checkout_that_is_paid_starts_its_subscriptions():
    world = World().sells()
    bought = world.call("POST", "/accounts/acme/checkout", {"items": [{"price": "sales-seat", "quantity": 5}]})

    assert (bought.status, bought.json["status"], bought.json["payment"]["status"]) == (201, "complete", "paid")
    [starting] = bought.json["subscriptions"]
    listed = world.call("GET", "/accounts/acme/subscriptions").json["items"]
    assert [(each["id"], each["status"], each["next_invoice_on"]) for each in listed] == [
        (starting["id"], "active", "2026-02-25")
    ]


def test_a_checkout_that_is_declined_starts_nothing_and_can_still_be_paid():
    world = World(card="pm_card_chargeCustomerFail").sells()
    declined = world.call("POST", "/accounts/acme/checkout", {"items": [{"price": "sales-seat"}]}).json

    assert (declined["status"], declined["payment"]["status"]) == ("open", "waiting_for_payer")
    assert declined["payment"]["error"]["code"] == "generic_decline"
    assert world.call("GET", "/accounts/acme/subscriptions").json["items"] == []

    [intent] = [bill["id"] for bill in world.invoices()]
    assert intent == declined["invoice"]["id"]
    payment = declined["payment"]["client_secret"].partition("_secret_")[0]
    world.cloud.stripe.pay(payment, "pm_card_visa")
    world.cloud.settle()

    paid = world.call("GET", f"/accounts/acme/checkout/{declined['id']}").json
    assert (paid["status"], paid["payment"]) == (
        "complete",
        {"status": "paid", "action": None, "client_secret": None, "pay_page": None, "error": None},
    )
    assert [each["status"] for each in world.call("GET", "/accounts/acme/subscriptions").json["items"]] == ["active"]


def test_r92_buying_seats_needs_the_permission_to_modify_billing():
    world = World().sells()
    seats = f"/accounts/acme/subscriptions/{world.subscribed()}/seats/sales"

    refused = world.call("POST", seats, {"quantity": 1}, permissions="billing.view users.edit")
    assert (refused.status, refused.json["code"]) == (403, "permission_missing")
    assert refused.json["detail"] == "This needs the permission billing.modify."

    assert world.call("POST", seats, {"quantity": 1}, permissions="billing.modify").status == 201


def test_what_was_shown_is_what_is_bought():
    world = World().sells()
    subscription = world.subscribed()
    seats = f"/accounts/acme/subscriptions/{subscription}/seats/sales"
    world.on("2026-02-07T20:00:00Z")

    before = world.contents()
    shown = world.call("POST", f"{seats}/preview", {"quantity": 2}).json
    assert world.contents() == before, "a preview writes nothing"
    bought = world.call("POST", seats, {"quantity": 2, "expect_amount": shown["charge"]["amount"]}).json
    assert bought == shown

    world.on("2026-02-25T06:00:00Z")
    [_, invoice] = world.invoices()
    assert invoice["lines"][1]["amount"] == shown["charge"]["amount"] == "116.13"


def test_a_price_that_changed_meanwhile_is_not_charged():
    world = World().sells()
    seats = f"/accounts/acme/subscriptions/{world.subscribed()}/seats/sales"
    world.on("2026-02-07T20:00:00Z").sells(**{"sales-seat-2": SEAT | {"amount": "120.00"}})

    refused = world.call("POST", seats, {"quantity": 1, "expect_amount": "58.06"})
    assert (refused.status, refused.json["code"]) == (409, "price_changed")
    assert refused.json["detail"] == "The price is 69.68 USD, not 58.06. Nothing was bought."
    assert world.call("GET", seats.rpartition("/")[0]).json["seats"][0]["total"] == 5
