"""How fast Stripe is asked: never faster than the charges may, and with a little patience after a 429."""

import math
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import stripe

from functions import charges
from infra.local import template
from infra.local.invocations import sqs_event
from infra.local.queues import Message
from shared.edge import clock, pace
from shared.payments import line
from shared.store.record import Record
from tests.world import World

MIDNIGHT = datetime(2026, 2, 25, 5, tzinfo=UTC)  # of New York, on which the second period begins
WORKER = template.read().functions["ChargesWorkFunction"]
WORKERS = int(WORKER.environment["CHARGE_WORKERS"])
STEP = timedelta(seconds=0.25)
ONE_SEAT = {"items": [{"price": "sales-seat"}]}


class Machine:
    """A clock that goes on by what was slept, and by nothing else."""

    def __init__(self):
        self.now = MIDNIGHT
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    monkeypatch.setattr(clock, "source", lambda: machine.now)
    monkeypatch.setattr(clock, "sleep", machine.sleep)
    for name, value in WORKER.environment.items():
        monkeypatch.setenv(name, value)
    return machine


def begun(machine, turns, count):
    """When so many charges of a worker begin."""
    begun = []
    for _ in range(count):
        turns.take()
        begun.append(machine.now)
    return begun


# -- turns -------------------------------------------------------------------------------------------------


def test_the_charges_have_four_fifths_of_what_stripe_takes(machine):
    assert pace.per_second() == 20
    assert pace.per_sweep() == 16_000, "800 s of it; the next sweep comes after 900 s"


def test_each_worker_begins_its_share_evenly(machine):
    moments = begun(machine, pace.Turns(), 200)
    assert {after - before for before, after in pairwise(moments)} == {STEP}, "four a second, five workers"
    assert WORKERS / STEP.total_seconds() == pace.per_second()


def test_another_limit_and_another_share_make_another_pace(machine, monkeypatch):
    monkeypatch.setenv("STRIPE_REQUESTS_PER_SECOND", "100")
    monkeypatch.setenv("AUTOMATIC_SHARE", "50")
    assert (pace.per_second(), pace.per_sweep()) == (50, 40_000)
    moments = begun(machine, pace.Turns(), 50)
    assert moments[-1] - moments[-11] == timedelta(seconds=1)


def test_the_wait_for_the_last_answers_of_a_batch_is_made_up_for(machine):
    turns = pace.Turns()
    first = begun(machine, turns, 25)
    machine.now += 3 * STEP  # until the worker gets its next batch
    second = begun(machine, turns, 25)
    assert second[-1] - first[-1] == 25 * STEP, "as if there had been no wait"


def test_what_was_missed_long_ago_is_not_made_up_for(machine):
    turns = pace.Turns()
    begun(machine, turns, 25)
    machine.now += timedelta(minutes=15)
    moments = begun(machine, turns, 25)
    assert {after - before for before, after in pairwise(moments)} == {STEP}


def test_a_clock_that_is_set_back_holds_nobody_up(machine):
    turns = pace.Turns()
    begun(machine, turns, 25)
    machine.now -= timedelta(hours=1)
    machine.slept.clear()
    begun(machine, turns, 4)
    assert max(machine.slept) <= STEP.total_seconds()


def test_a_backlog_goes_out_no_faster_than_the_limit(machine):
    """Five workers with full batches, as after an hour in which Stripe was down."""
    moments = []
    for _ in range(WORKERS):
        machine.now = MIDNIGHT
        turns = pace.Turns()
        for _ in range(8):
            moments += begun(machine, turns, 25)
            machine.now += timedelta(seconds=0.9)
    for seconds in (2, 10, 40):
        most = max(
            sum(moment - timedelta(seconds=seconds) < each <= moment for each in moments) for moment in moments
        )
        assert most <= pace.per_second() * (seconds + 1), "and what a second left is made up for once"


# -- many answers at once ----------------------------------------------------------------------------------


def charging(world, *accounts):
    """One batch of the charge queue, its invoices just drawn: a message for each account."""
    bills = {account: world.invoices(account)[-1]["id"] for account in accounts}
    return sqs_event("ChargeQueue", [
        Message(account, f'{{"kind": "invoice", "account": "{account}", "id": "{bill}"}}', MIDNIGHT, MIDNIGHT, 1)
        for account, bill in bills.items()
    ])  # fmt: skip


@pytest.fixture
def owing(request, monkeypatch):
    """Accounts whose second invoice is drawn; nobody has collected it yet, and a new worker is about to."""
    monkeypatch.setattr(charges, "turns", pace.Turns())
    world = World().sells()
    world.names = [f"customer-{n}" for n in range(getattr(request, "param", 1))]
    for name in world.names:
        world.account(name).subscribed(account=name)
    world.suddenly(MIDNIGHT.isoformat())
    world.cloud.invoke("RolloverSweepFunction", {})
    for mapping in world.cloud.template.mappings:
        while mapping.function == "RolloverWorkFunction" and (
            messages := world.cloud.queues.receive(mapping.queue, 10)
        ):
            world.cloud.invoke(mapping.function, sqs_event(mapping.queue, messages))
    return world


