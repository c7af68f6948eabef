"""No operation gets dearer than it was: capacity units and calls are part of what is promised."""

import json

import boto3
import pytest

from bench import units
from infra.local.template import TABLE_NAME

RECORDED = json.loads(units.RECORDED.read_text())
AGAIN = "PYTHONPATH=. .venv/bin/python bench/units.py --record, if it must be"


@pytest.fixture(scope="module")
def measured():
    return units.measure()


@pytest.mark.parametrize("operation", RECORDED)
@pytest.mark.parametrize("unit", ["calls", "write units", "read units", "Stripe calls"])
def test_an_operation_costs_no_more_than_is_recorded(measured, operation, unit):
    assert measured[operation][unit] <= RECORDED[operation][unit], AGAIN


@pytest.mark.parametrize("operation", RECORDED)
def test_an_operation_moves_about_as_many_bytes_as_are_recorded(measured, operation):
    assert measured[operation]["bytes"] == pytest.approx(RECORDED[operation]["bytes"], rel=0.1), AGAIN


def test_everything_that_is_measured_is_recorded_and_told(measured):
    assert list(measured) == list(RECORDED)
    page = units.PAGE.read_text()
    assert page == units.filled(page, RECORDED), AGAIN


@pytest.mark.parametrize("operation", units.BUDGET)
def test_the_budget_is_kept(measured, operation):
    for unit, limit in units.BUDGET[operation].items():
        assert measured[operation][unit] <= limit


def test_what_a_filter_passes_over_is_paid_for():
    bench = units.Bench()
    table = boto3.client("dynamodb")
    for kind in ("invoice", "past_attempt"):
        item = {"PK": "ACCOUNT#acme", "SK": f"INVOICE#1#{kind}", "kind": kind, "text": "x" * 3000}
        table.put_item(TableName=TABLE_NAME, Item={name: {"S": value} for name, value in item.items()})
    asked = {
        "TableName": TABLE_NAME,
        "KeyConditionExpression": "#0 = :0",
        "FilterExpression": "#1 = :1",
        "ExpressionAttributeNames": {"#0": "PK", "#1": "kind"},
        "ExpressionAttributeValues": {":0": {"S": "ACCOUNT#acme"}, ":1": {"S": "invoice"}},
        "ConsistentRead": True,
    }
    answer = bench.measure("list", lambda: table.query(**asked))
    assert (answer["Count"], answer["ScannedCount"]) == (1, 2)
    assert bench.figures["list"]["read units"] == 2
