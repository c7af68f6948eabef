"""Every story of the folder comes out as it says, and Stripe's own books agree with ours."""

import re
from pathlib import Path

import pytest

from infra.local.simulate import Simulation
from infra.local.story import StoryFile
from shared.domain.invoice import InvoiceStatus
from shared.domain.processor import to_stripe
from shared.domain.refund import RefundStatus
from shared.store.record import Record
from shared.store.records import InvoiceRecord, RefundRecord

HERE = Path(__file__).parent
STORIES = sorted(HERE.glob("stories/*.yaml"))
SAMPLE = HERE.parents[1] / "infra/local/sample.yaml"

every_story = pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)


@pytest.mark.parametrize("path", [*STORIES, SAMPLE], ids=lambda path: path.stem)
def test_a_story_comes_out_as_it_says(path):
    simulation = Simulation(StoryFile(path), lambda _: None)
    assert simulation.play() == []
    assert charged_by_stripe(simulation) == paid_by_our_books(simulation), "nobody is charged twice, or for nothing"
    assert sent_back_by_stripe(simulation) == refunded_by_our_books(simulation), "no money goes back twice"
    assert still_to_pay(simulation) == [], "nothing can be paid any more that is over"
    assert simulation.cloud._due_now() == [], "nothing that is due is left undone"
    assert differences(simulation.cloud) == []


@every_story
def test_a_story_names_its_rule(path):
    assert re.match(r"# (R|D|F|C|DESIGN )\d+", path.read_text(encoding="utf-8"))


@every_story
def test_a_story_tells_all_of_its_invoices(path):
    assert StoryFile(path).story.expect.invoices


def differences(cloud):
    """What a look through the table and at Stripe's ledger finds at the end."""
    for task in ("ledger", "accounts"):
        cloud.invoke("ReconcileBeginFunction", {"task": task})
        cloud.drain()
        assert cloud.queues.messages("ReconcileQueue") == []
    return [item for item in cloud.store.items("prorata") if item["kind"]["S"] == "difference"]


def charged_by_stripe(simulation):
    """What went off the customers' cards, as the stand-in for Stripe remembers it."""
    intents = simulation.cloud.stripe._account.payment_intents.values()
    return sorted(
        (intent["metadata"]["account"], intent["metadata"]["invoice"], intent["amount_received"])
        for intent in intents
        if intent["status"] == "succeeded"
    )


def still_to_pay(simulation):
    """The payments at Stripe that could still be made for an invoice that is paid, void or written off."""
    records = map(Record.from_raw_data, simulation.cloud.store.items("prorata"))
    invoices = (record.to_entity() for record in records if isinstance(record, InvoiceRecord))
    over = {(invoice.account_id, invoice.id) for invoice in invoices if invoice.settled}
    intents = simulation.cloud.stripe._account.payment_intents.values()
    waiting = [intent for intent in intents if intent["status"] not in ("succeeded", "canceled")]
    metadata = [intent["metadata"] for intent in waiting]
    return [told for told in metadata if (told.get("account"), told.get("invoice")) in over]


def sent_back_by_stripe(simulation):
    """What went back to the payers, as the stand-in for Stripe remembers it."""
    refunds = simulation.cloud.stripe._account.refunds.values()
    return sorted(
        (each["metadata"]["account"], each["metadata"]["invoice"], each["metadata"]["refund"], each["amount"])
        for each in refunds
        if each["status"] != "failed"
    )


def refunded_by_our_books(simulation):
    """What our refunds say is back, or on its way, in Stripe's units."""
    records = map(Record.from_raw_data, simulation.cloud.store.items("prorata"))
    refunds = (record.to_entity() for record in records if isinstance(record, RefundRecord))
    under_way = (RefundStatus.PENDING, RefundStatus.SUCCEEDED)
    return sorted((it.account_id, it.invoice_id, str(it.n), it.units) for it in refunds if it.status in under_way)


def paid_by_our_books(simulation):
    """What our invoices say was paid, in Stripe's units."""
    records = map(Record.from_raw_data, simulation.cloud.store.items("prorata"))
    invoices = [record.to_entity() for record in records if isinstance(record, InvoiceRecord)]
    return sorted(
        (invoice.account_id, invoice.id, to_stripe(invoice.total))
        for invoice in invoices
        if invoice.status is InvoiceStatus.PAID and invoice.total.amount
    )
