"""What is wrong with a body, in words that are no programmer's."""

from __future__ import annotations

import re
from typing import NamedTuple

from msgspec import ValidationError

from shared.edge import body

_WORDS = {
    "int": "a whole number",
    "float": "a decimal number",
    "str": "a text in quotes",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object with fields",
}
_SHAPES = {
    body.ID: "an id: at most 64 letters, digits, `.`, `_` and `-`, the first a letter or a digit",
    body.AMOUNT: 'an amount in a text, like "12.50"',
    body.MAILBOX: "an e-mail address",
    body.MAILBOX_OR_NONE: "an e-mail address",
}
_OTHERS = {
    "Invalid RFC3339 encoded date": "a date like 2026-02-25",
    "Number out of range": "a number that is not so large",
}
_EXPECTED = r"(?s)Expected `([\w |]+)`(?:, got `(\w+)`| (of length )?([<>]=) (\S+)| matching regex (.*))?"
_BOUNDS = {">=": "at least", "<=": "at most"}
_UNITS = {"str": ("character", "characters"), "array": ("entry", "entries"), "object": ("entry", "entries")}


class Misfit(NamedTuple):
    """Where in the body (names and places in lists), and a sentence about it."""

    path: tuple[str, ...]
    sentence: str


def of(error: ValidationError) -> Misfit:
    """What msgspec has found.

    >>> of(ValidationError("Expected `int` >= 1 - at `$.items[1].quantity`"))
    Misfit(path=('items', '1', 'quantity'), sentence='`items[1].quantity` must be a whole number of at least 1.')
    """
    found = re.fullmatch(r"(?s)(.*?)(?: - at `(?:(key)` in `)?\$\.?(.*)`)?", str(error))
    assert found
    what, key, where = found.groups("")
    path = tuple(re.findall(r"[^.\[\]`]+", where))
    if field := re.fullmatch(r"(?s)Object (missing required|contains unknown) field `(.*)`", what):
        full = f"{where}.{field[2]}" if where else field[2]
        sentence = "is missing" if field[1].startswith("missing") else "is not known here"
        return Misfit((*path, field[2]), f"`{full}` {sentence}.")
    name = f"`{where}`" if where else "The body"
    return Misfit(path, f"{f'A name in {name}' if key else name} must be {_wanted(what)}.")


def _wanted(what: str) -> str:
    """What the value should have been.

    >>> _wanted("Expected `str | null`, got `int`"), _wanted("Expected `array` of length <= 40")
    ('a text in quotes or null, not a whole number', 'a list of at most 40 entries')
    """
    found = re.fullmatch(_EXPECTED, what)
    if not found:
        return _other(what)
    kinds, got, length, bound, limit, pattern = found.groups()
    wanted = " or ".join(_WORDS.get(kind, kind) for kind in kinds.split(" | "))
    if got:
        return f"{wanted}, not {_WORDS.get(got, got)}"
    if pattern:
        return next((words for shape, words in _SHAPES.items() if repr(shape) == pattern), wanted)
    if bound:
        unit = f" {_UNITS[kinds.split()[0]][limit != '1']}" if length else ""
        return f"{wanted} of {_BOUNDS[bound]} {int(limit):,}{unit}"
    return wanted


def _other(what: str) -> str:
    if what.startswith("Invalid enum value "):
        return f"one of the values that the documentation names, not {what.removeprefix('Invalid enum value ')}"
    return _OTHERS.get(what, f"something else ({what})")
