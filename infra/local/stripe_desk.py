"""What stands between a caller and a Stripe account: rate limits, idempotency keys, errors that a test asked for."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import takewhile
from threading import Lock
from typing import Any, NamedTuple

from infra.local.stripe_requests import CALLS, Refusal, check_call

KEYS_ARE_KEPT = timedelta(hours=24)
WHERE = {
    "POST /v1/payment_intents": "stripe.create",
    "POST /v1/payment_intents/{intent}/confirm": "stripe.confirm",
    "POST /v1/payment_intents/{intent}/cancel": "stripe.cancel",
    "GET /v1/payment_intents/{intent}": "stripe.get",
    "GET /v1/payment_intents": "stripe.list",
    "POST /v1/refunds": "stripe.refund",
}
EVERYTHING = "everything"
RATES = dict.fromkeys(CALLS, 25) | {EVERYTHING: 100}
"""How many calls a second Stripe allows a live account, of each endpoint and of all together."""
# What can be made to go wrong inside Stripe: before the call is looked at, or while it is carried out.
TURNED_AWAY = ("throttled", "conflict")
BROKEN = ("error_500_before", "error_500_after")


class Answer(NamedTuple):
    """What comes back for one call."""

    status: int
    headers: dict[str, str]
    body: bytes


class Request(NamedTuple):
    """One call, decoded but not yet checked."""

    endpoint: str
    object_id: str
    path: str
    params: dict[str, Any]
    key: str | None  # the idempotency key of a POST
    request_id: str

    @property
    def where(self) -> str:
        """What kind of call it is, in the words of faults."""
        return WHERE.get(self.endpoint, "stripe.other")


class Kept(NamedTuple):
    """What an idempotency key was first used for, and the answer once there is one."""

    request: Request
    at: datetime
    answer: Answer | None


class Bucket:
    """So many calls a second: the tokens of one second at most, one taken for each call."""

    def __init__(self, rate: int, now: datetime) -> None:
        self._rate = rate
        self._left = float(rate)
        self._at = now

    def holds(self, now: datetime) -> bool:
        """Whether there is a token."""
        self._left = min(self._rate, self._left + self._rate * max(0.0, (now - self._at).total_seconds()))
        self._at = max(self._at, now)
        return self._left >= 1

    def take(self) -> None:
        """One call less."""
        self._left -= 1


class Desk:
    """Counts the calls, turns some away and remembers the keys of the others; for many threads at once.

    Its lock is never held while a call is carried out.
    """

    def __init__(self, rates: Mapping[str, int]) -> None:
        self.calls: Counter[str] = Counter()
        self.limited: Counter[str] = Counter()
        self._rates = rates
        self._buckets: dict[str, Bucket] = {}
        self._lock = Lock()
        self._kept: dict[str, Kept] = {}
        self._faults: list[tuple[str, str]] = []

    def fail_next(self, where: str, how: str, times: int) -> None:
        """Let the next calls of a kind go wrong."""
        if where not in (*WHERE.values(), "stripe.other") or how not in (*TURNED_AWAY, *BROKEN):
            raise ValueError(f"no fault {how!r} at {where!r}")
        with self._lock:
            self._faults += [(where, how)] * times

    def admit(self, request: Request, now: datetime | None) -> None:
        """Count the call, and turn it away if there are too many or a test asked for that."""
        with self._lock:
            self.calls[request.endpoint] += 1
            if now and (reason := self._too_many(request.endpoint, now)):
                self.limited[request.endpoint] += 1
                raise _throttled(reason)
        if how := self._take_fault(request.where, TURNED_AWAY):
            raise _throttled("global-rate") if how == "throttled" else _key_in_use()

    def breaks(self, request: Request) -> str | None:
        """How the call breaks off while it is carried out, if a test asked for that."""
        return self._take_fault(request.where, BROKEN)

    def begin(self, key: str, request: Request, now: datetime) -> tuple[Answer | None, dict[str, Any]]:
        """The answer that was kept under the key; else the key is in use now, for these checked parameters.

        What never began to be carried out leaves no trace: wrong parameters, a key in use.
        """
        with self._lock:
            self._forget_old(now)
            if kept := self._kept.get(key):
                return _replay(kept, request), {}
            params = check_call(request.endpoint, request.params)
            self._kept[key] = Kept(request, now, None)
            return None, params

    def keep(self, key: str, answer: Answer) -> Answer:
        """The answer as it was given first, kept under its key."""
        with self._lock:
            kept = self._kept[key]
            headers = {"Idempotency-Key": key, "Original-Request": kept.request.request_id}
            answer = answer._replace(headers=headers)
            self._kept[key] = kept._replace(answer=answer)
        return answer

    def forget(self, key: str) -> None:
        """There was no answer, so there is nothing to keep."""
        with self._lock:
            del self._kept[key]

    def _too_many(self, endpoint: str, now: datetime) -> str | None:
        """Which limit the call is beyond, if any; a call that is not takes a token of each."""
        places = {"global-rate": EVERYTHING, "endpoint-rate": endpoint}
        known = {reason: place for reason, place in places.items() if place in self._rates}
        for place in known.values():
            self._buckets.setdefault(place, Bucket(self._rates[place], now))
        for reason, place in known.items():
            if not self._buckets[place].holds(now):
                return reason
        for place in known.values():
            self._buckets[place].take()
        return None

    def _forget_old(self, now: datetime) -> None:
        """Forget what is 24 hours old; the keys stand in the order they came."""
        old = list(takewhile(lambda item: now - item[1].at >= KEYS_ARE_KEPT, self._kept.items()))
        for key, kept in old:
            if kept.answer:
                del self._kept[key]

    def _take_fault(self, where: str, kinds: tuple[str, ...]) -> str | None:
        with self._lock:
            for place, how in self._faults:
                if place == where and how in kinds:
                    self._faults.remove((place, how))
                    return how
        return None


def render(status: int, value: dict[str, Any]) -> Answer:
    """An answer that holds an object."""
    return Answer(status, {}, json.dumps(value, separators=(",", ":")).encode())


def refuse(refusal: Refusal) -> Answer:
    """An answer that says why not."""
    return render(refusal.status, {"error": refusal.error})._replace(headers=refusal.headers)


def broken() -> Answer:
    """A 500."""
    return render(500, {"error": {"message": "An unknown error occurred.", "type": "api_error"}})


def _replay(kept: Kept, request: Request) -> Answer:
    """The kept answer, if it is asked for with what it was first asked for."""
    first = kept.request
    if (first.path, first.params) != (request.path, request.params):
        what = "parameters" if first.path == request.path else "endpoint"
        sentence = f"Keys for idempotent requests are for the same {what} they were first used with."
        raise Refusal(400, sentence, "idempotency_error")
    if kept.answer is None:
        raise _key_in_use()
    return kept.answer._replace(headers=kept.answer.headers | {"Idempotent-Replayed": "true"})


def _throttled(reason: str) -> Refusal:
    refusal = Refusal(429, "Request rate limit exceeded.", code="rate_limit")
    refusal.headers["Stripe-Rate-Limited-Reason"] = reason
    return refusal


def _key_in_use() -> Refusal:
    sentence = "There is currently another in-progress request using this idempotency key."
    return Refusal(409, sentence, "idempotency_error", code="idempotency_key_in_use")
