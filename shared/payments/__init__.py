"""The way to Stripe: it moves the money, our own records say what is owed (R61)."""

from shared.payments.customers import (
    Consent,
    Setup,
    find_customer,
    make_customer,
    method,
    save_method,
    setup,
    setup_of,
)
from shared.payments.intents import cancel, confirm, create, get, give_up, look, payment_of
from shared.payments.ledger import Window, happened, moved
from shared.payments.line import API_VERSION, NoAnswer, Refused, Throttled, Trouble, Unclear, connect, forget
from shared.payments.refunds import disputes, find_repayment, repay, repayment, repayment_of, repayments
from shared.payments.webhooks import Webhook, webhook

__all__ = [
    "API_VERSION",
    "Consent",
    "NoAnswer",
    "Refused",
    "Setup",
    "Throttled",
    "Trouble",
    "Unclear",
    "Webhook",
    "Window",
    "cancel",
    "confirm",
    "connect",
    "create",
    "disputes",
    "find_customer",
    "find_repayment",
    "forget",
    "get",
    "give_up",
    "happened",
    "look",
    "make_customer",
    "method",
    "moved",
    "payment_of",
    "repay",
    "repayment",
    "repayment_of",
    "repayments",
    "save_method",
    "setup",
    "setup_of",
    "webhook",
]
