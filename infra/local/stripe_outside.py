"""What happens at Stripe without a call of its API: what payers, their banks and cards do."""

from collections.abc import Callable
from datetime import datetime
from threading import RLock
from typing import Any

from infra.local import stripe_ledger as ledger
from infra.local.stripe_account import Account
from infra.local.stripe_intents import confirm_payment_intent, confirm_setup_intent
from infra.local.stripe_methods import BEHAVIOURS
from infra.local.stripe_requests import Refusal


class Outside:
    """One Stripe account, and the world around it; a ``ValueError`` says what cannot happen."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._account = Account(now)
        self._lock = RLock()  # around the account; the clock may call back

    def becomes(self, payment_method: str, behaviour: str) -> None:
        """From now on that saved payment method behaves like ``card_ok``, ``card_lost`` or another of BEHAVIOURS."""
        if behaviour not in BEHAVIOURS:
            raise ValueError(f"no behaviour {behaviour!r}: there are {', '.join(BEHAVIOURS)}")
        with self._lock:
            card = self._account.cards[payment_method]
            self._account.cards[payment_method] = card._replace(behaviour=behaviour, attaches=True)

    def pay(self, payment_intent: str, payment_method: str) -> None:
        """The payer confirms a payment in the Payment Element; a decline is theirs to see, and an event."""
        self._confirm_outside(confirm_payment_intent, payment_intent, payment_method)

    def save(self, setup_intent: str, payment_method: str) -> None:
        """The payer saves a payment method in the Payment Element."""
        self._confirm_outside(confirm_setup_intent, setup_intent, payment_method)

    def dispute(self, payment_intent: str) -> str:
        """The payer's bank takes a payment back; answers the dispute's id."""
        with self._lock:
            charge = self._account.charges[self._account.payment_intents[payment_intent]["latest_charge"]]
            if charge["status"] != "succeeded" or charge["disputed"]:
                raise ValueError(f"{charge['id']} has not succeeded, or was disputed before")
            return str(ledger.open_dispute(self._account, charge)["id"])

    def close_dispute(self, dispute: str, *, won: bool) -> None:
        """It is decided whether the money was owed."""
        with self._lock:
            found = self._account.disputes[dispute]
            if found["status"] in ("won", "lost"):
                raise ValueError(f"{dispute} was {found['status']} already")
            ledger.end_dispute(self._account, found, won=won)

    def fail_refund(self, refund: str) -> None:
        """The payer's bank gives a refund back, as it does when the card or the account is gone."""
        with self._lock:
            found = self._account.refunds[refund]
            if found["status"] == "failed":
                raise ValueError(f"{refund} failed already")
            ledger.fail_refund(self._account, found)

    def _confirm_outside(
        self, confirm: Callable[[Account, str, dict[str, Any]], Any], intent: str, payment_method: str
    ) -> None:
        with self._lock:
            try:
                confirm(self._account, intent, {"payment_method": payment_method})
            except Refusal as refusal:
                if refusal.status != 402:
                    raise ValueError(str(refusal)) from refusal
