"""What has to stand before the first request: ministack, and the stack in it."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from infra.local import template
from infra.local.cloud import SECRETS
from infra.local.deploy_template import BUCKET, Document, expand, of_type
from infra.local.invocations import Reply

T = TypeVar("T")
ROOT = template.TEMPLATE.parent
REGION = "eu-central-1"
STACK = "prorata"
PYTHON = ROOT / ".venv-deploy/bin/python"
"""What ministack runs under, and the functions with it, whatever runtime they name."""
ADMINISTRATOR = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}

_LAST_LINES, _LONGEST_LINE = 5, 400


class Failed(Exception):
    """Something did not come out as it should."""


def until(found: Callable[[], T], seconds: float, what: str) -> T:
    """Ask every half second until there is an answer."""
    end = monotonic() + seconds
    while not (answer := found()):
        if monotonic() > end:
            raise Failed(f"{what}: not within {seconds:.0f} s")
        Event().wait(0.5)
    return answer


def deploy(address: str, packages: Path, parameters: Mapping[str, str]) -> Stack:
    """AWS's translator expands template.yaml, and ministack deploys it, with IAM enforced."""
    s3 = _client(address, "s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for folder in packages.iterdir():
        if folder.is_dir():
            s3.put_object(Bucket=BUCKET, Key=f"{folder.name}.zip", Body=_zipped(folder))
    document = expand(template.load(packages / "template.yaml"))
    for name, secret in SECRETS.items():
        parameter = document["Parameters"][name]["Default"]
        _client(address, "ssm").put_parameter(Name=parameter, Value=secret, Type="SecureString")
    return Stack(address, _for_this_machine(document), parameters)


DIFFERENCES = """\
What differs from AWS: the sweeps fire every minute, a renewal that failed comes back after 6 s, the issuer of
the tokens and Stripe's stand-in are plain HTTP on loopback, the functions run under a Python and a processor of this
machine, and who may send a message may send many (AWS means both by one right, ministack does not)."""


def _for_this_machine(document: Document) -> Document:
    """The expanded template with what must differ here, or would take too long; nothing else does."""
    for schedule in of_type(document, "AWS::Scheduler::Schedule").values():
        if schedule["ScheduleExpression"] == "rate(15 minutes)":
            schedule["ScheduleExpression"] = "rate(1 minute)"
    document["Resources"]["RolloverQueue"]["Properties"]["VisibilityTimeout"] = 6
    del document["Parameters"]["JwtIssuer"]["AllowedPattern"]
    del document["Resources"]["FilesOverTls"]  # ministack speaks plain HTTP
    for mapping in of_type(document, "AWS::Lambda::EventSourceMapping").values():
        match mapping["ScalingConfig"]["MaximumConcurrency"]:
            case {"Ref": name}:  # ministack would hand it on as text
                mapping["ScalingConfig"]["MaximumConcurrency"] = document["Parameters"][name]["Default"]
    for role in of_type(document, "AWS::IAM::Role").values():
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                if statement["Action"] == "sqs:SendMessage":
                    statement["Action"] = ["sqs:SendMessage", "sqs:SendMessageBatch"]
    return document


@contextmanager
def ministack(folder: Path) -> Iterator[str]:
    """A ministack on a free port of loopback that asks everybody who they are; its address."""
    port = _free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),  # where it unpacks the functions
        "STATE_DIR": str(folder),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "AUTH": "true",
        "IOT_MTLS_ENABLED": "0",  # else it opens a second port, on every address
        "SFTP_ENABLED": "0",
    }
    address = f"http://127.0.0.1:{port}"
    with (folder / "ministack.log").open("wb") as log:
        command = [PYTHON, "-m", "ministack"]
        with running(command, cwd=folder, env=environment, stdout=log) as process:
            until(lambda: process.poll() is not None or _answers(address), 30, "ministack answers")
            if process.returncode is not None:
                raise Failed(f"ministack did not start:\n{(folder / 'ministack.log').read_text(errors='replace')}")
            yield address


