"""Queued work: only what failed comes back, many at once wait side by side, a sweep leaves nothing out."""

import json
import threading
from types import SimpleNamespace

import pytest

from infra.local import aws
from infra.local.invocations import sqs_event
from infra.local.queues import Message
from shared.edge import jobs, upkeep
from shared.edge.jobs import Job
from tests.world import World

JOBS = [Job("invoice", "acme", f"sub_1-{n:05}") for n in range(1, 9)]


@pytest.fixture
def world():
    return World()


@pytest.fixture
def work(world):
    """Run a batch of jobs; the ids of those that come back."""

    def work(do, give_up=lambda job, error: None, receives=1, queued=JOBS):
        messages = [
            Message(job.id, json.dumps({"kind": job.kind, "account": job.account_id, "id": job.id}),
                    world.cloud.now, world.cloud.now, receives)
            for job in queued
        ]  # fmt: skip
        answer = jobs.work(sqs_event("ChargeQueue", messages), do, give_up)
        assert answer.keys() == {"batchItemFailures"}
        return [item["itemIdentifier"] for item in answer["batchItemFailures"]]

    return work


def failing(*ids):
    """Do nothing, but fail for these."""

    def do(job):
        if job.id in ids:
            raise RuntimeError(f"{job.id} is poison")

    return do


# -- a worker ----------------------------------------------------------------------------------------------


def test_all_that_went_well_is_done(work):
    done = []
    assert work(done.append) == []
    assert done == JOBS


@pytest.mark.parametrize("threads", ["1", "4"])
def test_only_what_failed_comes_back(work, monkeypatch, threads):
    monkeypatch.setenv("WORKER_THREADS", threads)
    assert sorted(work(failing("sub_1-00002", "sub_1-00005"))) == ["sub_1-00002", "sub_1-00005"]
    assert len(work(failing(*(job.id for job in JOBS)))) == len(JOBS), "and the batch itself does not fail"


def test_with_four_threads_four_are_done_at_once(work, monkeypatch):
    monkeypatch.setenv("WORKER_THREADS", "4")
    four = threading.Barrier(4, timeout=10)
    assert work(lambda _: four.wait()) == [], "each waited for three others"


def test_with_one_thread_the_jobs_are_done_one_after_the_other(work, monkeypatch):
    monkeypatch.setenv("WORKER_THREADS", "1")
    at_work = []
    assert work(lambda _: at_work.append(threading.get_ident())) == []
    assert set(at_work) == {threading.get_ident()}


@pytest.mark.parametrize(("receives", "given_up"), [(1, []), (4, []), (5, ["sub_1-00002"]), (6, ["sub_1-00002"])])
def test_what_fails_for_the_fifth_time_is_given_up_and_still_comes_back(work, receives, given_up):
    handed_over = []
    failed = work(failing("sub_1-00002"), lambda job, error: handed_over.append((job, str(error))), receives)
    assert failed == ["sub_1-00002"]
    assert handed_over == [(JOBS[1], "sub_1-00002 is poison") for _ in given_up]


def test_giving_up_may_fail_too_and_harms_nobody_else(work):
    def give_up(job, error):
        raise error

    assert work(failing("sub_1-00002"), give_up, receives=5) == ["sub_1-00002"]


def test_even_what_cannot_be_put_off_harms_nobody_else(world, work, monkeypatch):
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)  # between its own tries

    def give_up(job, error):
        world.cloud.faults.arm("store.commit", "error_500_before", 100)
        raise error

    assert work(failing("sub_1-00002"), give_up, receives=5) == ["sub_1-00002"]


def test_a_message_that_nobody_can_read_comes_back_alone(world):
    now = world.cloud.now
    unreadable = ["", "{", "[]", "null", "{}", '{"kind": "invoice"}']
    messages = [Message(f"message-{n}", body, now, now, 1) for n, body in enumerate(unreadable)]
    fine = Message("fine", json.dumps(JOBS[0]._asdict() | {"account": "acme"}), now, now, 1)
    answer = jobs.work(sqs_event("ChargeQueue", [*messages, fine]), lambda _: None, lambda *_: None)
    assert [item["itemIdentifier"] for item in answer["batchItemFailures"]] == [message.id for message in messages]


