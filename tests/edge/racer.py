"""One Lambda in a race: an interpreter of its own, which buys seats or renews when it is told to start.

``python -m tests.edge.racer '{"do": "buy", …}'`` says that it is ready, waits
for a line on its input and then writes each of its answers to its output.
"""

import json
import sys
from datetime import datetime

from functions import rollover, seats
from infra.local import template
from infra.local.invocations import Call, Context, http_event, sqs_event
from infra.local.queues import Message
from shared.edge import clock

TEMPLATE = template.read()


def buy(name, now, account, subscription, times):
    """Buy one seat, so many times; the status of each answer."""
    path = f"/v1/accounts/{account}/subscriptions/{subscription}/seats/sales"
    [route] = [route for route in TEMPLATE.routes if route.path.endswith("/{type}")]
    parts = {"account": account, "subscription": subscription, "type": "sales"}
    claims = {"account": account, "permissions": "billing.modify"}
    for number in range(times):
        call = Call("POST", path, '{"quantity": 1}', {"Idempotency-Key": f"{name}-{number}"}, claims)
        yield seats.handler(http_event(route, call, parts, now), Context(TEMPLATE.functions["SeatsFunction"], number))


def renew(name, now, account, subscription, times):
    """Do the renewal that is due, so many times; what failed of each batch."""
    body = json.dumps({"kind": "subscription", "account": account, "id": subscription})
    context = Context(TEMPLATE.functions["RolloverWorkFunction"], 0)
    for number in range(times):
        message = Message(f"{name}-{number}", body, now, now, receives=1)
        yield rollover.work(sqs_event("RolloverQueue", [message]), context)


def main():
    """Get ready, wait, race."""
    task = json.loads(sys.argv[1])
    now = datetime.fromisoformat(task["now"])
    clock.source = lambda: now
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    do = {"buy": buy, "renew": renew}[task["do"]]
    for answer in do(task["name"], now, task["account"], task["subscription"], task["times"]):
        print(json.dumps(answer), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
