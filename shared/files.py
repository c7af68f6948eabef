"""Files in S3: addresses to upload and download them by, reading them piece by piece, writing reports.

The client is made when it is first needed: most who import this never do.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

OPEN_FOR = 3600
"""Seconds that an address may be used."""
_HOSTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
"""Where S3 is not at AWS; it has no host for each bucket there."""


class File(NamedTuple):
    """How large an uploaded file is, and which one: another one under the same name has another ``etag``."""

    size: int
    etag: str


class Changed(Exception):
    """The file is not the one any more that it was."""


def upload_address(key: str, size: int) -> str:
    """Where whoever has it may upload a file of so many bytes, for an hour, with a PUT; S3 takes no other size."""
    return _signed("put_object", key, ContentLength=size)


def download_address(key: str) -> str:
    """Where whoever has it may download a file, for an hour."""
    return _signed("get_object", key)


def find(key: str) -> File | None:
    """A file, or nothing before it is uploaded."""
    try:
        found = _s3().head_object(Bucket=_bucket(), Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("403", "404"):  # 403: who may not list is not told what is not there
            return None
        raise
    return File(found["ContentLength"], found["ETag"])


def read(key: str, start: int, length: int, etag: str | None = None) -> bytes:
    """A piece of a file from a place on; ``Changed`` if it is not the one any more that it was."""
    which = {"IfMatch": etag} if etag else {}
    span = f"bytes={start}-{start + length - 1}"
    try:
        content: bytes = _s3().get_object(Bucket=_bucket(), Key=key, Range=span, **which)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("PreconditionFailed", "NoSuchKey", "AccessDenied"):
            raise Changed(key) from error
        raise
    return content


def write(key: str, content: bytes) -> None:
    """Write a whole file."""
    _s3().put_object(Bucket=_bucket(), Key=key, Body=content, ContentType="text/csv; charset=utf-8")


def save(key: str, path: Path) -> None:
    """Keep a file of this machine, however large."""
    with path.open("rb") as content:
        _s3().put_object(Bucket=_bucket(), Key=key, Body=content)


def load(key: str, path: Path) -> None:
    """Bring back a file that was kept."""
    content = _s3().get_object(Bucket=_bucket(), Key=key)["Body"]
    with path.open("wb") as file:
        file.writelines(content.iter_chunks(1024**2))


def delete(*keys: str) -> None:
    """Delete files; those that are not there need not be."""
    for key in keys:
        _s3().delete_object(Bucket=_bucket(), Key=key)


def forget() -> None:
    """Nothing is known of where S3 is."""
    _s3.cache_clear()


def _signed(method: str, key: str, **more: Any) -> str:
    params = {"Bucket": _bucket(), "Key": key, **more}
    return str(_s3().generate_presigned_url(method, Params=params, ExpiresIn=OPEN_FOR))


def _bucket() -> str:
    return os.environ["FILES_BUCKET"]


@cache
def _s3() -> Any:
    elsewhere = any(os.environ.get(name) for name in _HOSTS)
    settings = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if elsewhere else "virtual"},  # else an address is signed for another region
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return botocore.session.get_session().create_client("s3", config=settings)
