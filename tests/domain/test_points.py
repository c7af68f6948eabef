"""Proration against worked figures that others have published."""

import json
from pathlib import Path

import pytest

from shared.domain.money import Money
from shared.domain.periods import Period

POINTS = json.loads((Path(__file__).parent / "data" / "points.json").read_text())["points"]
CURRENCIES = {0: "JPY", 2: "USD", 3: "KWD"}


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point["case"])
def test_d8_a_share_of_a_period_costs_what_the_source_says(point):
    currency = CURRENCIES[point["decimals"]]
    part = Period.parse(f"{point['start']}/{point['end']}")
    whole = Period.parse(f"{point['period_start']}/{point['period_end']}")
    price = Money.parse(point["price"], currency)
    assert (part.days, whole.days) == (point["days"], point["period_days"])
    assert price.times(point["quantity"]).share(part.share_of(whole)) == Money.parse(point["amount"], currency)
