"""The sample events under infra/events, handed to the functions that the template names: they are one story."""

import json
from datetime import UTC, datetime

from tests.architecture.test_template import PRORATA, ROOT, sample_of
from tests.edge.html import Page
from tests.edge.test_webhook import signed
from tests.world import SEAT, World

FUNCTION = {sample_of(function).stem: function.name for function in PRORATA.functions.values()}
ACME, GLOBEX = "sub_5ca58c7d1a0fb62aa", "sub_c5f5432a89c4fc83a"  # what the checkouts of the samples start


def sample(name):
    return json.loads((ROOT / f"infra/events/{name}.json").read_text())


def play(world, name, event=None):
    """Hand a sample (or an adapted copy) to its function at the sample's own time; what it answers."""
    event = event or sample(name)
    if "requestContext" in event:
        world.cloud.now = datetime.fromtimestamp(event["requestContext"]["timeEpoch"] / 1000, UTC)
    answer = world.cloud.invoke(FUNCTION[name], event)
    if "requestContext" in event:
        return answer_of(answer)
    return answer


def answer_of(answer):
    """The status and what came back: a page, or anything else as JSON."""
    is_page = answer["headers"]["Content-Type"].startswith("text/html")
    return answer["statusCode"], Page(answer["body"]) if is_page else json.loads(answer["body"])


def queued(world, queue):
    """What is in a queue, each message's body read."""
    return [json.loads(message.body) for message in world.cloud.queues.messages(queue)]


def bodies(name):
    return [json.loads(record["body"]) for record in sample(name)["Records"]]


def test_the_samples_tell_of_a_subscription_from_its_checkout_to_a_paid_renewal():
    world = World("2026-01-25T08:00:00Z", currency="EUR").account("globex")
    world.sells(**{"sales-professional-seat": SEAT | {"amount": "45.00"}})
    told = set()

    def tell(name, event=None):
        told.add(name)
        return play(world, name, event)

    status, overview = tell("accounts")
    assert (status, overview["id"], overview["products"]) == (200, "acme", [])

    status, bought = tell("checkout")
    assert (status, bought["status"], bought["invoice"]["total"]["amount"]) == (201, "complete", "225.00")
    assert [each["id"] for each in bought["subscriptions"]] == [ACME]
    status, bought = tell("checkout", for_globex(sample("checkout")))
    assert (status, [each["id"] for each in bought["subscriptions"]]) == (201, [GLOBEX])

    status, seats = tell("seats")
    assert (status, seats["total"], seats["charge"]["amount"], seats["charge"]["days"]) == (201, 6, "26.13", 18)

    tell_of_contacts(world, tell)
    status, shown = tell("subscriptions")
    assert (status, shown["id"], shown["cost"]["amount"]) == (200, ACME, "270.00")
    assert [item["amount"]["amount"] for item in shown["pending"]] == ["26.13"]

    world.cloud.now = datetime.fromisoformat(sample("rollover_sweep")["time"])
    assert tell("rollover_sweep") == 2
    assert sorted(queued(world, "RolloverQueue"), key=str) == sorted(bodies("rollover_work"), key=str)
    assert tell("rollover_work") == {"batchItemFailures": []}

    assert tell("charges_sweep") == 2
    assert sorted(queued(world, "ChargeQueue"), key=str) == sorted(bodies("charges_work"), key=str)
    world.cloud.faults.arm("stripe.create", "answer_lost")
    [acme, _] = sample("charges_work")["Records"]
    assert tell("charges_work") == {"batchItemFailures": [{"itemIdentifier": acme["messageId"]}]}
    assert [world.invoices(account)[-1]["status"] for account in ("acme", "globex")] == ["open", "paid"]

    assert tell("stripe_webhook", as_stripe_has_it(world, sample("stripe_webhook"))) == (200, {"received": True})

    status, page = tell("pay")
    assert (status, page.said("standing"), page.form) == (200, "Paid on 25 February 2026. Thank you.", None)

    status, invoice = tell("invoices")
    assert (status, invoice["status"], invoice["total"]["amount"]) == (200, "paid", "296.13")
    assert [line["description"] for line in invoice["lines"]] == [
        "6 × Sales Hub seat",
        "1 × Sales Hub seat, 18 of 31 days",
    ]

    status, refund = tell("refunds")
    assert (status, refund["status"], refund["amount"]["amount"]) == (201, "succeeded", "26.13")
    assert refund["credit_note"]["number"] == f"{ACME}-00001-C01"

    world.cloud.now = datetime.fromisoformat(sample("reconcile_begin")["time"])
    assert tell("reconcile_begin") == 3 + 3, "days of what moved, and of what was saved"
    assert queued(world, "ReconcileQueue")[0] == bodies("reconcile_work")[0]
    assert tell("reconcile_work") == {"batchItemFailures": []}
    assert "alarm.raised" not in world.audit()
    assert told == FUNCTION.keys(), "every sample has had its part"


