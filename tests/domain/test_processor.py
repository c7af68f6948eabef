"""What Stripe can carry: its own minor units, its smallest charges."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.money import DIGITS, Money
from shared.domain.processor import can_charge, to_stripe


@pytest.mark.parametrize(
    ("owed", "currency", "in_stripes_units"),
    [
        ("23.23", "EUR", 2323),
        ("5", "JPY", 5),
        ("58.060", "KWD", 58060),
        ("58.065", "KWD", 58060),  # in steps of ten, and never more than is owed
        ("0.009", "BHD", 0),
        ("5", "ISK", 500),  # whole króna, counted in hundredths
        ("5", "UGX", 500),
        ("5.00", "MGA", 5),  # ariary without their fifths
        ("5.99", "MGA", 5),
        ("1500.00", "HUF", 150000),
        ("0.00", "EUR", 0),
    ],
)
def test_an_amount_is_counted_as_stripe_counts(owed, currency, in_stripes_units):
    assert to_stripe(Money.parse(owed, currency)) == in_stripes_units


ZERO_DECIMAL = [
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF",
]  # fmt: skip
THREE_DECIMAL = ["BHD", "JOD", "KWD", "OMR", "TND"]  # whose last digit has to be 0
TWO_DECIMALS_ALL_THE_SAME = ["ISK", "UGX"]  # with nothing after the point: Stripe's special cases
OF_PAYOUTS_ONLY = ["HUF", "TWD"]  # whole ones when they are paid out; a charge has its two decimals
NOT_TAKEN = ["IQD", "LYD"]  # of three decimals, and not in Stripe's table
"""Stripe's table, copied from docs.stripe.com/currencies by hand; any other currency has two decimals."""


def decimals(currency):
    """With how many decimals Stripe wants an amount."""
    if currency in TWO_DECIMALS_ALL_THE_SAME:
        return 2
    return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2


@pytest.mark.parametrize("currency", sorted(DIGITS.keys() - set(NOT_TAKEN)))
def test_every_currency_is_counted_as_stripes_table_says(currency):
    assert to_stripe(Money.parse("120", currency)) == 120 * 10 ** decimals(currency)


@pytest.mark.parametrize("currency", [*TWO_DECIMALS_ALL_THE_SAME, *OF_PAYOUTS_ONLY])
def test_stripes_special_cases_are_charged_in_hundredths(currency):
    assert to_stripe(Money.parse("7", currency)) == 700


@given(st.sampled_from(THREE_DECIMAL), st.integers(0, 10**12))
def test_of_three_decimals_the_last_is_0(currency, amount):
    assert to_stripe(Money(amount, currency)) % 10 == 0


@given(st.sampled_from(sorted(DIGITS.keys() - set(NOT_TAKEN))), st.integers(0, 10**12))
def test_stripe_is_never_asked_for_more_than_is_owed(currency, amount):
    asked = Fraction(to_stripe(Money(amount, currency)), 10 ** decimals(currency))
    owed = Fraction(amount, 10 ** DIGITS[currency])
    assert 0 <= owed - asked < (1 if currency == "MGA" else Fraction(1, 100))


@pytest.mark.parametrize(
    ("smallest", "currency"),
    [
        ("2.00", "AED"), ("0.50", "AUD"), ("1.00", "BGN"), ("0.50", "BRL"), ("0.50", "CAD"), ("0.50", "CHF"),
        ("15.00", "CZK"), ("2.50", "DKK"), ("0.50", "EUR"), ("0.30", "GBP"), ("4.00", "HKD"), ("175.00", "HUF"),
        ("0.50", "INR"), ("50", "JPY"), ("10.00", "MXN"), ("2.00", "MYR"), ("3.00", "NOK"), ("0.50", "NZD"),
        ("2.00", "PLN"), ("2.00", "RON"), ("3.00", "SEK"), ("0.50", "SGD"), ("10.00", "THB"), ("0.50", "USD"),
        ("0.01", "TWD"), ("1", "KRW"), ("1", "ISK"), ("0.010", "KWD"), ("1.00", "MGA"),  # as small as can be written
    ],
)  # fmt: skip
def test_the_smallest_charge_is_taken_and_one_unit_less_is_not(smallest, currency):
    least = Money.parse(smallest, currency)
    assert can_charge(least)
    assert not can_charge(least - Money(1, currency))
