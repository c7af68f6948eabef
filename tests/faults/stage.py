"""A local cloud whose every call to the outside is numbered, and struck where a plan says so."""

import json
import pickle
from collections import Counter
from contextlib import contextmanager, suppress
from copy import copy
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

from botocore.retries import quota

from infra.local import aws, template
from infra.local.cloud import LINE_WAYS, Cloud
from infra.local.faults import Crash
from infra.local.invocations import Call
from infra.local.simulate import CUSTOMER, STAFF
from infra.local.stripe_desk import Answer
from shared.edge import clock, jobs
from shared.store import queries, record
from tests.edge.another_lambda import memory_of_its_own
from tests.faults.invariants import Watch
from tests.faults.ways import SKEW, Numbered

DOWN = Answer(503, {"Content-Type": "application/json"}, b'{"error": {"message": "Down.", "type": "api_error"}}')
PATIENCE = [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 16, 32, 64, 128)]
"""How a client sends a request again that was not answered."""


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_AT_THE_DESK = ("calls", "_kept", "_faults")


class State(NamedTuple):
    """Everything there is between two instants, to come back to."""

    calls: int
    now: datetime
    issued: int  # invoices until then
    parts: tuple[Any, ...]


class Stage(Cloud):
    """A cloud with a script's world in it, and somebody who watches.

    ``plan`` says which call is struck by what; ``calls`` counts them. ``trace``
    keeps where each went, if it is a list.
    """

    def __init__(self, now):
        super().__init__(now, faults=Numbered)
        self.faults.stage = self
        self.plan = {}
        self.draw = None  # or what draws a fault for a place by chance
        self.calls = 0
        self.trace = None
        self.script = None
        self.watch = Watch(self)
        self.deadline = now
        self.skew = timedelta()
        self.firing = []  # schedules that fire at this instant and have not yet
        self.depth = 0  # of what happens in the middle of something else
        self.stripe_down_until = now
        self.asked = Counter()  # how often Stripe was asked, by what for, whether it heard it or not
        self.repeated = False
        for service in ("dynamodb", "sqs"):
            aws.answering[service] = partial(self._answers, aws.answering[service])
        clock.source = lambda: self.now + self.skew
        self.history = []  # what was committed in the last minutes: when, where, and what was there before
        self.committed = []  # the keys of the last commit
        self.on_commit(self._committed)

    @property
    def healthy(self):
        """Whether nothing is struck in this run."""
        return not self.plan and self.draw is None

    # ---- calls

    def number(self, where):
        """Count a call; how it fails, if it does."""
        self.calls += 1
        if self.trace is not None:
            self.trace.append(where)
        return self.draw(where) if self.draw else self.plan.get(self.calls)

    def _committed(self, changes):
        self.history = [entry for entry in self.history if self.now - entry[0] < timedelta(minutes=10)]
        self.committed = [(change.key["PK"]["S"], change.key["SK"]["S"]) for change in changes]
        self.history += [(self.now, key, change.old) for key, change in zip(self.committed, changes, strict=True)]
        self.watch.hear(changes)

    def _work(self, mapping, messages):
        """A batch is worked at; what was done, and did not come back, has its next instant ahead of it."""
        super()._work(mapping, messages)
        left = self.queues.messages(mapping.queue)
        for done in [json.loads(each.body) for each in messages if each not in left]:
            if "id" in done:
                self.watch.worked(done["account"], done["id"])

    def _answers(self, answer, request):
        self.repeated = aws.repeated(request)
        return answer(request)

    def _stripe_fault(self, where, call):
        how = self.faults.take(where)
        self.asked[where] += how != "crash_before"
        real = (lambda: DOWN) if self.now < self.stripe_down_until else call
        try:
            return real() if how is None else self.faults.strike(how, where, real, LINE_WAYS)
        finally:
            self.watch.look()

    def invoke(self, name, event):
        """Run a function, which may die at once or believe it is another time."""
        how = self.number("invoke")
        if how == "crash_before":
            raise Crash(name)
        kept = self.deadline, self.skew
        self.deadline = self.now + self.template.functions[name].timeout
        self.skew = {"skew_ahead": SKEW, "skew_behind": -SKEW}.get(how, timedelta())
        try:
            return super().invoke(name, event)
        finally:
            self.deadline, self.skew = kept

    # ---- what the ways to fail are made of

    def takes(self, time):
        """A call takes its time; Lambda waits no longer than the function's time-out."""
        self.now += time
        if self.now > self.deadline:
            self.now = self.deadline
            raise Crash

    def stop(self, time):
        """Nothing of ours runs."""
        self.stopped_until = self.now + time

    def turn(self):
        """Whatever is due is done."""
        self._turn([each for each in self.template.schedules if template.every(each.expression) < timedelta(days=1)])

    def meanwhile(self, do):
        """Something happens in the middle of a call, in a Lambda of its own."""
        kept = self.deadline, self.skew, self.depth
        self.skew, self.depth = timedelta(), self.depth + 1
        try:
            with memory_of_its_own():
                do()
        finally:
            self.deadline, self.skew, self.depth = kept

    def acts(self, what):
        """One of the things that may happen in a script at any time."""
        self.script.meanwhile[what](self)

    def lagging(self, time, call):
        """A commit that the indexes follow later."""
        table = self.store.table("prorata")
        before = {name: index.state() for name, index in table.indexes.items()}
        self.committed.clear()
        answer = call()
        for name, index in table.indexes.items():
            index.restore(before[name])
        keys = list(self.committed)
        self.later(time, lambda: [table.refresh(key) for key in keys])
        return answer

    def put_back(self, time):
        """The table is put back to how it was so long ago, as an operator does it (docs/operations.md).

        Nothing runs meanwhile. Before any sweep does, what the table has lost is taken over from Stripe.
        """
        since, table = self.now - time, self.store.table("prorata")
        lost = [entry for entry in self.history if entry[0] > since]
        for _, key, old in reversed(lost):
            table.write(key, old)
        self.watch.forget({key for _, key, _ in lost})
        self._until_adopted(
            lambda: self.invoke("ReconcileBeginFunction", {"task": "adopt", "since": since.isoformat()})
        )
        raise Crash("the table was put back")

    def _until_adopted(self, do=lambda: None):
        """Everything is stopped, and in half an hour the operator does this, and sees whether all is done."""
        self.stop(timedelta(minutes=30))
        self.later(timedelta(minutes=30), partial(self._adopt, do))
        self._later.insert(0, self._later.pop())  # nobody else comes in before

    def _adopt(self, do):
        try:
            do()
        except (Crash, Exception):  # noqa: BLE001 - it is begun anew
            self._until_adopted(do)
            return
        [mapping] = [each for each in self.template.mappings if each.queue == "ReconcileQueue"]
        while messages := self.queues.receive(mapping.queue, mapping.batch_size):
            self._work(mapping, messages)
        if self.queues.messages(mapping.queue):
            self._until_adopted()

    def sends(self, call, change):
        """What is sent, changed on its way."""
        before = {name: self.queues.messages(name) for name in self.template.queues}
        answer = call()
        for name, messages in before.items():
            for message in self.queues.messages(name)[len(messages) :]:
                change(name, message)
        return answer

    def by_payer(self, do):
        """The payer does something at Stripe, whose declines are no automatic ones; or cannot."""
        self.watch.look()
        self.watch.payer = True
        with suppress(ValueError):
            do()
        self.watch.look()
        self.watch.payer = False

    # ---- the people outside

    def ask(self, method, path, body=None, *, key, account="acme", permissions=CUSTOMER, tries=0):
        """A request to the API, sent again with the same key until it is answered."""
        claims = {"sub": "someone", "account": account, "permissions": permissions}
        text = None if body is None else json.dumps(body)
        reply = self.request(Call(method, f"/v1{path}", text, {"Idempotency-Key": key}, claims))
        self.watch.expect("unserved", f"{method} {path}: {reply.body}", holds=reply.status < 500 or not self.healthy)
        if reply.status >= 500 and tries < len(PATIENCE):
            again = partial(self.ask, method, path, body, key=key, account=account, permissions=permissions)
            self.later(PATIENCE[tries], partial(again, tries=tries + 1))
        return reply

    def staff(self, method, path, body):
        """A request of the seller's staff, which must succeed."""
        reply = self.ask(method, path, body, key=f"{method}{path}", permissions=STAFF)
        assert reply.status < 300, reply.body
        return reply

    # ---- time

    def settle(self):
        """Do what is due now; what fails waits for the next sweep, as it does on AWS."""
        self._turn([])

    def play(self, until, between=lambda: True):
        """Let the calendar run until an instant, function by function, and say whether it got there.

        It stops when something is wrong, or when ``between``, asked before each function, says no.
        """
        while not self.watch.violations:
            if not between():
                return False
            self.watch.expect("stuck", "it goes round in circles", holds=self.calls <= self.script.most_calls)
            if self._one_thing():
                continue
            instant = self._next_instant()
            back = max(self.stopped_until + HOUR, self.stripe_down_until + DAY)
            end = max(until, back)  # what an outage has put off is done after it
            if instant is None or instant > end:
                self.now = max(end, self.now)
                return True
            self.now, self.firing = max(instant, self.now), self._firing(instant)
        return False

    def _one_thing(self):
        """Do the first thing that is due: one function at most. Whether there was any."""
        self.stripe.turn()
        if entry := next((entry for entry in self._later if entry[0] <= self.now), None):
            self._later.remove(entry)
            entry[1]()
            return True
        if self.deliveries.send_one(self.now):
            return True
        if self.now < self.stopped_until:
            self.firing = []
            return False
        for mapping in self.template.mappings:
            if messages := self.queues.receive(mapping.queue, mapping.batch_size):
                self._work(mapping, messages)
                return True
        while self.firing:
            if not self._finds_nothing(schedule := self.firing.pop(0)):
                self._fire(schedule)
                return True
        return False

    def state(self):
        """All there is now, to come back to."""
        bank = {name: value for name, value in vars(self.stripe._account).items() if name != "now"}
        desk = {name: value for name, value in vars(self.stripe._desk).items() if name in _AT_THE_DESK}
        table = self.store.table("prorata")
        return State(
            self.calls,
            self.now,
            len(self.watch.promised),
            (
                (self.stopped_until, self.stripe_down_until, self.invocations),
                (list(self._later), list(self.firing), Counter(self._reconciled), list(self.history)),
                Counter(self.asked),
                [index.state() for index in (table.base, *table.indexes.values())],
                dict(self.store._tokens),
                self.queues.state(),
                (self.deliveries.lost_until, list(self.deliveries._waiting)),
                pickle.dumps((bank, desk, self.stripe._numbers)),
                self.watch.state(),
            ),
        )

    def restore(self, state):
        """Come back to a state."""
        self.calls, self.now = state.calls, state.now
        times, waiting, asked, indexes, tokens, queues, deliveries, stripe, watch = state.parts
        self.stopped_until, self.stripe_down_until, self.invocations = times
        self._later, self.firing, self._reconciled, self.history = (copy(each) for each in waiting)
        self.asked = Counter(asked)
        table = self.store.table("prorata")
        for index, kept in zip((table.base, *table.indexes.values()), indexes, strict=True):
            index.restore(kept)
        self.store._tokens = dict(tokens)
        self.queues.restore(queues)
        self.deliveries.lost_until, told = deliveries
        self.deliveries._waiting = list(told)
        bank, desk, self.stripe._numbers = pickle.loads(stripe)
        vars(self.stripe._account).update(bank)
        vars(self.stripe._desk).update(desk)
        self.watch.restore(watch)
        queries.forget()


@contextmanager
def one_shard():
    """Few calls to strike: a due index of one shard, and a client that never tires of trying again."""
    with (
        patch.object(record, "SHARDS", 1),
        patch.object(queries, "SHARDS", 1),
        patch.object(jobs, "SHARDS", 1),
        patch.object(quota.RetryQuota, "acquire", lambda _self, _amount: True),
    ):
        yield
