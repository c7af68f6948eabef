"""A stand-in for Stripe: its HTTP API as the published reference has it, in memory, with a calendar in hand.

``Stripe.answer`` takes one call through what surrounds every endpoint: the API key, idempotency keys that are
kept for 24 hours, errors that a test asked for. ``InProcess`` and ``serve`` put it under the real ``stripe``
library, without and with a socket. Two runs of the same calls give the same bytes.

Import it as ``infra.local.stripe``; with ``infra/local`` itself on the path it would hide the library.
"""

import base64
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, takewhile
from threading import Lock, RLock, Thread
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import stripe as library

from infra.local import stripe_objects as objects
from infra.local.stripe_account import OUTSIDE, Account
from infra.local.stripe_endpoints import HANDLERS, confirm_payment_intent, confirm_setup_intent
from infra.local.stripe_requests import Refusal, check_call, decode, route

KEYS_ARE_KEPT = timedelta(hours=24)
WHERE = {
    "POST /v1/payment_intents": "stripe.create",
    "POST /v1/payment_intents/{intent}/confirm": "stripe.confirm",
    "POST /v1/payment_intents/{intent}/cancel": "stripe.cancel",
    "GET /v1/payment_intents/{intent}": "stripe.get",
    "GET /v1/payment_intents": "stripe.list",
    "POST /v1/refunds": "stripe.refund",
}
# What can be made to go wrong inside Stripe: before the call is looked at, or while it is carried out.
TURNED_AWAY = ("throttled", "conflict")
BROKEN = ("error_500_before", "error_500_after")


class Answer(NamedTuple):
    """What comes back for one call."""

    status: int
    headers: dict[str, str]
    body: bytes


class Webhook(NamedTuple):
    """One event on its way to the webhook endpoint."""

    event_id: str
    type: str
    body: bytes
    headers: dict[str, str]


class Request(NamedTuple):
    """One call, decoded but not yet checked."""

    endpoint: str
    object_id: str
    path: str
    params: dict[str, Any]
    key: str | None  # the idempotency key of a POST
    request_id: str


class Kept(NamedTuple):
    """What an idempotency key was first used for, and the answer once there is one."""

    request: Request
    at: datetime
    answer: Answer | None


