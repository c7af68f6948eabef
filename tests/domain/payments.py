"""An invoice of 100.00 USD, and short ways to say what Stripe answers about its payment."""

from dataclasses import replace
from datetime import timedelta

from shared.domain import collection, outcome
from shared.domain.checkout import LineItem
from shared.domain.outcome import Payment
from tests.domain.examples import SEAT, SELLER, at, bought, invoices, offered, run

T0 = at("2026-02-25T00:10")
DUNNING = SELLER.dunning
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SUBSCRIPTION = bought(LineItem(SEAT), on="2026-01-25").subscription
STATUSES = (
    "succeeded",
    "processing",
    "requires_action",
    "requires_payment_method",
    "requires_confirmation",
    "requires_capture",
    "canceled",
)

[ISSUED] = run(bought(LineItem(SEAT), on="2026-01-25"), "2026-02-25T00:10").invoices
"""100.00 USD, drawn and frozen at T0 for pm_visa of cus_acme."""

FIRST = offered(LineItem(SEAT)).invoice
"""The same on a checkout's first invoice, before it is frozen."""


def said(status="succeeded", **more):
    """What Stripe says of the payment of that invoice."""
    facts = {"id": "pi_1", "amount": 100_00, "currency": "usd", "customer": "cus_acme", "account_id": "acme"}
    return Payment(status=status, **{**facts, "invoice_id": "sub_1a-00001", **more})


def declined(error="card_declined", charge="ch_1", **more):
    return said("requires_payment_method", error=error, charge=charge, **more)


def learn(bill, payment, now=T0):
    """The invoice after that answer, and the events of it."""
    changes = outcome.learned(bill, payment, now, DUNNING)
    [after] = invoices(changes) or [bill]
    return after, [(event.type, event.data) for event in changes.events]


def after(bill, payment, now=T0):
    return learn(bill, payment, now)[0]


def begin_again(bill, now):
    """The next attempt, with the method that is current then."""
    [again] = invoices(collection.retry(bill, "pm_visa", now))
    return again


def in_state(state, payment_intent="pi_1", due_at=T0, **more):
    attempt = replace(ISSUED.attempt, state=state, payment_intent=payment_intent, **more)
    return replace(ISSUED, attempt=attempt, due_at=due_at)
