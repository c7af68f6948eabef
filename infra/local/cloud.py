"""The account on this machine: what template.yaml says, run in this process with a calendar in hand.

Its time is a value that moves only when told to; moving it fires every schedule
in between, in order. The calendar jumps from one due instant to the next: a
sweep that would find nothing is not run, nor what runs daily when no money has
moved since, nor what runs weekly, which only looks.
"""

from __future__ import annotations

import importlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import stripe as stripe_library
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ReadTimeoutError

from infra.local import aws, schedules, template
from infra.local.deliveries import Deliveries
from infra.local.dynamodb import Conflicted, DynamoDB
from infra.local.dynamodb_requests import Change
from infra.local.faults import Crash, Faults, Ways
from infra.local.files import Files
from infra.local.invocations import Call, Context, Reply, http_event, refusal, sqs_event
from infra.local.queues import Message, Queues
from infra.local.stripe import InProcess, Stripe
from infra.local.stripe_desk import Answer
from shared.edge import telemetry

STRIPE_KEY = "sk_test_local"
WEBHOOK_SECRET = "whsec_local"  # noqa: S105 - it signs what this process sends to itself
TOLD = ("payment_intent.*", "setup_intent.*", "payment_method.*", "refund.*", "charge.dispute.*")
"""The types of Stripe's events that the webhook is told of, as a seller enables them for its address."""
PUBLISHABLE_KEY = "pk_test_local"
SECRETS = {
    "StripeKeyParameter": STRIPE_KEY,
    "StripeWebhookSecretsParameter": WEBHOOK_SECRET,
    "LinkKeysParameter": "the-key-of-links-on-this-machine",
}
"""What lies in SSM, by the parameter of the template that says where."""
_LATE = timedelta(minutes=10)


