"""Queues as SQS has them: messages come back until they are deleted, and end among the dead letters."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import md5
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ReadTimeoutError

from infra.local import aws
from infra.local.faults import Faults, Ways
from infra.local.template import Queue


@dataclass
class Message:
    """A message and how often it was received."""

    id: str
    body: str
    sent_at: datetime
    visible_at: datetime
    receives: int = 0

    @property
    def digest(self) -> str:
        """SQS's checksum of the body, which botocore verifies."""
        return md5(self.body.encode(), usedforsecurity=False).hexdigest()


@dataclass
class _Waiting:
    queue: Queue
    messages: list[Message] = field(default_factory=list)


class Queues:
    """All queues of the template by their logical id, which is also their address here."""

    def __init__(self, queues: dict[str, Queue], now: Callable[[], datetime], faults: Faults) -> None:
        self._queues = {name: _Waiting(queue) for name, queue in queues.items()}
        self._now = now
        self._faults = faults
        self._count = 0

    def answer(self, request: AWSPreparedRequest) -> AWSResponse:
        """Answer one request of botocore: only sending is asked for, Lambda's poller does the rest."""
        body: Any = json.loads(request.body or b"{}")
        name = aws.operation(request)
        if name != "SendMessageBatch":
            raise RuntimeError(f"The local queues know no {name}.")
        return self._faults.around("queue.send", lambda: self._send(body), _WAYS)

    def receive(self, name: str, most: int) -> list[Message]:
        """The next messages, hidden from others for the queue's visibility time-out."""
        waiting, now = self._queues[name], self._now()
        self._bury(waiting, now)
        taken = [message for message in waiting.messages if message.visible_at <= now][:most]
        for message in taken:
            message.receives += 1
            message.visible_at = now + waiting.queue.visibility
        return taken

    def delete(self, name: str, message: Message) -> None:
        """The message is done; if the deletion gets lost it comes again."""
        messages = self._queues[name].messages
        if self._faults.take("queue.delete") is None and message in messages:  # or somebody else has done it
            messages.remove(message)

    def messages(self, name: str) -> list[Message]:
        """What is in a queue, seen or unseen: the messages themselves."""
        return list(self._queues[name].messages)

    def double(self, name: str, message: Message) -> None:
        """The same message a second time, as SQS may deliver it."""
        self._queues[name].messages.append(replace(message))

    def state(self) -> Any:
        """All that waits, to come back to."""
        return self._count, {name: [replace(each) for each in it.messages] for name, it in self._queues.items()}

    def restore(self, state: Any) -> None:
        """Come back to what was waiting then."""
        self._count, waiting = state
        for name, messages in waiting.items():
            self._queues[name].messages[:] = [replace(each) for each in messages]

    def redrive(self, name: str) -> None:
        """Offer the dead letters of a queue again."""
        waiting, now = self._queues[name], self._now()
        dead = self._queues[str(waiting.queue.dead_letters)].messages
        waiting.messages += [Message(message.id, message.body, message.sent_at, now) for message in dead]
        dead.clear()

    def next_visible(self) -> datetime | None:
        """When the next message can be received."""
        mapped = [waiting for waiting in self._queues.values() if waiting.queue.max_receives]
        return min((message.visible_at for waiting in mapped for message in waiting.messages), default=None)

    def _send(self, body: dict[str, Any]) -> AWSResponse:
        now = self._now()
        waiting = self._queues[body["QueueUrl"]]
        sent = []
        for entry in body["Entries"]:
            self._count += 1
            message = Message(f"message-{self._count:06}", entry["MessageBody"], now, now)
            waiting.messages.append(message)
            sent.append({"Id": entry["Id"], "MessageId": message.id, "MD5OfMessageBody": message.digest})
        return aws.response(200, {"Successful": sent, "Failed": []})

    def _bury(self, waiting: _Waiting, now: datetime) -> None:
        """Move what was received too often to the dead letters."""
        most = waiting.queue.max_receives
        worn_out = [each for each in waiting.messages if most and each.receives >= most and each.visible_at <= now]
        for message in worn_out:
            waiting.messages.remove(message)
            self._queues[str(waiting.queue.dead_letters)].messages.append(message)


def _lost() -> Any:
    raise ReadTimeoutError(endpoint_url="local")


def _refusal(status: int, code: str) -> AWSResponse:
    return aws.response(status, {"__type": f"com.amazonaws.sqs#{code}", "message": code})


_WAYS = Ways(
    lost=_lost,
    throttled=lambda: _refusal(400, "RequestThrottled"),
    broken=lambda: _refusal(500, "InternalError"),
    conflict=lambda: _refusal(400, "RequestThrottled"),
)
