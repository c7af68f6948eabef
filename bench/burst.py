"""A night in which 2,000 invoices fall due at once, in real time, while customers go on checking out.

Functions run as on Lambda: each in a process of its own under AWS's runtime
client, handed its batches by pollers that gather 25 messages or wait a second.
Stripe's stand-in takes 25 requests a second at an endpoint (a bucket of 25
tokens) and answers after 0.3 to 0.6 s; a request too many gets a 429.
"""

from __future__ import annotations

import json
import random  # noqa: TID251 - with a seed: latencies, and customers who come when they like
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from math import inf
from queue import Queue
from statistics import quantiles
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, NamedTuple

import click

from bench.loopback import FIVE_SEATS, MACHINE, STAFF, Account, batch, environment, served
from infra.local.invocations import Call, http_event, sqs_event
from infra.local.queues import Message
from infra.local.runtime import Runtime
from infra.local.stripe_desk import RATES, Answer
from infra.local.stripe_requests import decode, route
from shared.domain.invoice import InvoiceStatus
from shared.store import queries

FASTEST, SLOWEST = 0.3, 0.6  # seconds to an answer
CREATE = "POST /v1/payment_intents"
RATE = RATES[CREATE]
VISITORS, COUNTERS = 100, 12
"""Customers who check out, each several times; and processes of the checkout function, each for one at a time."""
TARGET_HELD, TARGET_REFUSED = 0.95, 0.005


class Asked(NamedTuple):
    """One request for a PaymentIntent."""

    at: float
    interactive: bool
    refused: bool


class Busy:
    """Stripe's stand-in as a busy Stripe is met: within its limits, and slow."""

    def __init__(self, account: Account) -> None:
        self._stripe = account.stripe
        self._asked: list[Asked] = []
        self._random = random.Random(7)  # noqa: S311 - the same in every run

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One request: turned away at once, or answered after a while."""
        endpoint, _ = route(method, path.partition("?")[0])
        at, answer = monotonic(), self._stripe.answer(method, path, headers, body)
        refused = answer.status == 429
        if endpoint == CREATE:
            who = decode(body.decode())["metadata"]["account"]
            self._asked.append(Asked(at, who.startswith("visitor"), refused))
        if not refused:
            Event().wait(self._random.uniform(FASTEST, SLOWEST))
        return answer

    def asked(self) -> list[Asked]:
        """Everything, in its order."""
        return sorted(self._asked)


class Poller:
    """One of Lambda's pollers and the worker it hands its batches to."""

    def __init__(self, account: Account, runtime: Runtime, lock: Lock) -> None:
        [self._mapping] = [each for each in account.template.mappings if each.function == "ChargesWorkFunction"]
        self._queues, self._runtime, self._lock = account.queues, runtime, lock

    def run(self, ended: Event) -> None:
        """Gather and hand over, until the end."""
        while not ended.is_set():
            messages = self._gather(ended)
            if messages:
                self._hand_over(messages)

    def _gather(self, ended: Event) -> list[Message]:
        """A whole batch, or what came within a second of the first message."""
        messages: list[Message] = []
        until = inf
        while len(messages) < self._mapping.batch_size and monotonic() < until and not ended.is_set():
            with self._lock:
                found = self._queues.receive(self._mapping.queue, min(10, self._mapping.batch_size - len(messages)))
            if found:
                until = min(until, monotonic() + 1)
            else:
                ended.wait(0.02)
            messages += found
        return messages

    def _hand_over(self, messages: list[Message]) -> None:
        answer = self._runtime.invoke(sqs_event(self._mapping.queue, messages))
        assert not answer.failed, answer.payload
        failed = {item["itemIdentifier"] for item in answer.payload["batchItemFailures"]}
        with self._lock:
            for message in messages:
                if message.id not in failed:
                    self._queues.delete(self._mapping.queue, message)


class Shop:
    """Customers who check out meanwhile, and wait for their answer."""

    def __init__(self, account: Account, counters: list[Runtime], per_second: float) -> None:
        self.waited: list[float] = []
        self.bought = 0
        self._account = account
        self._free: Queue[Runtime] = Queue()
        for counter in counters:
            self._free.put(counter)
        self._per_second = per_second
        self._random = random.Random(11)  # noqa: S311 - the same in every run

    def run(self, ended: Event) -> None:
        """Let them come, as customers do: independently of each other."""
        with ThreadPoolExecutor(50) as visits:
            number = 0
            while not ended.wait(self._random.expovariate(self._per_second)):
                visits.submit(self.visit, number)
                number += 1

    def look(self, number: int) -> bool:
        """A customer asks for the price: no process is cold after that."""
        name = f"visitor-{number:03}"
        return (
            self._answer("POST /v1/accounts/{account}/checkout/preview", name, f"look-{number}")["statusCode"] == 200
        )

    def visit(self, number: int) -> None:
        """One customer buys five seats more."""
        begun = monotonic()
        answer = self._answer(
            "POST /v1/accounts/{account}/checkout", f"visitor-{number % VISITORS:03}", f"buy-{number}"
        )
        assert answer["statusCode"] == 201, answer
        self.waited.append(monotonic() - begun)
        self.bought += json.loads(answer["body"])["status"] == "complete"

    def _answer(self, what: str, name: str, key: str) -> Any:
        [asked] = [each for each in self._account.template.routes if f"{each.method} {each.path}" == what]
        call = Call(
            asked.method, asked.path.format(account=name), json.dumps(FIVE_SEATS), {"Idempotency-Key": key}, STAFF
        )
        counter = self._free.get()
        try:
            answer = counter.invoke(http_event(asked, call, {"account": name}, MACHINE()))
        finally:
            self._free.put(counter)
        assert not answer.failed, answer.payload
        return answer.payload


