"""Work that takes longer than a function may run: page by page, each once, and never lost."""

import json

import pytest

from infra.local.invocations import Context, sqs_event
from infra.local.queues import Message
from shared.edge import relay
from tests.world import World


class Clock(Context):
    """An invocation with time for so many pages."""

    def __init__(self, pages):
        self.aws_request_id = "invocation"
        self.pages = pages

    def get_remaining_time_in_millis(self):
        self.pages -= 1
        return relay.ENOUGH_MILLISECONDS + (1 if self.pages >= 0 else 0)


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setenv("RECONCILE_QUEUE_URL", "ReconcileQueue")
    return World()


def waiting(world):
    """The messages in the queue."""
    return [json.loads(message.body) for message in world.cloud.queues.messages("ReconcileQueue")]


def work(world, task, pages, message):
    """What comes back of a message, with time for so many pages."""
    queued = Message("message", json.dumps(message), world.cloud.now, world.cloud.now, 1)
    answer = relay.work(sqs_event("ReconcileQueue", [queued]), Clock(pages), {"count": task})
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def count_to(last, done):
    """A task of pages 0 to ``last``."""

    def count(about, after):
        page = int(after or 0)
        done.append((about["of"], page))
        return str(page + 1) if page < last else None

    return count


def test_every_part_of_a_task_is_queued(world):
    parts = [{"of": n} for n in range(23)]
    assert relay.begin("count", parts) == 23
    assert waiting(world) == [{"task": "count", "about": part, "after": None} for part in parts]
    assert relay.begin("count", []) == 0


def test_with_time_enough_all_pages_are_done(world):
    done = []
    assert work(world, count_to(4, done), 100, {"task": "count", "about": {"of": "x"}, "after": None}) == []
    assert done == [("x", page) for page in range(5)]
    assert waiting(world) == []


@pytest.mark.parametrize("pages", [1, 2, 3, 4])
def test_what_is_left_when_the_time_runs_out_goes_on_in_another_message(world, pages):
    done, message, invocations = [], {"task": "count", "about": {"of": "x"}, "after": None}, 0
    while message:
        assert work(world, count_to(6, done), pages, message) == []
        invocations += 1
        [message] = waiting(world) or [None]
        world.cloud.queues._queues["ReconcileQueue"].messages.clear()
    assert done == [("x", page) for page in range(7)], "each page once"
    assert invocations == -(-7 // pages)


def test_a_page_that_fails_brings_its_message_back(world):
    def fail(about, after):
        raise RuntimeError("Stripe does not answer")

    assert work(world, fail, 3, {"task": "count", "about": {}, "after": "7"}) == ["message"]
    assert waiting(world) == []


def test_a_message_that_cannot_be_sent_brings_the_one_before_back(world):
    """What was done is done again then, which does no harm."""
    world.cloud.faults.arm("queue.send", "error_500_before", times=10)
    assert work(world, count_to(4, []), 2, {"task": "count", "about": {"of": "x"}, "after": None}) == ["message"]
