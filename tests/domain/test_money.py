"""Money: whole minor units, rounded once, never lost."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Invalid
from shared.domain.money import DIGITS, LARGEST, Money, digits_of, total

currencies = st.sampled_from(sorted(DIGITS))
amounts = st.integers(-LARGEST, LARGEST)
weights = st.lists(st.integers(0, 1000), min_size=1, max_size=20).filter(any)


@pytest.mark.parametrize(
    ("text", "currency", "minor_units"),
    [
        ("23.23", "EUR", 2323),
        ("23.2", "EUR", 2320),
        ("23", "EUR", 2300),
        ("-0.05", "EUR", -5),
        ("5", "JPY", 5),
        ("1.5", "KWD", 1500),
        ("0.005", "KWD", 5),
        ("007", "EUR", 700),
        ("10000000000000.00", "EUR", LARGEST),
        ("1000000000000000", "JPY", LARGEST),
    ],
)
def test_a_decimal_string_is_read_in_the_digits_of_its_currency(text, currency, minor_units):
    assert Money.parse(text, currency) == Money(minor_units, currency)


@given(currencies, amounts)
def test_what_is_written_is_read_back_the_same(currency, amount):
    money = Money(amount, currency)
    assert Money.parse(money.decimal, currency) == money
    assert Decimal(money.decimal) == Decimal(amount).scaleb(-digits_of(currency))


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(5, "EUR", "0.05 EUR"), (-123456, "USD", "-1234.56 USD"), (0, "JPY", "0 JPY"), (-1, "KWD", "-0.001 KWD")],
)
def test_an_amount_is_shown_with_all_its_digits_and_its_currency(amount, currency, text):
    assert str(Money(amount, currency)) == text


@pytest.mark.parametrize(
    ("text", "currency", "code"),
    [
        ("", "EUR", "invalid_amount"),
        ("-", "EUR", "invalid_amount"),
        (".5", "EUR", "invalid_amount"),
        ("5.", "EUR", "invalid_amount"),
        ("5.", "JPY", "invalid_amount"),
        ("5.0", "JPY", "invalid_amount"),
        ("0.001", "EUR", "invalid_amount"),
        ("0.0001", "KWD", "invalid_amount"),
        ("1,50", "EUR", "invalid_amount"),
        ("1_000", "EUR", "invalid_amount"),
        ("1e3", "EUR", "invalid_amount"),
        ("+1", "EUR", "invalid_amount"),
        ("--1", "EUR", "invalid_amount"),
        (" 1", "EUR", "invalid_amount"),
        ("1\n", "EUR", "invalid_amount"),
        ("1.2.3", "EUR", "invalid_amount"),
        ("NaN", "EUR", "invalid_amount"),
        ("٣", "EUR", "invalid_amount"),
        ("²", "EUR", "invalid_amount"),
        ("1.٣", "EUR", "invalid_amount"),
        ("1.²", "EUR", "invalid_amount"),
        ("10000000000000.01", "EUR", "invalid_amount"),
        ("1000000000000001", "JPY", "invalid_amount"),
        ("1" * 17, "JPY", "invalid_amount"),
        ("1", "eur", "unknown_currency"),
        ("1", "XXX", "unknown_currency"),
        ("1", "", "unknown_currency"),
    ],
)
def test_what_is_no_amount_is_refused(text, currency, code):
    with pytest.raises(Invalid) as refusal:
        Money.parse(text, currency)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("amount", "factor", "share"),
    [
        (4000, Fraction(18, 31), 2323),
        (100, Fraction(1, 3), 33),
        (200, Fraction(1, 3), 67),
        (1, Fraction(1, 2), 1),
        (5, Fraction(1, 2), 3),
        (-1, Fraction(1, 2), -1),
        (-5, Fraction(1, 2), -3),
        (-4000, Fraction(18, 31), -2323),
        (1, Fraction(49, 100), 0),
        (-1, Fraction(49, 100), 0),
        (999, Fraction(0), 0),
        (999, Fraction(1), 999),
    ],
)
def test_d9_a_share_is_rounded_half_away_from_zero(amount, factor, share):
    assert Money(amount, "EUR").share(factor) == Money(share, "EUR")


@given(amounts, st.fractions(0, 1, max_denominator=366))
def test_d9_a_share_is_what_decimal_arithmetic_says(amount, factor):
    exact = Decimal(amount * factor.numerator) / factor.denominator
    expected = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    assert Money(amount, "EUR").share(factor).amount == expected


@given(amounts, st.fractions(0, 1, max_denominator=366))
def test_a_whole_cut_in_two_is_off_by_one_unit_at_most(amount, factor):
    whole = Money(amount, "EUR")
    both = whole.share(factor) + whole.share(1 - factor)
    assert abs(both.amount - whole.amount) <= 1


@pytest.mark.parametrize(
    ("amount", "parts_of", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (101, [1, 1, 1], [34, 34, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (5, [1, 1], [3, 2]),
        (10, [1, 2, 4], [1, 3, 6]),
        (2, [0, 1, 0, 1, 1], [0, 1, 0, 1, 0]),
        (0, [3, 4], [0, 0]),
    ],
)
def test_d9_a_split_gives_what_is_left_to_the_largest_remainder_then_to_the_earlier(amount, parts_of, parts):
    assert Money(amount, "EUR").split(parts_of) == [Money(part, "EUR") for part in parts]


@given(currencies, amounts, weights)
def test_d9_a_split_adds_up_and_no_part_is_off_by_a_whole_unit(currency, amount, weights):
    whole = Money(amount, currency)
    parts = whole.split(weights)
    assert total(parts, currency) == whole
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.amount - Fraction(amount * weight, sum(weights))) < 1


def test_amounts_of_one_currency_add_up():
    euros = [Money(100, "EUR"), Money(250, "EUR"), Money(-50, "EUR")]
    assert total(euros, "EUR") == Money(300, "EUR")
    assert total([], "JPY") == Money(0, "JPY")
    assert Money(100, "EUR") - Money(250, "EUR") == Money(-150, "EUR")
    assert Money(2323, "EUR").times(3) == Money(6969, "EUR")


def test_more_than_an_invoice_can_hold_is_refused():
    assert Money(LARGEST // 4, "EUR").times(-4) == Money(-LARGEST, "EUR")
    with pytest.raises(Invalid) as refusal:
        Money(LARGEST // 4, "EUR").times(5)
    assert refusal.value.code == "amount_too_large"


def test_amounts_of_two_currencies_do_not():
    with pytest.raises(AssertionError, match="two currencies"):
        Money(1, "EUR") + Money(1, "USD")
