"""docs/seats.md says what each command does to what waits; every row of its table is played."""

import re
from pathlib import Path

import pytest

from shared.store import queries
from tests.edge.test_seats import Office

PAGE = (Path(__file__).parents[2] / "docs" / "seats.md").read_text()
TABLE = re.search(r"<!-- table -->\n(.+?)<!-- /table -->", PAGE, re.DOTALL)[1]
ROWS = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in TABLE.splitlines()[2:]]
NO_REMOVAL = ("schedule a removal",)


@pytest.fixture
def office():
    """Three sales seats for a quarter, billed by the month, one of them taken; one more was bought, one is to go.

    With them ten contacts.
    """
    items = [{"price": "sales-seat", "quantity": 3}, {"price": "service-seat", "quantity": 2}]
    office = Office(*items, {"price": "contacts-starter"}, term="quarter")
    office.move(["ann"])
    office.on("2026-02-07T15:30:00Z").ask("POST", f"{office.seats}/service", {"quantity": 1})
    office.sales = f"{office.seats}/sales"
    return office


def cancel(office):
    path = office.seats.removesuffix("/seats")
    office.call("POST", f"{path}/cancel", {"understood": True, "waive": True}, permissions="seller.admin")


def upgrade(office):
    """A paid subscription is no free one, whatever waits for it."""
    body = {"items": [{"price": "service-seat"}], "replaces": office.sub}
    return office.refused("POST", "/accounts/acme/checkout/preview", body)


def exceed(office):
    """Eleven contacts are counted on the next day, and charged on the one after."""
    marketing = [f"c{n}" for n in range(11)]
    office.ask("POST", "/accounts/acme/contacts/batch", {"marketing": marketing}, permissions="contacts.edit")
    office.on("2026-02-09T12:00:00Z")
    assert office.invoices()[-1]["lines"][0]["description"] == "1 × Contacts, up to 20, 16 of 31 days"


COMMANDS = {
    "buy": lambda office: office.ask("POST", f"{office.sales}", {"quantity": 1}),
    "assign, another seat is free": lambda office: office.move(["bob"]),
    "assign, a seat to be removed": lambda office: office.move(["bob", "cid"]),
    "assign and buy": lambda office: office.move(["bob", "cid", "dan"], buy=1),
    "unassign": lambda office: office.move(unassign=["ann"]),
    "schedule a removal": lambda office: office.ask("PUT", f"{office.sales}/removal", {"quantity": 1}),
    "schedule another of the type": lambda office: office.refused("PUT", f"{office.sales}/removal", {"quantity": 1}),
    "cancel the removal": lambda office: office.ask("DELETE", f"{office.sales}/removal"),
    "deactivate a user": lambda office: office.ask("PUT", "/accounts/acme/users/ann", {"active": False}),
    "renew, within the term": lambda office: office.on("2026-02-26"),
    "renew, a new term": lambda office: office.on("2026-04-26"),
    "cancel the subscription": cancel,
    "pay by another method": lambda office: office.ask(
        "POST", "/accounts/acme/payment-method", {"payment_method": "pm_card_mastercard"}
    ),
    "upgrade from free tools": upgrade,
    "exceed the contact tier": exceed,
}


def items(before, after, office):
    """What became of the items that waited for the invoice."""
    if after.pending == before.pending:
        return "stay"
    if after.pending:
        return "one more"
    billed = [line["description"] for bill in office.invoices() for line in bill["lines"]]
    return "on the invoice" if any(text.endswith(" days") for text in billed) else "dropped"


def removals(before, after, office, said):
    """What became of the removal that waited for the term."""
    if isinstance(said, tuple):
        return f"refused: `{said[1]}`"
    if after.removals == before.removals:
        return "stays"
    if after.removals:
        return "one"
    happened = office.audit()
    if "subscription.canceled" in happened:
        return "dropped"
    if "seats.removed" in happened:
        return "done"
    return "cancelled, all of it" if "seats.assigned" in happened[-1:] else "none"


@pytest.mark.parametrize(("command", "invoice", "term"), ROWS, ids=[row[0] for row in ROWS])
def test_a_command_does_to_what_waits_what_the_table_says(office, command, invoice, term):
    if command not in NO_REMOVAL:
        office.ask("PUT", f"{office.sales}/removal", {"quantity": 1})
    before = queries.book("acme", office.sub)
    assert len(before.pending) == 1
    said = COMMANDS[command](office)
    after = queries.book("acme", office.sub)
    assert (items(before, after, office), removals(before, after, office, said)) == (invoice, term)


def test_every_command_stands_in_the_table():
    assert [row[0] for row in ROWS] == list(COMMANDS)
