"""Periods: half-open, counted from the anchor, in the days of the seller."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.domain.errors import Invalid
from shared.domain.periods import Interval, Period, known_zone, local_day, midnight, nth_period
from tests.domain.examples import day

MONTHS = {Interval.MONTH: 1, Interval.QUARTER: 3, Interval.HALF_YEAR: 6, Interval.YEAR: 12}

days = st.dates(date(1970, 1, 1), date(2100, 12, 31))
intervals = st.sampled_from(Interval)
counts = st.integers(0, 400)


@given(days, intervals, counts)
def test_periods_tile_the_calendar(anchor, interval, n):
    this, following = nth_period(anchor, interval, n), nth_period(anchor, interval, n + 1)
    assert this.start < this.end == following.start
    assert this.start in this
    assert this.end not in this
    assert this.end in following


@given(days, intervals, counts)
def test_d7_every_boundary_follows_from_the_anchor_alone(anchor, interval, n):
    assert interval.after(anchor, n) == by_hand(anchor, interval, n)


def by_hand(anchor, interval, n):
    """Turn the pages of a calendar one by one; in a month without the anchor's day take its last."""
    if interval is Interval.WEEK:
        return date.fromordinal(anchor.toordinal() + 7 * n)
    year, month = anchor.year, anchor.month
    for _ in range(n * MONTHS[interval]):
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    for number in (anchor.day, 30, 29, 28):
        if number <= anchor.day and exists(year, month, number):
            return date(year, month, number)
    raise AssertionError("every month has 28 days")


def exists(year, month, number):
    try:
        date(year, month, number)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("interval", "boundaries"),
    [
        (Interval.MONTH, "2026-01-31 2026-02-28 2026-03-31 2026-04-30 2026-05-31"),
        (Interval.MONTH, "2024-01-31 2024-02-29 2024-03-31 2024-04-30 2024-05-31"),
        (Interval.MONTH, "2025-12-30 2026-01-30 2026-02-28 2026-03-30"),
        (Interval.MONTH, "2024-02-29 2024-03-29 2024-04-29"),
        (Interval.MONTH, "2026-02-28 2026-03-28 2026-04-28"),
        (Interval.QUARTER, "2025-11-30 2026-02-28 2026-05-30 2026-08-30"),
        (Interval.HALF_YEAR, "2023-08-31 2024-02-29 2024-08-31 2025-02-28"),
        (Interval.YEAR, "2024-02-29 2025-02-28 2026-02-28 2027-02-28 2028-02-29"),
        (Interval.YEAR, "2096-02-29 2097-02-28 2098-02-28 2099-02-28 2100-02-28 2101-02-28"),
        (Interval.WEEK, "2024-02-26 2024-03-04 2024-03-11"),
        (Interval.WEEK, "2025-12-29 2026-01-05"),
    ],
)
def test_d7_a_short_month_does_not_move_the_months_after_it(interval, boundaries):
    expected = boundaries.split()
    assert [str(interval.after(day(expected[0]), n)) for n in range(len(expected))] == expected


@pytest.mark.parametrize(
    ("shorter", "fits"),
    [
        (Interval.WEEK, {Interval.WEEK: 1}),
        (Interval.MONTH, {Interval.MONTH: 1, Interval.QUARTER: 3, Interval.HALF_YEAR: 6, Interval.YEAR: 12}),
        (Interval.QUARTER, {Interval.QUARTER: 1, Interval.HALF_YEAR: 2, Interval.YEAR: 4}),
        (Interval.HALF_YEAR, {Interval.HALF_YEAR: 1, Interval.YEAR: 2}),
        (Interval.YEAR, {Interval.YEAR: 1}),
    ],
)
def test_a_commitment_is_a_whole_number_of_periods(shorter, fits):
    assert {longer: shorter.fits(longer) for longer in Interval} == dict.fromkeys(Interval) | fits


def test_d8_the_day_of_a_change_is_paid():
    period = Period.parse("2026-01-25/2026-02-25")
    assert str(period.from_day(day("2026-02-07"))) == "2026-02-07/2026-02-25"
    assert period.from_day(day("2026-02-07")).share_of(period) == Fraction(18, 31)
    assert period.from_day(day("2026-01-25")) == period
    assert period.from_day(day("2026-02-24")).days == 1


