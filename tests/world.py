"""A seller in a box: the local cloud with the real handlers in front, and a calendar in hand."""

import json
from datetime import UTC, datetime

from infra.local.cloud import Cloud
from infra.local.expectations import shown
from infra.local.invocations import Call
from infra.local.simulate import CUSTOMER, STAFF
from shared.store import queries
from shared.store.record import Record
from shared.store.records import Entry

SEAT = {
    "product": "sales",
    "kind": "seat",
    "seat_type": "sales",
    "interval": "month",
    "amount": "100.00",
    "name": "Sales Hub seat",
}


class World:
    """One seller entity (``us``), one account (``acme``) with a card, one price (``sales-seat``)."""

    def __init__(self, now="2026-01-25T15:00:00Z", *, zone="America/New_York", currency="USD", card="pm_card_visa"):
        self.cloud = Cloud(datetime.fromisoformat(now))
        self.calls = 0
        self.staff("PUT", "/sellers/us", {"timezone": zone, "currency": currency})
        self.account("acme", card)

    def sells(self, **prices):
        """Publish a catalogue; without prices, the one seat."""
        self.staff("PUT", "/catalog", {"prices": prices or {"sales-seat": SEAT}})
        return self

    def account(self, name, card="pm_card_visa"):
        """Make an account, with a saved card unless ``None``."""
        self.staff("PUT", f"/accounts/{name}", {"seller": "us"})
        if card:
            self.call("POST", f"/accounts/{name}/payment-method", {"payment_method": card}, account=name)
        return self

    def subscribed(self, *items, account="acme"):
        """Buy items (five seats unless named) and answer the id of the first subscription."""
        body = {"items": items or [{"price": "sales-seat", "quantity": 5}]}
        return self.call("POST", f"/accounts/{account}/checkout", body, account=account).json["subscriptions"][0][
            "id"
        ]

    def staff(self, method, path, body=None):
        """A request of the seller's staff, which must succeed."""
        reply = self.call(method, path, body, permissions=STAFF)
        assert reply.status < 300, reply.body
        return reply

    def call(self, method, path, body=None, *, account="acme", permissions=CUSTOMER, key=None):
        """A request to the API; each has an Idempotency-Key of its own unless one is named, or none (``""``)."""
        self.calls += 1
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        claims = {"sub": "someone", "account": account, "permissions": permissions}
        headers = {"Idempotency-Key": f"call-{self.calls}" if key is None else key}
        return self.cloud.request(Call(method, f"/v1{path}", text, headers, claims))

    def on(self, instant):
        """Let the calendar run up to an instant, doing everything that is due."""
        self.cloud.advance(_instant(instant))
        return self

    def suddenly(self, instant):
        """The calendar jumps, and no schedule has fired yet: before the sweep, or after an outage."""
        self.cloud.now = _instant(instant)
        return self

    def invoices(self, account="acme"):
        """All invoices of an account as stories show them, in the order of their numbers."""
        return [shown(invoice) for invoice in queries.invoices(account).items]

    def audit(self, account="acme"):
        """The types of everything that happened to an account, the oldest first."""
        found = Record.query(f"ACCOUNT#{account}", Record.SK.startswith("EVENT#"), consistent_read=True)
        entries = [record.to_entity() for record in found]
        return [event["type"] for entry in entries if isinstance(entry, Entry) for event in entry.events]

    def contents(self):
        """Everything that lies in the table."""
        return self.cloud.store.items("prorata")


def _instant(text):
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
