"""The functions under AWS's own runtime client, against servers: each starts and answers its sample event."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import boto3
import pytest
from botocore.config import Config

from infra.local import stripe, template
from infra.local.aws import answering
from infra.local.cloud import SECRETS, WEBHOOK_SECRET
from infra.local.runtime import Runtime
from tests.architecture.test_template import PRORATA
from tests.edge.test_sample_events import ACME, FUNCTION, GLOBEX, answer_of, bodies, for_globex, sample, to_start
from tests.world import SEAT

pytest.importorskip("awslambdaric", reason="AWS makes its runtime client for Linux")


def present():
    """The machine's time, which functions in processes of their own live by."""
    return datetime.fromtimestamp(time.time_ns() // 10**9, UTC)


# -- servers -----------------------------------------------------------------------------------------------


@contextmanager
def ministack(folder):
    """AWS as a server on a port of its own; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"AUTH": "false", "BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0", "GATEWAY_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", "ministack"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(folder), "LOG_LEVEL": "INFO", **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    listens, said = Event(), []

    def listen():
        with process:
            for line in process.stdout:
                said.append(line)
                if "Running on" in line:
                    listens.set()

    thread = Thread(target=listen)
    thread.start()
    try:
        assert listens.wait(60), said
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        thread.join()


@contextmanager
def stripe_stand_in():
    """Stripe as a server: the stand-in, and its address."""
    account = stripe.Stripe(present, webhook_secret=WEBHOOK_SECRET)
    server = stripe.serve(account)
    try:
        yield account, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Deployed:
    """All functions of the template, with the table, the queues and the parameters that they need."""

    def __init__(self, aws, stripe, stripe_address, put):
        answering.clear()  # whatever ran here before: these requests go to a server, and are signed
        self.stripe = stripe
        self.sqs, table, parameters, self.files = (
            boto3.client(service, endpoint_url=aws, region_name="eu-central-1", config=Config(proxies={}))
            for service in ("sqs", "dynamodb", "ssm", "s3")
        )
        where = {"LocationConstraint": "eu-central-1"}
        self.files.create_bucket(Bucket=template.BUCKET_NAME, CreateBucketConfiguration=where)
        for client in (self.sqs, table, parameters, self.files):
            put.callback(client.close)
        known = {"AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode"}
        table.create_table(
            TableName=template.TABLE_NAME, **{name: PRORATA.table[name] for name in PRORATA.table if name in known}
        )
        self.queues = {name: self._queue(queue) for name, queue in PRORATA.queues.items()}
        for name, value in SECRETS.items():
            parameters.put_parameter(Name=PRORATA.parameters[name], Value=value, Type="SecureString")
        self.functions = {}
        for function in PRORATA.functions.values():
            addresses = {
                name: self.queues[value] for name, value in function.environment.items() if value in self.queues
            }
            where = addresses | {"AWS_ENDPOINT_URL": aws, "STRIPE_API_BASE": stripe_address}
            self.functions[function.name] = put.enter_context(closing(Runtime(function, where)))

    def _queue(self, queue):
        visibility = str(int(queue.visibility.total_seconds()))
        return self.sqs.create_queue(QueueName=queue.name, Attributes={"VisibilityTimeout": visibility})["QueueUrl"]

    def invoke(self, name, event):
        """What a function answers to the event of a sample's name."""
        runtime = self.functions[FUNCTION[name]]
        payload, failed = runtime.invoke(event)
        assert not failed, (payload, runtime.logs)
        if "requestContext" in event:
            return answer_of(payload)
        return payload

    def ask(self, name, route, body, account="acme"):
        """A request of the seller's staff, in the shape of a sample; its answer."""
        method, path = route.split(" ")
        event = sample("checkout")
        event |= {"routeKey": route, "rawPath": f"/v1{path}", "body": json.dumps(body)}
        event["headers"]["idempotency-key"] = route
        event["requestContext"]["http"] |= {"method": method, "path": f"/v1{path}"}
        event["requestContext"]["authorizer"]["jwt"]["claims"] |= {"permissions": "seller.admin", "account": account}
        status, answer = self.invoke(name, event)
        assert status < 300, (answer, self.functions[FUNCTION[name]].logs[-5:])
        return answer

    def queued(self, name):
        """What lies in a queue, each message's body read."""
        got = self.sqs.receive_message(QueueUrl=self.queues[name], MaxNumberOfMessages=10, WaitTimeSeconds=5)
        return [json.loads(message["Body"]) for message in got["Messages"]]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """Everything, once for the whole file; what is started first ends last."""
    with ExitStack() as put:
        aws = put.enter_context(ministack(tmp_path_factory.mktemp("ministack")))
        yield Deployed(aws, *put.enter_context(stripe_stand_in()), put)


# -- the functions -----------------------------------------------------------------------------------------


class Story:
    """The samples' story, moved in time so that its one renewal is due now."""

    def __init__(self, deployed):
        self.deployed = deployed
        self.moved = present() - timedelta(days=33) - at(sample("accounts"))
        self.ids = {}
        self.told = set()

    def event(self, name):
        """A sample at its moved time, with the ids that things have here."""
        event = sample(name)
        if "requestContext" in event:
            event["requestContext"]["timeEpoch"] += int(self.moved.total_seconds()) * 1000
        return self.here(event)

    def here(self, told):
        """The same with the ids that things have here."""
        text = json.dumps(told)
        for there, here in self.ids.items():
            text = text.replace(there, here)
        return json.loads(text)

    def tell(self, name, event=None):
        self.told.add(name)
        return self.deployed.invoke(name, event or self.event(name))


def at(event):
    return datetime.fromtimestamp(event["requestContext"]["timeEpoch"] / 1000, UTC)


def test_the_samples_tell_their_story_to_functions_that_run_as_on_lambda(deployed):
    story, ask = Story(deployed), deployed.ask
    ask("accounts", "PUT /sellers/eu", {"timezone": "Europe/Berlin", "currency": "EUR"})
    ask("accounts", "PUT /catalog", {"prices": {"sales-professional-seat": SEAT | {"amount": "45.00"}}})
    saved = {}
    for account in ("acme", "globex"):
        ask("accounts", f"PUT /accounts/{account}", {"seller": "eu"})
        route = f"POST /accounts/{account}/payment-method"
        saved[account] = ask("checkout", route, {"payment_method": "pm_card_visa"}, account)["payment_method"]["id"]

    status, overview = story.tell("accounts")
    assert (status, overview["id"], overview["products"]) == (200, "acme", [])

    for there, event in ((ACME, story.event("checkout")), (GLOBEX, for_globex(story.event("checkout")))):
        status, bought = story.tell("checkout", event)
        assert (status, bought["status"], bought["invoice"]["total"]["amount"]) == (201, "complete", "225.00")
        [started] = bought["subscriptions"]
        story.ids[there] = started["id"]

    seats = story.tell("seats")[1]
    charge = seats["charge"]["amount"]
    assert (seats["total"], 0 < float(charge) < 45) == (6, True)
    tell_of_contacts(story)
    status, shown = story.tell("subscriptions")
    assert (status, shown["id"], shown["cost"]["amount"]) == (200, story.ids[ACME], "270.00")
    assert [item["amount"]["amount"] for item in shown["pending"]] == [charge]

    assert story.tell("rollover_sweep") == 2
    assert in_order(deployed.queued("RolloverQueue")) == in_order(story.here(bodies("rollover_work")))
    assert story.tell("rollover_work") == {"batchItemFailures": []}

    deployed.stripe.becomes(saved["acme"], "card_lost")
    assert story.tell("charges_sweep") == 2
    assert in_order(deployed.queued("ChargeQueue")) == in_order(story.here(bodies("charges_work")))
    assert story.tell("charges_work") == {"batchItemFailures": []}
    event = story.event("invoices")
    event["requestContext"]["authorizer"]["jwt"]["claims"]["permissions"] = "billing.modify"
    status, invoice = story.tell("invoices", event)
    assert (status, invoice["status"], invoice["error"]["code"]) == (200, "waiting_for_payer", "lost_card")
    token = invoice["pay_page"].rpartition("/")[2]

    deployed.stripe.webhooks()
    deployed.stripe.pay(intent_of(deployed, invoice["id"]), "pm_card_visa")
    [said] = [message for message in deployed.stripe.webhooks() if message.type == "payment_intent.succeeded"]
    signed = {name.lower(): value for name, value in said.headers.items()}
    event = story.event("stripe_webhook")
    event |= {"body": said.body.decode(), "headers": event["headers"] | signed}
    assert story.tell("stripe_webhook", event) == (200, {"received": True})

    event = story.event("pay") | {"rawPath": f"/v1/pay/{token}", "pathParameters": {"token": token}}
    event["requestContext"]["http"]["path"] = event["rawPath"]
    page = story.tell("pay", event)[1]
    assert (page.said("standing")[:7], page.form) == ("Paid on", None)
    _, invoice = story.tell("invoices")
    assert invoice["status"] == "paid"
    assert float(invoice["total"]["amount"]) == pytest.approx(270 + float(charge))
    assert [line["amount"]["amount"] for line in invoice["lines"]] == ["270.00", charge]

    last = story.tell("refunds")[0], story.tell("reconcile_begin"), story.tell("reconcile_work")
    assert last == (201, 6, {"batchItemFailures": []})
    assert story.told == FUNCTION.keys(), "every sample has had its part"


def tell_of_contacts(story):
    """Contacts are set for both, a file is uploaded and imported, and all are counted."""
    status, made = story.tell("contacts")
    assert (status, made["marketing"], made["total"]) == (200, 2, 3)
    assert story.tell("contacts", for_globex(story.event("contacts")))[0] == 200
    status, opened = story.tell("imports")
    assert (status, opened["status"]) == (201, "awaiting_upload")
    story.ids[bodies("imports_work")[0]["id"]] = opened["id"]
    request = urllib.request.Request(opened["upload"], b"contact,marketing\njim.p,true\n", method="PUT")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as uploaded:
        assert uploaded.status == 200
    assert story.tell("imports", to_start(story.event("imports"), opened["id"]))[1]["status"] == "running"
    for _ in ("when it is started", "by the sweep"):
        assert story.deployed.queued("ImportQueue") == story.here(bodies("imports_work"))
        assert story.tell("imports_sweep") == 1
    assert story.tell("imports_work") == {"batchItemFailures": []}
    assert story.tell("recount_sweep") == 2
    assert in_order(story.deployed.queued("RecountQueue")) == in_order(bodies("recount_work"))
    assert story.tell("recount_work") == {"batchItemFailures": []}


def in_order(found):
    return sorted(found, key=str)


def intent_of(deployed, invoice):
    intents = deployed.stripe._account.payment_intents.values()
    return next(intent["id"] for intent in intents if intent["metadata"]["invoice"] == invoice)


def test_a_webhook_that_nobody_signed_is_refused(deployed):
    status, problem = deployed.invoke("stripe_webhook", sample("stripe_webhook"))
    assert (status, problem["code"]) == (422, "invalid_signature")


# -- errors, time-outs, ends ------------------------------------------------------------------------------


PROBE = """
import os, sys, threading

def tells(event, context):
    left = 0 < context.get_remaining_time_in_millis() <= 20_000
    return {"pid": os.getpid(), "name": context.function_name, "time left": left, "environment": sorted(os.environ)}

def answers(event, context):
    if event == "raise":
        raise LookupError("no such account")
    if event == "exit":
        sys.exit(3)
    if event == "hang":
        threading.Event().wait()
    return {"pid": os.getpid(), "event": event}
"""


@pytest.fixture
def probe(tmp_path):
    """A small function of our own under the runtime, by its handler."""
    (tmp_path / "probe.py").write_text(PROBE)
    with ExitStack() as put:

        def start(handler, seconds=20):
            function = template.Function("Probe", handler, {"TABLE_NAME": "prorata"}, timedelta(seconds=seconds))
            return put.enter_context(closing(Runtime(function, {"ADDRESS": "here"}, tmp_path)))

        yield start


def test_a_function_is_told_what_lambda_tells_and_nothing_of_this_machine(probe, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THIS_MACHINE", "1")
    answer, failed = probe("probe.tells").invoke({})
    assert (failed, answer["name"], answer["time left"]) == (False, "Probe", True)
    assert {"TABLE_NAME", "ADDRESS", "AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION"} <= set(answer["environment"])
    assert "SECRET_OF_THIS_MACHINE" not in answer["environment"]


def test_an_error_has_lambdas_shape_and_the_function_goes_on(probe):
    runtime = probe("probe.answers")
    before = runtime.invoke("hello").payload
    error, failed = runtime.invoke("raise")
    assert (failed, error["errorType"], error["errorMessage"]) == (True, "LookupError", "no such account")
    assert [line.splitlines()[1].strip() for line in error["stackTrace"]] == ['raise LookupError("no such account")']
    assert runtime.invoke("hello").payload == before, "the same process serves on"


def test_a_function_that_takes_too_long_is_killed_and_starts_anew(probe):
    runtime = probe("probe.answers", seconds=1)
    first = runtime.invoke("hello").payload["pid"]
    error, failed = runtime.invoke("hang")
    assert (failed, error["errorType"]) == (True, "Sandbox.Timedout")
    assert error["errorMessage"].endswith(" Error: Task timed out after 1.00 seconds")
    assert_gone(first)
    assert runtime.invoke("hello").payload["pid"] != first


def test_a_function_that_ends_by_itself_is_reported_and_starts_anew(probe):
    runtime = probe("probe.answers")
    error, failed = runtime.invoke("exit")
    assert (failed, error["errorType"]) == (True, "Runtime.ExitError")
    assert error["errorMessage"].endswith(" Error: Runtime exited with error: exit status 3")
    assert runtime.invoke("hello").payload["event"] == "hello"


@pytest.mark.parametrize(
    ("handler", "kind", "sentence"),
    [
        (
            "nowhere.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'nowhere': No module named 'nowhere'",
        ),
        ("probe.missing", "Runtime.HandlerNotFound", "Handler 'missing' missing on module 'probe'"),
    ],
)
def test_a_function_that_cannot_be_imported_is_reported_each_time(probe, handler, kind, sentence):
    runtime = probe(handler)
    for _ in range(2):
        error, failed = runtime.invoke({})
        assert (failed, error["errorType"], error["errorMessage"]) == (True, kind, sentence)
        assert error["stackTrace"] == []


def test_a_closed_function_has_left_nothing_behind(probe):
    runtime = probe("probe.answers")
    process = runtime.invoke("hello").payload["pid"]
    runtime.close()
    runtime.close()
    assert_gone(process)


def assert_gone(process):
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
