"""A seller of contact tiers, with an account that has bought one, and short ways to set its contacts."""

from infra.local.template import TABLE_NAME
from shared.domain.contacts import Contact
from shared.store import contacts
from shared.store.record import Record
from tests.world import World

COUNT = "contacts.counted"
TOLD = ("contacts.threshold_reached", "contacts.tier_exceeded", "tier.upgraded")
TIERS = {
    "contacts-starter": {
        "product": "marketing", "kind": "contacts", "edition": "starter", "interval": "month", "name": "Contacts",
        "included_contacts": 10, "sends_per_contact": 5, "tiers": {"step": 10, "amount": "30.00"},
    },
    "hub-starter": {
        "product": "marketing", "kind": "plan", "edition": "starter", "interval": "month", "amount": "20.00",
    },
}  # fmt: skip
"""Ten contacts are included, ten more cost 30.00 a month."""


class ContactWorld(World):
    """Acme has bought a plan and the smallest tier on 15 April, of a seller in New York."""

    def __init__(self, now="2026-04-15T14:00:00Z", *, contacts=1, term=None, tiers=None, **seller):
        super().__init__(now, **seller)
        sold = TIERS["contacts-starter"]
        self.sells(**TIERS | {"contacts-starter": sold | {"tiers": tiers or sold["tiers"]}})
        items = [{"price": "hub-starter"}, {"price": "contacts-starter", "quantity": contacts}]
        if term:
            items = [item | {"term": term} for item in items]
        self.subscription = self.subscribed(*items)

    def edit(self, method, path, body=None, key=None):
        """A request of somebody who may edit contacts."""
        return self.call(method, f"/accounts/acme{path}", body, permissions="contacts.edit", key=key)

    def sets(self, *contacts, marketing=True):
        """Set contacts one by one; what the last was answered."""
        for contact in contacts:
            reply = self.edit("PUT", f"/contacts/{contact}", {"marketing": marketing})
            assert reply.status == 200, reply.body
        return reply.json

    def batch(self, **body):
        """Set many at once; what that was answered."""
        reply = self.edit("POST", "/contacts/batch", body)
        assert reply.status == 200, reply.body
        return reply.json

    def usage(self):
        """What the customer sees of it."""
        reply = self.call("GET", "/accounts/acme/usage")
        assert reply.status == 200, reply.body
        return reply.json

    def told(self, *types):
        """What happened of these types, with its facts."""
        events = self.call("GET", "/accounts/acme/events").json["items"]
        return [event for event in events[::-1] if event["type"] in types]


def days(world):
    """What was counted on each day: marketing contacts, all, and the most."""
    return [(event["day"], event["marketing"], event["total"], event["peak"]) for event in world.told(COUNT)]


def fill(world, count):
    """So many marketing contacts of acme, put into the table past the API."""
    world.call("PUT", "/accounts/acme/contacts/m", {"marketing": True}, permissions="contacts.edit")
    table, today = world.cloud.store.table(TABLE_NAME), world.cloud.now.date()
    for name in named(count - 1, "m"):
        item = Record.of(Contact("acme", name, today)).serialize()
        table.write((item["PK"]["S"], item["SK"]["S"]), item)
    contacts.add("acme", count - 1, count - 1)


def named(count, prefix="c"):
    """So many names of contacts."""
    return [f"{prefix}{n:04}" for n in range(count)]
