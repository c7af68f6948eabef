"""For tests in which several work on a table at once: one over HTTP, and threads that switch often."""

import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.local import aws


@pytest.fixture
def switching():
    """Threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture
def over_http(tmp_path):
    """Ministack on a free port, and a client of its DynamoDB."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = {"AUTH": "false", "BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0", "GATEWAY_PORT": str(port)}
    address = f"http://127.0.0.1:{port}"
    command = [Path(sys.executable).with_name("ministack")]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(command, env=os.environ | here, cwd=tmp_path, stdout=log, stderr=log) as server,
    ):
        try:
            yield address, started(address)
        finally:
            server.terminate()


def started(address):
    """A client, once the server answers it; the stand-ins of this process keep out of it."""
    aws.answering.clear()
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=5)
    client = boto3.client("dynamodb", endpoint_url=address, region_name="eu-central-1", config=once,
                          aws_access_key_id="x", aws_secret_access_key="x")  # fmt: skip
    for _ in range(100):
        try:
            client.list_tables()
        except (BotoCoreError, ClientError):
            time.sleep(0.1)  # noqa: TID251 - for another process
        else:
            return client
    raise TimeoutError(address)
