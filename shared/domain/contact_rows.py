"""The rows of a CSV file of contacts, read piece by piece: what each asks for, or why it is rejected.

A row ends where the ``csv`` module says so: at a line break that is in no
quoted cell. What cannot be read is rejected at its first line, and reading
goes on at the next.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from typing import NamedTuple

from shared.domain.contacts import CONTACT_ID, Command, Wish
from shared.domain.errors import Invalid

LONGEST = 64 * 1024
"""Bytes of a row: a quote that is never closed must end somewhere."""
MOST_LINES = 100
"""Lines of a row: where many have such a quote, each is looked for this far only."""
TOO_LONG = "line_too_long"
_WISHES = {
    **dict.fromkeys(("true", "yes", "1"), Wish.MARKETING),
    **dict.fromkeys(("false", "no", "0"), Wish.NON_MARKETING),
    "delete": Wish.DELETE,
}


class Layout(NamedTuple):
    """Where a row has what, as the header says."""

    delimiter: str
    contact: int
    marketing: int


class Header(NamedTuple):
    """The first row: what it says of the others, and how many bytes and lines it takes."""

    layout: Layout
    size: int
    lines: int


class Row(NamedTuple):
    """A row of the file, by its first line: what it asks for, or why it is rejected."""

    line: int
    command: Command | None
    reason: str | None = None


class Rows(NamedTuple):
    """The whole rows at the beginning of a piece, and how many bytes and lines they take."""

    rows: list[Row]
    size: int
    lines: int


def header(piece: bytes) -> Header:
    """What the first row says of the others: it must name the columns ``contact`` and ``marketing``.

    >>> header(b'"Last, first";contact;marketing').layout
    Layout(delimiter=';', contact=1, marketing=2)
    """
    if b"\0" in piece or piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Invalid("The file is not written in UTF-8.", code="not_utf8")
    if b"\n" not in piece and b"\r" in piece.rstrip(b"\r"):
        raise Invalid("The lines must end with a line feed.", code="unknown_line_ends")
    lines = _lines(piece)
    text = [line.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace") for line in lines] or [""]
    for delimiter in ",;\t":
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        try:
            columns = [cell.strip().lower() for cell in next(reader)]
        except csv.Error:
            continue
        if "contact" in columns and "marketing" in columns:
            layout = Layout(delimiter, columns.index("contact"), columns.index("marketing"))
            return Header(layout, sum(map(len, lines[: reader.line_num])), reader.line_num)
    raise Invalid("The first row must name the columns contact and marketing.", code="missing_columns")


def read(piece: bytes, lines_before: int, layout: Layout, *, last: bool) -> Rows:
    """The whole rows of a piece, each with its line in the file; ``last`` if the file ends with it.

    Empty lines are passed over.
    """
    lines = _Lines(_lines(piece, whole=not last))
    reader = csv.reader(lines, delimiter=layout.delimiter, strict=True)
    found: list[Row] = []
    while lines.begin():
        line = lines_before + lines.begun + 1
        try:
            cells = next(reader)
        except (_TooLong, csv.Error) as error:
            if lines.exhausted and not last:
                lines.at = lines.begun
                break
            not_csv = "not_utf8" if lines.broken == lines.begun else "not_csv"
            reason = TOO_LONG if isinstance(error, _TooLong) else not_csv
            found.append(Row(line, None, reason))
            lines.at = lines.begun + 1
        else:
            if len(cells) > 1 or "".join(cells).strip():
                found.append(_row(line, cells, layout) if lines.broken is None else Row(line, None, "not_utf8"))
    return Rows(found, lines.size, lines.at)


class _TooLong(Exception):
    """A row is longer than rows may be."""


class _Lines:
    """The lines of a piece, as the reader asks for them: those of one row, and not too many."""

    def __init__(self, lines: list[bytes]) -> None:
        self._all = lines
        self._length = 0
        self.at = self.begun = 0
        self.exhausted = False
        self.broken: int | None = None  # the first line of the row that is not UTF-8

    @property
    def size(self) -> int:
        """The bytes of what is read."""
        return sum(map(len, self._all[: self.at]))

    def begin(self) -> bool:
        """A row begins, if there is one more."""
        self.begun, self._length, self.broken = self.at, 0, None
        return self.at < len(self._all)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.at == len(self._all):
            self.exhausted = True
            raise StopIteration
        line = self._all[self.at]
        self._length += len(line)
        if self._length > LONGEST or self.at - self.begun == MOST_LINES:
            raise _TooLong
        try:
            text = line.decode()
        except UnicodeDecodeError:
            self.broken = self.at if self.broken is None else self.broken
            text = line.decode("utf-8", "replace")
        self.at += 1
        return text


def _lines(piece: bytes, *, whole: bool = False) -> list[bytes]:
    """The lines of a piece with their ends; only ``whole`` ones, or all."""
    *ended, rest = piece.split(b"\n")
    lines = [line + b"\n" for line in ended]
    return [*lines, rest] if rest and not whole else lines


def _row(line: int, cells: list[str], layout: Layout) -> Row:
    if len(cells) <= max(layout.contact, layout.marketing):
        return Row(line, None, "missing_cells")
    contact, wish = cells[layout.contact].strip(), cells[layout.marketing].strip().lower()
    if not CONTACT_ID.fullmatch(contact):
        return Row(line, None, "invalid_contact")
    if wish not in _WISHES:
        return Row(line, None, "invalid_marketing")
    return Row(line, Command(contact, _WISHES[wish]))
