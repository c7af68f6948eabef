"""What is right of seats, as a child would keep the books: it knows nothing but the rules."""

from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

NAMES = ["ann", "bob", "cid", "dan", "eve", "fay"]
PRICES = {"core-seat": 45_00, "core-2": 60_00, "core-3": 33_33, "sales-seat": 100_00, "sales-2": 120_00}
START = date(2026, 1, 25)
PLAN, INCLUDED, TERM = 890_00, {"core": 3, "sales": 0}, 3  # billed by the month, committed by the quarter
FREE = {"core": 5, "sales": 0}
BOUGHT = 3  # sales seats, with the plan
TIER, A_TIER = 10, 30_00  # contacts, and what as many more cost


def months_from(day):
    """The days on which the months begin that are counted from a day; none after the 28th."""
    return [date(day.year + (day.month - 1 + m) // 12, (day.month - 1 + m) % 12 + 1, day.day) for m in range(120)]


class Model:
    """One subscription with seats of two types, and the users of its account; at first perhaps of free tools."""

    def __init__(self, *, free):
        self.day, self.boundaries = START, months_from(START)
        self.free_tools, self.plan, self.included = free, 0, FREE
        self.tier, self.extra = TIER, None  # what is invoiced on a day of its own: the day, how much
        self.on_sale = {"core": "core-seat", "sales": "sales-seat"}
        self.lots = {"core": [], "sales": []}  # [price, so many], the oldest first
        self.active = dict.fromkeys(NAMES, True)
        self.sitting = {"core": set(), "sales": set()}
        self.removals = {}  # type: (so many, the day)
        self.pending = Counter()  # so many seats at this price on this day
        self.bills = []
        self.ended = False
        self.seen = Counter()
        if not free:
            self.start()

    def start(self):
        """The plan is bought, with some seats."""
        self.free_tools, self.plan, self.included = False, PLAN, INCLUDED
        self.boundaries = months_from(self.day)
        self.lots["sales"] = [[self.on_sale["sales"], BOUGHT]]
        self.bills.append(self.fee())

    def upgrade(self):
        """The plan in the place of free tools; who loses their seat: the active keep theirs first, by their names."""
        self.start()
        waiting = sorted(self.sitting["core"], key=lambda name: (not self.active[name], name))
        losing = waiting[self.total("core") :]
        self.sitting["core"] -= set(losing)
        self.seen["upgraded"] += 1
        self.seen["lost a seat"] += bool(losing)
        return losing

    def outgrow(self):
        """More contacts than the tier holds were counted today."""
        before = self._contacts()
        self.tier += TIER
        start, end = self._month()
        days, whole = (end - self.day).days - 1, (end - start).days
        if days:
            owed = self._share(self._contacts(), days, whole) - self._share(before, days, whole)
            self.extra = self.day + timedelta(days=1), owed
        self.seen["a tier more"] += 1

    def additional(self, kind):
        return sum(n for _, n in self.lots[kind])

    def total(self, kind):
        return self.included[kind] + self.additional(kind)

    def free(self, kind):
        return self.total(kind) - len(self.sitting[kind])

    def fee(self, lots=None):
        seats = sum(PRICES[price] * n for each in (lots or self.lots).values() for price, n in each)
        return self.plan + self._contacts() + seats

    def _contacts(self):
        return A_TIER * (self.tier // TIER - 1)

    @property
    def period(self):
        return max(n for n, boundary in enumerate(self.boundaries) if boundary <= self.day)

    @property
    def term_end(self):
        return self.boundaries[(self.period // TERM + 1) * TERM]

    def do(self, what, *how):
        """Whether a command is done."""
        return getattr(self, what)(*how)

    def buy(self, kind, quantity):
        if self.ended or self.free_tools or not self.total(kind):
            return False
        price, lots = self.on_sale[kind], self.lots[kind]
        if not lots or lots[-1][0] != price:
            lots.append([price, 0])
        lots[-1][1] += quantity
        self.pending[price, self.day] += quantity
        self.seen["bought while a removal waits"] += kind in self.removals
        return True

    def move(self, kind, assign, unassign, buy):
        if not (self.total(kind) or self.sitting[kind]):
            return False
        joining, leaving = set(assign) - self.sitting[kind], set(unassign) & self.sitting[kind]
        if set(assign) & set(unassign) or not all(name in self.active for name in [*assign, *unassign]):
            return False
        if not all(self.active[name] for name in joining | leaving) or (joining and self.ended):
            return False
        after = (self.sitting[kind] | joining) - leaving
        missing = 0 if self.ended else max(0, len(after) - self.total(kind))
        if missing > buy or (missing and self.free_tools):
            return False
        if missing:
            self.buy(kind, missing)
        self.sitting[kind] = after
        if joining and kind in self.removals and self.removals[kind][0] > self.free(kind):
            del self.removals[kind]
            self.seen["given again"] += 1
        return True

    def give(self, kind, name, buy):
        return self.move(kind, [name], [], buy)

    def take(self, kind, name):
        return self.move(kind, [], [name], 0)

    def put(self, name, active, kinds, buy):
        """Make or change a user and give seats, all or nothing."""
        willing = self.active.get(name, True) if active is None else active
        joining = [kind for kind in kinds if name not in self.sitting[kind]]
        missing = sum(1 for kind in joining if not self.free(kind))
        if any(not self.total(kind) for kind in kinds) or (joining and self.ended):
            return False
        if (joining and not willing) or missing > buy or (missing and self.free_tools):
            return False
        self.active[name] = willing
        for kind in kinds:
            assert self.move(kind, [name], [], buy)
        return True

    def delete(self, name):
        sits = any(name in sitting for sitting in self.sitting.values())
        if name not in self.active or (sits and not self.ended):
            return False
        del self.active[name]
        self._leave(name)
        return True

    def _leave(self, name):
        for sitting in self.sitting.values():
            sitting.discard(name)

    def schedule(self, kind, quantity):
        if self.ended or kind in self.removals or quantity > min(self.additional(kind), self.free(kind)):
            return False
        self.removals[kind] = quantity, self.term_end
        self.seen["scheduled"] += 1
        self.seen["scheduled beside another"] += len(self.removals) == 2
        return True

    def cancel(self, kind):
        self.seen["cancelled"] += kind in self.removals
        return self.removals.pop(kind, None) is not None

    def end(self, waive):
        """Cancel the subscription: the rest of the commitment is owed with what waits, unless it is waived."""
        if self.ended:
            return False
        left = -(self.period + 1) % TERM
        if left and not waive and not self.free_tools:
            self.bills.append(self.fee() * left + self._shares() + (self.extra[1] if self.extra else 0))
            self.seen["the rest invoiced"] += 1
        self.seen["ended with a removal"] += bool(self.removals)
        self.ended, self.extra = True, None
        self.pending.clear()
        self.removals.clear()
        return True

    def until(self, day):
        """Every month that begins is billed with what was bought in the one before."""
        while not self.ended:
            if self.extra and self.extra[0] <= day:
                self.day = self.extra[0]
                self.bills.append(self.extra[1])
                self.extra = None
                continue
            if self.boundaries[self.period + 1] > day:
                break
            owed = self._shares()
            self.day = self.boundaries[self.period + 1]
            self.pending.clear()
            for kind, (_, on) in sorted(self.removals.items()):
                if on <= self.day:
                    self.lots = self.without(kind)
                    del self.removals[kind]
                    self.seen["carried out"] += 1
            if not self.free_tools:
                self.bills.append(self.fee() + owed)
        self.day = day

    def without(self, *kinds):
        """The lots without what is to be removed of these types, the newest first."""
        after = {kind: [list(lot) for lot in lots] for kind, lots in self.lots.items()}
        for kind in kinds:
            quantity, lots = self.removals[kind][0], after[kind]
            for lot in reversed(lots):
                gone = min(quantity, lot[1])
                lot[1], quantity = lot[1] - gone, quantity - gone
            self.seen["across lots"] += sum(a != b for a, b in zip(lots, self.lots[kind], strict=True)) > 1
            after[kind] = [lot for lot in lots if lot[1]]
        return after

    def _shares(self):
        """What was bought in this period, for the days that were left of it."""
        start, end = self._month()
        days = (end - start).days
        return sum(self._share(PRICES[price] * n, (end - on).days, days) for (price, on), n in self.pending.items())

    def _month(self):
        return next((a, b) for a, b in pairwise(self.boundaries) if a <= self.day < b)

    @staticmethod
    def _share(cents, days, whole):
        return int(Fraction(cents * days, whole) + Fraction(1, 2))
