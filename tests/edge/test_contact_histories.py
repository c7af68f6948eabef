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

from tests.edge.contact_world import COUNT, TOLD
from tests.edge.import_world import ImportWorld

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
ONE = st.integers(0, 40).map("p{}".format)
COMMANDS = st.dictionaries(
    ONE, st.sampled_from(["marketing", "marketing", "non_marketing", "delete"]),
    min_size=1, max_size=30,
)  # fmt: skip
ORDER = ["delete", "non_marketing", "marketing"]
CELLS = {"marketing": "yes", "non_marketing": "no", "delete": "delete"}
STEPS = {"step": 10, "amount": "30.00"}, {10 * n: 3000 * (n - 1) for n in range(1, 6)}
BANDS = (
    [{"up_to": 20, "amount": "30.00"}, {"up_to": 25, "amount": "38.50"}, {"up_to": 50, "amount": "64.70"}],
    {10: 0, 20: 3000, 25: 3850, 50: 6470},
)
"""Tiers as they are published, and what each that a history can reach costs, in cents."""
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
        zone=st.sampled_from(ZONES), nth=st.integers(0, 10**6), before=st.integers(0, 35), yearly=st.booleans(),
        sold=st.sampled_from([STEPS, BANDS]),
    )  # fmt: skip
    def begin(self, zone, nth, before, yearly, sold):
        start = STARTS[zone][nth % len(STARTS[zone])] - before * DAY
        self.zone, self.day, self.anchor, self.yearly = ZoneInfo(zone), start, start, yearly
        self.moment = NOON
        tiers, self.prices = sold
        term = "year" if yearly else None
        self.world = ImportWorld(self.instant().isoformat(), zone=zone, term=term, tiers=tiers)
        self.marketing, self.leaving, self.there = set(), {}, set()
        self.live = self.peak = self.warned = 0
        self.tier, self.maximum, self.reduction = 10, None, None
        self.seen = (start, NOON, 10)
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
        """Many in one request: what is deleted is gone before anything is set."""
        body = {}
        for each, wish in commands.items():
            body.setdefault(wish, []).append(each)
        held = self.set_by_hand([(each, wish) for wish in ORDER for each in body.get(wish, ())])
        assert self.world.batch(**body)["held_back"] == held

    @rule(each=ONE, marketing=st.booleans())
    def set_one(self, each, marketing):
        held = self.set_by_hand([(each, "marketing" if marketing else "non_marketing")])
        shown = self.world.sets(each, marketing=marketing)
        leaves = self.leaving.get(each)
        assert (shown["marketing"], shown["until_next_update"]) == (each in self.marketing, leaves and str(leaves))
        assert (shown["notice"] is not None) == bool(held)

    @rule(each=ONE)
    def delete_one(self, each):
        known = each in self.there
        self.set_by_hand([(each, "delete")])
        assert self.world.edit("DELETE", f"/contacts/{each}").json["changed"] == known

    @rule(commands=COMMANDS)
    def import_a_file(self, commands):
        """Row by row, each as the one before has left room for it."""
        held = self.set_by_hand(commands.items())
        rows = (f"{each},{CELLS[wish]}" for each, wish in commands.items())
        shown = self.world.imported(*rows)
        assert (shown["status"], shown["held_back"], shown["rejected"]) == ("done", len(held), 0)

    def set_by_hand(self, commands):
        """What one command after the other comes to; which are held back by the maximum."""
        held = []
        for each, wish in commands:
            counted = each in self.marketing
            if wish == "delete":
                self.there.discard(each)
                self.marketing.discard(each)
                self.leaving.pop(each, None)
                self.live -= counted
                continue
            self.there.add(each)
            if wish == "non_marketing" and counted:
                days = (self.day + n * DAY for n in range(1, 40))
                self.leaving.setdefault(each, next(day for day in days if self.is_update(day)))
            elif wish == "marketing" and counted:
                self.leaving.pop(each, None)
            elif wish == "marketing" and self.maximum is not None and self.live >= self.maximum:
                held.append(each)
            elif wish == "marketing":
                self.marketing.add(each)
                self.live += 1
        self.peak = max(self.peak, self.live)
        return held

    @rule(maximum=st.none() | st.integers(1, 40))
    def set_maximum(self, maximum):
        self.maximum = maximum
        self.world.call("PUT", "/accounts/acme/usage/maximum", {"maximum": maximum})

    @rule(wanted=st.integers(1, 30))
    def ask_for_a_lower_tier(self, wanted):
        lower = self.holding(wanted)
        renewal = self.day if self.renewal_waits() else self.next_renewal()
        business = [renewal - n * DAY for n in range(1, 15) if (renewal - n * DAY).weekday() < 5]
        code = "not_lower" if lower >= self.tier else "reduction_too_late" if self.day > business[4] else None
        reply = self.world.call("PUT", "/accounts/acme/tier-reduction", {"contacts": wanted})
        assert reply.json.get("code") == code
        if code is None:
            self.reduction = (renewal, lower)

    @rule()
    def leave_the_tier_as_it_is(self):
        assert self.world.call("DELETE", "/accounts/acme/tier-reduction").status == 200
        self.reduction = None

    # -- by hand

    def is_update(self, day):
        return day.day == 1 if self.yearly else day > self.anchor and self.is_boundary(day)

    def is_boundary(self, day):
        return day == boundary(self.anchor, (day.year - self.anchor.year) * 12 + day.month - self.anchor.month)

    def next_boundary(self):
        return next(day for day in (self.day + n * DAY for n in range(1, 40)) if self.is_boundary(day))

    def next_renewal(self):
        """Of the commitment: a month, or a year."""
        if not self.yearly:
            return self.next_boundary()
        return next(day for day in (boundary(self.anchor, 12 * n) for n in range(1, 5)) if day > self.day)

    def is_renewal(self, day):
        return self.is_boundary(day) and (not self.yearly or day.month == self.anchor.month)

    def renewal_waits(self):
        """For the count of today, which decides whether the contacts fit the lower tier."""
        return self.moment == MIDNIGHT and self.reduction is not None and self.reduction[0] == self.day

    def holding(self, count):
        """The smallest tier that holds so many."""
        return next(tier for tier in self.prices if tier >= count)

    def fee(self):
        return self.prices[self.tier]

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
        self.tier, self.warned = self.holding(count), 0
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

    @invariant()
    def never_falls_within_a_term(self):
        """R57: by what is shown, whatever was reckoned by hand."""
        if not hasattr(self, "world"):
            return
        (day, moment, before), tier = self.seen, self.world.usage()["tier"]
        first = 0 if moment == MIDNIGHT else 1  # the renewal of that day was still to come
        renewed = any(self.is_renewal(day + n * DAY) for n in range(first, (self.day - day).days + 1))
        assert tier >= before or renewed
        self.seen = (self.day, self.moment, tier)

    def teardown(self):
        if not hasattr(self, "world"):
            return
        self.until(LATE)  # what a day has begun with is done by then
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
