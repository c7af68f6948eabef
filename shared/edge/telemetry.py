"""Logs and metrics: logs are events that carry ids, never bodies, mails or means of payment."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from shared.domain.changes import Event

# Most invocations have no business event to count; that is nothing to warn of.
warnings.filterwarnings("ignore", message="No application metrics to publish")

logger = Logger(service="prorata")
metrics = Metrics(namespace="Prorata", service="prorata")


def record(events: Iterable[Event]) -> None:
    """One log line and one metric for each business event that was committed."""
    for event in events:
        ids = {key: value for key, value in event.data.items() if isinstance(value, (str, int))}
        logger.info(event.type, account=event.account_id, facts=ids)
        metrics.add_metric(name=event.type, unit=MetricUnit.Count, value=1)
