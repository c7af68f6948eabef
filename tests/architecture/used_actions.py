"""What each function asks of AWS, written down while it works through stories and requests on the local run."""

import json
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters.base import DEFAULT_PROVIDERS

from infra.local import aws
from infra.local.cloud import Cloud
from infra.local.invocations import Call, Context, sqs_event
from infra.local.simulate import STAFF, Simulation
from infra.local.story import StoryFile
from infra.local.template import TABLE_NAME
from shared import files, payments
from shared.domain.changes import Changes
from shared.domain.subscription import Status
from shared.edge import links
from shared.edge.links import Kind, Link
from shared.edge.relay import ENOUGH_MILLISECONDS
from shared.store import queries, table
from tests.edge.contact_world import ContactWorld, named
from tests.scenarios.test_restore import put_back
from tests.world import World

STORIES = sorted((Path(__file__).parents[1] / "scenarios/stories").glob("*.yaml"))
THE_SAME_WAYS = (
    *("a-seat-", "a-midnight-", "the-", "seats-at-", "seats-that-", "users-who-", "contacts-", "tiers-", "a-tier-"),
    *("later-bands-", "e-mails-", "each-", "past-all-", "several-", "deleting-", "a-commitment-from-"),
)
"""Stories that differ from others in their dates and amounts, and take the same ways."""
FILES = "FilesBucket/imports/*"
METHODS = {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject", "DELETE": "s3:DeleteObject"}
SIGNED = {"get_object": "s3:GetObject", "put_object": "s3:PutObject"}
PARTS = {"Put": "PutItem", "Delete": "DeleteItem", "Update": "UpdateItem", "ConditionCheck": "ConditionCheckItem"}


def used_actions():
    """For each function what it did, as (action, resource): (dynamodb:Query, BillingTable/index/GSI1)."""
    with recorded() as used:
        for story in STORIES:
            if story.name.startswith(THE_SAME_WAYS):
                continue
            Simulation(StoryFile(story), lambda _: None).play()
        requests()
        pages()
        endings()
        mishaps()
        contacts()
        reconciliations()
    return used


@contextmanager
def recorded():
    """Write down what functions ask for while this lasts. Each invocation is a cold start: nothing is known yet."""
    used, running = defaultdict(set), []
    invoke, answer_here = Cloud.invoke, aws.answer_here

    def invoke_noted(cloud, name, event):
        _forget_everything()
        running.append(name)
        try:
            return invoke(cloud, name, event)
        finally:
            running.pop()

    def noting(service, answer):
        def note(request):
            if running and service == "s3":
                used[running[-1]].add((METHODS[request.method], FILES))
            elif running:
                used[running[-1]] |= set(actions(service, aws.operation(request), json.loads(request.body)))
            return answer(request)

        return note

    def signed(method, key, **more):
        used[running[-1]].add((SIGNED[method], FILES))  # whoever has the address acts in the function's name
        return sign(method, key, **more)

    sign = files._signed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cloud, "invoke", invoke_noted)
        patch.setattr(files, "_signed", signed)
        patch.setattr(aws, "answer_here", lambda said: answer_here({name: noting(name, said[name]) for name in said}))
        yield used


def _forget_everything():
    for provider in DEFAULT_PROVIDERS.values():
        provider.clear_cache()
    payments.forget()
    files.forget()
    queries.forget()


def actions(service, operation, body):
    """The rights that a call asks for, as IAM names them: a transaction those of its parts, a batch that of one."""
    if operation == "TransactWriteItems":
        for part in body["TransactItems"]:
            [(kind, item)] = part.items()
            assert item["TableName"] == TABLE_NAME
            yield f"dynamodb:{PARTS[kind]}", "BillingTable"
    elif service == "dynamodb":
        assert body.get("TableName") == TABLE_NAME or list(body["RequestItems"]) == [TABLE_NAME]
        yield (
            f"dynamodb:{operation}",
            f"BillingTable/index/{body['IndexName']}" if "IndexName" in body else "BillingTable",
        )
    elif operation == "SendMessageBatch":
        yield "sqs:SendMessage", body["QueueUrl"]
    else:
        assert operation == "GetParameter", f"what right does {service}:{operation} ask for?"
        yield "ssm:GetParameter", body["Name"]


