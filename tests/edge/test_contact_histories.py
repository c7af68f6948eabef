"""Any history of contacts, in any zone, on days when the clocks change: counted, told and billed as by hand.

``HISTORIES=500`` plays that many.
"""

import calendar
import os
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import floor
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.edge.contact_world import COUNT, TOLD, ContactWorld

ZONES = [
    "America/Asuncion", "Asia/Amman", "America/Havana", "America/New_York", "Europe/Dublin", "Asia/Tokyo",
    "Australia/Sydney",
]  # fmt: skip
DAY = timedelta(days=1)


def first_instant(day, zone):
    """The first minute, in UTC, at which it is that day."""
    minute = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=16)
    while minute.astimezone(zone).date() < day:
        step = 1 if (minute + timedelta(hours=1)).astimezone(zone).date() >= day else 60
        minute += timedelta(minutes=step)
    return minute


def changes(zone):
    """The days on which the clocks of a zone change, and the last of some months."""
    days = [date(2014, 9, 1) + n * DAY for n in range(4400)]
    noons = [datetime(day.year, day.month, day.day, 12, tzinfo=zone) for day in days]
    moved = [day for day, a, b in zip(days, noons, noons[1:], strict=False) if a.utcoffset() != b.utcoffset()]
    return moved + [day for day in days if day.day == calendar.monthrange(day.year, day.month)[1]][::5]


STARTS = {zone: changes(ZoneInfo(zone)) for zone in ZONES}
COMMANDS = st.dictionaries(
    st.integers(0, 40).map("p{}".format), st.sampled_from(["marketing", "marketing", "non_marketing", "delete"]),
    min_size=1, max_size=30,
)  # fmt: skip
MIDNIGHT, COUNTED, SOON, NOON, LATE = range(5)
"""The first instant of a day before and after the count, a minute later, noon, and a minute before the next day."""
MOMENTS = st.sampled_from([MIDNIGHT, COUNTED, SOON, NOON, LATE])


