"""What Stripe can carry: its own minor units and its smallest charges, kept apart from ISO 4217.

Plain tables, so that an amount can be frozen for Stripe by functions that never talk to it.
"""

from __future__ import annotations

from shared.domain.errors import Invalid
from shared.domain.money import Money, digits_of

_DIGITS = {"ISK": 2, "UGX": 2, "MGA": 0}
"""Where Stripe counts in other units than ISO 4217: krónur and shillings in hundredths, ariary whole."""

METHOD_TYPES: dict[str, str | None] = {"card": None, "us_bank_account": "USD", "sepa_debit": "EUR"}
"""Ways to pay that a checkout can accept (R65), and the one currency of a bank debit."""

_SMALLEST = {
    "AED": 200, "AUD": 50, "BGN": 100, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 1500, "DKK": 250, "EUR": 50, "GBP": 30,
    "HKD": 400, "HUF": 17500, "INR": 50, "JPY": 50, "MXN": 1000, "MYR": 200, "NOK": 300, "NZD": 50, "PLN": 200,
    "RON": 200, "SEK": 300, "SGD": 50, "THB": 1000, "USD": 50,
}  # fmt: skip
"""The smallest charge Stripe takes, in minor units; of a currency not listed, the smallest it can write."""


def to_stripe(money: Money) -> int:
    """The amount in Stripe's units, never more than is owed.

    Stripe takes three-decimal currencies in steps of ten and some currencies
    without their decimals; what it cannot write is not charged (decision 0003).

    >>> to_stripe(Money(2323, "EUR")), to_stripe(Money(58065, "KWD")), to_stripe(Money(5, "ISK"))
    (2323, 58060, 500)
    """
    assert money.amount >= 0
    digits = digits_of(money.currency)
    theirs = _DIGITS.get(money.currency, digits)
    amount: int = money.amount * 10**theirs // 10**digits
    return amount - amount % 10 if theirs == 3 else amount


def from_stripe(amount: int, currency: str) -> Money:
    """What Stripe moved, in our units.

    >>> from_stripe(58060, "KWD"), from_stripe(500, "ISK")
    (Money(amount=58060, currency='KWD'), Money(amount=5, currency='ISK'))
    """
    digits = digits_of(currency)
    return Money(amount * 10**digits // 10 ** _DIGITS.get(currency, digits), currency)


def accepted_types(wanted: tuple[str, ...], currency: str) -> tuple[str, ...]:
    """The types of ways to pay, each once; a bank debit moves one currency only (R65)."""
    if not wanted:
        raise Invalid("Name at least one way to pay.", code="invalid_payment_methods")
    for name in wanted:
        if name not in METHOD_TYPES:
            known = ", ".join(METHOD_TYPES)
            raise Invalid(f"There is no way to pay {name[:40]!r}. Known: {known}.", code="invalid_payment_methods")
        if METHOD_TYPES[name] not in (None, currency):
            raise Invalid(f"{name} takes no {currency}.", code="invalid_payment_methods")
    return tuple(dict.fromkeys(wanted))


LARGEST = 99_999_999
"""The largest charge Stripe takes, in its own units."""


def too_large(money: Money) -> bool:
    """Whether Stripe refuses a charge of this amount, so that an invoice of it could never be paid."""
    return money.amount > 0 and to_stripe(money) > LARGEST


def can_charge(money: Money) -> bool:
    """Whether Stripe takes a charge of this amount at all."""
    return to_stripe(money) > 0 and money.amount >= _SMALLEST.get(money.currency, 1)