@pytest.mark.parametrize("outside", ["2026-01-24", "2026-02-25"])
def test_a_day_of_another_period_is_a_mistake(outside):
    with pytest.raises(AssertionError):
        Period.parse("2026-01-25/2026-02-25").from_day(day(outside))


@given(days, days)
def test_a_period_is_read_back_as_it_is_written(start, end):
    assert Period.parse(str(Period(start, end))) == Period(start, end)


@pytest.mark.parametrize(
    ("zone", "on", "begins"),
    [
        ("America/New_York", "2026-05-01", "2026-05-01T04:00"),
        ("Europe/Dublin", "2026-05-01", "2026-04-30T23:00"),
        ("Asia/Tokyo", "2026-05-01", "2026-04-30T15:00"),
        ("Australia/Sydney", "2026-05-01", "2026-04-30T14:00"),
        ("America/New_York", "2026-12-01", "2026-12-01T05:00"),
        ("Europe/Dublin", "2026-12-01", "2026-12-01T00:00"),
        # The clocks go from 00:00 to 01:00: there is no midnight, and the day begins at one.
        ("America/Asuncion", "2017-10-01", "2017-10-01T04:00"),
        ("America/Asuncion", "2023-10-01", "2023-10-01T04:00"),
        ("Asia/Amman", "2016-04-01", "2016-03-31T22:00"),
        # The clocks go from 23:30 the day before to 00:30: the day begins at half past.
        ("America/Toronto", "1919-03-31", "1919-03-31T04:30"),
        # The clocks go from 01:00 back to 00:00: of two midnights the first one counts.
        ("America/Havana", "2015-11-01", "2015-11-01T04:00"),
        ("America/Havana", "2020-11-01", "2020-11-01T04:00"),
        ("America/Havana", "2026-11-01", "2026-11-01T04:00"),
        # The clocks go from 00:01 back to 23:01: the day begins twice, and the first time counts.
        ("America/St_Johns", "2010-11-07", "2010-11-07T02:30"),
        # The island moved over the date line: after the 29th came the 31st.
        ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00"),
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00"),
    ],
)
def test_d3_when_a_day_begins_for_the_seller(zone, on, begins):
    assert midnight(day(on), ZoneInfo(zone)) == datetime.fromisoformat(begins).replace(tzinfo=UTC)


@given(st.dates(date(1970, 1, 2), date(2037, 12, 31)), st.sampled_from(sorted(available_timezones() - {"localtime"})))
def test_r51_midnight_is_the_first_instant_of_the_day(on, name):
    zone = ZoneInfo(name)
    start = midnight(on, zone)
    assume(there_was(on, zone))
    assert local_day(start, zone) == on
    assert local_day(start - timedelta(seconds=1), zone) < on


@pytest.mark.parametrize(("zone", "on"), [("Pacific/Apia", "2011-12-30"), ("Pacific/Kwajalein", "1993-08-21")])
def test_r51_what_is_due_on_a_day_that_never_was_is_due_when_the_next_one_begins(zone, on):
    zone, never = ZoneInfo(zone), day(on)
    assert not there_was(never, zone)
    assert midnight(never, zone) == midnight(never + timedelta(days=1), zone)


def there_was(on, zone):
    noon_utc = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
    return any(local_day(noon_utc + timedelta(hours=hour), zone) == on for hour in range(-30, 31))


def test_trap_7_which_day_it_is_depends_on_the_seller():
    late_in_new_york = datetime(2026, 11, 1, 3, 30, tzinfo=UTC)
    assert local_day(late_in_new_york, ZoneInfo("America/New_York")) == day("2026-10-31")
    assert local_day(late_in_new_york, ZoneInfo("Asia/Tokyo")) == day("2026-11-01")


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../etc/passwd", "EST5EDT4,M3", "/UTC", "Europe", "a\0b"])
def test_an_unknown_time_zone_is_refused(name):
    with pytest.raises(Invalid) as refusal:
        known_zone(name)
    assert refusal.value.code == "unknown_timezone"
