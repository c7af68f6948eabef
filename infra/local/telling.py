"""What happened, told to a person: one line each, invoices with their lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Told = dict[str, Any]
_TAKEN = {"at", "local", "account", "type"}


def lines(told: Told) -> list[str]:
    """One thing that happened as lines of text."""
    when = told["local"].replace("T", " ")[:16]
    what = _WORDS.get(told["type"], _facts)(told)
    first = f"{when}  {told['account'] or '':<10} {told['type']:<24} {what}".rstrip()
    return [first, *_invoice_lines(told)]


def _facts(told: Told) -> str:
    facts = {key: value for key, value in told.items() if key not in _TAKEN and value is not None}
    return "  ".join(f"{key}={_plain(value)}" for key, value in facts.items())


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _call(told: Told) -> str:
    refused = f"  {told['code']}" if told["code"] else ""
    return f"{told['method']} {told['path']}  {told['status']}{refused}"


def _issued(told: Told) -> str:
    invoice = told["invoice"]
    return f"{invoice['number']}  {invoice['total']} {invoice['currency']}"


def _money(told: Told) -> str:
    code = f"  {told['code']}" if told.get("code") else ""
    return f"{told['invoice']}  {told['amount']} {told['currency']}{code}"


def _disputed(told: Told) -> str:
    return f"{_money(told)}  {told['status']}"


def _credited(told: Told) -> str:
    return f"{told['credit_note']}  {told['amount']} {told['currency']}"


def _seats(told: Told) -> str:
    seats = f"+{told['quantity']} {told['seat_type']}, {told['total']} in all"
    return f"{seats}, {told['amount']} {told['currency']} on the next invoice"


def _invoice_lines(told: Told) -> list[str]:
    if told["type"] != "invoice.issued":
        return []
    return [
        f"{'':<29}{line['description']:<48} {line['period'] or '':<21} {line['amount']:>12}"
        for line in told["invoice"]["lines"]
    ]


_WORDS: dict[str, Callable[[Told], str]] = {
    "api.call": _call,
    "invoice.issued": _issued,
    "invoice.paid": _money,
    "payment.succeeded": _money,
    "payment.failed": _money,
    "payment.refunded": _money,
    "payment.disputed": _disputed,
    "credit_note.issued": _credited,
    "seats.added": _seats,
}