def for_globex(event):
    """The same request for another account."""
    event = json.loads(json.dumps(event).replace("acme", "globex"))
    event["requestContext"]["authorizer"]["jwt"]["claims"]["account"] = "globex"
    return event


def tell_of_contacts(world, tell):
    """Contacts are set for both, a file is uploaded and imported, and all are counted."""
    status, made = tell("contacts")
    assert (status, made["marketing"], made["total"], made["next_update_on"]) == (200, 2, 3, "2026-03-01")
    assert tell("contacts", for_globex(sample("contacts")))[0] == 200
    status, opened = tell("imports")
    assert (status, opened["status"], opened["id"]) == (201, "awaiting_upload", bodies("imports_work")[0]["id"])
    world.cloud.files.put(opened["upload"], b"contact,marketing\njim.p,true\n")
    assert play(world, "imports", to_start(sample("imports"), opened["id"]))[1]["status"] == "running"
    assert queued(world, "ImportQueue") == bodies("imports_work")
    assert tell("imports_sweep") == 1
    assert queued(world, "ImportQueue") == bodies("imports_work") * 2
    assert tell("imports_work") == {"batchItemFailures": []}

    world.cloud.now = datetime.fromisoformat(sample("recount_sweep")["time"])
    assert tell("recount_sweep") == 2
    assert sorted(queued(world, "RecountQueue"), key=str) == sorted(bodies("recount_work"), key=str)
    assert tell("recount_work") == {"batchItemFailures": []}
    assert world.audit()[-1] == "contacts.counted"


def to_start(event, import_id):
    """The request that starts the import that another one has opened."""
    path = f"{event['rawPath']}/{import_id}/start"
    event["requestContext"]["http"]["path"] = path
    event["headers"]["idempotency-key"] += "-start"
    return event | {"routeKey": "POST …", "rawPath": path, "body": "{}"}


def as_stripe_has_it(world, event):
    """The sample with the ids that Stripe's stand-in gave, and a signature."""
    message = json.loads(event["body"])
    payment = message["data"]["object"]
    [held] = [
        intent
        for intent in world.cloud.stripe._account.payment_intents.values()
        if intent["metadata"]["invoice"] == payment["metadata"]["invoice"]
    ]
    payment |= {name: held[name] for name in ("id", "customer")}
    body = json.dumps(message)
    at = datetime.fromtimestamp(event["requestContext"]["timeEpoch"] / 1000, UTC)
    return event | {"body": body, "headers": event["headers"] | {"stripe-signature": signed(body, at)}}


def test_the_webhook_sample_as_it_lies_there_is_signed_by_nobody():
    status, problem = play(World(), "stripe_webhook")
    assert (status, problem["code"]) == (422, "invalid_signature")


def test_sam_on_this_machine_tells_the_time_in_seconds():
    answers = []
    for factor in (1, 1000):
        world = World("2026-01-25T08:00:00Z", currency="EUR").sells(**{"sales-professional-seat": SEAT})
        event = sample("checkout")
        event["requestContext"]["timeEpoch"] //= factor
        world.cloud.now = datetime(2026, 1, 25, 9, tzinfo=UTC)
        answer = world.cloud.invoke("CheckoutFunction", event)
        answers.append((answer["statusCode"], json.loads(answer["body"])))
    assert answers[0] == answers[1]
    assert answers[0][1]["invoice"]["date"] == "2026-01-25"
