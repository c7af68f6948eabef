"""What must hold after every commit and every call of Stripe, and what must hold in the end."""

import json
from collections import Counter
from itertools import islice
from typing import Any, NamedTuple

from shared.domain.outcome import HARD_DECLINES
from tests.faults import ending, paid_back
from tests.faults.items import attempt_of, instant, plain
from tests.faults.ways import SKEW

SETTLED = ("paid", "void", "uncollectible")
WAITING = ("waiting_for_payer", "awaiting_payment")
"""The states without a timer, apart from the settled ones."""


class Violation(NamedTuple):
    """Something that must never be: the invariant's name, and what was seen."""

    name: str
    what: str


class Promise(NamedTuple):
    """An invoice as it was first written: what it is of is frozen."""

    amount: int
    currency: str
    lines: str


class Declines(NamedTuple):
    """How often a way to pay was declined for an invoice, and when it was last."""

    count: int
    last: int
    method: str | None


_NONE = Declines(0, 0, None)
_MEMORY = (
    "promised", "settled", "succeeded", "declines", "failures", "failed", "periods", "submitted", "paid_back",
    "arrived", "lost", "idle",
)  # fmt: skip
MOST_IDLE = 3
"""So often may something be worked at and be as due as before, as by a clock that is behind."""


class Watch:
    """Watches the table's stream and Stripe's events, and compares the two."""

    def __init__(self, stage: Any) -> None:
        self.stage = stage
        self.violations: list[Violation] = []
        self.promised: dict[Any, Promise] = {}
        self.settled: dict[Any, str] = {}
        self.succeeded: dict[Any, tuple[str, int, str]] = {}  # PaymentIntent, amount, currency
        self.foreign: set[str] = set()  # PaymentIntents that somebody else made
        self.declines: dict[Any, Declines] = {}  # of the way to pay that was tried last
        self.failures: dict[Any, int] = {}  # of all of them
        self.failed: dict[Any, int] = {}  # with those of what the payer tried
        self.periods: dict[Any, tuple[str, str, str]] = {}  # how far a subscription is billed, by what, from when
        self.submitted: dict[Any, str] = {}  # what was seen on its way, or through
        self.paid_back: dict[Any, str] = {}  # refunds of Stripe by account, invoice and number
        self.arrived: dict[Any, int] = {}  # refunds that the table calls done, as keys of those, and their units
        self.lost: dict[Any, bool] = {}  # invoices that were lost with the table, until they are issued again
        self.idle: dict[str, int] = {}  # how often something due was worked at without moving on, by its instant
        self.payer = False  # whether the payer is acting just now
        self.seen = 0
        self.old: frozenset[Any] = frozenset()  # invoices of before the script began

    def state(self) -> Any:
        """All that is remembered."""
        return (
            [dict(getattr(self, name)) for name in _MEMORY],
            set(self.foreign),
            (self.seen, self.old),
            list(self.violations),
        )

    def restore(self, state: Any) -> None:
        """Remember what was remembered then."""
        kept, foreign, (self.seen, self.old), violations = state
        for name, memory in zip(_MEMORY, kept, strict=True):
            setattr(self, name, dict(memory))
        self.foreign, self.violations = set(foreign), list(violations)

    def wrong(self, name: str, what: str) -> None:
        """Something is as it must not be."""
        self.violations.append(Violation(name, what))

    def expect(self, name: str, what: str, *, holds: bool) -> None:
        """Something must be so."""
        if not holds:
            self.wrong(name, what)

    def forget(self, keys: set[Any]) -> None:
        """What was committed there is lost, and has to come out the same again."""
        for pk, sk in keys:
            key = pk.removeprefix("ACCOUNT#"), sk.removeprefix("INVOICE#").removesuffix("#")
            self.settled.pop(key, None)
            if key in self.promised and not self.item(pk, sk):
                self.lost[key] = True
        self.periods.clear()
        items = [plain(item) for item in self.stage.store.items("prorata")]
        for each in sorted(items, key=lambda each: (each.get("date", ""), each["SK"])):
            if each["kind"] == "invoice":
                self._billed((each["account_id"], each["id"]), each)

    # ---- after every commit

    def hear(self, changes: Any) -> None:
        """A commit: the state of what it wrote, and how it got there."""
        self.look()
        touched = set()
        for change in changes:
            new, old = plain(change.new), plain(change.old)
            kind = (new or old)["kind"]
            if kind in ("invoice", "refund"):
                touched.add((new or old)["account_id"])
            if kind == "refund":
                paid_back.heard(self, new)
            elif kind in ("invoice", "checkout", "subscription"):
                if not new:
                    self.wrong("lost", f"{old['SK']} was removed")
                else:
                    getattr(self, f"_{kind}")(new, old)
        for account in touched:
            self.covered(account)

    def covered(self, account: str) -> None:
        """By account and currency the table never calls more paid than Stripe has taken, nor more paid back."""
        taken, paid = Counter[str](), Counter[str]()
        for (whose, _), (_, amount, currency) in self.succeeded.items():
            taken[currency] += amount * (whose == account)
        for key, status in self.settled.items():
            promise = self.promised[key]
            paid[promise.currency.lower()] += promise.amount * (key[0] == account and status == "paid")
        self.expect("agree", f"{account}: {paid} is paid, {taken} was taken", holds=paid <= taken)
        paid_back.covered(self, account, taken)

    def worked(self, account: str, id_: str) -> None:
        """Something due was worked at, without a failure: its instant moves on, or it is nothing more to do."""
        now, tail = instant(self.stage.now), f"#{account}#{id_}"
        index = self.stage.store.table("prorata").indexes["GSI1"]
        places = [place for some in index.partitions.values() for place in some if place[0].endswith(tail)]
        still = {place[0] for place in places}
        self.idle = {due: times for due, times in self.idle.items() if due in still or not due.endswith(tail)}
        for due, pk, sk in places:
            if due < now and self.item(pk, sk).get("GSI1SK") == due:
                self.idle[due] = self.idle.get(due, 0) + 1
                what = f"{sk} was worked at {self.idle[due]} times and is due as before"
                self.expect("stuck", what, holds=self.idle[due] <= MOST_IDLE)

    def _invoice(self, new: Any, old: Any) -> None:
        key, status = (new["account_id"], new["id"]), new.get("status", "open")
        if not old:
            self._issued(key, new)
        promise, attempt = self.promised[key], attempt_of(new)
        frozen = (_total(new), new["currency"], new["lines"]) == promise
        self.expect("frozen", f"{key} is of {promise}, now of {new['lines']}", holds=frozen)
        if attempt:
            of = f"{key}: {attempt['amount']} is asked for, {promise.amount} is owed"
            self.expect("frozen", of, holds=attempt["amount"] == promise.amount)
            counted, there_were = attempt.get("declines", 0), self.failed.get(key, 0)
            what = f"{key}: {counted} declines are counted, there were {there_were}"
            self.expect("dunning", what, holds=counted <= there_were)
        before = self.settled.get(key, status)
        self.expect("absorbing", f"{key} was {before} and is {status}", holds=before == status)
        if attempt and attempt.get("by_hand", 0) != attempt_of(old).get("by_hand", 0):
            self.declines.pop(key, None)  # somebody asked for it
        if status in SETTLED:
            self.settled[key] = status
        elif status not in WAITING:
            self.expect("timer", f"{key} is {status} without a timer", holds="GSI1SK" in new)
        if status == "paid" and promise.amount > 0:
            self.expect("paid means moved", f"{key} is paid and nothing was", holds=key in self.succeeded)
        if status == "waiting_for_payer" and attempt and attempt.get("error") and new.get("subscription_id"):
            self._given_up(key, new, attempt)

    def _issued(self, key: Any, new: Any) -> None:
        self.promised[key] = Promise(_total(new), new["currency"], new["lines"])
        self.lost.pop(key, None)
        self._billed(key, new)

    def _billed(self, key: Any, new: Any) -> None:
        """Its periods follow on those that were billed before."""
        for line in json.loads(new["lines"]):
            subscription, period = line.get("subscription_id") or new.get("subscription_id"), line.get("period")
            if not subscription or not period or period["start"] != new["date"]:
                continue  # the share of a period that has begun
            place = (key[0], subscription)
            billed, by, _ = self.periods.get(place, (period["start"], "", ""))
            ok = billed == period["start"] or (billed, by) == (period["end"], key[1])  # by another line of the same
            self.expect("periods", f"{place} is billed to {billed}, then from {period['start']}", holds=ok)
            self.periods[place] = (period["end"], key[1], period["start"])

    def _given_up(self, key: Any, new: Any, attempt: Any) -> None:
        """It waits for its payer after a hard decline, or after all automatic tries and no fewer."""
        subscription = self.item(new["PK"], f"SUB#{new['subscription_id']}#")
        tries = len(self.stage.script.retry_days) + 1
        final = attempt["error"] in HARD_DECLINES or self.failures.get(key, 0) >= tries
        what = f"{key} waits for its payer after {self.failures.get(key, 0)} declines"
        self.expect("dunning", what, holds=final or subscription["status"] == "canceled")

    def _checkout(self, new: Any, _old: Any) -> None:
        """What is bought is there when its payment is through, or on its way (R72); and never without."""
        key, status = (new["account_id"], new.get("invoice_id")), new["status"]
        bill = self.item(new["PK"], f"INVOICE#{key[1]}#") or {}
        if status == "complete" and bill:
            self.expect("started when paid", f"{new['id']} is complete, unpaid", holds=key in self.submitted)
        if status == "expired" and bill:
            self.expect("started when paid", f"{new['id']} expired, {bill}", holds=bill.get("status") == "void")
        if status == "open":
            paid = bill.get("status") in ("paid", "processing")
            self.expect("started when paid", f"{new['id']} is open, its invoice paid", holds=not paid)
            self.expect("timer", f"{new['id']} is open without a timer", holds="GSI1SK" in new)

    def _subscription(self, new: Any, old: Any) -> None:
        if not old:
            checkout = new["id"].removeprefix("sub_")[:-1]
            bought = self.item(new["PK"], f"CHECKOUT#co_{checkout}#") or {}
            ok = bought.get("status") == "complete"
            self.expect("started when paid", f"{new['id']} starts before {checkout} is complete", holds=ok)
        if new["status"] in ("active", "past_due", "scheduled") and not new.get("parked"):
            self.expect("timer", f"{new['id']} is {new['status']} without a timer", holds="GSI1SK" in new)

    def item(self, pk: str, sk: str) -> Any:
        """What lies in the table at a place."""
        return plain(self.stage.store.table("prorata").get((pk, sk)))

    # ---- after every call of Stripe

    def look(self) -> None:
        """What Stripe did since the last look."""
        events = self.stage.stripe._account.events
        if len(events) == self.seen:
            return
        since, self.seen = self.seen, len(events)
        for event in list(islice(events.values(), since, None)):
            intent = event["data"]["object"]
            if event["type"].startswith("refund."):
                paid_back.seen(self, event["type"].partition(".")[2], intent)
            elif intent["object"] == "payment_intent" and intent["id"] not in self.foreign:
                key = intent["metadata"].get("account"), intent["metadata"].get("invoice")
                what = event["type"].partition(".")[2]
                if event["request"]["id"] and what in ("processing", "payment_failed", "succeeded"):
                    self._tried(key, intent, event["created"])
                if what == "payment_failed":
                    self._failed(key, intent, event["created"])
                if what in ("processing", "succeeded"):
                    self.submitted[key] = intent["id"]
                if what == "succeeded":
                    self._captured(key, intent)

    def _captured(self, key: Any, intent: Any) -> None:
        known = self.promised.get(key)
        self.expect("paid once", f"{key} was paid by {self.succeeded.get(key)}", holds=key not in self.succeeded)
        self.succeeded[key] = intent["id"], intent["amount_received"], intent["currency"]
        self.expect("invoice first", f"{intent['id']} pays {key}, which does not exist", holds=bool(known))
        if known:
            owed = (known.amount, known.currency.lower())
            what = f"{key}: {intent['amount_received']} {intent['currency']} was charged, {owed} is owed"
            self.expect("amount", what, holds=(intent["amount_received"], intent["currency"]) == owed)
        dead = self.settled.get(key) in ("void", "uncollectible")
        self.expect("nothing after the end", f"{key} was given up, then {intent['id']} succeeded", holds=not dead)

    def _failed(self, key: Any, intent: Any, at: int) -> None:
        self.failed[key] = self.failed.get(key, 0) + 1
        if self.payer:
            self._hidden(key)
        else:
            self.declines[key] = Declines(self.declines.get(key, _NONE).count + 1, at, _method(intent))
            self.failures[key] = self.failures.get(key, 0) + 1

    def _hidden(self, key: Any) -> None:
        """A decline that nobody has heard of cannot be found any more: Stripe shows what the payer tried since."""
        bill = self.item(f"ACCOUNT#{key[0]}", f"INVOICE#{key[1]}#")
        if attempt_of(bill).get("state") == "intent":
            self.declines.pop(key, None)

    def _tried(self, key: Any, intent: Any, at: int) -> None:
        """An automatic try: not more of them, and not sooner after a decline, than the schedule says.

        A way to pay that was not tried before may be tried at once, and as often as the one before. A clock that
        was behind when the decline came has the next try come sooner by that.
        """
        if _method(intent) != self.declines.get(key, _NONE).method:
            self.declines.pop(key, None)
        count, last, _ = self.declines.get(key, _NONE)
        days = self.stage.script.retry_days
        ok = count == 0 or (count <= len(days) and at - last >= days[count - 1] * 86_400 - SKEW.total_seconds())
        what = f"{key}: try {count + 1} came {(at - last) / 86_400:.2f} days after the decline before"
        self.expect("dunning", what, holds=ok)

    def end(self) -> None:
        """Nothing is left half done."""
        self.look()
        ending.ended(self)


def _method(intent: Any) -> Any:
    """The way to pay that was tried last."""
    refused = (intent["last_payment_error"] or {}).get("payment_method") or {}
    return intent["payment_method"] or refused.get("id")


def _total(invoice: Any) -> int:
    return sum(line["amount"]["amount"] for line in json.loads(invoice["lines"]))