def requests():
    """Every route that reads, every preview, a seat for a subscription that is due, a card that its owner saves."""
    world = World().sells()
    bought = world.call("POST", "/accounts/acme/checkout", {"items": [{"price": "sales-seat", "quantity": 5}]}).json
    subscription = bought["subscriptions"][0]["id"]
    names = {
        "account": "acme",
        "seller": "us",
        "subscription": subscription,
        "checkout": bought["id"],
        "invoice": bought["invoice"]["id"],
        "token": links.write(Link(Kind.INVOICE, "acme", bought["invoice"]["id"])),
        "type": "sales",
        "user": "ann",
        "quote": "q-17",
        "contact": "ann",
        "file": world.call("POST", "/accounts/acme/contacts/imports", {"bytes": 9}, permissions=STAFF).json["id"],
    }
    world.call("PUT", "/accounts/acme/contacts/ann", {"marketing": True}, permissions=STAFF)
    for route in world.cloud.template.routes:
        path = route.path.removeprefix("/v1").format(**names)
        if route.method == "GET":
            assert world.call("GET", path, permissions=STAFF).status == 200, route
    seats = f"/accounts/acme/subscriptions/{subscription}/seats/sales"
    for path, body in (
        ("/accounts/acme/checkout/preview", {"items": [{"price": "sales-seat"}]}),
        (f"{seats}/preview", {"quantity": 1}),
        (seats, {"quantity": 1}),
    ):
        assert world.call("POST", path, body).status < 300, path
    for method, path, body in (
        ("PUT", "/accounts/acme/users/ann", {}),
        ("PUT", f"{seats}/users/ann", {}),
        ("DELETE", f"{seats}/users/ann", None),
        ("DELETE", "/accounts/acme/users/ann", None),
        ("PUT", "/accounts/acme/quotes/q-17", {"dated": "2026-01-01"}),
        ("DELETE", "/accounts/acme/quotes/q-17", None),
        ("PUT", f"{seats}/removal", {"quantity": 1}),
        ("DELETE", f"{seats}/removal", None),
    ):
        assert world.call(method, path, body, permissions=STAFF).status == 200, path
    refunds = f"/accounts/acme/invoices/{bought['invoice']['id']}/refunds"
    assert world.call("POST", refunds, {}, permissions=STAFF).status == 201
    world.suddenly("2026-02-26T12:00:00Z")
    assert world.call("POST", seats, {"quantity": 1}).status == 201
    opened = world.call("POST", "/accounts/acme/payment-method", {}).json
    world.cloud.stripe.save(opened["setup_intent"], "pm_card_mastercard")  # the payer does, and a webhook tells
    world.cloud.settle()


def pages():
    """What payers do on our pages: an invoice that was never tried is paid, and another way to pay is saved."""
    world = World().sells()
    subscription = world.subscribed()
    unsaved = replace(queries.book("acme", subscription).subscription, payment_method=None)
    table.commit(Changes(put=(unsaved,)), world.cloud.now)
    world.on("2026-02-26T12:00:00Z")
    account, key = "/accounts/acme", {"Idempotency-Key": "a page"}
    listed = world.call("GET", f"{account}/invoices").json["items"]
    update_page = world.call("GET", f"{account}/subscriptions/{subscription}").json["update_page"]
    secrets = []
    for address in (listed[-1]["pay_page"], update_page):
        begun = world.cloud.request(Call("POST", urlsplit(address).path, None, key, None))
        secrets.append(begun.json["client_secret"].partition("_secret")[0])
    world.cloud.stripe.pay(secrets[0], "pm_card_visa")
    world.cloud.stripe.save(secrets[1], "pm_card_mastercard")
    for address in (listed[-1]["pay_page"], f"{update_page}?setup_intent={secrets[1]}"):
        parts = urlsplit(address)
        assert world.cloud.request(Call("GET", f"{parts.path}?{parts.query}", None, {}, None)).status == 200


def endings():
    """Somebody pays, by the API or on the page, what is declined for the last time: it ends with a seat pending."""
    world = World().sells().account("bolt")
    ends = {"timezone": "America/New_York", "currency": "USD", "retry_days": [], "after_retries": "cancel"}
    world.staff("PUT", "/sellers/us", ends)
    subscriptions = {account: world.subscribed(account=account) for account in ("acme", "bolt")}
    world.suddenly("2026-02-25T05:01:00Z")
    for account, subscription in subscriptions.items():
        world.cloud.stripe.becomes(queries.account(account).payment_method, "card_declined")
        seats = f"/accounts/{account}/subscriptions/{subscription}/seats/sales"
        assert world.call("POST", seats, {"quantity": 1}, account=account).status == 201
    paid = f"/accounts/acme/invoices/{subscriptions['acme']}-00001/pay"
    assert world.call("POST", paid).json["status"] == "uncollectible"
    page = links.write(Link(Kind.INVOICE, "bolt", f"{subscriptions['bolt']}-00001"))
    told = world.cloud.request(Call("POST", f"/v1/pay/{page}", None, {"Idempotency-Key": "a page"}, None))
    assert told.json["code"] == "nothing_to_pay"
    for account, subscription in subscriptions.items():
        left = queries.book(account, subscription)
        assert (left.subscription.status, left.pending) == (Status.CANCELED, ())


