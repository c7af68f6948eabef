"""What payers, their banks and the line to us do in a story: its ``stripe`` steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from infra.local.cloud import Cloud
from infra.local.expectations import Failure
from infra.local.story import METHODS
from infra.local.stripe import Stripe

Said = dict[str, str]
INTENTS = ("payment_intent", "setup_intent")
WAITING = ("requires_payment_method", "requires_confirmation", "requires_action")


def happen(cloud: Cloud, said: Said) -> None:
    """Let it happen, and everything that comes of it at once."""
    does = next(name for name in said if name in _DOES)
    try:
        _DOES[does](cloud.stripe, said[does], said)
    except ValueError as error:
        raise Failure(f"{said[does]}: {error}") from None
    cloud.settle()


def asked_to_authenticate(cloud: Cloud, account: str) -> bool:
    """Whether the payer is asked to, for a payment or to save a card."""
    return bool(_to_authenticate(cloud.stripe, account))


def _becomes(stripe: Stripe, account: str, said: Said) -> None:
    from shared.store import queries

    method = queries.account(account).payment_method
    if method is None:
        raise Failure(f"{account} has no card that could become {said['becomes']}")
    stripe.becomes(method, said["becomes"])


def _pay(stripe: Stripe, account: str, said: Said) -> None:
    open_ = _first(stripe.theirs(account, "payment_intent", *WAITING), f"{account} has nothing to pay")
    stripe.pay(open_["id"], METHODS[said.get("with", "card_ok")])


def _settle(stripe: Stripe, account: str, _: Said) -> None:
    stripe.settle(_first(stripe.theirs(account, "payment_intent", "processing"), f"{account} awaits no debit")["id"])


def _fail(stripe: Stripe, account: str, said: Said) -> None:
    under_way = [one for kind in INTENTS for one in stripe.theirs(account, kind, "processing", "requires_action")]
    stripe.fail(_first(under_way, f"{account} has nothing under way that could fail")["id"], said.get("code"))


def _authenticate(stripe: Stripe, account: str, _: Said) -> None:
    waiting = _to_authenticate(stripe, account)
    stripe.authenticate(_first(waiting, f"{account} is not asked to authenticate")["id"])


def _verify(stripe: Stripe, account: str, _: Said) -> None:
    waiting = _asked_for(stripe, account, "verify_with_microdeposits")
    stripe.verify(_first(waiting, f"{account} is not asked for microdeposits")["id"])


def _dispute(stripe: Stripe, account: str, _: Said) -> None:
    paid = stripe.theirs(account, "payment_intent", "succeeded")
    stripe.dispute(_first(paid[::-1], f"{account} has paid nothing that could be disputed")["id"])


def _decide(*, won: bool) -> Callable[[Stripe, str, Said], None]:
    def close(stripe: Stripe, account: str, _: Said) -> None:
        disputed = stripe.theirs(account, "dispute", "needs_response")
        stripe.close_dispute(_first(disputed, f"{account} disputes nothing")["id"], won=won)

    return close


def _fail_refund(stripe: Stripe, account: str, _: Said) -> None:
    made = stripe.theirs(account, "refund", "pending", "succeeded")
    stripe.fail_refund(_first(made[::-1], f"{account} was refunded nothing")["id"])


def _to_authenticate(stripe: Stripe, account: str) -> list[dict[str, Any]]:
    declined = stripe.theirs(account, "payment_intent", "requires_payment_method")
    wanted = [one for one in declined if (one["last_payment_error"] or {}).get("code") == "authentication_required"]
    return wanted + _asked_for(stripe, account, "use_stripe_sdk")


def _asked_for(stripe: Stripe, account: str, what: str) -> list[dict[str, Any]]:
    waiting = [one for kind in INTENTS for one in stripe.theirs(account, kind, "requires_action")]
    return [one for one in waiting if one["next_action"]["type"] == what]


def _first(things: list[dict[str, Any]], else_: str) -> dict[str, Any]:
    if not things:
        raise Failure(else_)
    return things[0]


_DOES: dict[str, Callable[[Stripe, str, Said], None]] = {
    "card": _becomes,
    "pay": _pay,
    "settle": _settle,
    "fail": _fail,
    "authenticate": _authenticate,
    "verify": _verify,
    "dispute": _dispute,
    "win_dispute": _decide(won=True),
    "lose_dispute": _decide(won=False),
    "fail_refund": _fail_refund,
}
