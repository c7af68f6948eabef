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


@given(st.sampled_from(sorted(DIGITS)), st.integers(0, 10**12))
def test_stripe_is_never_asked_for_more_than_is_owed(currency, amount):
    theirs = {"ISK": 2, "UGX": 2, "MGA": 0}.get(currency, DIGITS[currency])
    asked = Fraction(to_stripe(Money(amount, currency)), 10**theirs)
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
