"""CPU beside waiting: renewing and charging by the real handlers, against the same calls by bare clients.

Every round renews and charges 25 subscriptions, and then sends the requests that
were seen once more: those to the table by a boto3 client and the one to Stripe
by Stripe's own library, with as many threads. What answers is in a process of
its own and does not count. The turns of the charges are left out: nobody waits
for the sake of waiting.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection
from statistics import median
from time import process_time
from typing import Any, NamedTuple

import boto3
import click
import stripe
from botocore.handlers import BUILTIN_HANDLERS

from bench.loopback import MACHINE, Account, batch, environment, served
from infra.local import aws, template
from infra.local.cloud import STRIPE_KEY
from infra.local.invocations import Context
from infra.local.stripe_requests import decode

A_ROUND = 25
LIMIT = 1.5
NAMES = {"table": "both, without Stripe's call"}
_METHODS = {"GetItem": "get_item", "Query": "query", "TransactWriteItems": "transact_write_items"}


class Round(NamedTuple):
    """CPU in milliseconds for one subscription: by the handlers, by bare clients, and what of it is Stripe's call."""

    renewing: tuple[float, float]
    charging: tuple[float, float]
    stripe: float

    @property
    def both(self) -> tuple[float, float]:
        """Renewing and charging."""
        return self.renewing[0] + self.charging[0], self.renewing[1] + self.charging[1]

    @property
    def table(self) -> tuple[float, float]:
        """Both, with Stripe's call left out on either side."""
        return self.both[0] - self.stripe, self.both[1] - self.stripe


class Call(NamedTuple):
    """A request that was seen, as a bare client makes it."""

    to: str
    make: Callable[[], Any]


class Seen:
    """The requests of the handlers, thread by thread, as calls that bare clients can make."""

    def __init__(self, address: str) -> None:
        self.calls: dict[int, list[Call]] = defaultdict(list)
        self.looking = True
        self._table = boto3.client("dynamodb")
        self._stripe = stripe.StripeClient(STRIPE_KEY, base_addresses={"api": address}, max_network_retries=0)
        BUILTIN_HANDLERS.append(("before-send.dynamodb", self._see))
        seen = self

        class Line(stripe.RequestsClient):
            """Stripe's own line, looked at."""

            def request(self, method: str, url: str, headers: Any, post_data: Any = None) -> Any:
                seen.pay(headers, post_data)
                return super().request(method, url, headers, post_data)

        stripe.default_http_client = Line(timeout=20)

    def _see(self, request: Any, **_: Any) -> None:
        if self.looking:
            call = getattr(self._table, _METHODS[aws.operation(request)])
            self._keep(Call("table", partial(call, **json.loads(request.body))))

    def pay(self, headers: Mapping[str, str], form: str) -> None:
        """See a payment being made."""
        if self.looking:
            options = {"idempotency_key": headers["Idempotency-Key"], "stripe_version": headers["Stripe-Version"]}
            self._keep(Call("stripe", partial(self._stripe.v1.payment_intents.create, decode(form), options)))

    def _keep(self, call: Call) -> None:
        self.calls[threading.get_ident()].append(call)

    def taken(self) -> list[list[Call]]:
        """What each thread did since this was last asked."""
        calls, self.calls = self.calls, defaultdict(list)
        return list(calls.values())


def answering(count: int, ready: Connection) -> None:
    """Another process: the account, with so many subscriptions that are due."""
    account = Account(MACHINE() - timedelta(days=32))
    account.opens()
    jobs = []
    with click.progressbar([f"customer-{n:05}" for n in range(count)], label="customers", file=sys.stderr) as names:
        for name in names:
            account.joins(name)
            jobs.append(account.subscribes(name))
    account.live = True
    with served(account.stripe.answer) as address:
        ready.send((address, jobs))
        ready.recv()


def cpu(what: Callable[[], Any]) -> float:
    """Milliseconds of CPU for one of a round's subscriptions."""
    begun = process_time()
    what()
    return (process_time() - begun) * 1000 / A_ROUND