def boundary(anchor, months):
    """The day so many months later, in shorter months the last."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    return date(year, month + 1, min(anchor.day, calendar.monthrange(year, month + 1)[1]))


def cents(amount, part, whole):
    """A share in cents, half a cent up."""
    return floor(Fraction(amount * part, whole) + Fraction(1, 2))


class Histories(RuleBasedStateMachine):
    """Contacts come, go and come back around midnight; by hand the same is followed day by day."""

    @initialize(
        zone=st.sampled_from(ZONES), nth=st.integers(0, 10**6), before=st.integers(0, 35), yearly=st.booleans()
    )
    def begin(self, zone, nth, before, yearly):
        start = STARTS[zone][nth % len(STARTS[zone])] - before * DAY
        self.zone, self.day, self.anchor, self.yearly = ZoneInfo(zone), start, start, yearly
        self.moment = NOON
        self.world = ContactWorld(self.instant().isoformat(), zone=zone, term="year" if yearly else None)
        self.marketing, self.leaving, self.there = set(), {}, set()
        self.live = self.peak = self.warned = 0
        self.tier, self.maximum, self.reduction = 10, None, None
        self.expected, self.counts, self.bills, self.late_bill = [], [], [(start, 2000)], None
        self.set_maximum(None)  # with the first command the daily count begins

    def instant(self):
        midnight = first_instant(self.day, self.zone)
        if self.moment == LATE:
            return first_instant(self.day + DAY, self.zone) - timedelta(minutes=1)
        after = {SOON: timedelta(minutes=1), NOON: timedelta(hours=12)}
        return midnight + after.get(self.moment, timedelta())

    # -- the calendar

    @rule(moment=MOMENTS, twice=st.booleans())
    def go_on(self, moment, twice):
        """To that moment of this day or of the next."""
        if moment <= self.moment:
            self.until(LATE)
            self.day, self.moment = self.day + DAY, MIDNIGHT
            self.world.suddenly(self.instant().isoformat())
            for each in [each for each, day in self.leaving.items() if day == self.day]:
                self.marketing.discard(each)
                del self.leaving[each]
            if twice and moment:
                for _ in range(2):
                    self.world.cloud.invoke("RecountSweepFunction", {})
                self.world.cloud.drain()
        self.until(moment)

    @rule(days=st.integers(1, 12), moment=MOMENTS)
    def let_days_pass(self, days, moment):
        for _ in range(days):
            self.go_on(moment, False)

    def until(self, moment):
        if moment == self.moment:
            return
        if self.moment == MIDNIGHT:
            self.count_by_hand()
        self.moment = moment
        self.world.on(self.instant().isoformat())

    # -- what is asked

    @rule(commands=COMMANDS)
    def set_contacts(self, commands):
        body = {}
        for each, wish in commands.items():
            body.setdefault(wish, []).append(each)
        answer = self.world.batch(**body)
        held = []
        for each in body.get("delete", ()):
            self.there.discard(each)
            if each in self.marketing:
                self.marketing.discard(each)
                self.leaving.pop(each, None)
                self.live -= 1
        for each in body.get("non_marketing", ()):
            self.there.add(each)
            if each in self.marketing:
                days = (self.day + n * DAY for n in range(1, 40))
                self.leaving.setdefault(each, next(day for day in days if self.is_update(day)))
        for each in body.get("marketing", ()):
            self.there.add(each)
            if each in self.marketing:
                self.leaving.pop(each, None)
            elif self.maximum is not None and self.live >= self.maximum:
                held.append(each)
            else:
                self.marketing.add(each)
                self.live += 1
        self.peak = max(self.peak, self.live)
        assert answer["held_back"] == held

    @rule(maximum=st.none() | st.integers(1, 40))
    def set_maximum(self, maximum):
        self.maximum = maximum
        self.world.call("PUT", "/accounts/acme/usage/maximum", {"maximum": maximum})

    @rule(wanted=st.integers(1, 30))
    def ask_for_a_lower_tier(self, wanted):
        if self.moment == MIDNIGHT:
            return
        lower = -(-wanted // 10) * 10
        renewal = boundary(self.anchor, 12) if self.yearly else self.next_boundary()
        business = [renewal - n * DAY for n in range(1, 15) if (renewal - n * DAY).weekday() < 5]
        code = "not_lower" if lower >= self.tier else "reduction_too_late" if self.day > business[4] else None
        reply = self.world.call("PUT", "/accounts/acme/tier-reduction", {"contacts": wanted})
        assert reply.json.get("code") == code
        if code is None:
            self.reduction = (renewal, lower)

    # -- by hand

    def is_update(self, day):
        return day.day == 1 if self.yearly else day > self.anchor and self.is_boundary(day)

    def is_boundary(self, day):
        return day == boundary(self.anchor, (day.year - self.anchor.year) * 12 + day.month - self.anchor.month)

    def next_boundary(self):
        return next(day for day in (self.day + n * DAY for n in range(1, 40)) if self.is_boundary(day))

    def fee(self):
        return 3000 * (self.tier // 10 - 1)

    def count_by_hand(self):
        count, summary_tier = len(self.marketing), self.tier
        self.counts.append((str(self.day), count, len(self.there), max(self.peak, count)))
        if self.reduction and self.reduction[0] == self.day:
            self.tier = self.reduction[1] if count <= self.reduction[1] else self.tier
            self.reduction = None
        if self.is_boundary(self.day):
            self.bills.append((self.day, 2000 + self.fee()))
        elif self.late_bill:
            self.bills.append((self.day, self.late_bill))
        self.late_bill = None
        self.tell(count, summary_tier)
        self.live = self.peak = count

    def tell(self, count, summary_tier):
        reached = max([0, *(each for each in (75, 90, 98) if count * 100 >= each * self.tier)])
        reached = 101 if count > self.tier else reached
        if self.tier != summary_tier:
            self.warned = 0
        elif self.is_update(self.day):
            self.warned = min(self.warned, reached)
        if reached == 101:
            self.expected += [(TOLD[1], count, None), (TOLD[2], count, None)]
            self.raise_tier(count)
        elif reached > self.warned:
            self.expected.append((TOLD[0], count, reached))
            self.warned = reached

    def raise_tier(self, count):
        old, ends = self.fee(), self.next_boundary()
        self.tier, self.warned = -(-count // 10) * 10, 0
        began = next(day for day in (self.day - n * DAY for n in range(40)) if self.is_boundary(day))
        left, whole = (ends - self.day).days - 1, (ends - began).days
        self.late_bill = cents(self.fee(), left, whole) - cents(old, left, whole) if left else None

    # -- and it is the same

    @invariant()
    def is_exact(self):
        if not hasattr(self, "world"):
            return
        shown = self.world.usage()
        assert shown["live"] == {"marketing": self.live, "total": len(self.there)}
        assert (shown["tier"], shown["maximum"]) == (self.tier, self.maximum)

    def teardown(self):
        if not hasattr(self, "world"):
            return
        happened = [event for event in all_events(self.world) if event["type"] in {COUNT, *TOLD, "alarm.raised"}]
        told = [(it["type"], it["marketing"], it.get("threshold")) for it in happened if it["type"] != COUNT]
        assert told == self.expected
        counted = [(it["day"], it["marketing"], it["total"], it["peak"]) for it in happened if it["type"] == COUNT]
        assert counted == self.counts
        billed = Counter((it["date"], it["total"]) for it in self.world.invoices())
        assert billed == Counter((str(day), f"{total / 100:.2f}") for day, total in self.bills)


def all_events(world):
    """Everything that happened to acme, over all pages, the oldest first."""
    found, cursor = [], ""
    while cursor is not None:
        page = world.call("GET", f"/accounts/acme/events{cursor and f'?cursor={cursor}'}").json
        found += page["items"]
        cursor = page["cursor"]
    return found[::-1]


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=int(os.environ.get("HISTORIES", "8")),
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.generate],
)
