"""How the values of the domain lie in the table: short, sortable, readable in the console."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from pynamodb.attributes import Attribute

from shared.domain.money import Money
from shared.domain.periods import Period

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
Row = TypeVar("Row", bound="DataclassInstance")
E = TypeVar("E", bound=StrEnum)


def instant(value: datetime) -> str:
    """An instant as text that sorts by time: ``2026-02-25T05:00:00.000000Z``."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class InstantAttribute(Attribute[datetime]):
    """``2026-02-25T05:00:00.000000Z``."""

    attr_type = "S"

    def serialize(self, value: datetime) -> str:
        """Write as text that sorts by time."""
        return instant(value)

    def deserialize(self, value: str) -> datetime:
        """Read it back, in UTC."""
        return datetime.fromisoformat(value)


class DateAttribute(Attribute[date]):
    """``2026-02-25``: a day in the seller's zone."""

    attr_type = "S"

    def serialize(self, value: date) -> str:
        """Write as ISO 8601."""
        return value.isoformat()

    def deserialize(self, value: str) -> date:
        """Read it back."""
        return date.fromisoformat(value)


class MoneyAttribute(Attribute[Money]):
    """``EUR 4000``: the currency and the minor units."""

    attr_type = "S"

    def serialize(self, value: Money) -> str:
        """Write currency and minor units."""
        return f"{value.currency} {value.amount}"

    def deserialize(self, value: str) -> Money:
        """Read it back."""
        currency, amount = value.split()
        return Money(int(amount), currency)


class PeriodAttribute(Attribute[Period]):
    """``2026-10-25/2026-11-25``: an ISO 8601 interval of days."""

    attr_type = "S"

    def serialize(self, value: Period) -> str:
        """Write as an ISO 8601 interval."""
        return str(value)

    def deserialize(self, value: str) -> Period:
        """Read it back."""
        return Period.parse(value)


class WordAttribute(Attribute[E], Generic[E]):
    """One word of a fixed list, such as a status."""

    attr_type = "S"

    def __init__(self, words: type[E], **options: Any) -> None:
        super().__init__(**options)
        self.words = words

    def serialize(self, value: E) -> str:
        """Write the word."""
        return value.value

    def deserialize(self, value: str) -> E:
        """Read it back."""
        return self.words(value)


def _small(value: Any) -> Any:
    """Nested data without what equals its default, which is filled in again on reading: a smaller item costs less."""
    if isinstance(value, tuple):
        return [_small(part) for part in value]
    if not is_dataclass(value):
        return value
    filled = ((field, getattr(value, field.name)) for field in fields(value))
    return {field.name: _small(part) for field, part in filled if field.default is MISSING or part != field.default}


class RowsAttribute(Attribute[tuple[Row, ...]], Generic[Row]):
    """Small dataclasses that there are many of, as rows of their values without names: a third of the bytes.

    The order of the fields is the order of the columns, so new fields come last. ``null`` stands for a default, and
    what is default at the end of a row is left out. Money is ``"EUR 4000"``.
    """

    attr_type = "S"

    def __init__(self, shape: type[Row], **options: Any) -> None:
        super().__init__(**options)
        self._shape, self._columns = shape, fields(shape)

    def serialize(self, value: tuple[Row, ...]) -> str:
        """Write as JSON."""
        return msgspec.json.encode([self._row(each) for each in value]).decode()

    def deserialize(self, value: str) -> tuple[Row, ...]:
        """Read it back into the domain's types."""
        rows = msgspec.json.decode(value, type=list[list[Any]])
        return tuple(msgspec.convert(self._named(row), self._shape) for row in rows)

    def _row(self, value: Row) -> list[Any]:
        cells = [getattr(value, column.name) for column in self._columns]
        row = [None if cell == column.default else cell for cell, column in zip(cells, self._columns, strict=True)]
        while row and row[-1] is None:
            row.pop()
        return [f"{cell.currency} {cell.amount}" if isinstance(cell, Money) else cell for cell in row]

    def _named(self, row: list[Any]) -> dict[str, Any]:
        columns = ((column, cell) for column, cell in zip(self._columns, row, strict=False) if cell is not None)
        return {column.name: _money(cell) if column.type == "Money" else cell for column, cell in columns}


def _money(cell: str) -> dict[str, Any]:
    currency, amount = cell.split()
    return {"amount": int(amount), "currency": currency}


class DataAttribute(Attribute[T], Generic[T]):
    """Nested data of the domain (lines, items) as compact JSON."""

    attr_type = "S"

    def __init__(self, shape: Any, **options: Any) -> None:
        super().__init__(**options)
        self._decoder = msgspec.json.Decoder(shape)

    def serialize(self, value: T) -> str:
        """Write as JSON."""
        return msgspec.json.encode(_small(value)).decode()

    def deserialize(self, value: str) -> T:
        """Read it back into the domain's types."""
        data: T = self._decoder.decode(value)
        return data
