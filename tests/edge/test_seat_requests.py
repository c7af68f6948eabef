"""Removals and seats while somebody else writes, and on a subscription whose renewal is due."""

from dataclasses import replace

import pytest

from infra.local.invocations import sqs_event
from infra.local.queues import Message
from shared.domain.changes import Changes
from shared.domain.subscription import MOST_PENDING
from shared.store import queries, table
from tests.edge.another_lambda import Meanwhile
from tests.edge.test_seats import GIVE, HUB, Office

TERM_END = "2026-02-25T15:00:00Z"  # the sweep has not come by yet


@pytest.fixture
def office():
    """Two sales seats, one of them taken."""
    office = Office({"price": "sales-seat", "quantity": 2})
    office.move(["ann"])
    office.removal = f"{office.seats}/sales/removal"
    office.on("2026-02-07T15:00:00Z")
    return office


def renew(office):
    """The renewal by the worker, as another Lambda does it; what failed of it."""
    body = f'{{"kind": "subscription", "account": "acme", "id": "{office.sub}"}}'
    message = Message("1", body, office.cloud.now, office.cloud.now, receives=1)
    return office.cloud.invoke("RolloverWorkFunction", sqs_event("RolloverQueue", [message]))["batchItemFailures"]


def sitting(office):
    """The seats and who sits there, by the counter and by the users."""
    book = queries.book("acme", office.sub)
    users = [user.id for user in queries.seated_users("acme", office.sub)]
    assert book.subscription.assigned_of("sales") == len(users)
    return sum(item.quantity for item in book.subscription.items), users, [each.quantity for each in book.removals]


# -- two writers -------------------------------------------------------------------------------------------


def test_the_last_seat_is_not_given_past_a_removal_that_is_scheduled_meanwhile(office):
    Meanwhile(office).happens(lambda: office.ask("PUT", office.removal, {"quantity": 1}))
    given = office.ask("PUT", f"{office.seats}/sales/users/bob", {})
    assert given["removal_canceled"] == 1
    assert sitting(office) == (2, ["ann", "bob"], [])


def test_a_removal_is_not_scheduled_past_a_seat_that_is_given_meanwhile(office):
    Meanwhile(office).happens(lambda: office.ask("PUT", f"{office.seats}/sales/users/bob", {}))
    refused = office.call("PUT", office.removal, {"quantity": 1})
    assert (refused.status, refused.json["code"]) == (409, "seats_assigned")
    assert sitting(office) == (2, ["ann", "bob"], [])


def test_a_cancel_tells_of_the_request_that_it_cancels(office):
    office.ask("POST", f"{office.seats}/sales", {"quantity": 1})
    office.ask("PUT", office.removal, {"quantity": 1})

    def another():
        office.ask("DELETE", office.removal)
        office.ask("PUT", office.removal, {"quantity": 2})

    Meanwhile(office).happens(another)
    assert office.ask("DELETE", office.removal)["quantity"] == 2
    assert sitting(office) == (3, ["ann"], [])


def test_a_renewal_does_what_is_scheduled_while_it_runs_at_the_next_term(office):
    office.suddenly(TERM_END)
    Meanwhile(office).happens(lambda: office.ask("PUT", office.removal, {"quantity": 1}))
    assert renew(office) in ([], [{"itemIdentifier": "1"}])
    assert sitting(office) == (2, ["ann"], [1])
    [removal] = queries.book("acme", office.sub).removals
    assert str(removal.effective_on) == "2026-03-25"
    office.on("2026-03-26")
    assert (sitting(office), [bill["total"] for bill in office.invoices()]) == (
        (1, ["ann"], []), ["200.00", "200.00", "100.00"],
    )  # fmt: skip


@pytest.mark.parametrize("command", ["schedule", "cancel"])
def test_a_removal_that_is_scheduled_or_cancelled_just_before_midnight_is_seen_by_the_renewal(office, command):
    """The request has the time of its arrival; it commits while the renewal of the next day is at work."""
    if command == "cancel":
        office.ask("PUT", office.removal, {"quantity": 1})
    method, body = {"schedule": ("PUT", {"quantity": 1}), "cancel": ("DELETE", None)}[command]

    def earlier():
        office.suddenly("2026-02-25T04:59:00Z")
        office.ask(method, office.removal, body)
        office.suddenly(TERM_END)

    office.suddenly(TERM_END)
    Meanwhile(office).happens(earlier)
    renew(office)
    office.on("2026-02-26")
    assert sitting(office) == ((1, ["ann"], []) if command == "schedule" else (2, ["ann"], []))
    assert office.invoices()[-1]["total"] == ("100.00" if command == "schedule" else "200.00")


