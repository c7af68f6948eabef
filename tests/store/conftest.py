"""A table as the template makes it, in two stores that know nothing of each other."""

import boto3
import pytest
from moto import mock_aws

from infra.local import aws, template
from infra.local.dynamodb import DynamoDB
from shared.store import queries
from shared.store.record import Record

TABLE = {
    name: template.read().table[name]
    for name in ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode")
} | {"TableName": "prorata"}


def _as_new():
    """Nothing is known of an earlier table, and no earlier stand-in answers."""
    aws.answering.clear()
    Record._connection = None
    queries.forget()


@pytest.fixture
def local():
    """The store of the local run; faults can be put into it."""
    _as_new()
    store = DynamoDB()
    store.create_table(TABLE)
    aws.answer_here({"dynamodb": store.answer})
    yield store
    _as_new()


@pytest.fixture
def moto():
    """The table as moto has it."""
    _as_new()
    with mock_aws():
        boto3.client("dynamodb", region_name="eu-central-1").create_table(**TABLE)
        yield
    _as_new()


@pytest.fixture(params=["local", "moto"])
def store(request):
    """Either of the two: whatever holds must hold on both."""
    return request.getfixturevalue(request.param)
