"""The ways to pay of Stripe's test mode: cards and bank accounts, and how each behaves."""

from datetime import timedelta
from typing import NamedTuple


class Decline(NamedTuple):
    """Why no money comes: an error code, for ``card_declined`` the issuer's reason, and a sentence."""

    code: str
    decline_code: str | None
    message: str


class Behaviour(NamedTuple):
    """What becomes of a payment: why it fails, if it does, and what its payer must do first.

    ``asks`` is ``authentication`` for each payment, ``authentication_once`` until it was done, or ``microdeposits``:
    two small amounts that the payer reads off the bank statement.
    """

    decline: Decline | None = None
    asks: str | None = None
    ends: bool = True  # a debit ends by itself after some days


class Debit(NamedTuple):
    """A kind of bank debit: its one currency, and how long the bank takes to say whether there is money."""

    currency: str
    takes: timedelta
    behaviours: str  # their names begin so


DEBITS = {
    "sepa_debit": Debit("eur", timedelta(days=5), "sepa_"),
    "us_bank_account": Debit("usd", timedelta(days=4), "ach_"),
}
MICRODEPOSITS_LAPSE = timedelta(days=10)

AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)
# Why a payer did not do what was asked, unless a test says why.
NOT_DONE = {
    "use_stripe_sdk": "authentication_failure",
    "verify_with_microdeposits": "payment_method_microdeposit_verification_attempts_exceeded",
}
LAPSED = "payment_method_microdeposit_verification_timeout"
SENTENCES = {
    "account_closed": "The customer's bank account has been closed.",
    "could_not_process": "The customer's bank could not process this payment.",
    "debit_not_authorized": "The customer has notified their bank that this payment was unauthorized.",
    "insufficient_funds": "The customer's account has insufficient funds to cover this payment.",
    "no_account": "The customer's bank account could not be located.",
    LAPSED: "Microdeposit verification timed out.",
}


def failure(code: str) -> Decline:
    """A failure that is no card's."""
    return Decline(code, None, SENTENCES.get(code, f"The payment failed: {code}."))


BEHAVIOURS = {
    "card_ok": Behaviour(),
    "card_declined": Behaviour(Decline("card_declined", "generic_decline", "Your card was declined.")),
    "card_expired": Behaviour(Decline("expired_card", None, "Your card has expired.")),
    "card_insufficient_funds": Behaviour(
        Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
    ),
    "card_lost": Behaviour(Decline("card_declined", "lost_card", "Your card was declined.")),
    "card_processing_error": Behaviour(
        Decline("processing_error", None, "An error occurred while processing your card. Try again in a little bit.")
    ),
    "card_stolen": Behaviour(Decline("card_declined", "stolen_card", "Your card was declined.")),
    "card_3ds": Behaviour(asks="authentication"),
    "card_3ds_once": Behaviour(asks="authentication_once"),
    "ach_ok": Behaviour(),
    "ach_fails": Behaviour(failure("insufficient_funds")),
    "ach_closed": Behaviour(failure("account_closed")),
    "ach_no_account": Behaviour(failure("no_account")),
    "ach_not_authorized": Behaviour(failure("debit_not_authorized")),
    "ach_pending": Behaviour(ends=False),
    "ach_microdeposits": Behaviour(asks="microdeposits"),
    "sepa_ok": Behaviour(),
    "sepa_fails": Behaviour(failure("could_not_process")),
    "sepa_insufficient_funds": Behaviour(failure("insufficient_funds")),
}


class Means(NamedTuple):
    """What is behind a payment method; a card that does not attach is declined when it is saved, too."""

    type: str
    brand: str
    last4: str
    behaviour: str
    attaches: bool = True


def _card(last4: str, behaviour: str, *, brand: str = "visa", attaches: bool = True) -> Means:
    return Means("card", brand, last4, behaviour, attaches)


CARDS = {
    "visa": _card("4242", "card_ok"),
    "mastercard": _card("4444", "card_ok", brand="mastercard"),
    "authenticationRequired": _card("3184", "card_3ds"),
    "authenticationRequiredOnSetup": _card("3155", "card_3ds_once"),
    "chargeCustomerFail": _card("0341", "card_declined"),
    "chargeDeclined": _card("0002", "card_declined", attaches=False),
    "chargeDeclinedExpiredCard": _card("0069", "card_expired", attaches=False),
    "chargeDeclinedInsufficientFunds": _card("9995", "card_insufficient_funds", attaches=False),
    "chargeDeclinedLostCard": _card("9987", "card_lost", attaches=False),
    "chargeDeclinedProcessingError": _card("0119", "card_processing_error", attaches=False),
    "chargeDeclinedStolenCard": _card("9979", "card_stolen", attaches=False),
}
# Stripe's own names, but for microdeposits: there it takes an account number instead.
ACCOUNTS = {
    "usBankAccount_success": Means("us_bank_account", "STRIPE TEST BANK", "6789", "ach_ok"),
    "usBankAccount_insufficientFunds": Means("us_bank_account", "STRIPE TEST BANK", "2227", "ach_fails"),
    "usBankAccount_accountClosed": Means("us_bank_account", "STRIPE TEST BANK", "1113", "ach_closed"),
    "usBankAccount_noAccount": Means("us_bank_account", "STRIPE TEST BANK", "1116", "ach_no_account"),
    "usBankAccount_debitNotAuthorized": Means("us_bank_account", "STRIPE TEST BANK", "3335", "ach_not_authorized"),
    "usBankAccount_processing": Means("us_bank_account", "STRIPE TEST BANK", "0009", "ach_pending"),
    "usBankAccount_microdeposits": Means("us_bank_account", "STRIPE TEST BANK", "6789", "ach_microdeposits"),
    "sepaDebit_success_at": Means("sepa_debit", "19043", "3201", "sepa_ok"),
    "sepaDebit_failed_at": Means("sepa_debit", "19043", "3202", "sepa_fails"),
    "sepaDebit_insufficientFunds_at": Means("sepa_debit", "19043", "2227", "sepa_insufficient_funds"),
}
TEST_METHODS = {f"pm_card_{name}": means for name, means in CARDS.items()} | {
    f"pm_{name}": means for name, means in ACCOUNTS.items()
}  # in a payment method's place
TEST_TOKENS = {f"tok_{name}": means for name, means in CARDS.items()}  # to make a payment method from