@pytest.mark.parametrize("command", ["schedule", "cancel"])
def test_what_is_decided_before_a_renewal_that_commits_first_is_decided_again(office, command):
    if command == "cancel":
        office.ask("PUT", office.removal, {"quantity": 1})
    method, body = {"schedule": ("PUT", {"quantity": 1}), "cancel": ("DELETE", None)}[command]

    def later():
        office.suddenly(TERM_END)
        assert renew(office) == []
        office.suddenly("2026-02-25T04:59:00Z")

    office.suddenly("2026-02-25T04:59:00Z")
    Meanwhile(office).happens(later)
    reply = office.call(method, office.removal, body)
    if command == "schedule":
        assert (reply.status, reply.json["effective_on"]) == (200, "2026-03-25")
        assert sitting(office) == (2, ["ann"], [1])
    else:
        assert (reply.status, reply.json["code"]) == (404, "no_removal_pending")
        assert sitting(office) == (1, ["ann"], [])


# -- a renewal that is due ---------------------------------------------------------------------------------


def test_on_a_subscription_that_is_due_a_removal_is_for_the_term_after(office):
    office.suddenly(TERM_END)
    shown = office.ask("POST", f"{office.removal}/preview", {"quantity": 1})
    assert (shown["effective_on"], len(office.invoices())) == ("2026-03-25", 1)
    assert office.ask("PUT", office.removal, {"quantity": 1}) == shown | {"scheduled": True}
    assert len(office.invoices()) == 2, "the renewal first"


def test_on_a_subscription_that_is_due_what_waited_is_done_and_cannot_be_cancelled(office):
    office.ask("PUT", office.removal, {"quantity": 1})
    office.suddenly(TERM_END)
    before = office.contents()
    seats = office.of()
    assert (seats["total"], seats["pending_removal"]) == (1, None), "as it will be told of by whoever decides on it"
    assert office.contents() == before, "whoever looks changes nothing"
    refused = office.call("DELETE", office.removal)
    assert (refused.status, refused.json["code"]) == (404, "no_removal_pending")
    assert sitting(office) == (1, ["ann"], [])


def test_on_a_subscription_that_is_due_a_seat_is_given_of_those_that_are_left(office):
    office.ask("PUT", office.removal, {"quantity": 1})
    office.suddenly(TERM_END)
    path = f"{office.seats}/sales/assignments"
    shown = office.ask("POST", f"{path}/preview", {"assign": ["bob"]})
    charge = shown["purchase"]["charge"]
    assert (shown["removal_canceled"], charge["amount"], charge["invoice_on"]) == (None, "100.00", "2026-03-25")
    assert office.move(["bob"], buy=1) == shown
    assert sitting(office) == (2, ["ann", "bob"], [])


def test_on_a_subscription_that_is_due_a_purchase_is_for_the_new_period(office):
    office.suddenly(TERM_END)
    shown = office.ask("POST", f"{office.seats}/sales/preview", {"quantity": 1})
    period = {"start": "2026-02-25", "end": "2026-03-25"}
    assert (shown["charge"]["period"], shown["charge"]["amount"]) == (period, "100.00")
    assert office.ask("POST", f"{office.seats}/sales", {"quantity": 1}) == shown


# -- the 51st item -----------------------------------------------------------------------------------------


def test_d1_no_removal_is_scheduled_for_a_day_that_is_past(office):
    book = queries.book("acme", office.sub)
    table.commit(Changes(put=(replace(book.subscription, parked=True),)), office.cloud.now)
    office.on("2026-03-10T15:00:00Z")
    for method, path in (("PUT", office.removal), ("POST", f"{office.removal}/preview")):
        assert office.refused(method, path, {"quantity": 1}) == (409, "catching_up")


def test_r34_what_is_to_be_gone_already_is_not_kept_because_the_renewal_is_held_up(office):
    """Its seats are not given again, nor is it withdrawn; the renewal removes them once it is released."""
    office.ask("PUT", office.removal, {"quantity": 1})
    book = queries.book("acme", office.sub)
    table.commit(Changes(put=(replace(book.subscription, parked=True),)), office.cloud.now)
    office.on("2026-02-26T15:00:00Z")
    path = f"{office.seats}/sales"
    assert office.refused("DELETE", office.removal) == (409, "catching_up")
    assert office.refused("PUT", f"{path}/users/bob", {}) == (409, "catching_up")
    assert office.refused("POST", f"{path}/assignments/preview", {"assign": ["bob"]}) == (409, "catching_up")
    office.move(["bob"], unassign=["ann"])  # that seat stays
    office.staff("POST", f"/accounts/acme/subscriptions/{office.sub}/release")
    office.on("2026-02-26T16:00:00Z")
    assert (sitting(office), office.invoices()[-1]["total"]) == ((1, ["bob"], []), "100.00")


@pytest.fixture
def crowded():
    """Seats paid for the year, one more bought on each of 50 days; 12 of the 51 are to go, 39 users sit."""
    yearly = HUB["prices"]["sales-seat"] | {"interval": "year", "amount": "365.00"}
    office = Office()
    office.staff("PUT", "/catalog", HUB | {"prices": HUB["prices"] | {"yearly": yearly}})
    office.sub = office.subscribed({"price": "yearly", "quantity": 1})
    office.seats = f"/accounts/acme/subscriptions/{office.sub}/seats"
    for day in range(MOST_PENDING):
        office.suddenly(f"2026-{2 + day // 28:02}-{1 + day % 28:02}T15:00:00Z")
        office.ask("POST", f"{office.seats}/sales", {"quantity": 1}, GIVE)
    office.ask("PUT", f"{office.seats}/sales/removal", {"quantity": 12})
    office.suddenly("2026-05-01T15:00:00Z")
    users = [f"user-{n:02}" for n in range(47)]
    for name in users:
        office.ask("PUT", f"/accounts/acme/users/{name}", {})
    office.move(users[:39])
    office.others = users[39:]
    return office