class Stripe:
    """One Stripe account and the API in front of it; may be called from many threads."""

    def __init__(self, now: Callable[[], datetime], *, webhook_secret: str = "whsec_local") -> None:  # noqa: S107
        self.calls: Counter[str] = Counter()
        self._now = now
        self._secret = webhook_secret.encode()
        self._account = Account(now)
        self._lock = RLock()  # around the account; the clock may call back
        self._kept: dict[str, Kept] = {}
        self._desk = Lock()  # around keys, faults and counts: never held while a call is carried out
        self._numbers = count(1)
        self._faults: list[tuple[str, str]] = []

    def answer(self, method: str, path_and_query: str, headers: Mapping[str, str], body: str | bytes) -> Answer:
        """Answer one API call."""
        sent = {name.lower(): value for name, value in headers.items()}
        request_id = f"req_{objects.base62(f'request {next(self._numbers)}', 14)}"
        try:
            _authenticate(sent.get("authorization", ""))
            answer = self._answer(_read_request(method, path_and_query, sent, body, request_id))
        except Refusal as refusal:
            answer = _render(refusal.status, {"error": refusal.error})
        common = {
            "Content-Type": "application/json",
            "Request-Id": request_id,
            "Stripe-Version": sent.get("stripe-version", objects.API_VERSION),
        }
        return answer._replace(headers=answer.headers | common)

    def webhooks(self) -> list[Webhook]:
        """Take all events that wait to be delivered, in the order they happened, signed now."""
        with self._lock:
            events, self._account.outbox = self._account.outbox, []
            return [self._sign(event) for event in events]

    def sign(self, body: bytes) -> dict[str, str]:
        """The header of a message that is sent now (again, perhaps)."""
        at = int(self._now().timestamp())
        signature = hmac.digest(self._secret, f"{at}.".encode() + body, hashlib.sha256).hex()
        return {"Stripe-Signature": f"t={at},v1={signature}"}

    def becomes(self, payment_method: str, behaviour: str) -> None:
        """From now on that saved payment method behaves like ``card_ok``, ``card_lost`` or another of BEHAVIOURS."""
        if behaviour not in objects.BEHAVIOURS:
            raise ValueError(f"no behaviour {behaviour!r}: there are {', '.join(objects.BEHAVIOURS)}")
        with self._lock:
            card = self._account.cards[payment_method]
            self._account.cards[payment_method] = card._replace(behaviour=behaviour, attaches=True)

    def pay(self, payment_intent: str, payment_method: str) -> None:
        """The payer confirms a payment in the Payment Element; a decline is theirs to see, and an event."""
        self._confirm_outside(confirm_payment_intent, payment_intent, payment_method)

    def save(self, setup_intent: str, payment_method: str) -> None:
        """The payer saves a payment method in the Payment Element."""
        self._confirm_outside(confirm_setup_intent, setup_intent, payment_method)

    def fail_next(self, where: str, how: str, times: int = 1) -> None:
        """Let the next calls of a kind (``stripe.create`` …) go wrong inside Stripe.

        ``throttled`` (429) and ``conflict`` (409) turn a call away before its idempotency key is looked at.
        ``error_500_before`` breaks it off without effect, ``error_500_after`` with its whole effect; either
        way the 500 is kept under the key and repeated, as Stripe does.
        """
        if where not in (*WHERE.values(), "stripe.other") or how not in (*TURNED_AWAY, *BROKEN):
            raise ValueError(f"no fault {how!r} at {where!r}")
        with self._desk:
            self._faults += [(where, how)] * times

    def _answer(self, request: Request) -> Answer:
        where = WHERE.get(request.endpoint, "stripe.other")
        with self._desk:
            self.calls[request.endpoint] += 1
        if how := self._take_fault(where, TURNED_AWAY):
            raise _throttled() if how == "throttled" else _key_in_use()
        if request.key is None:
            return self._carry_out(request, check_call(request.endpoint, request.params), where)
        return self._once(request, request.key, where)

    def _once(self, request: Request, key: str, where: str) -> Answer:
        """Carry the request out and keep its answer, or give the answer that was kept.

        What never began to be carried out leaves no trace: wrong parameters, a key in use.
        """
        now = self._now()
        with self._desk:
            self._forget_keys(now)
            if kept := self._kept.get(key):
                return _replay(kept, request)
            params = check_call(request.endpoint, request.params)
            self._kept[key] = Kept(request, now, None)
        try:
            answer = self._carry_out(request, params, where)
        except BaseException:  # no answer, so there is nothing to keep
            with self._desk:
                del self._kept[key]
            raise
        answer = answer._replace(headers={"Idempotency-Key": key, "Original-Request": request.request_id})
        with self._desk:
            self._kept[key] = Kept(request, now, answer)
        return answer

    def _forget_keys(self, now: datetime) -> None:
        """Forget what is 24 hours old; the keys stand in the order they came."""
        old = list(takewhile(lambda item: now - item[1].at >= KEYS_ARE_KEPT, self._kept.items()))
        for key, kept in old:
            if kept.answer:
                del self._kept[key]

    def _carry_out(self, request: Request, params: dict[str, Any], where: str) -> Answer:
        """What the endpoint does, as an answer; a refusal from here on is one that is kept."""
        with self._lock:
            self._account.request = {"id": request.request_id, "idempotency_key": request.key}
            broken = self._take_fault(where, BROKEN)
            try:
                if broken == "error_500_before":
                    return _broken()
                answer = _render(200, HANDLERS[request.endpoint](self._account, request.object_id, params))
            except Refusal as refusal:
                answer = _render(refusal.status, {"error": refusal.error})
            finally:
                self._account.request = OUTSIDE
            return _broken() if broken else answer

    def _take_fault(self, where: str, kinds: tuple[str, ...]) -> str | None:
        with self._desk:
            for place, how in self._faults:
                if place == where and how in kinds:
                    self._faults.remove((place, how))
                    return how
        return None

    def _confirm_outside(
        self, confirm: Callable[[Account, str, dict[str, Any]], Any], intent: str, payment_method: str
    ) -> None:
        with self._lock:
            try:
                confirm(self._account, intent, {"payment_method": payment_method})
            except Refusal as refusal:
                if refusal.status != 402:
                    raise ValueError(str(refusal)) from refusal

    def _sign(self, event: objects.Object) -> Webhook:
        body = _render(200, event).body
        return Webhook(event["id"], event["type"], body, self.sign(body))


