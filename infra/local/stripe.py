"""A stand-in for Stripe: its HTTP API as the published reference has it, in memory, with a calendar in hand.

``Stripe.answer`` takes one call through what surrounds every endpoint: the API key, idempotency keys that are
kept for 24 hours, errors that a test asked for; ``Outside`` is what happens without a call. ``InProcess`` and
``serve`` put it under the real ``stripe`` library, without and with a socket. Two runs of the same calls give
the same bytes.

Import it as ``infra.local.stripe``; with ``infra/local`` itself on the path it would hide the library.
"""

import base64
import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import stripe as library

from infra.local import stripe_objects as objects
from infra.local.stripe_account import OUTSIDE, expanded, one_of
from infra.local.stripe_desk import WHERE, Answer, Desk, Request, broken, refuse, render
from infra.local.stripe_endpoints import HANDLERS
from infra.local.stripe_outside import Outside
from infra.local.stripe_requests import Refusal, check_call, decode, route


class Webhook(NamedTuple):
    """One event on its way to the webhook endpoint."""

    event_id: str
    type: str
    body: bytes
    headers: dict[str, str]


class Stripe(Outside):
    """One Stripe account and the API in front of it; may be called from many threads.

    Of its events ``webhooks`` tells those whose type is in ``tells``: a seller's endpoint says which it wants.
    ``rates`` are the calls a second that it answers, of endpoints and of ``everything``, such as ``RATES``.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        webhook_secret: str = "whsec_local",  # noqa: S107
        tells: tuple[str, ...] = ("*",),
        rates: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(now)
        self._tells = tells
        self._limits = bool(rates)
        self._secret = webhook_secret.encode()
        self._desk = Desk(rates or {})
        self._numbers = count(1)

    @property
    def calls(self) -> Counter[str]:
        """How often each endpoint was called."""
        return self._desk.calls

    @property
    def limited(self) -> Counter[str]:
        """How often a call of each endpoint was one too many."""
        return self._desk.limited

    def answer(self, method: str, path_and_query: str, headers: Mapping[str, str], body: str | bytes) -> Answer:
        """Answer one API call."""
        sent = {name.lower(): value for name, value in headers.items()}
        request_id = f"req_{objects.base62(f'request {next(self._numbers)}', 14)}"
        try:
            _authenticate(sent.get("authorization", ""))
            answer = self._answer(_read_request(method, path_and_query, sent, body, request_id))
        except Refusal as refusal:
            answer = refuse(refusal)
        common = {
            "Content-Type": "application/json",
            "Request-Id": request_id,
            "Stripe-Version": sent.get("stripe-version", objects.API_VERSION),
        }
        return answer._replace(headers=answer.headers | common)

    def webhooks(self) -> list[Webhook]:
        """Take all events that wait to be delivered, in the order they happened, signed now."""
        with self._lock:
            self.turn()
            events, self._account.outbox = self._account.outbox, []
            return [self._sign(event) for event in events if one_of(event["type"], self._tells)]

    def sign(self, body: bytes) -> dict[str, str]:
        """The header of a message that is sent now (again, perhaps)."""
        at = int(self._now().timestamp())
        signature = hmac.digest(self._secret, f"{at}.".encode() + body, hashlib.sha256).hex()
        return {"Stripe-Signature": f"t={at},v1={signature}"}

    def fail_next(self, where: str, how: str, times: int = 1) -> None:
        """Let the next calls of a kind (``stripe.create`` …) go wrong inside Stripe.

        ``throttled`` (429) and ``conflict`` (409) turn a call away before its idempotency key is looked at.
        ``error_500_before`` breaks it off without effect, ``error_500_after`` with its whole effect; either
        way the 500 is kept under the key and repeated, as Stripe does.
        """
        self._desk.fail_next(where, how, times)

    def _answer(self, request: Request) -> Answer:
        self._desk.admit(request, self._now() if self._limits else None)
        if request.key is None:
            return self._carry_out(request, check_call(request.endpoint, request.params))
        kept, params = self._desk.begin(request.key, request, self._now())
        if kept:
            return kept
        try:
            answer = self._carry_out(request, params)
        except BaseException:
            self._desk.forget(request.key)
            raise
        return self._desk.keep(request.key, answer)

    def _carry_out(self, request: Request, params: dict[str, Any]) -> Answer:
        """What the endpoint does, as an answer; a refusal from here on is one that is kept."""
        with self._lock:
            self.turn()
            self._account.request = {"id": request.request_id, "idempotency_key": request.key}
            breaks = self._desk.breaks(request)
            try:
                if breaks == "error_500_before":
                    return broken()
                paths = params.pop("expand", ())
                made = HANDLERS[request.endpoint](self._account, request.object_id, params)
                answer = render(200, expanded(self._account, made, paths))
            except Refusal as refusal:
                answer = refuse(refusal)
            finally:
                self._account.request = OUTSIDE
            return broken() if breaks else answer

    def _sign(self, event: objects.Object) -> Webhook:
        body = render(200, event).body
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
    return WHERE.get(endpoint, "stripe.read" if endpoint.startswith("GET ") else "stripe.other")


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
