"""The daily count: stored, told at each threshold once, and the tier raised when it is exceeded."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from shared.domain import recount, tiers
from shared.domain.account import UpdatePolicy
from shared.domain.counting import Tally
from shared.domain.money import Money
from shared.domain.recount import ContactSummary, DailyCount, Holding
from shared.domain.usage import Forecast, exceeds_on, forecast, growth
from tests.domain.examples import at, day, run
from tests.domain.test_tiers import BANDS, STARTER, holding

SUMMARY = recount.begun("acme", "America/New_York", at("2026-04-15"))


def held(book, price=STARTER):
    return Holding(book, tiers.of([book.subscription]), price, UpdatePolicy.MONTHLY)


def tally(marketing, on, peak=0):
    """What a count found that nothing changed meanwhile."""
    return Tally(day(on[:10]), marketing, marketing + 100, marketing, max(marketing, peak))


def count(summary, marketing, on, book=None, price=STARTER):
    """The summary after a count on a day, and what it told beside the count itself."""
    changes = recount.counted(summary, tally(marketing, on), held(book, price) if book else None)
    told = [(event.type.partition(".")[2], event.data.get("threshold")) for event in changes.events[1:]]
    return changes.put[0], told, changes


def tell(counts, book, start="2026-04-16"):
    """What is told on each of the following days, the tier left alone."""
    summary, found = SUMMARY, []
    for n, marketing in enumerate(counts):
        summary, told, _ = count(summary, marketing, str(day(start) + timedelta(days=n)), book, None)
        found.append([threshold or name for name, threshold in told if name != "raised"])
    return found


def test_r42_a_count_is_stored_and_the_next_one_is_on_the_next_midnight_of_the_seller():
    assert SUMMARY.due_at == datetime(2026, 4, 16, 4, tzinfo=UTC)
    summary, told, changes = count(SUMMARY, 600, "2026-04-16T00:05", holding(STARTER))
    assert told == []
    assert (summary.counted_on, summary.marketing, summary.total) == (day("2026-04-16"), 600, 700)
    assert summary.due_at == datetime(2026, 4, 17, 4, tzinfo=UTC)
    assert changes.put[1:] == (DailyCount("acme", day("2026-04-16"), 600, 700, 600, 1000),)
    [event] = changes.events
    facts = {"day": "2026-04-16", "marketing": 600, "total": 700, "peak": 600, "tier": 1000}
    assert (event.type, event.data) == ("contacts.counted", facts)


def test_d12_the_count_at_the_run_decides_and_the_peak_is_stored_beside_it():
    changes = recount.counted(SUMMARY, tally(900, "2026-04-16", peak=1100), held(holding(STARTER)))
    assert (changes.put[1].marketing, changes.put[1].peak) == (900, 1100)
    assert "tier.upgraded" not in [event.type for event in changes.events]


def test_r94_each_threshold_is_told_once_when_it_is_reached():
    counts = [749, 750, 899, 900, 979, 980, 1000]
    assert tell(counts, holding(STARTER)) == [[], [75], [], [90], [], [98], []]


def test_d10_a_jump_over_several_tells_the_highest_only_and_marks_the_lower_ones_as_passed():
    assert tell([600, 950, 760, 980], holding(STARTER)) == [[], [90], [], [98]]
    assert tell([600, 1200], holding(STARTER)) == [[], ["tier_exceeded"]]


def test_d10_fallen_under_it_at_an_update_date_a_threshold_is_armed_again():
    monthly = holding(STARTER)
    assert tell([950, 700, 950, 950], monthly, start="2026-05-12") == [[90], [], [], []]
    assert tell([950, 950, 700, 950, 950], monthly, start="2026-05-13") == [[90], [], [], [90], []]
    assert tell([990, 990, 800, 950, 990], monthly, start="2026-05-13") == [[98], [], [], [90], [98]]


def test_d10_what_came_during_the_count_of_an_update_date_arms_nothing_again():
    """950 are found, as on the day before; 100 of them came while they were counted, so 850 are certain."""
    monthly = holding(STARTER)
    summary, told, _ = count(SUMMARY, 950, "2026-05-14", monthly)
    assert told == [("threshold_reached", 90)]
    monthly = run(monthly, "2026-05-15").book
    summary = recount.counted(summary, Tally(day("2026-05-15"), 950, 1050, 850, 950), held(monthly)).put[0]
    assert summary.warned == 90
    assert count(summary, 950, "2026-05-16", monthly)[1] == []


def test_d10_an_update_date_that_was_missed_arms_them_too():
    summary, _, _ = count(SUMMARY, 950, "2026-05-13", holding(STARTER))
    summary, told, _ = count(summary, 700, "2026-05-18", holding(STARTER))
    assert (told, summary.warned) == ([], 0)


def test_r54_exceeded_by_even_one_it_is_told_and_the_tier_rises_in_the_same_commit():
    summary, told, changes = count(SUMMARY, 1001, "2026-04-20", holding(STARTER))
    assert told == [("tier_exceeded", None), ("upgraded", None)]
    assert [type(each).__name__ for each in changes.put] == [
        "ContactSummary", "DailyCount", "Subscription", "PendingInvoiceItem",
    ]  # fmt: skip
    assert summary.warned == 0


def test_d10_a_new_tier_arms_all_thresholds():
    book = holding(STARTER)
    summary, _, changes = count(SUMMARY, 1980, "2026-04-20", book)
    raised = book.after(changes)
    summary, told, _ = count(summary, 1980, "2026-04-21", raised)
    assert told == [("threshold_reached", 98)], "of the new tier"
    _, told, _ = count(summary, 1990, "2026-04-22", raised)
    assert told == []


@pytest.mark.parametrize(("tier", "price"), [(22_000, BANDS), (7000, None)], ids=["the largest", "not sold"])
def test_where_no_larger_tier_is_sold_it_is_told_once_with_an_alarm(tier, price):
    book = holding(BANDS, tier)
    summary, told, changes = count(SUMMARY, 99_000, "2026-04-20", book, price)
    assert told == [("tier_exceeded", None), ("raised", None)]
    assert changes.events[-1].data == {
        "code": "no_larger_tier", "marketing": 99_000, "subscription": book.subscription.id,
    }  # fmt: skip
    assert count(summary, 99_000, "2026-04-21", book, price)[1] == []


def test_an_account_without_a_tier_is_counted_and_told_nothing():
    summary, told, _ = count(SUMMARY, 99_000, "2026-04-20")
    assert (told, summary.tier, summary.warned) == ([], None, 0)
    assert recount.level(0, 0) == 0
    assert recount.level(1, 0) == recount.EXCEEDED


def test_a_subscription_that_is_not_billed_as_far_as_today_keeps_its_tier_until_it_is():
    summary, told, changes = count(SUMMARY, 1001, "2026-05-16", holding(STARTER))
    assert told == [("tier_exceeded", None), ("raised", None)]
    assert (changes.events[-1].type, changes.events[-1].data["code"]) == ("alarm.raised", "tier_not_raised")
    summary, told, _ = count(summary, 1001, "2026-05-17", holding(STARTER))
    assert told == [], "told once"
    billed = run(holding(STARTER), "2026-05-17").book
    assert count(summary, 1001, "2026-05-18", billed)[1] == [("upgraded", None)]


def test_d10_another_tier_arms_all_thresholds_off_an_update_date_too():
    summary, told, _ = count(SUMMARY, 1500, "2026-04-20", holding(STARTER, 2000))
    assert told == [("threshold_reached", 75)]
    _, told, _ = count(summary, 760, "2026-04-21", holding(STARTER))
    assert told == [("threshold_reached", 75)]


def test_what_is_not_certain_is_stored_and_neither_told_nor_acted_upon():
    doubtful = Tally(day("2026-04-20"), 1001, 1001, 1000, 1001)
    changes = recount.counted(SUMMARY, doubtful, held(holding(STARTER)))
    assert [(event.type, event.data["marketing"]) for event in changes.events] == [
        ("contacts.counted", 1001),
        ("contacts.threshold_reached", 1000),
    ]
    assert changes.put[1].marketing == 1001


def test_f12_the_maximum_is_told_of_once_and_again_after_the_count_fell_below():
    own = recount.with_maximum(SUMMARY, 500).put[0]
    assert recount.with_maximum(own, 500).put == ()
    told = recount.at_maximum(own)
    assert [(event.type, event.data) for event in told.events] == [("contacts.maximum_reached", {"maximum": 500})]
    [reached] = told.put
    assert recount.at_maximum(reached).put == ()
    assert count(reached, 500, "2026-04-16")[0].maximum_told
    assert not count(reached, 499, "2026-04-16")[0].maximum_told
    assert not recount.with_maximum(reached, 600).put[0].maximum_told


def test_what_keeps_failing_is_left_alone_for_a_while_with_one_alarm():
    late = at("2026-04-16T10:00")
    first = recount.postpone(SUMMARY, "TimeoutError: no answer", late)
    assert (first.put[0].due_at, [event.type for event in first.events]) == (
        late + timedelta(hours=1), ["alarm.raised"],
    )  # fmt: skip
    again = recount.postpone(first.put[0], "TimeoutError: no answer", late + timedelta(hours=1))
    assert (again.put[0].failures, again.events) == (2, ())
    assert recount.postpone(SUMMARY, "not due", at("2026-04-15T12:00")).put == ()


# -- the forecast


def series(*counts, end="2026-04-30"):
    first = day(end) - timedelta(days=len(counts) - 1)
    return [DailyCount("acme", first + timedelta(days=n), marketing, 0, 0) for n, marketing in enumerate(counts)]


@pytest.mark.parametrize(
    ("counts", "on"),
    [
        ((960, 970, 980), "2026-05-03"),  # 10 a day: 1,000 on 2 May, exceeded on the 3rd
        ((980, 990, 1000), "2026-05-01"),
        ((970, 970, 971), "2026-06-28"),  # half a contact a day
        ((990, 990, 990), None),
        ((990, 980), None),
        ((980,), None),
        ((), None),
        ((960, 1001), None),
        ((1, 2), None),  # in more than a year
    ],
)
def test_the_day_on_which_the_tier_will_be_exceeded(counts, on):
    assert exceeds_on(growth(series(*counts)), 1000) == (on and day(on))


def test_the_forecast_looks_at_30_days_and_names_the_next_tier_and_what_it_costs_more():
    tier = tiers.of([holding(STARTER).subscription])
    found = forecast(series(*[100] * 50, *range(900, 931)), tier, STARTER)
    assert found == Forecast(date(2026, 7, 10), 2000, Money(600, "USD"), Money(4500, "USD"))
    assert forecast(series(500, 500), tier, None) is None


@pytest.mark.parametrize(("maximum", "leads_to"), [(None, 6000), (4500, 5000), (3001, 4000), (3000, None)])
def test_r58_f12_the_forecast_names_the_tier_that_holds_all_who_will_be_there_up_to_a_maximum(maximum, leads_to):
    """From 100 to 2,900 within a day: on the next there will be 5,700."""
    tier = tiers.of([holding(STARTER, 3000).subscription])
    found = forecast(series(100, 2900), tier, STARTER, maximum)
    assert (found and found.tier) == leads_to


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((790, 800), Forecast(date(2026, 5, 21), 2000, Money(3484, "USD"), Money(4500, "USD"))),
        ((880, 900), Forecast(date(2026, 6, 25), 3000, Money(2850, "USD"), Money(4500, "USD"))),
    ],
    ids=["they will fit it", "they will not"],
)
def test_r58_f11_the_forecast_is_of_the_lower_tier_that_was_asked_for_if_they_will_fit_it(counts, expected):
    """1,000 instead of 2,000 from 15 May on; ten a day more are 950 then, and twenty a day 1,200."""
    tier = tiers.of([holding(STARTER, 2000).subscription])
    asked = tiers.reduce(tier, STARTER, 1000, day("2026-04-30"), 5)
    [subscription] = tiers.scheduled(tier.subscription, asked).put
    assert forecast(series(*counts), tiers.of([subscription]), STARTER) == expected


@pytest.mark.parametrize(("payments", "on"), [(None, "2026-05-21"), (2, "2026-05-21"), (1, None)])
def test_r58_r73_no_tier_is_exceeded_once_its_subscription_is_over(payments, on):
    """That of one payment is over on 15 May."""
    tier = tiers.of([holding(STARTER, payments=payments).subscription])
    found = forecast(series(790, 800), tier, STARTER)
    assert (found and found.on) == (on and day(on))


def test_a_summary_says_when_it_is_due():
    assert isinstance(SUMMARY, ContactSummary)
    assert replace(SUMMARY, counts_at=at("2026-05-01")).due_at == at("2026-05-01")