def contacts():
    """Contacts are set and deleted, a tier is lowered, a file is imported, and what takes long goes on."""
    world = ContactWorld(contacts=30)
    world.batch(marketing=named(12))
    assert world.edit("DELETE", "/contacts/c0001").status == 200
    seen = (("PUT", "/usage/maximum", {"maximum": 99}),
            ("POST", "/tier-reduction/preview", {"contacts": 20}),
            ("PUT", "/tier-reduction", {"contacts": 20}), ("DELETE", "/tier-reduction", None))  # fmt: skip
    for method, path, body in seen:
        assert world.call(method, f"/accounts/acme{path}", body).status == 200, path
    assert world.edit("POST", "/usage/maximum/request", {"maximum": 199}).status == 200
    text = b"contact,marketing\nann,true\nbob,perhaps\nc0002,false\nc0003,delete"
    opened = world.edit("POST", "/contacts/imports", {"bytes": len(text)}).json
    world.cloud.files.put(opened["upload"], text)
    path = f"/contacts/imports/{opened['id']}"
    for dry_run in (True, False):
        assert world.edit("POST", f"{path}/start", {"dry_run": dry_run}).status == 200
        assert world.cloud.invoke("ImportsSweepFunction", {}) == 1
        stopped(world, "ImportQueue", "ImportsWorkFunction")
        assert world.edit("GET", path).json["report"]
    spoil("acme", "CONTACTS", "timezone")
    world.on("2026-04-16T14:00:00Z")  # given up, and left alone for a while
    spoil("acme", "CONTACTS", "timezone", "America/New_York")
    world.batch(marketing=named(31))
    for instant in ("2026-05-16T14:00:00Z", "2026-05-18T14:00:00Z"):  # an upgrade, and then it is to be invoiced
        world.suddenly(instant)
        world.cloud.invoke("RecountSweepFunction", {})
        stopped(world, "RecountQueue", "RecountWorkFunction")
    world.suddenly("2026-06-16T14:00:00Z")
    assert world.call("PUT", "/accounts/acme/tier-reduction", {"contacts": 10}).status == 200


def stopped(world, queue, function):
    """A function that has no time for what is in its queue: it goes on in another message."""
    [message] = world.cloud.queues.receive(queue, 1)
    world.cloud.queues.delete(queue, message)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Context, "get_remaining_time_in_millis", lambda _: 0)
        world.cloud.invoke(function, sqs_event(queue, [message]))
    world.cloud.drain()


def mishaps():
    """What cannot be read is moved out of the way: a subscription, and an invoice that Stripe did not answer for."""
    world = World().sells().account("bolt")
    spoil("acme", f"SUB#{world.subscribed()}#", "term")
    unanswered = world.subscribed(account="bolt")
    world.cloud.faults.arm("stripe.create", "request_lost")
    world.on("2026-02-25T05:05:00Z")
    spoil("bolt", f"INVOICE#{unanswered}-00001#", "lines")
    world.on("2026-02-27T05:00:00Z")


def reconciliations():
    """The whole table is looked through, with time for one page; one that was put back draws its renewal again."""
    world = World().sells()
    seats = f"/accounts/acme/subscriptions/{world.subscribed()}/seats/sales"
    assert world.call("POST", seats, {"quantity": 1}).status == 201
    contents = world.contents()
    world.on("2026-02-25T06:00:00Z")
    put_back(world, contents)
    for event in ({"task": "accounts"}, {"task": "adopt", "since": "2026-02-25T04:00:00Z"}):
        world.cloud.invoke("ReconcileBeginFunction", event)
        with pytest.MonkeyPatch.context() as patch:
            left = partial(next, iter([ENOUGH_MILLISECONDS] * 3), ENOUGH_MILLISECONDS + 1)
            patch.setattr(Context, "get_remaining_time_in_millis", staticmethod(left))
            world.cloud.drain()
    assert [bill["status"] for bill in world.invoices()] == ["paid", "paid"]


def spoil(account, key, attribute, text="spoilt"):
    """Write into the table what no decision of ours writes."""
    boto3.client("dynamodb").update_item(
        TableName="prorata",
        Key={"PK": {"S": f"ACCOUNT#{account}"}, "SK": {"S": key}},
        UpdateExpression="SET #attribute = :value",
        ExpressionAttributeNames={"#attribute": attribute},
        ExpressionAttributeValues={":value": {"S": text}},
    )
