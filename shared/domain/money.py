"""Money is a whole number of minor units (cents, yen, fils) in one ISO 4217 currency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from shared.domain.errors import Invalid

_TWO_DIGITS = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC
CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES
KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR
NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT
TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG
"""
_NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"

DIGITS: dict[str, int] = {
    code: digits
    for digits, codes in ((2, _TWO_DIGITS), (0, _NO_DIGITS), (3, _THREE_DIGITS))
    for code in codes.split()
}
"""How many digits follow the point in each currency (ISO 4217)."""

LARGEST = 10**15
"""No amount is larger, in minor units: a typing error must not become an invoice."""


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount in minor units: ``Money(2323, "EUR")`` is 23.23 euro."""

    amount: int
    currency: str

    @classmethod
    def parse(cls, text: str, currency: str) -> Money:
        """Read a decimal string with at most the currency's own number of digits.

        >>> Money.parse("23.23", "EUR"), Money.parse("5", "JPY"), Money.parse("1.5", "KWD")
        (Money(amount=2323, currency='EUR'), Money(amount=5, currency='JPY'), Money(amount=1500, currency='KWD'))
        """
        digits = digits_of(currency)
        whole, _, part = text.removeprefix("-").partition(".")
        well_formed = whole.isascii() and whole.isdigit() and ((part.isdigit() and part.isascii()) or "." not in text)
        if not well_formed or len(part) > digits or len(whole) > 16:
            kind = f"with at most {digits} digits after the point" if digits else "without a point"
            raise Invalid(
                f"{text[:30]!r} is not an amount in {currency}: write a number {kind}.", code="invalid_amount"
            )
        amount = int(whole + part.ljust(digits, "0"))
        if amount > LARGEST:
            raise Invalid(f"{text} {currency} is more than an invoice can hold.", code="invalid_amount")
        return cls(-amount if text.startswith("-") else amount, currency)

    @property
    def decimal(self) -> str:
        """The amount as a decimal string with the currency's own number of digits.

        >>> Money(2323, "EUR").decimal, Money(-5, "EUR").decimal, Money(5, "JPY").decimal
        ('23.23', '-0.05', '5')
        """
        digits = digits_of(self.currency)
        text = str(abs(self.amount)).rjust(digits + 1, "0")
        sign = "-" if self.amount < 0 else ""
        return sign + (f"{text[:-digits]}.{text[-digits:]}" if digits else text)

    def __str__(self) -> str:
        return f"{self.decimal} {self.currency}"

    def __add__(self, other: Money) -> Money:
        assert self.currency == other.currency, "amounts in two currencies cannot be added"
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        return self + -other

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def times(self, quantity: int) -> Money:
        """This amount ``quantity`` times; more than an invoice can hold is refused."""
        amount = self.amount * quantity
        if abs(amount) > LARGEST:
            sentence = f"{quantity:,} times {self} is more than an invoice can hold."
            raise Invalid(sentence, code="amount_too_large")
        return Money(amount, self.currency)

    def share(self, factor: Fraction) -> Money:
        """The part ``factor`` of this amount, rounded once, half away from zero (D9).

        >>> Money(4000, "EUR").share(Fraction(18, 31))
        Money(amount=2323, currency='EUR')
        """
        assert 0 <= factor <= 1, f"{factor} is not a share"
        doubled = 2 * abs(self.amount) * factor.numerator
        rounded = (doubled + factor.denominator) // (2 * factor.denominator)
        return Money(rounded if self.amount >= 0 else -rounded, self.currency)

    def split(self, weights: Sequence[int]) -> list[Money]:
        """Parts in proportion to ``weights`` that add up to this amount: largest remainder, ties to the earlier (D9).

        >>> [part.amount for part in Money(100, "EUR").split([1, 1, 1])]
        [34, 33, 33]
        """
        whole = sum(weights)
        assert whole > 0
        assert all(weight >= 0 for weight in weights)
        parts = [abs(self.amount) * weight // whole for weight in weights]
        by_remainder = sorted(range(len(weights)), key=lambda i: (-(abs(self.amount) * weights[i] % whole), i))
        for i in by_remainder[: abs(self.amount) - sum(parts)]:
            parts[i] += 1
        return [Money(part if self.amount >= 0 else -part, self.currency) for part in parts]


def digits_of(currency: str) -> int:
    """How many digits follow the point; an unknown currency is refused."""
    if currency not in DIGITS:
        raise Invalid(f"{currency[:10]!r} is not a currency that can be billed in.", code="unknown_currency")
    return DIGITS[currency]


def total(amounts: Iterable[Money], currency: str) -> Money:
    """The sum of the amounts, all of ``currency``; nothing at all is zero."""
    return sum(amounts, Money(0, currency))
