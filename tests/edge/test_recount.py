"""The daily count: what is shown of it, what follows from it, and lowering the tier."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.domain.changes import Changes
from shared.store import contacts, table
from tests.architecture.used_actions import spoil
from tests.edge.contact_world import TIERS, ContactWorld, days, named


@pytest.fixture
def world():
    return ContactWorld()


def test_r42_contacts_are_counted_once_a_day_at_the_sellers_midnight(world):
    world.batch(marketing=named(7), non_marketing=named(3, "n"))
    world.on("2026-04-16T03:59:00Z")
    assert world.usage()["daily"] is None
    world.on("2026-04-18T12:00:00Z")
    assert days(world) == [("2026-04-16", 7, 10, 7), ("2026-04-17", 7, 10, 7), ("2026-04-18", 7, 10, 7)]


def test_r43_r44_the_chart_shows_the_days_and_the_live_count_is_another_number(world):
    world.batch(marketing=named(4))
    world.on("2026-04-17T12:00:00Z")
    world.batch(marketing=named(2, "d"))
    shown = world.usage()
    assert shown["series"] == [
        {"on": "2026-04-16", "marketing": 4, "total": 4, "peak": 4},
        {"on": "2026-04-17", "marketing": 4, "total": 4, "peak": 4},
    ]
    assert shown["daily"] == shown["series"][-1]
    assert shown["live"] == {"marketing": 6, "total": 6}


def test_d12_the_peak_of_the_day_is_stored_and_does_not_decide(world):
    world.batch(marketing=named(12))
    world.batch(delete=named(4))
    world.on("2026-04-17T12:00:00Z")
    assert days(world) == [("2026-04-16", 8, 8, 12), ("2026-04-17", 8, 8, 8)]
    assert world.usage()["tier"] == 10


def test_r52_f20_usage_tells_the_days_that_matter_and_what_may_be_sent(world):
    shown = world.usage()
    assert (shown["next_update_on"], shown["renews_on"], shown["send_limit"]) == ("2026-05-15", "2026-05-15", 50)
    assert (shown["tier"], shown["percent"], shown["maximum"], shown["forecast"]) == (10, 0, None, None)
    annual = ContactWorld(term="year").usage()
    assert (annual["next_update_on"], annual["renews_on"]) == ("2026-05-01", "2027-04-15")


def test_the_forecast_names_the_day_and_the_price_of_the_next_tier(world):
    for n in range(4):
        world.batch(marketing=named(2, f"d{n}-"))
        world.on(f"2026-04-{16 + n}T12:00:00Z")
    assert world.usage()["forecast"] == {
        "exceeded_on": "2026-04-21", "tier": 20,
        "charge": {"amount": "23.00", "currency": "USD"}, "costs_more": {"amount": "30.00", "currency": "USD"},
    }  # fmt: skip


SALES = {
    "product": "sales", "kind": "seat", "edition": "starter", "seat_type": "sales", "interval": "month",
    "amount": "100.00", "name": "Sales seat",
}  # fmt: skip
WITH_SEATS = [{"price": "contacts-starter"}, {"price": "sales-seat", "quantity": 2}]


def test_r54_on_the_renewal_day_the_period_that_begins_is_billed_before_the_tier_rises(world):
    """The count runs before the sweep of renewals: the tier rises in the new period all the same."""
    world.batch(marketing=named(11))
    due = replace(contacts.summary("acme"), counts_at=datetime(2026, 5, 15, 4, tzinfo=UTC))
    table.commit(Changes(put=(due,)), world.cloud.now)
    world.suddenly("2026-05-15T04:00:00Z")
    assert world.cloud.invoke("RecountSweepFunction", {}) == 1
    world.cloud.drain()
    assert [event["period"] for event in world.told("tier.upgraded")] == ["2026-05-16/2026-06-15"]
    assert world.told("alarm.raised") == []
    world.on("2026-05-17T12:00:00Z")
    assert [(invoice["date"], invoice["total"]) for invoice in world.invoices()] == [
        ("2026-04-15", "20.00"), ("2026-05-15", "20.00"), ("2026-05-16", "29.03"),
    ]  # fmt: skip


def test_r13_r54_a_seat_that_waits_for_the_next_invoice_is_not_billed_with_a_tier_on_the_day_after(world):
    world.staff("PUT", "/accounts/globex", {"seller": "us"})
    world.sells(**TIERS, **{"sales-seat": SALES}).account("globex")
    sub = world.subscribed(*WITH_SEATS, account="globex")
    seats = f"/accounts/globex/subscriptions/{sub}/seats/sales"
    assert world.call("POST", seats, {"quantity": 1}, account="globex").status == 201
    body = {"marketing": named(11)}
    world.call("POST", "/accounts/globex/contacts/batch", body, account="globex", permissions="contacts.edit")
    world.on("2026-04-20T12:00:00Z")
    assert [invoice["total"] for invoice in world.invoices("globex")] == ["200.00", "28.00"]
    world.on("2026-05-15T12:00:00Z")
    [_, tier, renewal] = world.invoices("globex")
    assert [line["description"] for line in tier["lines"]] == ["1 × Contacts, up to 20, 28 of 30 days"]
    assert [(line["description"], line["amount"]) for line in renewal["lines"]] == [
        ("1 × Contacts, up to 20", "30.00"),
        ("3 × Sales seat", "300.00"),
        ("1 × Sales seat, 30 of 30 days", "100.00"),
    ]  # fmt: skip


def test_f13_where_contacts_leave_at_the_renewal_only_thresholds_are_armed_again_at_the_renewal_only():
    world = ContactWorld(term="year")
    us = {"timezone": "America/New_York", "currency": "USD"}
    world.staff("PUT", "/sellers/us", us | {"contacts_update": "renewal"})
    world.batch(marketing=named(8))
    world.on("2026-04-30T12:00:00Z").batch(delete=named(3))
    world.on("2026-05-02T12:00:00Z").batch(marketing=named(3))
    world.on("2026-05-03T12:00:00Z")
    assert [event["day"] for event in world.told("contacts.threshold_reached")] == ["2026-04-16"]


def test_a_second_tier_is_refused_and_a_larger_one_counts_from_now_on(world):
    world.sells(**TIERS, **{"contacts-pro": TIERS["contacts-starter"] | {"edition": "professional"}})

    def buys(*items):
        return world.call("POST", "/accounts/acme/checkout", {"items": items})

    second = {"price": "contacts-pro", "quantity": 20}
    refused = [buys({"price": "contacts-starter", "quantity": 30}, second), buys({"price": "contacts-pro"})]
    assert [(each.status, each.json["code"]) for each in refused] == [
        (422, "second_contact_tier"),
        (409, "contact_tier_held"),
    ]
    assert buys(second).status == 201
    assert world.usage()["tier"] == 20


def test_a_tier_bought_at_a_price_that_is_sold_no_more_rises_at_that_price(world):
    world.sells(**{"sales-seat": {
        "product": "sales", "kind": "seat", "seat_type": "sales", "interval": "month", "amount": "100.00",
    }})  # fmt: skip
    world.batch(marketing=named(11))
    world.on("2026-04-17T12:00:00Z")
    [_, invoice] = world.invoices()
    assert (invoice["lines"][0]["description"], invoice["total"]) == (
        "1 × Contacts, up to 20, 28 of 30 days", "28.00",
    )  # fmt: skip


def test_an_account_without_a_subscription_is_counted_and_updated_on_the_first(world):
    world.account("globex")
    for marketing in (True, False):
        path = "/accounts/globex/contacts/ann"
        body = {"marketing": marketing}
        reply = world.call("PUT", path, body, account="globex", permissions="contacts.edit")
    assert reply.json["until_next_update"] == "2026-05-01"
    world.on("2026-05-02T12:00:00Z")
    shown = world.call("GET", "/accounts/globex/usage", account="globex").json
    assert (shown["daily"]["marketing"], shown["daily"]["total"], shown["tier"]) == (0, 1, None)


# -- lowering the tier


def reduce(world, contacts_, method="PUT"):
    path = "/accounts/acme/tier-reduction" + ("/preview" if method == "POST" else "")
    return world.call(method, path, {"contacts": contacts_})


def test_f11_r107_a_reduction_is_previewed_asked_for_and_takes_effect_at_the_renewal():
    world = ContactWorld(contacts=30)
    world.batch(marketing=named(12))
    shown = reduce(world, 12, "POST").json
    assert shown == {
        "subscription": world.subscription, "effective_on": "2026-05-15", "ask_until": "2026-05-08",
        "current_tier": 30, "current_cost": {"amount": "60.00", "currency": "USD"},
        "tier_after": 20, "cost_after": {"amount": "30.00", "currency": "USD"}, "fits_today": True,
    }  # fmt: skip
    assert world.usage()["reduction"] is None
    assert reduce(world, 12).json == shown
    assert world.usage()["reduction"] == shown
    world.on("2026-05-16T12:00:00Z")
    assert (world.usage()["tier"], world.usage()["reduction"]) == (20, None)
    assert [invoice["total"] for invoice in world.invoices()] == ["80.00", "50.00"]


def test_r57_if_the_contacts_do_not_fit_at_the_renewal_the_tier_stays():
    world = ContactWorld(contacts=30)
    assert reduce(world, 12).status == 200
    world.batch(marketing=named(21))
    world.on("2026-05-16T12:00:00Z")
    [canceled] = world.told("tier.reduction_canceled")
    assert (canceled["cause"], canceled["marketing"]) == ("too_many_contacts", 21)
    assert [invoice["total"] for invoice in world.invoices()] == ["80.00", "80.00"]


def test_r57_those_that_leave_on_the_renewal_day_are_gone_when_it_is_decided():
    world = ContactWorld(contacts=30)
    world.batch(marketing=named(21))
    assert reduce(world, 12).json["fits_today"] is False
    world.batch(non_marketing=named(9))
    world.on("2026-05-15T12:00:00Z")
    assert world.usage()["tier"] == 20


def test_a_reduction_is_taken_back_and_refused_where_it_is_too_late():
    world = ContactWorld(contacts=30)
    assert reduce(world, 10).status == 200
    assert world.call("DELETE", "/accounts/acme/tier-reduction").json["reduction"] is None
    assert world.call("DELETE", "/accounts/acme/tier-reduction").status == 200
    assert len(world.told("tier.reduction_canceled")) == 1
    world.on("2026-05-09T12:00:00Z")
    assert reduce(world, 10).json["code"] == "reduction_too_late"
    world.account("globex")
    path = "/accounts/globex/tier-reduction"
    refused = world.call("PUT", path, {"contacts": 10}, account="globex")
    assert (refused.status, refused.json["code"]) == (409, "no_contact_tier")


def test_r41_r57_switched_off_a_lower_tier_can_be_asked_for_and_taken_back():
    world = ContactWorld(contacts=30)
    world.staff("PUT", "/accounts/acme", {"seller": "us", "marketing_contacts": False})
    assert reduce(world, 10).status == 200
    assert world.call("DELETE", "/accounts/acme/tier-reduction").status == 200
    assert reduce(world, 20).status == 200
    world.on("2026-05-16T12:00:00Z")
    assert (world.usage()["tier"], [invoice["total"] for invoice in world.invoices()]) == (20, ["80.00", "50.00"])


# -- outages


def test_what_cannot_be_counted_is_left_alone_with_one_alarm(world):
    world.batch(marketing=named(3))
    spoil("acme", "CONTACTS", "timezone")
    world.on("2026-04-16T14:00:00Z")
    assert [event["code"] for event in world.told("alarm.raised")] == ["recount_failed"]
    assert contacts.summary("acme").failures == 2, "put off for an hour, and then again"
    spoil("acme", "CONTACTS", "timezone", "America/New_York")
    world.on("2026-04-17T12:00:00Z")
    assert [day for day, *_ in days(world)] == ["2026-04-16", "2026-04-17"]
    assert contacts.summary("acme").failures == 0


def test_after_an_outage_it_is_counted_once_for_today(world):
    world.batch(marketing=named(3))
    world.on("2026-04-16T12:00:00Z").suddenly("2026-04-20T12:00:00Z").on("2026-04-20T13:00:00Z")
    assert [day for day, *_ in days(world)] == ["2026-04-16", "2026-04-20"]


def test_a_renewal_that_waits_for_its_count_in_an_outage_is_billed_after_it():
    world = ContactWorld(contacts=30)
    assert reduce(world, 10).status == 200
    world.suddenly("2026-07-20T12:00:00Z").on("2026-07-20T13:00:00Z")
    assert [(invoice["date"], invoice["total"]) for invoice in world.invoices()] == [
        ("2026-04-15", "80.00"), ("2026-05-15", "20.00"), ("2026-06-15", "20.00"), ("2026-07-15", "20.00"),
    ]  # fmt: skip
