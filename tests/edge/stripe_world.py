"""A stand-in for Stripe with a calendar and the real library's client, for tests."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import stripe as library

from infra.local.stripe import Stripe
from tests.edge import stripe_shapes
from tests.edge.stripe_shapes import Checked

KEY = "sk_test_local"
EUR_40 = {"amount": 4000, "currency": "eur"}


class Calendar:
    """A time that moves when told to; ``on_asked`` runs once, when somebody next asks for it."""

    def __init__(self):
        self.time = datetime(2026, 11, 7, 9, tzinfo=UTC)
        self.on_asked = []

    def __call__(self):
        if self.on_asked:
            self.on_asked.pop()()
        return self.time

    def moves(self, **by):
        self.time += timedelta(**by)


class World:
    """One stand-in and the library's client for it."""

    def __init__(self, **options):
        self.calendar = Calendar()
        self.stripe = Stripe(self.calendar, **options)
        self.http = Checked(self.stripe)
        self.client = library.StripeClient(KEY, http_client=self.http, max_network_retries=0).v1
        self.payments = self.client.payment_intents

    def customer(self, card="pm_card_visa"):
        """A customer with a saved card, and the card."""
        customer = self.client.customers.create({"name": "Acme"})
        return customer.id, self.client.payment_methods.attach(card, {"customer": customer.id}).id

    def charge(self, key=None, *, amount=4000, **params):
        sent = {**EUR_40, "amount": amount, "confirm": True, **params}
        return self.payments.create(sent, {"idempotency_key": key} if key else None)

    def ask(self, method, path, body="", **headers):
        """One call without the library: status and body."""
        sent = {"Authorization": f"Bearer {KEY}"} | {name.replace("_", "-"): text for name, text in headers.items()}
        answer = self.stripe.answer(method, path, sent, body)
        return answer.status, json.loads(answer.body)

    def events(self):
        """The types of the events that were told, oldest first; each is as published."""
        told = self.stripe.webhooks()
        for webhook in told:
            stripe_shapes.check_event(json.loads(webhook.body))
        return [webhook.type for webhook in told]


def refused(error, call, *args, **params):
    """The error that the call ends in."""
    with pytest.raises(error) as caught:
        call(*args, **params)
    return caught.value
