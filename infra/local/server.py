"""The local run as an HTTP server on loopback: the API, and the calendar to move."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

from joserfc.jwk import OctKey

from infra.local import element, tokens
from infra.local.aws import FILES
from infra.local.cloud import Cloud
from infra.local.invocations import Call, Reply, refusal
from shared import files

_FARTHEST = timedelta(days=366 * 10)
_LARGEST = 2 * 1024 * 1024


def serve(cloud: Cloud, key: OctKey, port: int) -> ThreadingHTTPServer:
    """A server on 127.0.0.1 for a cloud, not yet running; ``serve_forever`` runs it."""
    one_at_a_time = Lock()  # a function on Lambda serves one request at a time, too

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def _respond(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if self.path.startswith(FILES):
                with one_at_a_time:
                    self._send(*_file(cloud, self.command, self.path, self.rfile.read(length)))
                return
            if length > _LARGEST:
                self._send(refusal(413, "Request Entity Too Large"))
                self.close_connection = True
                return
            body = self.rfile.read(length).decode(errors="replace") if length else None
            with one_at_a_time:
                if self.path == "/_local/clock":
                    self._send(_clock(cloud, self.command, body))
                    return
                if self.path.startswith("/_local/"):
                    self._send(element.answer(cloud.stripe, self.command, self.path, body))
                    cloud.settle()
                    return
                claims = tokens.read(self.headers.get("Authorization"), key)
                self._send(cloud.request(Call(self.command, self.path, body, dict(self.headers), claims)))
                cloud.settle()

        def _send(self, reply: Reply, content: bytes | None = None) -> None:
            content = reply.body.encode() if content is None else content
            self.send_response(reply.status)
            for name, value in {**reply.headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()

        do_GET = do_POST = do_PUT = do_DELETE = _respond  # noqa: N815 - names of the standard library

        def log_message(self, *_: Any) -> None:
            """Say nothing: what happens is told by its events."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    address = f"http://127.0.0.1:{server.server_port}"
    os.environ["PUBLIC_URL"] = address  # the links that it gives out lead to it
    os.environ["AWS_ENDPOINT_URL_S3"] = f"{address}{FILES.rstrip('/')}"  # and so do the addresses of files
    files.forget()
    return server


def _file(cloud: Cloud, method: str, address: str, content: bytes) -> tuple[Reply, bytes | None]:
    """What whoever has an address uploads or downloads, as from S3."""
    if method == "PUT":
        cloud.files.put(address, content)
        return Reply(200, {}, ""), None
    if method == "GET" and cloud.files.has(address):
        return Reply(200, {"content-type": "text/csv; charset=utf-8"}, ""), cloud.files.get(address)
    return refusal(404, "Not Found"), None


def _clock(cloud: Cloud, method: str, body: str | None) -> Reply:
    """``GET`` tells the local time, ``POST {"to": instant}`` moves it on, firing every schedule in between."""
    if method == "POST":
        to = _instant(body)
        if to is None:
            return _answer(422, {"code": "invalid_instant", "detail": 'Send {"to": "2026-03-01T00:00:00Z"}.'})
        if to < cloud.now:
            return _answer(
                422, {"code": "clock_goes_back", "detail": f"The calendar stands at {_text(cloud.now)} already."}
            )
        if to > cloud.now + _FARTHEST:
            return _answer(422, {"code": "too_far", "detail": "The calendar moves ten years at most at a time."})
        cloud.advance(to)
    elif method != "GET":
        return refusal(404, "Not Found")
    return _answer(200, {"now": _text(cloud.now)})


def _instant(body: str | None) -> datetime | None:
    try:
        to = datetime.fromisoformat(json.loads(body or "")["to"])
    except (ValueError, KeyError, TypeError):
        return None
    return to.astimezone(UTC) if to.tzinfo else None


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def _answer(status: int, body: dict[str, str]) -> Reply:
    return Reply(status, {"content-type": "application/json"}, json.dumps(body) + "\n")