class Stack:
    """template.yaml, deployed: its API, and its parts by their logical ids."""

    def __init__(self, address: str, document: Document, parameters: Mapping[str, str]) -> None:
        self.address = address
        self.document = document
        self.called: set[str] = set()
        self.client("s3").put_object(Bucket=BUCKET, Key="template.json", Body=json.dumps(document).encode())
        formation = self.client("cloudformation")
        formation.create_stack(
            StackName=STACK,
            TemplateURL=f"{address}/{BUCKET}/template.json",  # in the request itself, 51,200 bytes are the most
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        until(lambda: self._status() != "CREATE_IN_PROGRESS", 60, "the stack stands")
        events = formation.describe_stack_events(StackName=STACK)["StackEvents"]
        if self._status() != "CREATE_COMPLETE":
            reasons = [f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason')}" for each in events]
            raise Failed("The stack was not created:\n" + "\n".join(reasons))
        [stack] = formation.describe_stacks(StackName=STACK)["Stacks"]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
        self._host = urlsplit(outputs["ApiUrl"]).netloc
        pages = formation.get_paginator("list_stack_resources").paginate(StackName=STACK)
        found = [each for page in pages for each in page["StackResourceSummaries"]]
        self.ids = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}

    def client(self, service: str, credentials: Mapping[str, str] = ADMINISTRATOR) -> Any:
        """A client of one of AWS's services, for an administrator unless somebody else is named."""
        return _client(self.address, service, credentials)

    def id_of(self, resource: str) -> str:
        """What AWS calls something that ``rights`` names; a parameter has no other name."""
        name, slash, behind = resource.partition("/")
        return f"{self.ids[name]}{slash}{behind}" if name in self.ids else resource

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, headers: Mapping[str, str] = {}
    ) -> Reply:
        """A request to the HTTP API from outside."""
        sent = {"Host": self._host, "Content-Type": "application/json", **headers}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, content, sent, method=method)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                reply = Reply(answer.status, dict(answer.headers), answer.read().decode())
        except urllib.error.HTTPError as answer:
            reply = Reply(answer.code, dict(answer.headers), answer.read().decode())
        if reply.status < 300:
            self.called.add(f"{method} {path.partition('?')[0]}")
        return reply

    def routes_not_called(self) -> list[str]:
        """Routes of the template that have not answered yet."""
        keys = [each["RouteKey"] for each in of_type(self.document, "AWS::ApiGatewayV2::Route").values()]
        return [key for key in keys if not any(re.fullmatch(re.sub(r"{\w+}", "[^/]+", key), c) for c in self.called)]

    def log(self, function: str) -> list[str]:
        """The lines that a function has logged."""
        logs = self.client("logs")
        group = f"/aws/lambda/{self.ids[function]}"
        try:
            pages = list(logs.get_paginator("filter_log_events").paginate(logGroupName=group))
        except logs.exceptions.ResourceNotFoundException:  # it has never run
            return []
        return [event["message"] for page in pages for event in page["events"]]

    def troubles(self) -> list[str]:
        """The errors that the functions have logged, the last few of each."""
        functions = of_type(self.document, "AWS::Lambda::Function")
        errors = {
            name: [line for line in self.log(name) if "Error" in line or '"ERROR"' in line] for name in functions
        }
        return [f"{name}: {line[:_LONGEST_LINE]}" for name, lines in errors.items() for line in lines[-_LAST_LINES:]]

    def _status(self) -> str:
        [stack] = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return str(stack["StackStatus"])


def _client(address: str, service: str, credentials: Mapping[str, str] = ADMINISTRATOR) -> Any:
    once = Config(retries={"total_max_attempts": 1})
    return boto3.client(service, endpoint_url=address, region_name=REGION, config=once, **credentials)


def _zipped(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:  # not compressed: every worker unpacks its own
        for file in folder.rglob("*"):
            if file.is_file():
                package.write(file, file.relative_to(folder))
    return content.getvalue()


@contextmanager
def running(command: list[Any], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A program and all that it starts, gone when the block ends however it ends."""
    into_a_pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options}
    process = subprocess.Popen(command, start_new_session=True, **into_a_pipe)  # noqa: S603 - our own commands
    with process:
        try:
            yield process
        finally:
            for sign in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, sign)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/_ministack/health", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False
