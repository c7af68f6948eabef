"""No operation gets dearer than it was: capacity units and calls are part of what is promised."""

import json

import pytest

from bench import units

RECORDED = json.loads(units.RECORDED.read_text())


@pytest.fixture(scope="module")
def measured():
    return units.measure()


@pytest.mark.parametrize("operation", RECORDED)
@pytest.mark.parametrize("unit", ["calls", "write units", "read units", "Stripe calls"])
def test_an_operation_costs_no_more_than_is_recorded(measured, operation, unit):
    assert measured[operation][unit] <= RECORDED[operation][unit], "bench/units.py --record, if it must be"


def test_everything_that_is_measured_is_recorded(measured):
    assert list(measured) == list(RECORDED)


@pytest.mark.parametrize("operation", units.BUDGET)
def test_the_budget_is_kept(measured, operation):
    for unit, limit in units.BUDGET[operation].items():
        assert measured[operation][unit] <= limit
