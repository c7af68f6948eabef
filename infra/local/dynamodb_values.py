"""DynamoDB's attribute values, ``{"S": "x"}``: checked, brought to one form, put in order and measured."""

from __future__ import annotations

from base64 import b64decode
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow, Subnormal
from typing import Any

Value = dict[str, Any]
Item = dict[str, Value]

ORDERED = frozenset(("S", "N", "B"))  # what has an order, and so can be a key
SETS = frozenset(("SS", "NS", "BS"))
NUMBERS = Context(prec=38, Emin=-130, Emax=125, traps=[Inexact, InvalidOperation, Overflow, Subnormal])


class Refusal(Exception):
    """What DynamoDB answers instead of doing what was asked: a code, a sentence and what belongs to it."""

    def __init__(self, code: str, message: str, **fields: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.fields = code, message, fields

    def body(self) -> dict[str, Any]:
        """The error as DynamoDB writes it."""
        return {
            "__type": f"com.amazonaws.dynamodb.v20120810#{self.code}",
            "message": self.message,
            **self.fields,
        }


def invalid(message: str) -> Refusal:
    """A request that DynamoDB does not take."""
    return Refusal("ValidationException", message)


def wrong(message: str) -> Refusal:
    """A request with a value that DynamoDB does not take."""
    return invalid(f"One or more parameter values were invalid: {message}")


def kind(value: Value) -> str:
    """``S``, ``N``, ``M`` and so on."""
    return next(iter(value))


def canonical(value: Value) -> Value:
    """The value as it is stored, so that equal values are equal dicts.

    >>> canonical({"L": [{"N": "1.50"}, {"NS": ["10", "9"]}, {"N": "2E+3"}]})
    {'L': [{'N': '1.5'}, {'NS': ['9', '10']}, {'N': '2000'}]}
    """
    if len(value) != 1:
        raise invalid("Supplied AttributeValue must contain exactly one of the supported datatypes")
    [(of, content)] = value.items()
    if of in ("S", "B", "BOOL", "NULL"):
        return value
    if of == "N":
        return {"N": number(content)}
    if of == "M":
        return {"M": {name: canonical(inner) for name, inner in content.items()}}
    if of == "L":
        return {"L": [canonical(inner) for inner in content]}
    if of in SETS:
        return {of: _members(of, content)}
    raise invalid(f"Supplied AttributeValue has the unknown datatype {of}")


def number(text: str) -> str:
    """A number's shortest text, without exponent; refused beyond 38 digits or the exponents -130 to 125."""
    if text.isascii() and text.isdigit() and text[0] != "0" and len(text) <= 38:
        return text
    try:
        exact = NUMBERS.normalize(NUMBERS.add(Decimal(text), Decimal(0)))  # -0 becomes 0
    except ArithmeticError:
        exact = Decimal("NaN")
    if not exact.is_finite():
        raise invalid(f"The parameter cannot be converted to a numeric value: {text}")
    return format(exact, "f")


def _members(of: str, content: list[str]) -> list[str]:
    members = [number(member) for member in content] if of == "NS" else content
    if not members:
        raise wrong("An string set may not be empty" if of == "SS" else "A set may not be empty")
    if len(set(members)) < len(members):
        raise wrong("Input collection contains duplicates.")
    return sorted(members, key=Decimal if of == "NS" else None)


def order(value: Value) -> Any:
    """What a string, number or binary is sorted by: code points, size, bytes."""
    [(of, content)] = value.items()
    if of == "S":
        return content  # by code point, which is the order of the UTF-8 bytes
    return Decimal(content) if of == "N" else b64decode(content)


def item_size(item: Item) -> int:
    """The bytes DynamoDB counts for an item: names and values.

    >>> item_size({"PK": {"S": "é"}, "n": {"N": "-12.5"}, "flags": {"L": [{"BOOL": True}]}})
    19
    """
    return sum(_length(name) + size(value) for name, value in item.items())


def size(value: Value) -> int:
    """The bytes of one value, by AWS's published estimate."""
    [(of, content)] = value.items()
    if of == "S":
        return _length(content)
    if of == "N":
        return _number_size(content)
    if of == "M":
        return 3 + sum(1 + _length(name) + size(inner) for name, inner in content.items())
    if of == "L":
        return 3 + sum(1 + size(inner) for inner in content)
    if of == "B":
        return len(b64decode(content))
    return sum(size({of[0]: member}) for member in content) if of in SETS else 1


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _number_size(text: str) -> int:
    """One byte, one for each pair of digits counted from the point, and one for a minus sign."""
    if text == "0":
        return 1
    minus, digits, exponent = NUMBERS.normalize(Decimal(text)).as_tuple()
    return 1 + (len(digits) + int(exponent) % 2 + 1) // 2 + minus
