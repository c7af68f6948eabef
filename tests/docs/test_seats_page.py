"""docs/seats.md says what each command does to what waits; every row of its table is played."""

import re
from pathlib import Path

import pytest

from shared.domain.subscription import MOST_PENDING
from shared.store import queries
from tests.edge.test_seats import HUB, Office
from tests.world import SEAT

PAGE = (Path(__file__).parents[2] / "docs" / "seats.md").read_text()
TABLE = re.search(r"<!-- table -->\n(.+?)<!-- /table -->", PAGE, re.DOTALL)[1]
ROWS = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in TABLE.splitlines()[2:]]
HUB_PLAN = HUB["prices"]["hub-professional"]
NO_REMOVAL = ("schedule a removal", "end after the last payment")
ONE = {"quantity": 1}


def quarterly():
    """Paid once, for a quarter: what is bought in it waits for its end."""
    return Office(
        FOUR | {"price": "quarterly", "payments": 1}, term="quarter", quarterly=SEAT | {"interval": "quarter"}
    )


def failing():
    """Its second month could not be charged: it ends on 10 February unless that is paid."""
    office = Office(FOUR, term="quarter", now="2026-01-05T15:00:00Z")
    ends = {"retry_days": [5], "after_retries": "cancel"}
    office.staff("PUT", "/sellers/us", {"timezone": "America/New_York", "currency": "USD", **ends})
    office.cloud.stripe.becomes(queries.account("acme").payment_method, "card_declined")
    return office.on("2026-02-06")


def free():
    """Free tools, and sales seats that cost nothing."""
    prices = {
        "sales-seat": SEAT | {"amount": "0.00"},
        "hub-free": HUB_PLAN | {"edition": "free", "amount": "0.00"},
        "hub-starter": HUB_PLAN | {"edition": "starter", "amount": "20.00"},
    }
    return Office(FOUR, {"price": "hub-free"}, now="2026-02-07T15:00:00Z", **prices)


def upgrading():
    """An upgrade of them is open."""
    office = free()
    office.open = opened(office)
    return office


def opened(office):
    """An upgrade whose first charge is declined: it waits for its payer."""
    office.cloud.stripe.becomes(queries.account("acme").payment_method, "card_declined")
    checkout = office.ask("POST", "/accounts/acme/checkout", STARTER)
    assert (checkout["status"], queries.checkout("acme", checkout["id"]).replaces) == ("open", office.sub)
    return checkout


def tiered():
    """The second tier of contacts."""
    return Office(FOUR, {"price": "contacts-starter", "quantity": 20}, term="quarter")


def yearly():
    """Paid for the year."""
    return Office(FOUR | {"price": "yearly"}, term="year", yearly=SEAT | {"interval": "year"})


FOUR = {"price": "sales-seat", "quantity": 3}
STARTER = {"items": [{"price": "hub-starter"}]}
OFFICES = {
    "cancel, no commitment left": lambda: Office(FOUR),
    "end after the last payment": quarterly,
    "end by dunning": failing,
    "open an upgrade from free tools": free,
    "an upgrade from free tools is paid": upgrading,
    "exceed the contact tier": lambda: Office(FOUR, {"price": "contacts-starter"}, term="quarter"),
    "ask for a lower contact tier": tiered,
    "a lower contact tier begins": tiered,
    "an invoice is drawn early: the 51st item": yearly,
    "buy, and the seller invoices at once": yearly,
}
"""Where a row needs another subscription than one committed for a quarter and billed by the month."""


@pytest.fixture
def office(command):
    """Three sales seats, one of them taken; on 7 February one more was bought: that item waits."""
    office = OFFICES.get(command, lambda: Office(FOUR, term="quarter"))()
    office.move(["ann"])
    office.sales = f"{office.seats}/sales"
    office.on("2026-02-07T15:30:00Z").ask("POST", office.sales, ONE)
    office.move(["eve"])
    return office


def cancel(office, **how):
    path = office.seats.removesuffix("/seats")
    office.ask("POST", f"{path}/cancel", {"understood": True, **how}, "seller.admin")


def crowd(office):
    for day in range(MOST_PENDING):
        office.suddenly(f"2026-{3 + day // 28:02}-{1 + day % 28:02}T15:00:00Z").ask("POST", office.sales, ONE)


def at_once(office):
    us = {"timezone": "America/New_York", "currency": "USD", "seats_invoiced": "at_once"}
    office.staff("PUT", "/sellers/us", us)
    office.ask("POST", office.sales, ONE)


def upgrade(office):
    """Refused while a removal waits; without one it is opened, and what was bought still waits."""
    refused = office.refused("POST", "/accounts/acme/checkout", STARTER)
    office.ask("DELETE", f"{office.sales}/removal")
    opened(office)
    return refused


