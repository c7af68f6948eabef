"""Warnings at 75, 90 and 98 %, and armed again at an update date: each once, whatever dies, doubles or overtakes."""

import pytest

from infra.local.invocations import sqs_event
from shared.store import contacts, queries
from tests.edge.contact_world import COUNT, TOLD, ContactWorld, named

NIGHTS = [("2026-04-28", 8, 75), ("2026-04-29", 9, 90), ("2026-04-30", 10, 98), ("2026-05-01", 5, None),
          ("2026-05-02", 8, 75), ("2026-05-03", 8, None)]  # fmt: skip
"""Each day, what is counted on it of ten that the tier holds, and what is told then."""
ASKED = {
    "2026-04-27": {"marketing": named(8)},
    "2026-04-28": {"marketing": ["ann"]},
    "2026-04-29": {"marketing": ["bob"]},
    "2026-04-30": {"non_marketing": named(5)},
    "2026-05-01": {"marketing": ["cyd", "dan", "eve"]},
    "2026-05-02": {},
}
"""What is asked for on the day before each of those nights; 1 May is an update date, and arms the warnings again."""


EXPECTED = (
    [(day, count) for day, count, _ in NIGHTS],
    [(day, threshold) for day, _, threshold in NIGHTS if threshold],
)


def played(night):
    """What was counted and what was told, with each night as it is given."""
    world = ContactWorld("2026-04-27T12:00:00Z", term="year")
    for body, (day, *_) in zip(ASKED.values(), NIGHTS, strict=True):
        if body:
            world.batch(**body)
        night(world, day)
        world.on(f"{day}T12:00:00Z")
    assert world.told(*TOLD[1:], "alarm.raised") == []
    counted = [(event["day"], event["marketing"]) for event in world.told(COUNT)]
    return counted, [(event["day"], event["threshold"]) for event in world.told(TOLD[0])]


def test_r94_d10_each_warning_is_told_once_and_once_more_after_the_update_date():
    assert played(lambda *_: None) == EXPECTED


@pytest.mark.parametrize(
    ("where", "how"),
    [
        ("store.commit", "crash_before"), ("store.commit", "crash_after"), ("store.commit", "conflict"),
        ("store.commit", "answer_lost"), ("store.query", "crash_after"), ("store.get", "throttled"),
        ("queue.send", "crash_after"), ("queue.delete", "crash_after"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("times", [1, 2, 3])
def test_r94_d10_each_warning_is_told_once_whatever_dies_each_night(where, how, times):
    def night(world, day):
        world.cloud.faults.arm(where, how, times)
        world.on(f"{day}T12:00:00Z")
        while world.cloud.faults.take(where):
            pass  # what a night has not met is not kept for the day

    assert played(night) == EXPECTED


def test_r94_d10_each_warning_is_told_once_by_messages_that_come_twice():
    def night(world, day):
        world.suddenly(f"{day}T04:15:00Z")
        assert [world.cloud.invoke("RecountSweepFunction", {}) for _ in range(2)] == [1, 1]

    assert played(night) == EXPECTED


@pytest.mark.parametrize("moment", ["live", "alive_subscriptions"])
def test_r94_d10_each_warning_is_told_once_by_two_workers_side_by_side(moment):
    """Each night another one counts and concludes while this one has counted and is about to."""
    where = contacts if moment == "live" else queries
    real, overtaken = getattr(where, moment), []

    def night(world, day):
        world.suddenly(f"{day}T04:15:00Z")
        for _ in range(2):
            world.cloud.invoke("RecountSweepFunction", {})
        first, second = world.cloud.queues.receive("RecountQueue", 10)
        calls = []

        def asked(*args):
            calls.append(args)
            if len(calls) == (2 if moment == "live" else 1):
                overtaken.append(day)
                world.cloud.invoke("RecountWorkFunction", sqs_event("RecountQueue", [second]))
            return real(*args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(where, moment, asked)
            world.cloud.invoke("RecountWorkFunction", sqs_event("RecountQueue", [first]))

    assert played(night) == EXPECTED
    assert overtaken == [day for day, *_ in NIGHTS]
