"""Every AWS call of this process, answered by whatever stands in for the service: no network, no credentials.

botocore gives the handlers in ``BUILTIN_HANDLERS`` to every session that is
made after them, which is how all clients are reached without touching the code
that makes them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.handlers import BUILTIN_HANDLERS

Answering = Callable[[AWSPreparedRequest], AWSResponse]

answering: dict[str, Answering] = {}
"""Who answers for a service (``dynamodb``, ``sqs``, ``ssm``). While it is empty, calls go where they would."""

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class _Content:
    """What botocore reads the bytes of an answer from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> Iterator[bytes]:
        """All of it at once."""
        yield self._content


def response(status: int, body: Mapping[str, Any]) -> AWSResponse:
    """An answer in AWS's JSON."""
    content = json.dumps(body).encode()
    return AWSResponse("local", status, {"Content-Type": "application/x-amz-json-1.0"}, _Content(content))


def operation(request: AWSPreparedRequest) -> str:
    """The operation that a request in AWS's JSON protocol names."""
    target = request.headers["X-Amz-Target"]
    return str(target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]


def answer_here(services: Mapping[str, Answering]) -> None:
    """From now on these stand-ins answer, and a call of any other service fails."""
    os.environ.update(CREDENTIALS)
    answering.clear()
    answering.update(services)
    if not any(handler is _answer for _, handler, *_ in BUILTIN_HANDLERS):
        BUILTIN_HANDLERS.append(("before-send", _answer))


def _answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
    if not answering or str(request.url).startswith("http://127.0.0.1:"):
        return None  # its client was given a server on this machine
    service = str(request.url).removeprefix("https://").partition(".")[0]
    if service not in answering:
        raise RuntimeError(f"Nothing on this machine stands in for {request.url}.")
    return answering[service](request)
