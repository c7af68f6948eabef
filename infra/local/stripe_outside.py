"""What happens at Stripe without a call of its API: what payers, their banks and the days do."""

from collections.abc import Callable
from datetime import datetime
from threading import RLock
from typing import Any

from infra.local import stripe_attempts as attempts
from infra.local import stripe_ledger as ledger
from infra.local.stripe_account import Account
from infra.local.stripe_intents import confirm_payment_intent, confirm_setup_intent
from infra.local.stripe_methods import BEHAVIOURS, DEBITS, failure
from infra.local.stripe_objects import Object, copied
from infra.local.stripe_requests import Refusal

BY_THE_PAYER = {"customer_acceptance": {"type": "online"}}  # the Payment Element shows a mandate and takes consent


class Outside:
    """One Stripe account, and the world around it; a ``ValueError`` says what cannot happen.

    An intent is named by its id, a payment intent as well as a setup intent where both can do it.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._account = Account(now)
        self._lock = RLock()  # around the account; the clock may call back

    @property
    def movements(self) -> int:
        """How often money has moved, or a way to pay was saved."""
        saved = [made for made in self._account.setup_intents.values() if made["status"] == "succeeded"]
        return len(self._account.balance_transactions) + len(saved)

    def theirs(self, account: str, kind: str, *statuses: str) -> list[Object]:
        """The ``payment_intent``, ``setup_intent``, ``refund`` or ``dispute`` objects in one of these states.

        Those of a customer whom the intents' metadata name as ``account``, the oldest first.
        """
        with self._lock:
            books = self._account
            intents = [*books.payment_intents.values(), *books.setup_intents.values()]
            mine = {intent["id"] for intent in intents if intent["metadata"].get("account") == account}
            things = [*intents, *books.refunds.values(), *books.disputes.values()]
            of_kind = [thing for thing in things if thing["object"] == kind and thing["status"] in statuses]
            return copied([thing for thing in of_kind if thing.get("payment_intent", thing["id"]) in mine])

    # -- payers --------------------------------------------------------------------------------------------

    def becomes(self, payment_method: str, behaviour: str) -> None:
        """From now on that saved payment method behaves like ``card_lost`` or another of BEHAVIOURS of its type."""
        with self._lock:
            means = self._account.means[payment_method]
            kind = DEBITS[means.type].behaviours if means.type in DEBITS else "card_"
            fitting = [name for name in BEHAVIOURS if name.startswith(kind)]
            if behaviour not in fitting:
                raise ValueError(f"no behaviour {behaviour!r}: there are {', '.join(fitting)}")
            self._account.means[payment_method] = means._replace(behaviour=behaviour, attaches=True)

    def pay(self, payment_intent: str, payment_method: str) -> None:
        """The payer confirms a payment in the Payment Element; a decline is theirs to see, and an event."""
        params = {"payment_method": payment_method, "mandate_data": BY_THE_PAYER}
        self._happens(lambda: confirm_payment_intent(self._account, payment_intent, params))

    def save(self, setup_intent: str, payment_method: str) -> None:
        """The payer saves a payment method in the Payment Element."""
        params = {"payment_method": payment_method, "mandate_data": BY_THE_PAYER}
        self._happens(lambda: confirm_setup_intent(self._account, setup_intent, params))

    def authenticate(self, intent: str) -> None:
        """The payer proves to be the card's holder (3-D Secure), on the page that shows the Payment Element.

        After a charge that was declined off-session for want of it, the same card is confirmed there first.
        """
        with self._lock:
            found = self._intent(intent)
            error = found.get("last_payment_error") or {}
            again = error.get("code") == "authentication_required" and found["status"] == "requires_payment_method"
            if again:
                found["payment_method"] = error["payment_method"]["id"]
            elif _asked_for(found) != "use_stripe_sdk":
                raise ValueError(f"{intent} is {found['status']} and asks for no authentication")
            self._happens(lambda: attempts.go_on(self._account, found))

    def verify(self, intent: str) -> None:
        """The payer says which microdeposits came in, so that the bank account can be debited."""
        with self._lock:
            found = self._intent(intent)
            if _asked_for(found) != "verify_with_microdeposits":
                raise ValueError(f"{intent} is {found['status']} and asks for no microdeposits")
            self._happens(lambda: attempts.go_on(self._account, found))

    # -- banks ---------------------------------------------------------------------------------------------

    def settle(self, payment_intent: str) -> None:
        """The bank pays a debit that is on its way."""
        with self._lock:
            found = self._intent(payment_intent)
            if found["status"] != "processing":
                raise ValueError(f"{payment_intent} is {found['status']}: nothing is on its way")
            attempts.settle(self._account, found)

    def fail(self, intent: str, code: str | None = None) -> None:
        """The bank does not pay a debit that is on its way, or the payer fails at what was asked."""
        with self._lock:
            found = self._intent(intent)
            if found["status"] not in ("processing", "requires_action"):
                raise ValueError(f"{intent} is {found['status']}: nothing is left that could fail")
            attempts.fail(self._account, found, failure(code) if code else None)

    def dispute(self, payment_intent: str) -> str:
        """The payer's bank takes a payment back; answers the dispute's id."""
        with self._lock:
            found = self._intent(payment_intent)
            charge = self._account.charges.get(found["latest_charge"])
            if charge is None or charge["status"] != "succeeded" or charge["disputed"]:
                raise ValueError(f"{payment_intent} has not succeeded, or was disputed before")
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

    # -- the days ------------------------------------------------------------------------------------------

    def next_at(self) -> datetime | None:
        """When something happens by itself: a debit ends, microdeposits lapse, a refund arrives."""
        with self._lock:
            return min(self._account.due.values(), default=None)

    def turn(self) -> None:
        """Let happen what is due by now, in the order of time."""
        with self._lock:
            due = self._account.due
            now = self._now() if due else None
            for thing_id in [name for name, at in sorted(due.items(), key=lambda item: item[1]) if now and at <= now]:
                if due.pop(thing_id, None) and (found := self._account.find(thing_id)):
                    attempts.go_on_by_itself(self._account, found)

    def _intent(self, intent: str) -> Object:
        found = self._account.payment_intents.get(intent) or self._account.setup_intents.get(intent)
        if found is None:
            raise ValueError(f"there is no {intent}")
        return found

    def _happens(self, what: Callable[[], Any]) -> None:
        with self._lock:
            try:
                what()
            except Refusal as refusal:
                if refusal.status != 402:
                    raise ValueError(str(refusal)) from refusal


def _asked_for(intent: Object) -> str | None:
    return (intent["next_action"] or {}).get("type")
