"""Random histories of seats through the real handlers, held against a model that knows nothing but the rules."""

from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.domain.money import Money
from tests.edge.another_lambda import Meanwhile
from tests.edge.test_seats import HUB, Office

NAMES = ["ann", "bob", "cid", "dan", "eve"]
PRICES = {"core-seat": 45_00, "core-2": 60_00, "core-3": 33_33}
START = date(2026, 1, 25)
BOUNDARIES = [date(2026 + (m // 12), m % 12 + 1, 25) for m in range(30)]
PLAN, INCLUDED, TERM = 890_00, 3, 3  # billed by the month, committed by the quarter


class Model:
    """What is right, as a child would keep the books."""

    def __init__(self):
        self.day = START
        self.on_sale = "core-seat"
        self.lots = Counter()
        self.active = dict.fromkeys(NAMES, True)
        self.sitting = set()
        self.removal = None
        self.pending = Counter()  # so many seats at this price on this day
        self.bills = [PLAN]

    @property
    def total(self):
        return INCLUDED + self.lots.total()

    def buy(self, quantity):
        self.lots[self.on_sale] += quantity
        self.pending[self.on_sale, self.day] += quantity

    def move(self, assign, unassign, buy):
        """Whether it is done."""
        everybody = [*assign, *unassign]
        joining, leaving = set(assign) - self.sitting, set(unassign) & self.sitting
        if set(assign) & set(unassign) or not all(name in self.active for name in everybody):
            return False
        if not all(self.active[name] for name in joining | leaving):
            return False
        after = (self.sitting | joining) - leaving
        missing = max(0, len(after) - self.total)
        if missing > buy:
            return False
        if missing:
            self.buy(missing)
        self.sitting = after
        if joining and self.removal and self.removal[0] > self.total - len(after):
            self.removal = None
        return True

    def put(self, name, active):
        self.active[name] = active
        return True

    def delete(self, name):
        if name not in self.active or name in self.sitting:
            return False
        del self.active[name]
        return True

    def schedule(self, quantity):
        if self.removal or quantity > min(self.lots.total(), self.total - len(self.sitting)):
            return False
        period = max(n for n, boundary in enumerate(BOUNDARIES) if boundary <= self.day)
        self.removal = quantity, BOUNDARIES[(period // TERM + 1) * TERM]
        return True

    def cancel(self):
        was, self.removal = self.removal, None
        return was is not None

    def do(self, what, *how):
        return {"buy": lambda quantity: self.buy(quantity) or True}.get(what, getattr(self, what))(*how)

    def until(self, day):
        """Every month that begins is billed with what was bought in the one before."""
        for start, end in pairwise(BOUNDARIES):
            if not self.day < end <= day:
                continue
            owed = sum(self._share(PRICES[price] * n, (end - on).days, (end - start).days)
                       for (price, on), n in self.pending.items())  # fmt: skip
            self.pending.clear()
            if self.removal and self.removal[1] <= end:
                self._remove(self.removal[0])
                self.removal = None
            self.bills.append(PLAN + sum(PRICES[price] * n for price, n in self.lots.items()) + owed)
            self.day = end
        self.day = day

    def _remove(self, quantity):
        for price in reversed(list(self.lots)):
            gone = min(quantity, self.lots[price])
            self.lots[price] -= gone
            quantity -= gone
        self.lots = Counter({price: n for price, n in self.lots.items() if n})

    @staticmethod
    def _share(cents, days, whole):
        return int(Fraction(cents * days, whole) + Fraction(1, 2))


names = st.lists(st.sampled_from(NAMES), max_size=4, unique=True)
commands = st.one_of(
    st.tuples(st.just("buy"), st.integers(1, 3)),
    st.tuples(st.just("move"), names, st.lists(st.sampled_from(NAMES), max_size=2, unique=True), st.integers(0, 2)),
    st.tuples(st.just("put"), st.sampled_from(NAMES), st.booleans()),
    st.tuples(st.just("delete"), st.sampled_from(NAMES)),
    st.tuples(st.just("schedule"), st.integers(1, 4)),
    st.tuples(st.just("cancel")),
)


class Seats(RuleBasedStateMachine):
    """One office, played twice: by the handlers and by the model."""

    def __init__(self):
        super().__init__()
        self.office = Office({"price": "hub-professional"}, term="quarter")
        self.model = Model()
        self.promised = 0

    def ask(self, what, *how):
        """The same command to the handlers; whether it is done."""
        seats, account = f"{self.office.seats}/core", "/accounts/acme/users"
        method, path, body = {
            "buy": lambda quantity: ("POST", seats, {"quantity": quantity}),
            "move": lambda assign, unassign, buy: (
                "POST", f"{seats}/assignments", {"assign": assign, "unassign": unassign, "buy": buy}
            ),
            "put": lambda name, active: ("PUT", f"{account}/{name}", {"active": active}),
            "delete": lambda name: ("DELETE", f"{account}/{name}", None),
            "schedule": lambda quantity: ("PUT", f"{seats}/removal", {"quantity": quantity}),
            "cancel": lambda: ("DELETE", f"{seats}/removal", None),
        }[what](*how)  # fmt: skip
        reply = self.office.call(method, path, body, permissions="users.edit billing.modify")
        bought = reply.json if what == "buy" else reply.json.get("purchase")
        if reply.status < 300 and bought:
            self.promised += Money.parse(bought["charge"]["amount"], "USD").amount
        return reply.status < 300

    @rule(command=commands)
    def one(self, command):
        assert self.ask(*command) == self.model.do(*command), command

    @rule(first=commands, second=commands)
    def two_at_once(self, first, second):
        """The second is done between the reading and the writing of the first, if that gets to write."""
        meanwhile, said = Meanwhile(self.office), []
        meanwhile.happens(lambda: said.append(self.ask(*second)))
        done = self.ask(*first)
        self.office.cloud.store.fault = meanwhile.normally
        if said:
            assert said == [self.model.do(*second)], second
        assert done == self.model.do(*first), first

    @rule(days=st.integers(1, 45))
    def days_pass(self, days):
        billed = len(self.model.bills)
        self.model.until(self.model.day + timedelta(days=days))
        self.office.on(f"{self.model.day}T15:00:00Z")
        if len(self.model.bills) > billed:
            self.check_promises(billed)

    def check_promises(self, billed):
        """What purchases were said to cost is what the next invoice asks for them."""
        lines = [line for bill in self.office.invoices()[billed:] for line in bill["lines"]]
        shares = [line["amount"] for line in lines if line["description"].endswith(" days")]
        assert sum(Money.parse(amount, "USD").amount for amount in shares) == self.promised
        self.promised = 0

    @rule(price=st.sampled_from(sorted(PRICES)))
    def another_price(self, price):
        """Seats cost something else from now on; those that are there keep their price."""
        amount = Money(PRICES[price], "USD").decimal
        known = {id_: each for id_, each in HUB["prices"].items() if id_ != "core-seat"}
        seat = HUB["prices"]["core-seat"] | {"amount": amount}
        self.office.staff("PUT", "/catalog", HUB | {"prices": known | {price: seat}})
        self.model.on_sale = price

    @invariant()
    def all_is_as_the_model_says(self):
        seats, model = self.office.of("core"), self.model
        assert (seats["total"], seats["assigned"]) == (model.total, len(model.sitting))
        assert seats["assigned"] <= seats["total"]
        assert {lot["price"]: lot["quantity"] for lot in seats["lots"]} == dict(model.lots)
        assert {user["user"]: user["active"] for user in seats["users"]} == {
            name: model.active[name] for name in model.sitting
        }
        waits = seats["pending_removal"]
        assert (waits and (waits["quantity"], waits["effective_on"])) == (
            model.removal and (model.removal[0], str(model.removal[1]))
        )
        totals = [Money.parse(bill["total"], "USD").amount for bill in self.office.invoices()]
        assert totals == model.bills


Seats.TestCase.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
test_no_history_gives_too_many_seats_or_bills_what_was_not_asked_for = Seats.TestCase
