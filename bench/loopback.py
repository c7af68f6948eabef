"""The local account on loopback, for functions that run in processes of their own: table, queues, secrets, Stripe."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from botocore.awsrequest import AWSPreparedRequest

from infra.local import aws
from infra.local.cloud import Cloud
from infra.local.invocations import Call, sqs_event
from infra.local.queues import Message
from infra.local.stripe import Answer
from shared.edge import clock, telemetry

MACHINE = clock.source
"""The machine's clock, before a calendar takes its place."""
STAFF = {"sub": "bench", "account": "seller", "permissions": "seller.admin"}
SEAT = {
    "product": "sales", "kind": "seat", "seat_type": "sales", "interval": "month", "amount": "100.00",
    "name": "Sales Hub seat",
}  # fmt: skip
FIVE_SEATS = {"items": [{"price": "sales-seat", "quantity": 5}]}
_SERVICES = {"DynamoDB_20120810": "dynamodb", "AmazonSQS": "sqs", "AmazonSSM": "ssm"}

StripeAnswers = Callable[[str, str, Mapping[str, str], bytes], Answer]


class Account(Cloud):
    """The seller's account; once it is live, its calendar is the machine's clock."""

    live = False

    def __init__(self, now: datetime, **options: Any) -> None:
        super().__init__(now, **options)
        telemetry.logger.setLevel("CRITICAL")  # what is measured is told at the end

    @property
    def now(self) -> datetime:
        """The present instant."""
        return MACHINE() if self.live else self._calendar

    @now.setter
    def now(self, instant: datetime) -> None:
        self._calendar = instant

    def call(self, route: str, body: Any = None, key: str = "only-once") -> Any:
        """A request of the seller's staff, which must succeed."""
        method, path = route.split(" ")
        headers = {"Idempotency-Key": f"{path}-{key}"}
        reply = self.request(Call(method, f"/v1{path}", json.dumps(body) if body else None, headers, STAFF))
        assert reply.status < 300, reply.body
        return reply.json

    def opens(self) -> None:
        """A seller entity and its one price."""
        self.call("PUT /sellers/us", {"timezone": "America/New_York", "currency": "USD"})
        self.call("PUT /catalog", {"prices": {"sales-seat": SEAT}})

    def joins(self, name: str) -> None:
        """A customer with a saved card."""
        self.call(f"PUT /accounts/{name}", {"seller": "us"})
        self.call(f"POST /accounts/{name}/payment-method", {"payment_method": "pm_card_visa"})

    def subscribes(self, name: str) -> dict[str, str]:
        """Buy five seats; the job that the rollover gets a month later."""
        bought = self.call(f"POST /accounts/{name}/checkout", FIVE_SEATS)
        return {"kind": "subscription", "account": name, "id": bought["subscriptions"][0]["id"]}

    def renews(self, jobs: Iterable[Mapping[str, str]]) -> None:
        """Draw the next invoice of each."""
        answer = self.invoke("RolloverWorkFunction", batch("RolloverQueue", jobs, self.now))
        assert answer == {"batchItemFailures": []}


def batch(queue: str, jobs: Iterable[Mapping[str, str]], now: datetime) -> dict[str, Any]:
    """Jobs as a queue's poller hands them to a worker."""
    return sqs_event(queue, (Message(f"message-{n}", json.dumps(job), now, now, 1) for n, job in enumerate(jobs)))


def environment(address: str) -> dict[str, str]:
    """What makes a function's process talk to nobody but us."""
    return aws.CREDENTIALS | {"AWS_ENDPOINT_URL": address, "STRIPE_API_BASE": address}


@contextmanager
def served(stripe: StripeAnswers) -> Iterator[str]:
    """What stands in for AWS here, and for Stripe, behind one address of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet

        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            target = self.headers.get("X-Amz-Target")
            if target:
                headers = {"X-Amz-Target": target}
                request = AWSPreparedRequest(self.command, self.path, headers, body, stream_output=False)
                found = aws.answering[_SERVICES[target.partition(".")[0]]](request)
                answer = Answer(found.status_code, dict(found.headers), found.content)
            else:
                answer = stripe(self.command, self.path, dict(self.headers), body)
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = _respond  # noqa: N815 - names of the standard library

        def log_message(self, *_: Any) -> None:
            """Say nothing: what is measured is told at the end."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
