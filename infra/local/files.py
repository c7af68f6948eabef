"""Files as S3 keeps them: put, looked at, read in pieces; by a client of botocore, or by whoever has an address."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from hashlib import md5
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from infra.local.aws import FILES


class _Content(io.BytesIO):
    """What botocore reads the bytes of an answer from, whole or piece by piece."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        """All of it at once."""
        yield self.read()


class Files:
    """All files by their keys; there is one bucket."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def put(self, address: str, content: bytes) -> None:
        """Upload a file to a signed address."""
        self.contents[_key(address)] = content

    def has(self, address: str) -> bool:
        """Whether there is a file at an address."""
        return _key(address) in self.contents

    def get(self, address: str) -> bytes:
        """Download a file from a signed address."""
        return self.contents[_key(address)]

    def answer(self, request: AWSPreparedRequest) -> AWSResponse:
        """Answer one request of botocore."""
        key = _key(str(request.url))
        if request.method == "PUT":
            body = request.body
            self.contents[key] = body if isinstance(body, bytes) else body.read()
            return _response(request, 200, b"", {"ETag": _etag(self.contents[key])})
        if request.method == "DELETE":
            self.contents.pop(key, None)
            return _response(request, 204, b"", {})
        if key not in self.contents:
            return _response(request, 404, _refusal("NoSuchKey"), {})
        content = self.contents[key]
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        if headers.get("if-match", _etag(content)) != _etag(content):
            return _response(request, 412, _refusal("PreconditionFailed"), {})
        if span := re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("range", "")):
            content = content[int(span[1]) : int(span[2]) + 1]
        return _response(request, 200, content, {"ETag": _etag(self.contents[key])})


def _key(address: str) -> str:
    """The key in an address: behind the bucket, which is the host's first name or the first part of the path."""
    parts = urlsplit(address)
    path = unquote(parts.path)
    return path.partition(FILES)[2].partition("/")[2] if FILES in path else path.removeprefix("/")


def _etag(content: bytes) -> str:
    return f'"{md5(content, usedforsecurity=False).hexdigest()}"'


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _refusal(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()


def _response(request: AWSPreparedRequest, status: int, content: bytes, headers: dict[str, str]) -> AWSResponse:
    length = {"Content-Length": str(len(content))}
    sent = b"" if request.method == "HEAD" else content
    return AWSResponse("local", status, {**length, **headers}, _Content(sent))
