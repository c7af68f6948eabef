"""Faults on purpose: the next n calls of a kind crash, get lost, are throttled or come late.

``where`` and ``how`` are the words of a story's ``fault`` step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

WHERE = (
    "store.get", "store.query", "store.commit", "queue.send", "queue.delete", "stripe.create", "stripe.confirm",
    "stripe.get", "stripe.list", "stripe.cancel", "stripe.refund", "webhook",
)  # fmt: skip
HOW = (
    "crash_before", "crash_after", "request_lost", "answer_lost", "throttled", "error_500_before", "error_500_after",
    "conflict", "late",
)  # fmt: skip


class Crash(BaseException):
    """The function died here: no ``except Exception`` of the product may see it."""


@dataclass
class Armed:
    """A fault that waits for its calls."""

    where: str
    how: str
    times: int
    after: int = 0
    struck: bool = False


@dataclass(frozen=True)
class Ways:
    """How the faults of a service look to its client; the calls made meanwhile are the service's own."""

    lost: Callable[[], Any]  # raises what a broken line raises
    throttled: Callable[[], Any]  # answers or raises
    broken: Callable[[], Any]  # a 500
    conflict: Callable[[], Any]


class Faults:
    """What is armed, and where it strikes."""

    def __init__(self, later: Callable[[Callable[[], Any]], None]) -> None:
        self._armed: list[Armed] = []
        self._later = later  # do this when the client has long given up

    def arm(self, where: str, how: str, times: int = 1, after: int = 0) -> Armed:
        """Let the next calls of a kind fail, ``after`` so many that do not."""
        assert where in WHERE
        assert how in HOW
        self._armed.append(Armed(where, how, times, after))
        return self._armed[-1]

    def take(self, where: str) -> str | None:
        """How the call that is made now fails, if it does."""
        for armed in self._armed:
            if armed.where == where and armed.after > 0:
                armed.after -= 1
                return None
            if armed.where == where and armed.times > 0:
                armed.times -= 1
                armed.struck = True
                return armed.how
        return None

    def around(self, where: str, call: Callable[[], T], ways: Ways) -> T:
        """Make a call, with the fault that is armed for it."""
        how = self.take(where)
        return call() if how is None else self.strike(how, where, call, ways)

    def strike(self, how: str, where: str, call: Callable[[], T], ways: Ways) -> T:
        """Make a call that fails in a certain way."""
        if how == "crash_before":
            raise Crash(where)
        if how == "late":
            self._later(call)
        if how in ("request_lost", "late"):
            return ways.lost()  # type: ignore[no-any-return]
        if how in ("throttled", "error_500_before", "conflict"):
            way = {"throttled": ways.throttled, "error_500_before": ways.broken}.get(how, ways.conflict)
            return way()  # type: ignore[no-any-return]
        call()
        if how == "crash_after":
            raise Crash(where)
        way = ways.lost if how == "answer_lost" else ways.broken
        return way()  # type: ignore[no-any-return]
