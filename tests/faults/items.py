"""Items of the table, read by whoever watches them."""

import json
from typing import Any


def plain(item: Any) -> Any:
    """An item without DynamoDB's types."""
    return {name: next(iter(value.values())) for name, value in item.items()} if item else item


def instant(now: Any) -> str:
    """A time as the due index has it."""
    return str(now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


def attempt_of(invoice: Any) -> Any:
    """The live attempt of an invoice, or nothing."""
    return json.loads(invoice.get("attempt", "{}")) if invoice else {}