def prepare(invoices: int) -> tuple[Account, list[dict[str, str]]]:
    """So many accounts whose second invoice was just drawn, and some that only visit."""
    account = Account(MACHINE() - timedelta(days=32), rates=RATES)
    account.opens()
    names = [f"customer-{n:05}" for n in range(invoices)]
    with click.progressbar(
        [*names, *(f"visitor-{n:03}" for n in range(VISITORS))], label="customers", file=sys.stderr
    ) as bar:
        jobs = []
        for name in bar:
            account.now += timedelta(seconds=1)  # as slowly as Stripe's limits ask for
            account.joins(name)
            if name in names:
                jobs.append(account.subscribes(name))
    account.stripe.webhooks()
    account.live = True
    batches = [jobs[start : start + 10] for start in range(0, len(jobs), 10)]
    with click.progressbar(batches, label="invoices ", file=sys.stderr) as bar:
        for each in bar:
            account.renews(each)
    return account, jobs


@contextmanager
def processes(account: Account, name: str, count: int, address: str) -> Iterator[list[Runtime]]:
    """So many warm processes of a function."""
    function = account.template.functions[name]
    with ExitStack() as stack:
        yield [stack.enter_context(closing(Runtime(function, environment(address)))) for _ in range(count)]


@contextmanager
def going_on(*runs: Callable[[Event], None]) -> Iterator[None]:
    """Things that go on side by side until the block ends."""
    ended = Event()
    threads = [Thread(target=run, args=(ended,)) for run in runs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def burst(account: Account, address: str, paid: dict[str, str], per_second: float) -> Shop:
    """The sweep finds everything; it is over when the queue is empty."""
    workers = int(account.template.functions["ChargesWorkFunction"].environment["CHARGE_WORKERS"])
    with (
        processes(account, "ChargesWorkFunction", workers, address) as charging,
        processes(account, "CheckoutFunction", COUNTERS, address) as counters,
    ):
        shop, lock = Shop(account, counters, per_second), Lock()
        with ThreadPoolExecutor() as pool:  # none is cold when it begins
            warm = [pool.submit(each.invoke, batch("ChargeQueue", [paid], account.now)) for each in charging]
            warm += [pool.submit(shop.look, n) for n in range(COUNTERS)]
        assert all(each.result() for each in warm)
        pollers = [Poller(account, runtime, lock) for runtime in charging]
        with going_on(shop.run, *(poller.run for poller in pollers)):
            queued = left = account.invoke("ChargesSweepFunction", {})
            with click.progressbar(length=queued, label="charges  ", file=sys.stderr) as bar:
                while left:
                    Event().wait(0.2)
                    before, left = left, len(account.queues.messages("ChargeQueue"))
                    bar.update(before - left)
    return shop


def told(account: Account, busy: Busy, shop: Shop, jobs: list[dict[str, str]]) -> list[str]:
    """Print what came of it; answer what is not as it should be."""
    share = RATE * int(account.template.functions["ChargesWorkFunction"].environment["AUTOMATIC_SHARE"]) / 100
    asked = busy.asked()
    refused = [each.interactive for each in asked if each.refused]
    begun = [each.at for each in asked if not each.interactive and not each.refused]
    seconds = begun[-1] - begun[0]
    held = (len(begun) - 1) / seconds
    together = sum(begun[0] <= each.at < begun[-1] for each in asked) / seconds
    waits = quantiles(shop.waited, n=100)
    events = [json.loads(webhook.body) for webhook in account.stripe.webhooks()]
    paid = [each["data"]["object"]["metadata"] for each in events if each["type"] == "payment_intent.succeeded"]
    times = Counter((each["account"], each["invoice"]) for each in paid)
    unpaid = [
        bill.id
        for job in jobs
        for bill in queries.invoices(job["account"]).items
        if bill.status != InvoiceStatus.PAID
    ]
    lines = {
        "charges": f"{len(begun):,} in {seconds:.1f} s: {held:.2f} a second, {held / share:.1%} of their {share:g}",
        "with the checkouts": f"{together:.2f} a second, {together / RATE:.1%} of the {RATE}",
        "turned away (429)": f"{len(refused)} of {len(asked):,}, {sum(refused)} of them checkouts",
        "checkouts meanwhile": f"{len(shop.waited)}, {shop.bought} paid at once; "
        f"p50 {waits[49]:.2f} s, p99 {waits[98]:.2f} s, longest {max(shop.waited):.2f} s",
        "charged twice": sum(each > 1 for each in times.values()),
        "not paid in the end": len(unpaid),
    }
    for what, figures in lines.items():
        print(f"{what:<22}{figures}")
    wrong = {
        "the rate is not held": held / share < TARGET_HELD,
        "too much is turned away": len(refused) / len(asked) > TARGET_REFUSED,
        "somebody is charged twice": max(times.values()) > 1,
        "something is not paid": bool(unpaid) or len(times) < len(jobs) + shop.bought,
    }
    return [sentence for sentence, is_so in wrong.items() if is_so]


@click.command(help=__doc__)
@click.option("--invoices", default=2000, show_default=True, help="How many fall due.")
@click.option("--checkouts", default=4.0, show_default=True, help="How many customers check out in a second.")
def main(invoices: int, checkouts: float) -> None:
    """Prepare, let the night come, and tell."""
    account, jobs = prepare(invoices)
    busy = Busy(account)
    with served(busy.answer) as address:
        shop = burst(account, address, jobs[0], checkouts)
    wrong = told(account, busy, shop, jobs)
    if wrong:
        raise SystemExit("Not as it should be: " + "; ".join(wrong))


if __name__ == "__main__":
    main()
