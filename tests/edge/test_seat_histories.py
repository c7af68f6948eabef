"""Random histories of seats through the real handlers, held against a model that knows nothing but the rules.

``SEAT_HISTORIES=1000 make test`` plays so many, and others each time.
"""

import os
from collections import Counter
from copy import deepcopy
from datetime import timedelta

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from infra.local.invocations import sqs_event
from infra.local.queues import Message
from shared.domain.money import Money
from tests.edge.another_lambda import Meanwhile
from tests.edge.seat_model import BOUGHT, FREE, NAMES, PRICES, Model
from tests.edge.test_seats import HUB, Office
from tests.world import SEAT

BY_HAND = os.environ.get("SEAT_HISTORIES")
HOW = settings(
    max_examples=int(BY_HAND or 24),
    stateful_step_count=25,
    deadline=None,
    derandomize=not BY_HAND,
    phases=[Phase.generate],  # to shrink a history would take many minutes
)
SEEN = Counter()
MUST_BE_SEEN = [
    "bought while a removal waits", "given again", "scheduled", "scheduled beside another", "cancelled",
    "carried out", "across lots", "the rest invoiced", "ended with a removal", "renewed meanwhile",
    "decided while due", "second of two", "refused", "preview held", "price changed", "upgraded", "lost a seat",
    "a tier more",
]  # fmt: skip
FREE_TOOLS = HUB["prices"]["hub-professional"] | {
    "edition": "free", "amount": "0.00", "included_seats": FREE["core"],
}  # fmt: skip
MOST_CONTACTS = 50
STAFF_AND_ALL = "users.edit billing.modify seller.admin"

THEN = ["fill", "buy", "withdraw", "the other, and the term", "", "fill", "end", "the other, and the term"]

kinds = st.sampled_from(["core", "sales", "sales"])
name = st.sampled_from(NAMES)
some = st.lists(name, max_size=4, unique=True)
commands = st.one_of(
    st.tuples(st.just("buy"), kinds, st.integers(1, 3)),
    st.tuples(st.just("move"), kinds, some, st.lists(name, max_size=2, unique=True), st.integers(0, 2)),
    st.tuples(st.just("give"), kinds, name, st.integers(0, 1)),
    st.tuples(st.just("take"), kinds, name),
    st.tuples(st.just("put"), name, st.sampled_from([None, True, True, False]),
              st.lists(st.sampled_from(["core", "sales"]), max_size=2, unique=True), st.integers(0, 2)),
    st.tuples(st.just("delete"), name),
    st.tuples(st.just("schedule"), kinds, st.integers(1, 4)),
    st.tuples(st.just("schedule"), kinds, st.integers(1, 2)),
    st.tuples(st.just("cancel"), kinds),
)  # fmt: skip


