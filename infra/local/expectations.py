"""What a story expects, held against what came of it; what is not named is not compared."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from infra.local.story import Outcome, Step
from infra.local.yaml_file import YamlFile
from shared.domain.invoice import Invoice
from shared.domain.money import Money

Told = dict[str, Any]
Place = tuple[str | int, ...]
_PAYMENTS = {
    "payment.succeeded": "succeeded",
    "payment.failed": "failed",
    "payment.processing": "processing",
    "payment.action_required": "action_required",
    "payment.refunded": "refunded",
    "payment.disputed": "disputed",
}


class Failure(Exception):
    """An expectation that did not hold."""


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


class Expectations:
    """The end of a story, compared part by part; what does not hold is told with its line."""

    def __init__(self, file: YamlFile[Any]) -> None:
        self._file = file
        self._failures: list[str] = []

    def check(
        self, wanted: Outcome, told: list[Told], invoices: list[Told], subscriptions: dict[str, str]
    ) -> list[str]:
        """What did not come out: of all that was told, of the invoices and the subscriptions as they stand."""
        got = {
            "invoices": invoices,
            "payments": [_payment(each) for each in told if each["type"] in _PAYMENTS],
            "mails": [each for each in told if each["type"] == "mail.sent"],
        }
        for name, found in got.items():
            expected = getattr(wanted, name)
            if expected is not None:
                self._compare_list(("expect", name), expected, found)
        self._compare_events(wanted.events or [], told)
        counts = Counter(each["type"] for each in told)
        for type_, number in (wanted.counts or {}).items():
            self._compare(("expect", "counts", type_), f"{type_}: {number}", f"{type_}: {counts[type_]}")
        for saved, status in (wanted.statuses or {}).items():
            self._compare(("expect", "statuses", saved), f"{saved}: {status}", f"{saved}: {subscriptions[saved]}")
        return self._failures

    def _compare_list(self, place: Place, expected: list[Any], found: list[Any]) -> None:
        if len(expected) != len(found):
            self._compare(place, f"{len(expected)} {place[-1]}", f"{len(found)}: {_json(found)}")
        for number, (one, other) in enumerate(zip(expected, found, strict=False)):
            if (difference := _difference(one, other)) is not None:
                self._compare((*place, number), *difference)

    def _compare_events(self, expected: list[Told], told: list[Told]) -> None:
        """Each must have happened, in this order; others may stand between them."""
        rest = iter(told)
        for number, event in enumerate(expected):
            if not any(_difference(event, each) is None for each in rest):
                self._compare(("expect", "events", number), _json(event), "no such event after the one before")

    def _compare(self, place: Place, expected: Any, got: Any) -> None:
        if expected != got:
            self._failures.append(str(self._file.error(place, f"expected {expected}, got {got}")))


def shown(invoice: Invoice) -> Told:
    """An invoice as stories tell it: amounts as decimal strings, periods as ISO 8601 intervals."""
    return {
        "id": invoice.id,
        "number": invoice.id,
        "subscription": invoice.subscription_id,
        "date": str(invoice.date),
        "currency": invoice.currency,
        "status": invoice.status.value,
        "total": invoice.total.decimal,
        **({"refunded": Money(invoice.refunded, invoice.currency).decimal} if invoice.refunded else {}),
        "lines": [
            {
                "description": line.description,
                "quantity": line.quantity,
                "amount": line.amount.decimal,
                "period": str(line.period) if line.period else None,
                "price": line.price,
                "kind": line.kind,
                **({"subscription": line.subscription_id} if line.subscription_id else {}),
            }
            for line in invoice.lines
        ],
    }


def _payment(told: Told) -> Told:
    names = ("account", "invoice", "amount", "currency", "code")
    status = {"status": _PAYMENTS[told["type"]], "date": told["local"][:10]}
    return {name: told[name] for name in names if name in told} | status


def check_answer(step: Step, status: int, code: str | None, answer: Any) -> None:
    """Whether a call was answered as its step expects; one that expects nothing must not be refused."""
    wanted = step.expect
    if wanted.status is not None and wanted.status != status:
        raise Failure(f"expected status {wanted.status}, got {status}: {_json(answer)}")
    if wanted.code is not None and wanted.code != code:
        raise Failure(f"expected the refusal {wanted.code}, got {code}: {_json(answer)}")
    if wanted.status is None and wanted.code is None and status >= 400:
        raise Failure(f"refused with {status}: {_json(answer)}")
    if wanted.body is not None and (difference := _difference(wanted.body, answer)) is not None:
        raise Failure(f"expected {difference[0]} in the answer, got {difference[1]}")


def _difference(expected: Any, got: Any) -> tuple[Any, Any] | None:
    """Where ``got`` lacks a part of ``expected``; what is not named is not compared."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key, value in expected.items():
            difference = _difference(value, got.get(key))
            if difference is not None:
                return f"{key}: {difference[0]}", f"{key}: {difference[1]}"
        return None
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        return next((d for d in map(_difference, expected, got) if d is not None), None)
    return None if expected == got else (_json(expected), _json(got))


def dig(answer: Any, where: str) -> Any:
    """``subscriptions.0.id``: a value in an answer."""
    value = answer
    for step in where.split("."):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise Failure(f"there is no {where!r} to save in {_json(answer)}") from None
    return value