@pytest.mark.parametrize("owing", [25], indirect=True)
def test_a_batch_takes_about_as_long_as_one_slow_answer(owing, monkeypatch):
    """Every answer is held back until all 25 are waited for."""
    monkeypatch.setenv("WORKER_THREADS", WORKER.environment["WORKER_THREADS"])
    all_asked = threading.Barrier(25, timeout=30)

    def slow(where, call):
        if where == "stripe.create":
            all_asked.wait()
        return call()

    stripe.default_http_client.fault = slow
    assert owing.cloud.invoke("ChargesWorkFunction", charging(owing, *owing.names)) == {"batchItemFailures": []}
    assert {bill["status"] for name in owing.names for bill in owing.invoices(name)} == {"paid"}


def test_every_thread_of_a_worker_keeps_its_connection_to_the_table():
    for function in template.read().functions.values():
        many = [int(function.environment.get(each, "1")) for each in ("WORKER_THREADS", "SIDE_BY_SIDE")]
        assert math.prod(many) <= Record.Meta.max_pool_connections, function.name
    threads = int(WORKER.environment["WORKER_THREADS"])
    [batch] = {mapping.batch_size for mapping in template.read().mappings if mapping.function == WORKER.name}
    assert batch == threads


# -- 429 ---------------------------------------------------------------------------------------------------


def asked(world):
    return world.cloud.stripe.calls["POST /v1/payment_intents"]


@pytest.mark.parametrize("times", range(pace.TRIES))
def test_a_worker_that_is_turned_away_asks_again_after_a_moment(owing, times, monkeypatch):
    pauses = []
    monkeypatch.setattr(clock, "sleep", pauses.append)
    owing.cloud.faults.arm("stripe.create", "throttled", times)
    before = asked(owing)
    assert owing.cloud.invoke("ChargesWorkFunction", charging(owing, "customer-0")) == {"batchItemFailures": []}
    assert [bill["status"] for bill in owing.invoices("customer-0")] == ["paid", "paid"]
    assert asked(owing) - before == times + 1
    assert len(pauses) == times
    assert all(0 < pause <= 1 for pause in pauses)


def test_what_is_turned_away_to_the_last_is_left_to_its_timer(owing):
    owing.cloud.faults.arm("stripe.create", "throttled", pace.TRIES)
    failed = {"batchItemFailures": [{"itemIdentifier": "customer-0"}]}
    assert owing.cloud.invoke("ChargesWorkFunction", charging(owing, "customer-0")) == failed
    assert [bill["status"] for bill in owing.invoices("customer-0")] == ["paid", "open"]
    owing.on("2026-02-25T05:30:00Z")
    assert [bill["status"] for bill in owing.invoices("customer-0")] == ["paid", "paid"]


def test_f33_the_clock_is_asked_before_a_key_is_sent_again(owing, monkeypatch):
    """A pause that lasts until the key is 20 hours old: nothing is sent with it any more."""
    owing.cloud.faults.arm("stripe.create", "throttled")
    before = asked(owing)
    monkeypatch.setattr(clock, "sleep", lambda _: owing.suddenly("2026-02-26T01:00:00Z"))
    owing.cloud.invoke("ChargesWorkFunction", charging(owing, "customer-0"))
    assert asked(owing) - before == 1
    assert owing.cloud.stripe.calls["GET /v1/payment_intents"] > 0, "it was looked for in its place"


@pytest.mark.parametrize("how", ["request_lost", "conflict", "error_500_before"])
def test_nothing_else_is_asked_again_at_once(owing, how):
    owing.cloud.faults.arm("stripe.create", how)
    before = asked(owing)
    owing.cloud.invoke("ChargesWorkFunction", charging(owing, "customer-0"))
    assert asked(owing) - before == (0 if how == "request_lost" else 1)


@pytest.mark.parametrize(("times", "status", "tries"), [(0, "complete", 1), (1, "complete", 2), (2, "open", 2)])
def test_who_waits_for_an_answer_gets_one_second_try(times, status, tries):
    world = World().sells()
    world.cloud.faults.arm("stripe.create", "throttled", times)
    reply = world.call("POST", "/accounts/acme/checkout", ONE_SEAT)
    assert (reply.status, reply.json["status"], asked(world)) == (201, status, tries)


def test_a_batch_is_done_before_its_time_is_up():
    """Even where each request takes as long as one may and the last try is the one that succeeds."""
    turns = 25 * STEP
    tries = pace.TRIES * timedelta(seconds=line.TIMEOUT_SECONDS) + (pace.TRIES - 1) * timedelta(seconds=1)
    assert turns + tries < WORKER.timeout
