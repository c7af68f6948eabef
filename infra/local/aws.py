"""Every AWS call of this process, answered by whatever stands in for the service: no network, no credentials.

botocore gives the handlers in ``BUILTIN_HANDLERS`` to every session that is
made after them, which is how all clients are reached without touching the code
that makes them. Nobody here checks a signature or reads which client is asking,
so requests go unsigned; and a client that waits before it tries again waits by
the product's clock.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import botocore
from botocore import endpoint, useragent
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.handlers import BUILTIN_HANDLERS

Answering = Callable[[AWSPreparedRequest], AWSResponse]

answering: dict[str, Answering] = {}
"""Who answers for a service (``dynamodb``, ``sqs``, ``ssm``). While it is empty, calls go where they would."""

FILES = "/_local/files/"
"""Where files are uploaded to and downloaded from on the local run, in the place of S3."""
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


def repeated(request: AWSPreparedRequest) -> bool:
    """Whether the client itself tries a request again."""
    tries = request.headers.get("amz-sdk-request", b"")
    return not (tries.encode() if isinstance(tries, str) else tries).startswith(b"attempt=1")


def answer_here(services: Mapping[str, Answering]) -> None:
    """From now on these stand-ins answer, and a call of any other service fails."""
    os.environ.update(CREDENTIALS)
    answering.clear()
    answering.update(services)
    if not any(handler is _answer for _, handler, *_ in BUILTIN_HANDLERS):
        BUILTIN_HANDLERS.extend([("before-send", _answer), ("choose-signer", _unsigned)])
        endpoint.time = SimpleNamespace(sleep=_wait)
        useragent.UserAgentString.to_string = lambda _: "prorata-local"


def _unsigned(**_: Any) -> Any:
    return botocore.UNSIGNED if answering else None


def _wait(seconds: float) -> None:
    """Between two tries of a client."""
    from shared.edge import clock

    (clock.sleep if answering else time.sleep)(seconds)  # noqa: TID251 - for a server in another process


def _answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
    url = str(request.url)
    if not answering or (url.startswith("http://127.0.0.1:") and FILES not in url):
        return None  # its client was given a server on this machine
    host = url.partition("://")[2].partition("/")[0]
    service = "s3" if ".s3." in host or FILES in url else host.partition(".")[0]
    if service not in answering:
        raise RuntimeError(f"Nothing on this machine stands in for {request.url}.")
    return answering[service](request)
