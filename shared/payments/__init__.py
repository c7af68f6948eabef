"""The way to Stripe: it moves the money, our own records say what is owed (R61)."""

from shared.payments.customers import Consent, Setup, find_customer, make_customer, method, save_method, setup
from shared.payments.intents import cancel, confirm, create, get, look, payment_of
from shared.payments.line import API_VERSION, NoAnswer, Refused, Throttled, Trouble, Unclear, connect, forget
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
    "cancel",
    "confirm",
    "connect",
    "create",
    "find_customer",
    "forget",
    "get",
    "look",
    "make_customer",
    "method",
    "payment_of",
    "save_method",
    "setup",
    "webhook",
]
