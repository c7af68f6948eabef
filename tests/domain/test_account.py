"""Sellers and customers: what of them can never change."""

from dataclasses import replace

import pytest

from shared.domain.account import SellerEntity, check_change, check_seller_change
from shared.domain.errors import Conflict, Invalid
from tests.domain.examples import ACME, SELLER


def test_an_account_can_change_its_name_and_whom_its_bills_go_to():
    check_change(None, ACME)
    check_change(ACME, replace(ACME, name="Acme Ltd", billing_contacts=("bill@acme.test",)))


@pytest.mark.parametrize("other", [{"seller": "eu"}, {"currency": "EUR"}])
def test_an_account_cannot_move_to_another_seller_or_currency(other):
    with pytest.raises(Conflict) as refusal:
        check_change(ACME, replace(ACME, **other))
    assert refusal.value.code == "account_fixed"


def test_a_seller_can_change_its_name_and_its_dunning():
    check_seller_change(None, SELLER)
    check_seller_change(SELLER, replace(SELLER, name="Hub LLC", retry_days=(1, 2)))


@pytest.mark.parametrize("other", [{"timezone": "Europe/Dublin"}, {"currency": "EUR"}])
def test_r51_a_seller_keeps_its_zone_and_its_currency(other):
    with pytest.raises(Conflict) as refusal:
        check_seller_change(SELLER, replace(SELLER, **other))
    assert refusal.value.code == "seller_fixed"


@pytest.mark.parametrize(
    ("zone", "currency", "code"),
    [("Europe/Atlantis", "EUR", "unknown_timezone"), ("Europe/Dublin", "EURO", "unknown_currency")],
)
def test_a_seller_has_a_zone_and_a_currency_that_exist(zone, currency, code):
    with pytest.raises(Invalid) as refusal:
        SellerEntity("eu", "Hub Ltd", zone, currency)
    assert refusal.value.code == code
