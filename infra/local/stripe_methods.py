"""The ways to pay of Stripe's test mode: its test cards, and how each behaves."""

from typing import NamedTuple


class Decline(NamedTuple):
    """Why a card is not charged: an error code, for ``card_declined`` the issuer's reason, and a sentence."""

    code: str
    decline_code: str | None
    message: str


# How a payment method behaves when it is charged: None is a success.
BEHAVIOURS: dict[str, Decline | None] = {
    "card_ok": None,
    "card_declined": Decline("card_declined", "generic_decline", "Your card was declined."),
    "card_expired": Decline("expired_card", None, "Your card has expired."),
    "card_insufficient_funds": Decline("card_declined", "insufficient_funds", "Your card has insufficient funds."),
    "card_lost": Decline("card_declined", "lost_card", "Your card was declined."),
    "card_processing_error": Decline(
        "processing_error", None, "An error occurred while processing your card. Try again in a little bit."
    ),
    "card_stolen": Decline("card_declined", "stolen_card", "Your card was declined."),
}


class Card(NamedTuple):
    """A card behind a payment method; one that does not attach is declined when it is saved, too."""

    brand: str
    last4: str
    behaviour: str
    attaches: bool = False


TEST_CARDS = {
    "visa": Card("visa", "4242", "card_ok", attaches=True),
    "mastercard": Card("mastercard", "4444", "card_ok", attaches=True),
    "chargeCustomerFail": Card("visa", "0341", "card_declined", attaches=True),
    "chargeDeclined": Card("visa", "0002", "card_declined"),
    "chargeDeclinedExpiredCard": Card("visa", "0069", "card_expired"),
    "chargeDeclinedInsufficientFunds": Card("visa", "9995", "card_insufficient_funds"),
    "chargeDeclinedLostCard": Card("visa", "9987", "card_lost"),
    "chargeDeclinedProcessingError": Card("visa", "0119", "card_processing_error"),
    "chargeDeclinedStolenCard": Card("visa", "9979", "card_stolen"),
}
TEST_METHODS = {f"pm_card_{name}": card for name, card in TEST_CARDS.items()}  # in a payment method's place
TEST_TOKENS = {f"tok_{name}": card for name, card in TEST_CARDS.items()}  # to make a payment method from
