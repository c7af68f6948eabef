"""A function as Lambda runs it: in a process of its own, under AWS's runtime client ``awslambdaric``.

``Runtime`` is the other side of that client, Lambda's Runtime API, on loopback. What a
function answers, how it fails and that it takes too long are told in Lambda's words.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any, NamedTuple

from infra.local import template

_STARTING = 60.0
"""How many seconds a function may take to be imported; Lambda gives it 10, of a machine that is not busy."""
_REGION = "eu-central-1"
_ARN = f"arn:aws:lambda:{_REGION}:000000000000:function:"


class Answer(NamedTuple):
    """What came of an invocation: the function's own answer, or an error in Lambda's shape."""

    payload: Any
    failed: bool = False


class Runtime:
    """A function that can be invoked, one event at a time, until it is closed.

    Its process starts at the first event and serves those that follow. Where it died or was
    killed, the next event starts another, as on Lambda. ``environment`` comes on top of what
    the template says: addresses and credentials. Nothing else of our own environment gets in.
    """

    def __init__(
        self,
        function: template.Function,
        environment: Mapping[str, str] | None = None,
        folder: Path = template.TEMPLATE.parent,
    ) -> None:
        self.logs: list[str] = []
        """Every line that the function has written."""
        self._function = function
        self._folder = folder
        self._environment = {**function.environment, **(environment or {})}
        self._invocations = 0
        self._process: _Process | None = None

    def invoke(self, event: Any) -> Answer:
        """Hand an event to the function and wait for what comes of it, no longer than its time-out."""
        self._invocations += 1
        request_id = f"00000000-0000-4000-8000-{self._invocations:012}"
        if self._process is None:
            self._process = _Process(self._function, self._environment, self._folder, self.logs)
        answer = self._process.run(request_id, event)
        if not self._process.alive:
            self.close()
        return answer

    def close(self) -> None:
        """End the process and all that serves it."""
        if self._process is not None:
            self._process.end()
            self._process = None


class _Process:
    """One process of a function, from its start to its end, and the Runtime API that it asks."""

    def __init__(
        self, function: template.Function, environment: Mapping[str, str], folder: Path, logs: list[str]
    ) -> None:
        self.alive = True
        self._function = function
        self._events: Queue[tuple[dict[str, str], bytes] | None] = Queue()
        self._heard: Queue[tuple[str, Any]] = Queue()
        self._server = _serve(self._events, self._heard)
        settings = _settings(function, folder, self._server.server_port)
        self._process = subprocess.Popen(  # noqa: S603 - our own function
            [sys.executable, "-m", "awslambdaric", function.handler],
            cwd=folder,
            env={**settings, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._listener = Thread(target=self._listen, args=(logs,), daemon=True)
        self._listener.start()

    def run(self, request_id: str, event: Any) -> Answer:
        """Hand an event over as soon as the function asks for one."""
        answer = self._next(request_id, _STARTING)
        if answer is not None:
            return answer
        seconds = self._function.timeout.total_seconds()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(time.time_ns() // 1_000_000 + int(seconds * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": _ARN + self._function.name,
        }
        self._events.put((headers, json.dumps(event).encode()))
        answer = self._next(request_id, seconds)
        assert answer is not None, "it asked for the next event before it answered this one"
        return answer

    def _next(self, request_id: str, seconds: float) -> Answer | None:
        """What is heard next: an answer, an end, nothing for too long; or that it waits for an event (``None``)."""
        try:
            what, payload = self._heard.get(timeout=seconds)
        except Empty:
            what, payload = "late", f"Task timed out after {seconds:.2f} seconds"
        self.alive = what in ("next", "response", "error")
        match what:
            case "next":
                return None
            case "response":
                return Answer(payload)
            case "late":
                return _broken(request_id, "Sandbox.Timedout", payload)
            case "exit":
                return _broken(request_id, "Runtime.ExitError", payload)
        return Answer(payload, failed=True)

    def end(self) -> None:
        """Kill it, and wait until nothing of it is left."""
        self._process.kill()
        self._listener.join()
        self._events.put(None)  # to whoever still serves its question for an event
        self._server.shutdown()
        self._server.server_close()

    def _listen(self, logs: list[str]) -> None:
        """Keep what it writes; when it ends, say so."""
        with self._process:
            assert self._process.stdout
            for line in self._process.stdout:
                logs.append(line.rstrip("\n"))  # noqa: PERF401 - line by line, as they come
        code = self._process.returncode
        how = f"exit status {code}" if code >= 0 else f"signal {-code}"
        self._heard.put(("exit", f"Runtime exited with error: {how}"))


def _broken(request_id: str, kind: str, sentence: str) -> Answer:
    """What Lambda itself says of a function that did not."""
    return Answer({"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {sentence}"}, failed=True)


def _settings(function: template.Function, folder: Path, port: int) -> dict[str, str]:
    """The environment that Lambda gives to every function."""
    return {
        "PATH": os.environ["PATH"],
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_REGION": _REGION,
        "AWS_DEFAULT_REGION": _REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "LAMBDA_TASK_ROOT": str(folder),
        "_HANDLER": function.handler,
    }


def _serve(events: Queue[tuple[dict[str, str], bytes] | None], heard: Queue[tuple[str, Any]]) -> ThreadingHTTPServer:
    """Lambda's Runtime API (2018-06-01) for one process: it asks for events and tells what came of them."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet

        def do_GET(self) -> None:
            """``/runtime/invocation/next``: the answer is an event, as soon as there is one."""
            heard.put(("next", None))
            event = events.get()
            if event is None:
                self.close_connection = True
            else:
                self._answer(200, *event)

        def do_POST(self) -> None:
            """``/runtime/invocation/{id}/response`` and ``…/error``, ``/runtime/init/error``."""
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            *_, of, what = self.path.split("/")
            self._answer(202, {}, b"")
            heard.put((f"init {what}" if of == "init" else what, json.loads(body)))

        def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                **headers,
                "Content-Length": str(len(body)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, *_: Any) -> None:
            """Say nothing: what the function says is enough."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.05,), name="runtime", daemon=True).start()
    return server
