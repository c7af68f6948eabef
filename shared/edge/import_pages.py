"""The pages of a file that is imported: whole rows, as far as a piece of the file has them."""

from __future__ import annotations

from typing import NamedTuple

from shared import files
from shared.domain import contact_rows
from shared.domain.contact_import import ContactImport
from shared.domain.contact_rows import LONGEST, TOO_LONG, Header, Row
from shared.domain.contacts import Command

PAGE = 256 * 1024
"""Bytes that are taken at a time: some thousand rows, written within seconds."""


class Read(NamedTuple):
    """A page of a file: its rows, where it ends, how many lines it has, and how much was read to find that."""

    rows: list[Row]
    end: int
    lines: int
    length: int

    @property
    def commands(self) -> list[Command]:
        """What its good rows ask for."""
        return [row.command for row in self.rows if row.command]

    @property
    def rejected(self) -> list[Row]:
        """Its bad ones."""
        return [row for row in self.rows if row.reason]


def header(it: ContactImport) -> Header:
    """The first row of a file; ``Invalid`` if it is none."""
    return contact_rows.header(files.read(it.file, 0, LONGEST, it.etag))


def read(it: ContactImport, length: int) -> Read:
    """The rows from the offset on; from so many bytes the same ones each time."""
    assert it.layout
    piece = files.read(it.file, it.offset, length, it.etag)
    last = it.offset + len(piece) >= it.size
    found = contact_rows.read(piece, it.lines, it.layout, last=last)
    if found.size:
        return Read(found.rows, it.offset + found.size, found.lines, length)
    if length <= LONGEST:
        return read(it, LONGEST + 1)
    return Read([Row(it.lines + 1, None, TOO_LONG)], _next_line(it, it.offset + len(piece)), 1, length)


def _next_line(it: ContactImport, start: int) -> int:
    """Where the first line after a place begins, or the file ends."""
    while start < it.size:
        piece = files.read(it.file, start, PAGE, it.etag)
        if (found := piece.find(b"\n")) >= 0:
            return start + found + 1
        start += len(piece)
    return start