class Seats(RuleBasedStateMachine):
    """One office, played twice: by the handlers and by the model."""

    free = False

    def __init__(self):
        super().__init__()
        free = self.free
        self.model, self.promised = Model(free=free), 0
        items = [{"price": "hub-free"}] if free else self.bought()
        self.office = Office(*items, term="quarter", **{"hub-free": FREE_TOOLS})
        self.office.ask("PUT", "/accounts/acme/users/fay")
        self.another_price("sales-2")
        if not free:
            self.one(("buy", "sales", 2))
            self.one(("buy", "core", 1))

    def bought(self):
        """What is bought at the prices of today."""
        seats = {"price": self.model.on_sale["sales"], "quantity": BOUGHT}
        return [{"price": "hub-professional"}, seats, {"price": "contacts-starter"}]

    def path(self, what, *how):
        """A command as a request: method, path and body."""
        seats, account = self.office.seats, "/accounts/acme/users"

        def put(name, active, given, buy):
            wanted = [{"subscription": self.office.sub, "seat_type": each} for each in given]
            said = {} if active is None else {"active": active}
            return "PUT", f"{account}/{name}", {"seats": wanted, "buy": buy, **said}

        return {
            "buy": lambda kind, quantity: ("POST", f"{seats}/{kind}", {"quantity": quantity}),
            "move": lambda kind, assign, unassign, buy: (
                "POST", f"{seats}/{kind}/assignments", {"assign": assign, "unassign": unassign, "buy": buy}
            ),
            "give": lambda kind, name, buy: ("PUT", f"{seats}/{kind}/users/{name}", {"buy": buy}),
            "take": lambda kind, name: ("DELETE", f"{seats}/{kind}/users/{name}", None),
            "put": put,
            "delete": lambda name: ("DELETE", f"{account}/{name}", None),
            "schedule": lambda kind, quantity: ("PUT", f"{seats}/{kind}/removal", {"quantity": quantity}),
            "cancel": lambda kind: ("DELETE", f"{seats}/{kind}/removal", None),
            "end": lambda waive: (
                "POST", f"{seats.removesuffix('/seats')}/cancel", {"understood": True, "waive": waive}
            ),
        }[what](*how)  # fmt: skip

    def ask(self, what, *how):
        """The same command to the handlers; what they answer, nothing where it is refused."""
        reply = self.office.call(*self.path(what, *how), permissions=STAFF_AND_ALL if what == "end" else GIVE)
        assert reply.status in (200, 201, 404, 409, 422), reply.body
        if reply.status >= 300:
            SEEN["refused"] += 1
            return None
        answer = reply.json
        bought = (
            [answer]
            if what == "buy"
            else [
                answer.get("purchase"),
                *(given["purchase"] for given in (answer.get("given") or [] if what == "put" else [])),
            ]
        )
        self.promised += sum(_cents(each["charge"]) for each in bought if each)
        return answer

    def preview(self, what, *how):
        """What a command is said to come to, where that can be asked."""
        if what not in ("buy", "move", "put", "schedule"):
            return None
        _, path, body = self.path(what, *how)
        reply = self.office.call("POST", f"{path}/preview", body, permissions=GIVE)
        return reply.json if reply.status < 300 else None

    @rule(command=commands)
    def one(self, command):
        shown, before = self.preview(*command), len(self.model.bills)
        said, done = self.ask(*command), self.model.do(*command)
        assert (said is not None) == done, command
        if said and shown:
            assert said | {"scheduled": None} == shown | {"scheduled": None}
            SEEN["preview held"] += 1
        if done and command[0] == "buy":
            assert _cents(said["cost_from_then"]) == self.model.fee()
            assert before == len(self.model.bills), "nothing is charged at once"
        if done and command[0] == "schedule":
            assert _cents(said["cost_from_then"]) == self.model.fee(self.model.without(*self.model.removals))

    @rule(kind=kinds, quantity=st.integers(1, 4), then=st.sampled_from(THEN))
    def schedule_what_can_be(self, kind, quantity, then):
        """A removal, and what may become of it."""
        most = min(self.model.free(kind), self.model.additional(kind))
        if kind not in self.model.removals and most > 0 and not self.model.ended:
            self.one(("schedule", kind, min(quantity, most)))
        if then in ("buy", "withdraw", "the other, and the term"):
            self.one(("buy", kind, 1))
        if then == "fill":
            self.fill_the_free_seats(kind, 0)
        elif then == "withdraw":
            self.one(("cancel", kind))
        elif then == "end":
            self.the_subscription_is_cancelled(waive=quantity > 2, chance=0)
        elif then == "the other, and the term":
            self.schedule_what_can_be("core" if kind == "sales" else "sales", 1, "")
            self.the_term_ends()

    @rule(kind=kinds, buy=st.integers(0, 1))
    def fill_the_free_seats(self, kind, buy):
        waiting = [name for name in NAMES if self.model.active.get(name) and name not in self.model.sitting[kind]]
        self.one(("move", kind, waiting[: self.model.free(kind) + buy], [], buy))

    @rule(first=commands, second=commands)
    def two_at_once(self, first, second):
        """The second is done between the reading and the writing of the first, if that gets to write.

        It is as if one came after the other; a first that had nothing to do may as well have come before.
        """
        if self.model.ended:
            return  # what nobody sits on any more, nothing keeps in order
        meanwhile, said = Meanwhile(self.office), []
        meanwhile.happens(lambda: said.append(self.ask(*second) is not None))
        done = self.ask(*first) is not None
        self.office.cloud.store.fault = meanwhile.normally
        if said:
            SEEN["second of two"] += 1
            other = deepcopy(self.model)
            if (other.do(*first), [other.do(*second)]) == (done, said) and self.agrees(other):
                self.model = other
                return
            assert said == [self.model.do(*second)], second
        assert done == self.model.do(*first), first

    def agrees(self, model):
        """Whether a model says of who is there and sits where, and of what waits, what the handlers say."""
        listed = {each["seat_type"]: each for each in self.office.ask("GET", self.office.seats)["seats"]}
        return self.users() == model.active and all(
            {user["user"] for user in listed[kind]["users"]} == model.sitting[kind]
            and bool(listed[kind]["pending_removal"]) == (kind in model.removals)
            and [[lot["price"], lot["quantity"]] for lot in listed[kind]["lots"]] == model.lots[kind]
            for kind in listed
            if kind in model.lots
        )

    def users(self):
        """Who is there, and whether they are active."""
        return {each["id"]: each["active"] for each in self.office.ask("GET", "/accounts/acme/users")["items"]}

    @rule(command=commands, how=st.sampled_from(["alone", "renewal meanwhile", "renewal first"]))
    def on_a_day_on_which_the_renewal_is_due(self, command, how):
        """No schedule has fired yet: whoever decides brings it up to date, or the worker does just then."""
        if self.model.ended:
            return
        billed = len(self.model.bills)
        self.model.until(self.model.boundaries[self.model.period + 1])
        self.office.suddenly(f"{self.model.day}T15:00:00Z")
        meanwhile, said = Meanwhile(self.office), []
        if how == "renewal meanwhile":
            meanwhile.happens(self.renew)
            said.append(self.ask_later(command))
        elif how == "renewal first":
            meanwhile.happens(lambda: said.append(self.ask_later(command)))
            self.renew()
        else:
            said.append(self.ask_later(command))
        self.office.cloud.store.fault = meanwhile.normally
        self.renew()
        SEEN["decided while due" if how == "alone" else "renewed meanwhile"] += 1
        self.check_promises(billed, sum(said[0][1:]) if said else 0)
        if said:
            assert said[0][0] == self.model.do(*command), command

    def ask_later(self, command):
        """Whether a command is done, and what was promised for it: that is for the invoice after the next."""
        before = self.promised
        done = self.ask(*command) is not None
        new, self.promised = self.promised - before, before
        return done, new

    def renew(self):
        """The worker, for whatever is due of this subscription."""
        body = f'{{"kind": "subscription", "account": "acme", "id": "{self.office.sub}"}}'
        message = Message("1", body, self.office.cloud.now, self.office.cloud.now, receives=1)
        self.office.cloud.invoke("RolloverWorkFunction", sqs_event("RolloverQueue", [message]))

    @rule(fill=st.booleans(), resting=some)
    def free_tools_become_a_plan(self, fill, resting):
        """Paid today; their users move to the seats that come with it, some of them inactive by then."""
        if not self.model.free_tools or self.model.ended or self.model.day.day > LAST_ANCHOR:
            return
        if fill:
            self.fill_the_free_seats("core", 0)
        for name in resting:
            self.one(("put", name, False, [], 0))
        body = {"items": [item | {"term": "quarter"} for item in self.bought()]}
        shown = self.office.ask("POST", "/accounts/acme/checkout/preview", body)
        made = self.office.ask("POST", "/accounts/acme/checkout", body)
        assert (made["status"], shown["replaces"]) == ("complete", self.office.sub)
        self.office.sub = made["subscriptions"][0]["id"]
        self.office.seats = f"/accounts/acme/subscriptions/{self.office.sub}/seats"
        assert shown["loses_access"] == self.model.upgrade()

    @rule()
    def more_contacts_than_the_tier(self):
        """They are counted on the next day, and the larger tier is charged on the one after, by itself."""
        if self.model.free_tools or self.model.ended or self.model.tier == MOST_CONTACTS:
            return
        names = [f"contact-{n}" for n in range(self.model.tier + 1)]
        self.office.ask("POST", "/accounts/acme/contacts/batch", {"marketing": names}, permissions="contacts.edit")
        self.travel(self.model.day + timedelta(days=1))
        message = Message("1", COUNT, self.office.cloud.now, self.office.cloud.now, receives=1)
        self.office.cloud.invoke("RecountWorkFunction", sqs_event("RecountQueue", [message]))
        self.model.outgrow()
        assert self.office.ask("GET", "/accounts/acme/usage", permissions="billing.view")["tier"] == self.model.tier

    @rule(days=st.integers(1, 45))
    def days_pass(self, days):
        self.travel(self.model.day + timedelta(days=days))

    @rule()
    def the_term_ends(self):
        self.travel(self.model.term_end)

    def travel(self, day):
        billed = len(self.model.bills)
        self.model.until(day)
        self.office.suddenly(f"{day}T15:00:00Z")
        if len(self.model.bills) > billed:
            self.renew()
            self.check_promises(billed)

    def check_promises(self, billed, kept=0):
        """What purchases were said to cost is what the next invoice asks for them."""
        lines = [line for bill in self.office.invoices()[billed:] for line in bill["lines"]]
        lines = [line for line in lines if "Contacts" not in line["description"]]
        if not lines:
            return  # an invoice of a larger tier alone: what was bought still waits
        shares = [line["amount"] for line in lines if line["description"].endswith(" days")]
        assert sum(Money.parse(amount, "USD").amount for amount in shares) == self.promised
        self.promised = kept

    @rule(price=st.sampled_from(sorted(PRICES)))
    def another_price(self, price):
        """Seats cost something else from now on; those that are there keep their price."""
        self.model.on_sale[price.partition("-")[0]] = price
        sold = {price: _price(price) for price in self.model.on_sale.values()}
        others = {id_: each for id_, each in HUB["prices"].items() if id_ not in ("core-seat", "sales-seat")}
        others["hub-free"] = FREE_TOOLS
        self.office.staff("PUT", "/catalog", HUB | {"prices": others | sold})
        SEEN["price changed"] += 1

    @rule(waive=st.booleans(), chance=st.integers(0, 5))
    def the_subscription_is_cancelled(self, waive, chance):
        if chance == 0:
            billed = len(self.model.bills)
            self.one(("end", waive))
            if len(self.model.bills) > billed:
                self.check_promises(billed)
            self.promised = 0

    @invariant()
    def all_is_as_the_model_says(self):
        listed = {each["seat_type"]: each for each in self.office.ask("GET", self.office.seats)["seats"]}
        for kind in ("core", "sales"):
            if kind in listed or self.model.total(kind):
                self.check_seats(kind, listed[kind])
        assert self.users() == self.model.active
        totals = [Money.parse(bill["total"], "USD").amount for bill in self.office.invoices()]
        assert totals == self.model.bills

    def check_seats(self, kind, seats):
        model = self.model
        assert (seats["total"], seats["assigned"]) == (model.total(kind), len(model.sitting[kind]))
        assert seats["assigned"] <= seats["total"]
        assert [[lot["price"], lot["quantity"]] for lot in seats["lots"]] == model.lots[kind]
        assert {user["user"]: user["active"] for user in seats["users"]} == {
            name: model.active[name] for name in model.sitting[kind]
        }
        waits, removal = seats["pending_removal"], model.removals.get(kind)
        assert (waits and (waits["quantity"], waits["effective_on"])) == (removal and (removal[0], str(removal[1])))

    def teardown(self):
        SEEN.update(self.model.seen)


class SeatsOfFreeTools(Seats):
    """The same office, which begins with free tools."""

    free = True


GIVE = "users.edit billing.modify"
LAST_ANCHOR = 28
COUNT = '{"kind": "contact_summary", "account": "acme", "id": "contacts"}'


def _cents(money):
    return Money.parse(money["amount"], "USD").amount


def _price(price):
    like = SEAT if price.startswith("sales") else HUB["prices"]["core-seat"]
    return like | {"amount": Money(PRICES[price], "USD").decimal}


def test_no_history_gives_too_many_seats_or_bills_what_was_not_asked_for():
    SEEN.clear()
    run_state_machine_as_test(Seats, settings=HOW)
    run_state_machine_as_test(SeatsOfFreeTools, settings=settings(HOW, max_examples=-(-HOW.max_examples // 3)))
    assert [what for what in MUST_BE_SEEN if not SEEN[what]] == [], SEEN
