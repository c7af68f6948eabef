"""What a function is handed on Lambda: its context, and the events of API Gateway and of the SQS poller."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from infra.local import template
from infra.local.queues import Message

DOMAIN = "api.prorata.example"
"""What the API of the local run calls itself."""


class Reply(NamedTuple):
    """What a caller of the HTTP API gets."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body) if self.body else None


class Call(NamedTuple):
    """A request to the HTTP API; ``claims`` are those of a token that was checked already."""

    method: str
    path: str
    body: str | None
    headers: Mapping[str, str]
    claims: Mapping[str, Any] | None


class Context:
    """What Lambda tells a function about its invocation."""

    memory_limit_in_mb = 512
    function_version = "$LATEST"

    def __init__(self, function: template.Function, number: int) -> None:
        self.function_name = function.name
        self.invoked_function_arn = f"arn:aws:lambda:eu-central-1:000000000000:function:{function.name}"
        self.aws_request_id = f"invocation-{number:06}"
        self._milliseconds = int(function.timeout.total_seconds() * 1000)

    def get_remaining_time_in_millis(self) -> int:
        """All of it: time stands still while a function runs."""
        return self._milliseconds


def refusal(status: int, message: str) -> Reply:
    """What API Gateway answers by itself."""
    return Reply(status, {"content-type": "application/json"}, json.dumps({"message": message}))


def http_event(route: template.Route, call: Call, parts: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """A request as API Gateway's HTTP API hands it to a function (payload format 2.0)."""
    path, _, query = call.path.partition("?")
    authorizer = {"jwt": {"claims": dict(call.claims or {}), "scopes": None}}
    return {
        "version": "2.0",
        "routeKey": f"{route.method} {route.path}",
        "rawPath": path,
        "rawQueryString": query,
        "queryStringParameters": dict(parse_qsl(query)),
        "headers": {name.lower(): value for name, value in call.headers.items()},
        "requestContext": {
            "accountId": "000000000000",
            "domainName": DOMAIN,
            "stage": "$default",
            "timeEpoch": int(now.timestamp() * 1000),
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "http": {"method": call.method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
            **({"authorizer": authorizer} if route.needs_token else {}),
        },
        "pathParameters": dict(parts),
        "body": call.body,
        "isBase64Encoded": False,
    }


def sqs_event(queue: str, messages: Iterable[Message]) -> dict[str, Any]:
    """Messages as Lambda's poller hands them to a function."""
    return {
        "Records": [
            {
                "messageId": message.id,
                "receiptHandle": f"{message.id}-{message.receives}",
                "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": str(message.receives),
                    "SentTimestamp": str(int(message.sent_at.timestamp() * 1000)),
                },
                "messageAttributes": {},
                "md5OfBody": message.digest,
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:eu-central-1:000000000000:{queue}",
                "awsRegion": "eu-central-1",
            }
            for message in messages
        ]
    }