def _authenticate(authorization: str) -> None:
    """A secret test key, as a bearer or as the user name of basic authentication."""
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() == "basic":
        with suppress(ValueError):  # not base64, so no key either
            key = base64.b64decode(key).decode(errors="replace").partition(":")[0]
    if not key.startswith("sk_test_"):
        raise Refusal(401, "Invalid API Key provided." if key else "You did not provide an API key.")


def _read_request(
    method: str, path_and_query: str, sent: Mapping[str, str], body: str | bytes, request_id: str
) -> Request:
    path, _, query = path_and_query.partition("?")
    endpoint, object_id = route(method, path)
    posted = endpoint.startswith("POST ")
    form = body.decode(errors="replace") if isinstance(body, bytes) else body
    key = sent.get("idempotency-key") if posted else None
    if key and len(key) > 255:
        raise Refusal(400, "Idempotency keys can have up to 255 characters.")
    return Request(endpoint, object_id, path, decode(form if posted else query), key or None, request_id)


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


def _throttled() -> Refusal:
    return Refusal(429, "Request rate limit exceeded.", code="rate_limit")


def _key_in_use() -> Refusal:
    sentence = "There is currently another in-progress request using this idempotency key."
    return Refusal(409, sentence, "idempotency_error", code="idempotency_key_in_use")


def _render(status: int, value: objects.Object) -> Answer:
    return Answer(status, {}, json.dumps(value, separators=(",", ":")).encode())


def _broken() -> Answer:
    return _render(500, {"error": {"message": "An unknown error occurred.", "type": "api_error"}})


class InProcess(library.HTTPClient):
    """Lets the ``stripe`` library talk to a stand-in without a socket.

    ``fault``, if set, is called around each call with where it happens (``stripe.create`` …) and the call
    itself; it answers in its place, or raises what a broken line raises: ``stripe.APIConnectionError``.
    """

    name = "in-process"
    fault: Callable[[str, Callable[[], Answer]], Answer] | None = None

    def __init__(self, stripe: Stripe) -> None:
        super().__init__()
        self._stripe = stripe

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """One call of the library; the host in ``url`` does not matter."""
        parts = urlsplit(url)
        path_and_query = f"{parts.path}?{parts.query}" if parts.query else parts.path

        def call() -> Answer:
            return self._stripe.answer(method, path_and_query, headers or {}, post_data or "")

        answer = self.fault(_where(method, parts.path), call) if self.fault else call()
        lower = {name.lower(): value for name, value in answer.headers.items()}  # the library asks for both
        return answer.body.decode(), answer.status, answer.headers | lower

    def close(self) -> None:
        """There is nothing to close."""


def _where(method: str, path: str) -> str:
    try:
        endpoint, _ = route(method, path)
    except Refusal:
        endpoint = f"{method.upper()} {path}"
    return WHERE.get(endpoint, "stripe.other")


def serve(stripe: Stripe, port: int = 0) -> ThreadingHTTPServer:
    """Answer on 127.0.0.1 in a thread of its own until ``shutdown()`` and ``server_close()`` are called."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet

        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = stripe.answer(self.command, self.path, dict(self.headers), body)
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_DELETE = _respond  # noqa: N815  # names of the standard library

        def log_message(self, *_: Any) -> None:
            """Say nothing: the product's own log tells of its calls."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    Thread(target=server.serve_forever, args=(0.05,), name="stripe", daemon=True).start()
    return server