class Handlers:
    """The product's own two workers."""

    def __init__(self) -> None:
        from functions import charges, rollover

        functions = template.read().functions
        self._rollover = partial(rollover.work, context=Context(functions["RolloverWorkFunction"], 1))
        self._charges = partial(charges.work, context=Context(functions["ChargesWorkFunction"], 1))

    def renew(self, jobs: list[dict[str, str]]) -> None:
        """Ten at a time, as the queue hands them over."""
        os.environ["WORKER_THREADS"] = "1"
        for start in range(0, len(jobs), 10):
            done = self._rollover(batch("RolloverQueue", jobs[start : start + 10], MACHINE()))
            assert done == {"batchItemFailures": []}

    def charge(self, jobs: list[dict[str, str]]) -> None:
        """All of a batch at once."""
        os.environ["WORKER_THREADS"] = str(A_ROUND)
        bills = [job | {"kind": "invoice", "id": f"{job['id']}-00001"} for job in jobs]
        assert self._charges(batch("ChargeQueue", bills, MACHINE())) == {"batchItemFailures": []}


def again(threads: list[list[Call]]) -> None:
    """The calls of each thread once more."""

    def one_by_one(calls: list[Call]) -> None:
        for call in calls:
            call.make()

    with ThreadPoolExecutor(len(threads)) as pool:
        list(pool.map(one_by_one, threads))


def a_round(handlers: Handlers, seen: Seen, jobs: list[dict[str, str]]) -> Round:
    """What the handlers cost, and what bare clients cost with the same requests."""
    seen.looking = True
    renewing = cpu(lambda: handlers.renew(jobs))
    renewals = seen.taken()
    charging = cpu(lambda: handlers.charge(jobs))
    charges = seen.taken()
    seen.looking = False
    payments = [[call for call in calls if call.to == "stripe"] for calls in charges]
    assert sum(map(len, payments)) == A_ROUND
    bare = [cpu(partial(again, each)) for each in (renewals, charges, payments)]
    return Round((renewing, bare[0]), (charging, bare[1]), bare[2])


@contextmanager
def unheard() -> Iterator[None]:
    """What the functions log is written, and read by nobody."""
    sys.stdout.flush()
    told, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(told, 1)


def measure(rounds: int, address: str, jobs: list[dict[str, str]]) -> list[Round]:
    """Every round; the first one warms up and does not count."""
    functions = template.read().functions
    for name in ("RolloverWorkFunction", "ChargesWorkFunction"):
        os.environ |= functions[name].environment
    os.environ |= environment(address) | {"STRIPE_REQUESTS_PER_SECOND": "1000000"}
    seen, handlers = Seen(address), Handlers()
    with click.progressbar(range(rounds + 1), label="rounds   ", file=sys.stderr) as bar:
        return [a_round(handlers, seen, jobs[n * A_ROUND : (n + 1) * A_ROUND]) for n in bar][1:]


@click.command(help=__doc__)
@click.option("--rounds", default=15, show_default=True)
def main(rounds: int) -> None:
    """Print what both cost, and their ratio."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=answering, args=((rounds + 1) * A_ROUND, theirs), daemon=True
    )
    process.start()
    address, jobs = ours.recv()
    with unheard():
        measured = measure(rounds, address, jobs)
    ours.send("done")
    process.join()
    print(f"{'CPU ms for a subscription':<28}{'handlers':>10}{'bare':>10}{'ratio':>10}")
    ratios = {}
    for part in ("renewing", "charging", "both", "table"):
        costs = [getattr(each, part) for each in measured]
        ratios[part] = median(handlers / bare for handlers, bare in costs)
        handlers, bare = (median(each) for each in zip(*costs, strict=True))
        print(f"{NAMES.get(part, part):<28}{handlers:>10.2f}{bare:>10.2f}{ratios[part]:>10.2f}")
    if ratios["both"] > LIMIT:
        raise SystemExit(f"More than {LIMIT}.")


if __name__ == "__main__":
    main()
