"""What holds for every test: no real credentials, quiet logs, and the same examples in every run."""

import os

import pytest
from hypothesis import settings

os.environ |= {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    "POWERTOOLS_METRICS_DISABLED": "true",
}

settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.load_profile("ci")


@pytest.fixture
def logged(caplog):
    """What was logged under a message, with the facts beside it."""
    from shared.edge.telemetry import logger

    level = logger.log_level
    logger.setLevel("INFO")
    yield lambda message: [vars(record) for record in caplog.records if record.getMessage() == message]
    logger.setLevel(level)