def test_the_51st_item_comes_with_users_whose_seats_were_to_go(crowded):
    """What waits is invoiced, the removal is cancelled, the users sit: all in one transaction."""
    names = ["ann", "bob", "cid", "dan", "eve"]
    assert len(queries.book("acme", crowded.sub).pending) == 50
    bills = len(crowded.invoices())
    moved = crowded.move([*crowded.others, *names], buy=1)
    assert (moved["removal_canceled"], moved["purchase"]["quantity"]) == (12, 1)
    assert moved["purchase"]["charge"]["invoice_on"] == "2026-05-01"
    book = queries.book("acme", crowded.sub)
    assert (book.pending, book.removals, book.subscription.assigned_of("sales")) == ((), (), 52)
    assert len(crowded.invoices()) == bills + 1
    crowded.on("2027-01-26")
    assert crowded.numbers() == (52, 52, 0), "and it does not come back"


# -- invoiced at once --------------------------------------------------------------------------------------


YEARLY = HUB["prices"]["sales-seat"] | {"interval": "year", "amount": "365.00"}
AT_ONCE = {"timezone": "America/New_York", "currency": "USD", "seats_invoiced": "at_once"}


def invoiced_at_once(*items, amount="365.00", **prices):
    """Two seats paid for the year, of a seller who invoices at once."""
    prices["yearly"] = YEARLY | {"amount": amount}
    office = Office({"price": "yearly", "quantity": 2}, *items, term="year", **prices)
    office.staff("PUT", "/sellers/us", AT_ONCE)
    return office


@pytest.mark.parametrize(
    ("on", "at_once"), [("2026-02-07", True), ("2026-10-24", True), ("2026-10-25", False), ("2027-01-24", False)]
)
def test_d20_a_seller_may_invoice_at_once_what_would_wait_for_more_than_a_quarter(on, at_once):
    office = invoiced_at_once()
    office.move(["ann", "bob"])
    office.on(f"{on}T15:30:00Z")
    shown = office.ask("POST", f"{office.seats}/sales/preview", {"quantity": 1})
    assert shown["charge"]["invoice_on"] == (on if at_once else "2027-01-25")
    assert office.ask("POST", f"{office.seats}/sales", {"quantity": 1}) == shown
    given = office.move(["cid", "dan"], buy=1)["purchase"]
    assert given["charge"] == shown["charge"]

    office.cloud.settle()
    days, whole = shown["charge"]["days"], "730.00"
    bills = [(bill["date"], bill["total"], bill["status"]) for bill in office.invoices()]
    now = [(on, f"{days}.00", "paid")] * 2 if at_once else []
    assert bills == [("2026-01-25", whole, "paid"), *now]
    office.on("2027-01-26")
    assert office.invoices()[-1]["total"] == ("1460.00" if at_once else f"{1460 + 2 * days}.00")


def test_d20_r54_a_tier_that_was_exceeded_is_still_charged_on_the_day_after():
    """Eleven contacts are counted on 8 February, and a seat is bought on that day."""
    contacts = HUB["prices"]["contacts-starter"] | {"interval": "year"}
    office = invoiced_at_once({"price": "contacts"}, contacts=contacts)
    office.on("2026-02-07T15:30:00Z")
    marketing = [f"c{n}" for n in range(11)]
    office.ask("POST", "/accounts/acme/contacts/batch", {"marketing": marketing}, permissions="contacts.edit")
    office.on("2026-02-08T15:30:00Z").ask("POST", f"{office.seats}/sales", {"quantity": 1})
    office.on("2026-02-10")
    assert [(bill["date"], [line["description"] for line in bill["lines"]]) for bill in office.invoices()[1:]] == [
        ("2026-02-08", ["1 × Sales Hub seat, 351 of 365 days"]),
        ("2026-02-09", ["1 × Contacts, up to 20, 350 of 365 days"]),
    ]


def test_d20_what_is_too_little_to_charge_waits_until_it_is_enough_or_for_the_next_invoice():
    """A third of a dollar is less than Stripe takes."""
    office = invoiced_at_once(amount="1.00").on("2026-09-20T15:30:00Z")
    days = [office.ask("POST", f"{office.seats}/sales", {"quantity": 1})["charge"]["invoice_on"] for _ in range(3)]
    assert days == ["2027-01-25", "2026-09-20", "2027-01-25"]
    office.on("2027-01-26")
    bills = [(bill["date"], [line["description"] for line in bill["lines"]]) for bill in office.invoices()[1:]]
    seats = "× Sales Hub seat, 127 of 365 days"
    assert bills == [("2026-09-20", [f"2 {seats}"]), ("2027-01-25", ["5 × Sales Hub seat", f"1 {seats}"])]
