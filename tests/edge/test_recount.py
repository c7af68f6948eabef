"""The daily count: exact to the contact, once a day, whatever dies in the middle."""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from infra.local.invocations import Context, sqs_event
from shared.store import contacts
from tests.architecture.used_actions import spoil
from tests.edge.contact_world import ContactWorld, named

COUNT, TOLD = "contacts.counted", ("contacts.threshold_reached", "contacts.tier_exceeded", "tier.upgraded")


@pytest.fixture
def world():
    return ContactWorld()


def days(world):
    return [(event["day"], event["marketing"], event["total"], event["peak"]) for event in world.told(COUNT)]


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
        "exceeded_on": "2026-04-21", "tier": 20, "costs_more": {"amount": "30.00", "currency": "USD"},
    }  # fmt: skip


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


# -- whatever dies in the middle


def contact_facts(world):
    return [(event["type"], event.get("day"), event.get("marketing")) for event in world.told(COUNT, *TOLD)]


@pytest.mark.parametrize(
    ("where", "how"),
    [
        ("store.commit", "crash_before"), ("store.commit", "crash_after"), ("store.commit", "conflict"),
        ("store.query", "crash_after"), ("store.get", "throttled"), ("queue.delete", "crash_after"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("times", [1, 2, 3])
def test_each_count_and_each_threshold_is_told_once_whatever_dies(where, how, times):
    world = ContactWorld()
    world.batch(marketing=named(11))
    world.cloud.faults.arm(where, how, times)
    world.on("2026-04-17T12:00:00Z")
    assert contact_facts(world) == [
        (COUNT, "2026-04-16", 11),
        ("contacts.tier_exceeded", "2026-04-16", 11),
        ("tier.upgraded", None, 11),
        (COUNT, "2026-04-17", 11),
    ]
    assert [invoice["total"] for invoice in world.invoices()] == ["20.00", "28.00"]


def test_messages_that_come_twice_count_once(world):
    world.batch(marketing=named(11))
    world.suddenly("2026-04-16T04:15:00Z")
    for _ in range(2):
        assert world.cloud.invoke("RecountSweepFunction", {}) == 1
    world.cloud._drain()
    assert [event["type"] for event in world.told(COUNT, *TOLD)] == [COUNT, *TOLD[1:]]


def test_a_count_that_takes_longer_than_a_function_may_run_goes_on_in_another_message(world, monkeypatch):
    world.batch(marketing=named(40))
    world.suddenly("2026-04-16T04:15:00Z")
    assert world.cloud.invoke("RecountSweepFunction", {}) == 1
    left = iter([900_000, 900_000, 900_000, *[0] * 100])
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: next(left))
    [message] = world.cloud.queues.receive("RecountQueue", 10)
    world.cloud.invoke("RecountWorkFunction", sqs_event("RecountQueue", [message]))
    world.cloud.queues.delete("RecountQueue", message)
    summary = contacts.summary("acme")
    assert [part.done for part in summary.progress] == [True] * 3 + [False] * 5
    assert days(world) == []
    monkeypatch.undo()
    world.batch(delete=named(1), marketing=named(1, "later"))
    world.cloud._drain()
    [(_, marketing, total, _)] = days(world)
    assert marketing == total
    assert 39 <= marketing <= 41
    assert contacts.summary("acme").progress == ()


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


# -- any history, in any zone, against a count by hand

ZONES = ["America/Asuncion", "Asia/Amman", "America/Havana", "America/New_York", "Asia/Tokyo", "Australia/Sydney"]
PEOPLE = st.lists(st.integers(0, 34).map("p{}".format), min_size=1, max_size=25, unique=True)


class Histories(RuleBasedStateMachine):
    """Contacts are set, set back and deleted at noon of any day; by hand the same is followed day by day."""

    @initialize(
        zone=st.sampled_from(ZONES), start=st.dates(date(2014, 9, 1), date(2026, 12, 1)), yearly=st.booleans()
    )
    def begin(self, zone, start, yearly):
        self.zone, self.day, self.anchor, self.yearly = ZoneInfo(zone), start, start, yearly
        self.world = ContactWorld(self.noon().isoformat(), zone=zone, term="year" if yearly else None)
        self.marketing, self.leaving = set(), {}
        self.there, self.tier, self.warned = set(), 10, 0
        self.expected, self.tiers = [], [10]

    def noon(self):
        return datetime.combine(self.day, time(12), tzinfo=self.zone).astimezone(UTC)

    def is_update(self, day):
        if self.yearly:
            return day.day == 1
        return day > self.anchor and day.day == min(self.anchor.day, calendar.monthrange(day.year, day.month)[1])

    @rule(people=PEOPLE)
    def set_marketing(self, people):
        self.world.batch(marketing=people)
        self.there |= set(people)
        self.marketing |= set(people)
        for each in people:
            self.leaving.pop(each, None)

    @rule(people=PEOPLE)
    def set_non_marketing(self, people):
        self.world.batch(non_marketing=people)
        self.there |= set(people)
        for each in self.marketing & set(people):
            days = (self.day + timedelta(days=n) for n in range(1, 40))
            self.leaving.setdefault(each, next(day for day in days if self.is_update(day)))

    @rule(people=PEOPLE)
    def delete(self, people):
        self.world.batch(delete=people)
        self.there -= set(people)
        self.marketing -= set(people)
        for each in people:
            self.leaving.pop(each, None)

    @rule(days=st.integers(1, 14))
    def let_days_pass(self, days):
        for _ in range(days):
            self.day += timedelta(days=1)
            for each in [each for each, day in self.leaving.items() if day == self.day]:
                self.marketing.discard(each)
                del self.leaving[each]
            self.count_by_hand()
        self.world.on(self.noon().isoformat())

    def count_by_hand(self):
        count = len(self.marketing)
        self.expected.append((COUNT, str(self.day), count))
        steps = [(0.75, 75), (0.90, 90), (0.98, 98)]
        reached = max([0, *(step for part, step in steps if count >= part * self.tier)])
        reached = "exceeded" if count > self.tier else reached
        if self.is_update(self.day) and reached != "exceeded":
            self.warned = min(self.warned, reached)
        if reached == "exceeded":
            self.expected.append((TOLD[1], str(self.day), count))
            self.expected.append((TOLD[2], None, count))
            self.tier, self.warned = -(-count // 10) * 10, 0
        elif reached > self.warned:
            self.expected.append((TOLD[0], str(self.day), count))
            self.warned = reached
        self.tiers.append(self.tier)

    @invariant()
    def is_exact(self):
        if hasattr(self, "world"):
            told = [(e["type"], e.get("day"), e["marketing"]) for e in all_events(self.world) if e["type"] in WATCHED]
            assert told == self.expected
            shown = self.world.usage()
            assert shown["live"] == {"marketing": len(self.marketing), "total": len(self.there)}
            assert shown["tier"] == self.tier
            assert self.tiers == sorted(self.tiers), "a tier never falls by itself"


WATCHED = {COUNT, *TOLD}


def all_events(world):
    """Everything that happened to acme, over all pages, the oldest first."""
    found, cursor = [], ""
    while cursor is not None:
        page = world.call("GET", f"/accounts/acme/events{cursor and f'?cursor={cursor}'}").json
        found += page["items"]
        cursor = page["cursor"]
    return found[::-1]


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=10, stateful_step_count=8, deadline=None)