class Cloud:
    """One seller's account. There is one at a time in a process: it answers for all of its AWS calls.

    ``skip`` ``False`` runs every schedule each time. Until ``stopped_until`` no
    function runs: messages wait, schedules do not fire, requests and webhooks are
    refused.
    ``rates`` are Stripe's limits; without them it has none.
    """

    def __init__(
        self,
        now: datetime,
        *,
        skip: bool = True,
        faults: type[Faults] = Faults,
        rates: Mapping[str, int] | None = None,
    ) -> None:
        self.now = now
        self.skip = skip
        self.stopped_until = now
        self.template = _template()
        self.faults = faults(lambda call: self.later(_LATE, call))
        self.store = DynamoDB()
        self.store.clock = lambda: self.now.timestamp()  # noqa: PLW0108 - of then, not of now
        self.store.fault = lambda where, call: self.faults.around(where, call, _STORE_WAYS)
        self.store.create_table({**self.template.table, "TableName": template.TABLE_NAME})
        self.queues = Queues(dict(self.template.queues), lambda: self.now, self.faults)
        self.files = Files()
        self.stripe = Stripe(lambda: self.now, webhook_secret=WEBHOOK_SECRET, tells=TOLD, rates=rates)
        self.deliveries = Deliveries(self.stripe, self.faults, self._webhook)
        self.invocations = 0
        self._later: list[tuple[datetime, Callable[[], Any]]] = []
        self._reconciled: Counter[str] = Counter()  # by schedule: how much had moved when it last fired
        self._answer_for_the_outside()

    def on_commit(self, hear: Callable[[list[Change]], None]) -> None:
        """Hear of every commit: the table's stream."""
        self.store.on_commit = hear

    # ---- calling

    def request(self, call: Call) -> Reply:
        """A request to the HTTP API."""
        path = call.path.partition("?")[0]
        if self.now < self.stopped_until:
            return refusal(503, "Service Unavailable")
        for route in self.template.routes:
            found = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route.path), path)
            if found and route.method == call.method:
                return self._answer(route, call, found.groupdict())
        return refusal(404, "Not Found")

    def _answer(self, route: template.Route, call: Call, parts: Mapping[str, str]) -> Reply:
        if route.needs_token and call.claims is None:
            return refusal(401, "Unauthorized")
        try:
            answer = self.invoke(route.function, http_event(route, call, parts, self.now))
        except Crash:
            return refusal(500, "Internal Server Error")
        headers = {name.lower(): value for name, value in answer.get("headers", {}).items()}
        return Reply(answer["statusCode"], headers, answer.get("body", ""))

    def _webhook(self, body: bytes, headers: Mapping[str, str]) -> bool:
        return self.request(Call("POST", "/v1/stripe/webhook", body.decode(), headers, None)).status < 300

    def invoke(self, name: str, event: Mapping[str, Any]) -> Any:
        """Run a function of the template as Lambda would."""
        function = self.template.functions[name]
        module, _, attribute = function.handler.rpartition(".")
        self.invocations += 1
        handler = getattr(importlib.import_module(module), attribute)
        try:
            return handler(dict(event), Context(function, self.invocations))
        finally:
            telemetry.metrics.clear_metrics()  # Powertools does it after writing them, and here it writes none

    # ---- time

    def advance(self, to: datetime, tick: Callable[[datetime], None] = lambda _: None) -> None:
        """Move the calendar; everything that is due by ``to`` (inclusive) is done when it returns."""
        assert to >= self.now, "the calendar does not go back"
        self.settle()
        while (instant := self._next_instant()) is not None and instant <= to:
            self.now = max(instant, self.now)
            self._turn(self._firing(instant))
            tick(self.now)
        self.now = max(to, self.now)  # what was done last may have taken its time
        self.settle()
        tick(to)

    def settle(self) -> None:
        """Do what is due now, until nothing more comes of it."""
        self._turn([])
        if self.now < self.stopped_until:
            return
        before = None
        while (due := self._due_now()) and due != before:
            before = due
            self._turn([schedule for schedule in self.template.schedules if schedules.sweeps(schedule)])

    def later(self, delay: timedelta, call: Callable[[], Any]) -> None:
        """Something that takes effect when everybody has given up on it."""
        self._later.append((self.now + delay, call))

    def _turn(self, firing: list[template.Schedule]) -> None:
        """One instant: what comes late, what goes on at Stripe, the schedules that fire, the queues."""
        self.stripe.turn()
        while entry := next((entry for entry in self._later if entry[0] <= self.now), None):
            self._later.remove(entry)
            entry[1]()
        if self.now < self.stopped_until:
            self.deliveries.send(self.now)
            return
        for schedule in firing:
            if not self._finds_nothing(schedule):
                self._fire(schedule)
            self.drain()
        self.drain()

    def _fire(self, schedule: template.Schedule) -> None:
        text = schedule.input.replace("<aws.scheduler.scheduled-time>", self.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
        try:
            self.invoke(schedule.function, json.loads(text))
        except (Crash, Exception) as error:  # noqa: BLE001 - Scheduler notes the failure; the next sweep finds it all
            self._failed(schedule.function, error)
        else:
            if self._moved(schedule):
                self.queues.redrive("ReconcileQueue")  # as operators do
            self._reconciled[schedule.name] = self.stripe.movements

    def drain(self) -> None:
        """Work off the queues, one worker each, and deliver Stripe's messages."""
        self.deliveries.send(self.now)
        busy = True
        while busy:
            busy = False
            for mapping in self.template.mappings:
                while messages := self.queues.receive(mapping.queue, mapping.batch_size):
                    busy = True
                    self._work(mapping, messages)
                    self.deliveries.send(self.now)

    def _work(self, mapping: template.QueueMapping, messages: list[Message]) -> None:
        try:
            answer = self.invoke(mapping.function, sqs_event(mapping.queue, messages))
        except (Crash, Exception) as error:  # noqa: BLE001 - the whole batch comes back
            self._failed(mapping.function, error)
            return
        failed = {item["itemIdentifier"] for item in (answer or {}).get("batchItemFailures", ())}
        for message in messages:
            if message.id not in failed:
                self.queues.delete(mapping.queue, message)

    def _failed(self, function: str, error: BaseException) -> None:
        """Lambda has written it to the log; nobody else hears of it."""

    # ---- what is due

    def _due(self, kind: str = "") -> list[str]:
        """The first sort key of each partition of the due index, or of the part of it that a sweep goes through."""
        found = []
        for partition in self.store.partitions(template.TABLE_NAME, "GSI1"):
            if not partition.startswith(f"DUE#{kind}"):
                continue
            first = self.store.first(template.TABLE_NAME, "GSI1", partition)
            if first is not None:
                found.append(str(first))
        return found

    def _due_now(self, kind: str = "") -> list[str]:
        now = self.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return [key for key in self._due(kind) if key.partition("#")[0] <= now]

    def _next_instant(self) -> datetime | None:
        """When something happens next: a sweep that finds something, a message, a late effect, the end of a debit."""
        waiting = (self.queues.next_visible(), self.deliveries.next_at(), self.stripe.next_at())
        instants = [at for at, _ in self._later] + [at for at in waiting if at] + self._ticks()
        if self.now < self.stopped_until:
            outside = (self.deliveries.next_at(), self.stripe.next_at())
            instants = [at for at, _ in self._later] + [at for at in outside if at] + [self.stopped_until]
        return max(min(instants), self.now) if instants else None

    def _ticks(self) -> list[datetime]:
        """When each schedule fires next: a sweep for what is due, what runs daily once there is news."""
        ticks = []
        due = min((datetime.fromisoformat(key.partition("#")[0]) for key in self._due()), default=None)
        for schedule in self.template.schedules:
            step = template.every(schedule.expression)
            if not self.skip or self._moved(schedule):
                ticks.append(schedules.next_tick(self.now, step))
            elif due is not None and schedules.sweeps(schedule):
                ticks.append(schedules.next_tick(max(due - _MOMENT, self.now), step))
        return ticks

    def _firing(self, instant: datetime) -> list[template.Schedule]:
        """The schedules that fire at an instant."""
        return [
            schedule
            for schedule in self.template.schedules
            if schedules.next_tick(instant - _MOMENT, template.every(schedule.expression)) == instant
            and (not self.skip or schedules.sweeps(schedule) or self._moved(schedule))
        ]

    def _finds_nothing(self, schedule: template.Schedule) -> bool:
        """Whether a schedule sweeps a part of the due index in which nothing is due."""
        handler = self.template.functions[schedule.function].handler
        return self.skip and schedules.sweeps(schedule) and not self._due_now(schedules.swept(handler))

    def _moved(self, schedule: template.Schedule) -> bool:
        """Whether a schedule runs daily, and something happened at Stripe that it has not seen, or failed to see."""
        daily = template.every(schedule.expression) == timedelta(days=1)
        failed = self.queues.messages("ReconcileDeadLetters")
        return daily and (bool(failed) or self._reconciled[schedule.name] != self.stripe.movements)

    # ---- the outside

    def _answer_for_the_outside(self) -> None:
        from shared import files, payments
        from shared.edge import clock
        from shared.store import queries
        from shared.store.record import Record

        os.environ.update({name: value for each in self.template.functions.values()
                           for name, value in each.environment.items()} | _ENVIRONMENT)  # fmt: skip
        os.environ.pop("AWS_ENDPOINT_URL_S3", None)  # a server's address, of an earlier cloud
        aws.answer_here({
            "dynamodb": self.store.answer, "sqs": self.queues.answer, "s3": self.files.answer, "ssm": _parameter,
        })  # fmt: skip
        Record._connection = None  # noqa: SLF001 - a new table, a new client
        queries.forget()
        files.forget()
        payments.forget()
        line = InProcess(self.stripe)
        line.fault = self._stripe_fault
        stripe_library.default_http_client = line
        clock.source = lambda: self.now
        clock.sleep = lambda _: None

    def _stripe_fault(self, where: str, call: Callable[[], Answer]) -> Answer:
        """A line that breaks, or a Stripe that fails by itself, which its stand-in knows how to."""
        how = self.faults.take(where)
        if how in ("throttled", "conflict", "error_500_before", "error_500_after"):
            self.stripe.fail_next(where, how)
            return call()
        return call() if how is None else self.faults.strike(how, where, call, LINE_WAYS)


_template = cache(template.read)


_ENVIRONMENT = {
    "TABLE_NAME": template.TABLE_NAME,
    "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
    "STRIPE_JS": "/_local/stripe.js",
    "WORKER_THREADS": "1",  # one worker, so that the same story gives the same output
    "SIDE_BY_SIDE": "1",
    "POWERTOOLS_LOG_LEVEL": os.environ.get("POWERTOOLS_LOG_LEVEL", "CRITICAL"),
    "POWERTOOLS_METRICS_DISABLED": "true",
    "POWERTOOLS_TRACE_DISABLED": "true",
}


_MOMENT = timedelta(microseconds=1)


def _parameter(request: AWSPreparedRequest) -> AWSResponse:
    """A secret out of SSM's Parameter Store."""
    name = json.loads(request.body)["Name"]
    value = next(secret for parameter, secret in SECRETS.items() if _template().parameters[parameter] == name)
    return aws.response(200, {"Parameter": {"Name": name, "Type": "SecureString", "Value": value}})


def _line_lost() -> Any:
    raise stripe_library.APIConnectionError("The line broke (a fault on purpose).")  # type: ignore[no-untyped-call]


def _store_lost() -> Any:
    raise ReadTimeoutError(endpoint_url="local")


def _store_conflict() -> Any:
    raise Conflicted


def _store_refusal(status: int, code: str) -> AWSResponse:
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "Message": f"{code} (a fault on purpose)"}
    return aws.response(status, body)


_STORE_WAYS = Ways(
    lost=_store_lost,
    throttled=lambda: _store_refusal(400, "ProvisionedThroughputExceededException"),
    broken=lambda: _store_refusal(500, "InternalServerError"),
    conflict=_store_conflict,
)
LINE_WAYS = Ways(lost=_line_lost, throttled=_line_lost, broken=_line_lost, conflict=_line_lost)