def test_a_batch_of_charges_in_threads_pays_every_invoice(monkeypatch):
    """25 accounts renew in one night; the worker of the template has as many threads as its batch has messages."""
    world = World().sells()
    names = [f"customer-{n}" for n in range(25)]
    for name in names:
        world.account(name)
        world.subscribed(account=name)
    monkeypatch.setenv("WORKER_THREADS", "25")
    world.on("2026-02-25T05:00:00Z")
    for name in names:
        assert [invoice["status"] for invoice in world.invoices(name)] == ["paid", "paid"]
    assert world.cloud.stripe.calls["POST /v1/payment_intents"] == 2 * len(names), "each was asked for once"


# -- a sweep -----------------------------------------------------------------------------------------------


@pytest.fixture
def sent(monkeypatch):
    """What is sent to SQS, batch by batch; ``sent.failed`` is what it says that it could not take."""
    sent = SimpleNamespace(batches=[], failed=[])

    def answer(request):
        body = json.loads(request.body)
        sent.batches.append([json.loads(entry["MessageBody"]) for entry in body["Entries"]])
        assert len({entry["Id"] for entry in body["Entries"]}) == len(body["Entries"])
        return aws.response(200, {"Successful": [], "Failed": sent.failed})

    monkeypatch.setitem(aws.answering, "sqs", answer)
    return sent


def start_late(world, count):
    """So many subscriptions that begin on 1 February."""
    for _ in range(count):
        world.subscribed({"price": "sales-seat", "starts_on": "2026-02-01"})
    world.suddenly("2026-02-01T05:00:00Z")


def test_a_sweep_queues_everything_that_is_due_in_batches_of_ten(world, sent):
    world.sells()
    start_late(world, 23)
    assert world.cloud.invoke("RolloverSweepFunction", {"time": "2026-02-01T05:00:00Z"}) == 23
    assert [len(batch) for batch in sent.batches] == [10, 10, 3]
    jobs_sent = [job for batch in sent.batches for job in batch]
    assert {(job["kind"], job["account"]) for job in jobs_sent} == {("subscription", "acme")}
    assert len({job["id"] for job in jobs_sent}) == 23


def test_a_sweep_with_nothing_to_do_sends_nothing(world, sent):
    assert world.cloud.invoke("RolloverSweepFunction", {"time": "2026-02-01T05:00:00Z"}) == 0
    assert sent.batches == []


def test_a_sweep_queues_no_more_than_its_limit_and_the_next_one_goes_on(world, sent, monkeypatch):
    world.sells()
    start_late(world, 5)
    monkeypatch.setenv("SWEEP_LIMIT", "48")  # three of each of the 16 shards; acme's are all in one
    assert world.cloud.invoke("RolloverSweepFunction", {}) == 3


def test_a_sweep_of_charges_queues_no_more_than_are_charged_before_the_next_one(world, sent, monkeypatch):
    world.sells()
    start_late(world, 5)
    subscriptions = world.call("GET", "/accounts/acme/subscriptions").json["items"]
    for subscription in subscriptions:
        upkeep.current("acme", subscription["id"], world.cloud.now)
    monkeypatch.setenv("STRIPE_REQUESTS_PER_SECOND", "1")
    monkeypatch.setenv("AUTOMATIC_SHARE", "6")  # 48 in 800 s: three of each of the 16 shards
    assert world.cloud.invoke("ChargesSweepFunction", {}) == 3
    monkeypatch.setenv("STRIPE_REQUESTS_PER_SECOND", "2")
    assert world.cloud.invoke("ChargesSweepFunction", {}) == 5, "all"


def test_a_message_that_is_not_queued_fails_the_sweep(world, sent):
    world.sells()
    start_late(world, 2)
    sent.failed = [{"Id": "1", "SenderFault": False, "Code": "InternalError"}]
    with pytest.raises(RuntimeError, match="1 messages were not queued"):
        world.cloud.invoke("RolloverSweepFunction", {})


def test_a_lost_message_is_found_by_the_next_sweep(monkeypatch):
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)  # between its own tries
    world = World().sells()
    subscription = world.subscribed({"price": "sales-seat", "starts_on": "2026-02-01"})
    world.cloud.faults.arm("queue.send", "request_lost", 1000)
    world.on("2026-02-01T05:15:00Z")
    assert [invoice["subscription"] for invoice in world.invoices()] == []
    while world.cloud.faults.take("queue.send"):
        pass
    world.on("2026-02-01T05:30:00Z")
    assert [(bill["subscription"], bill["status"]) for bill in world.invoices()] == [(subscription, "paid")]