def pay(office):
    """What is open is paid with another card."""
    office.cloud.stripe.pay(office.open["payment"]["client_secret"].partition("_secret_")[0], "pm_card_visa")
    office.cloud.settle()


def lower(office):
    office.ask("PUT", "/accounts/acme/tier-reduction", {"contacts": 10})


def lowered(office):
    """Asked for in February, it begins with the term, which has three seats; the lowest tier costs nothing."""
    lower(office)
    office.on("2026-04-26")
    lines = [(line["description"], line["amount"]) for line in office.invoices()[-1]["lines"]]
    assert lines == [("3 × Sales Hub seat", "300.00")]


def exceed(office):
    """Eleven contacts are counted on the next day, and charged on the one after."""
    marketing = [f"c{n}" for n in range(11)]
    office.ask("POST", "/accounts/acme/contacts/batch", {"marketing": marketing}, permissions="contacts.edit")
    office.on("2026-02-09T12:00:00Z")
    assert office.invoices()[-1]["lines"][0]["description"] == "1 × Contacts, up to 20, 16 of 31 days"


COMMANDS = {
    "buy": lambda office: office.on("2026-02-08T15:00:00Z").ask("POST", office.sales, ONE),
    "buy, and the seller invoices at once": at_once,
    "assign, another seat is free": lambda office: office.move(["bob"]),
    "assign, a seat to be removed": lambda office: office.move(["bob", "cid"]),
    "assign and buy": lambda office: office.on("2026-02-08T15:00:00Z").move(["bob", "cid", "dan"], buy=1),
    "unassign": lambda office: office.move(unassign=["ann"]),
    "schedule a removal": lambda office: office.ask("PUT", f"{office.sales}/removal", ONE),
    "schedule another of the type": lambda office: office.refused("PUT", f"{office.sales}/removal", ONE),
    "cancel the removal": lambda office: office.ask("DELETE", f"{office.sales}/removal"),
    "deactivate a user": lambda office: office.ask("PUT", "/accounts/acme/users/ann", {"active": False}),
    "delete a user": lambda office: office.ask("DELETE", "/accounts/acme/users/bob"),
    "renew, within the term": lambda office: office.on("2026-02-26"),
    "renew, a new term": lambda office: office.on("2026-04-26"),
    "cancel, no commitment left": cancel,
    "cancel, under a commitment": cancel,
    "cancel, under a commitment, waived": lambda office: cancel(office, waive=True),
    "end after the last payment": lambda office: office.on("2026-04-26"),
    "end by dunning": lambda office: office.on("2026-02-12"),
    "an invoice is drawn early: the 51st item": crowd,
    "pay by another method": lambda office: office.ask(
        "POST", "/accounts/acme/payment-method", {"payment_method": "pm_card_mastercard"}
    ),
    "open an upgrade from free tools": upgrade,
    "an upgrade from free tools is paid": pay,
    "exceed the contact tier": exceed,
    "ask for a lower contact tier": lower,
    "a lower contact tier begins": lowered,
}


def items(before, after, office):
    """What became of the items that waited for the invoice."""
    if after.pending == before.pending:
        return "stay"
    if after.pending:
        more = [each for each in after.pending if each not in before.pending]
        assert set(before.pending) <= set(after.pending)
        return "one more" if [each.quantity for each in more] == [1] else f"{more} more"
    billed = [line["description"] for bill in office.invoices() for line in bill["lines"]]
    return "on the invoice" if any(text.endswith(" days") for text in billed) else "dropped"


def removals(before, after, office, said):
    """What became of the removal that waited for the term."""
    if isinstance(said, tuple):
        return f"refused: `{said[1]}`"
    if after.removals == before.removals != ():
        return "stays"
    if after.removals:
        return "one"
    happened = office.audit()
    became = {
        "dropped": {"subscription.canceled", "subscription.upgraded"} & set(happened),
        "cannot wait": not before.removals,
        "done": "seats.removed" in happened,
        "cancelled, all of it": "seats.assigned" in happened[-1:],
        "none": True,
    }
    return next(text for text, true in became.items() if true)


@pytest.mark.parametrize(("command", "invoice", "term"), ROWS, ids=[row[0] for row in ROWS])
def test_a_command_does_to_what_waits_what_the_table_says(office, command, invoice, term):
    if command not in NO_REMOVAL:
        office.ask("PUT", f"{office.sales}/removal", ONE)
    before = queries.book("acme", office.sub)
    assert len(before.pending) == 1
    said = COMMANDS[command](office)
    after = queries.book("acme", office.sub)
    assert (items(before, after, office), removals(before, after, office, said)) == (invoice, term)


def test_every_command_stands_in_the_table():
    assert [row[0] for row in ROWS] == list(COMMANDS)
