"""The line to Stripe: one request at a time, sent once, and its failures in our words.

Every POST bears our own idempotency key; the library's own retries are off,
because only our records know whether sending again is safe.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeVar

import stripe
from aws_lambda_powertools.utilities import parameters

T = TypeVar("T")
API_VERSION = "2026-05-27.dahlia"
TIMEOUT_SECONDS = 20
PAGE = 100
"""How many things of a list are asked for at once."""


class Trouble(Exception):
    """Stripe did not do what it was asked."""


class NoAnswer(Trouble):
    """It is not known whether anything happened, or nothing did for now: the same again later."""


class Throttled(NoAnswer):
    """Stripe has too much to do and did nothing (429): the same again in a moment."""


class Unclear(Trouble):
    """Stripe answered, but not what happened: look before anything is sent again."""


class Refused(Trouble):
    """Stripe will never do this as it was asked; ``code`` is Stripe's.

    ``of_method``: because of the way to pay. ``payment_intent`` was made all the same.
    """

    def __init__(
        self, sentence: str, code: str, *, of_method: bool = False, payment_intent: str | None = None
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.of_method = of_method
        self.payment_intent = payment_intent


def ask(call: Callable[[], T]) -> T:
    """One request, its failures in our words. What concerns the operator (a wrong key) goes up as it is."""
    try:
        return call()
    except stripe.RateLimitError as error:
        raise Throttled(str(error)) from error
    except stripe.APIConnectionError as error:
        raise NoAnswer(str(error)) from error
    except stripe.IdempotencyError as error:
        raise Unclear(str(error)) from error
    except stripe.InvalidRequestError as error:
        raise _refused(error) from error
    except stripe.APIError as error:
        if error.http_status == 500:
            raise Unclear(str(error)) from error
        raise NoAnswer(str(error)) from error


def _refused(error: stripe.InvalidRequestError) -> Refused:
    sentence, code = str(error.user_message or error), error.code or "invalid_request"
    of_method = error.param == "payment_method" or code.startswith("payment_method_") or "mandate" in sentence
    body: Any = error.json_body or {}
    made = body.get("error", {}).get("payment_intent") or {}
    return Refused(sentence, code, of_method=of_method, payment_intent=made.get("id"))


def every(found: Any) -> Iterable[dict[str, Any]]:
    """All things of a list, to its last page."""
    return (item.to_dict() for item in found.auto_paging_iter())


def once(key: str) -> stripe.RequestOptions:
    """What a POST bears: its idempotency key and our version of the API."""
    return {"idempotency_key": key, "stripe_version": API_VERSION}


def version() -> stripe.RequestOptions:
    """What a GET bears: our version of the API."""
    return {"stripe_version": API_VERSION}


def secret(variable: str) -> str:
    """A secret by the name of the environment variable that names its parameter."""
    value: str = parameters.get_parameter(os.environ[variable], decrypt=True, max_age=300)
    return value


def client() -> stripe.StripeClient:
    """The one client; made anew when the key has changed."""
    return _client_with(secret("STRIPE_KEY_PARAMETER"))


def connect() -> None:
    """Read the key and make the client now, before many threads want it at once."""
    client()


def forget() -> None:
    """The next call makes its way to Stripe anew."""
    _client_with.cache_clear()


@cache
def _client_with(key: str) -> stripe.StripeClient:
    address = os.environ.get("STRIPE_API_BASE")
    return stripe.StripeClient(
        key,
        http_client=stripe.default_http_client or stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
        base_addresses={"api": address} if address else {},
        max_network_retries=0,
    )
