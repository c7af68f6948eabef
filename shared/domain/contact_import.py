"""Importing contacts from a CSV file: which rows are taken, how far it is, and what it would come to.

A file is taken page by page. What a page comes to is decided and kept, with
all its counts, before anything of it is written; whoever finds an import that
broke off in the middle of a page writes the same page again, and nothing is
counted twice or half.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from shared.domain.changes import Changes, Event
from shared.domain.contacts import CONTACT_ID, Command, Contact, Plan, Wish
from shared.domain.errors import Conflict, Invalid

LARGEST_FILE = 2 * 1024**3
"""Bytes: ten million rows of two hundred, or forty million short ones."""
MOST_REJECTED = 100_000
"""So many rejected rows are reported one by one; all of them are counted."""
_VALUES = {
    **dict.fromkeys(("true", "yes", "1"), Wish.MARKETING),
    **dict.fromkeys(("false", "no", "0"), Wish.NON_MARKETING),
}


class ImportStatus(StrEnum):
    """How far an import is."""

    AWAITING_UPLOAD = "awaiting_upload"
    CHECKING = "checking"  # a dry run: nothing is written
    CHECKED = "checked"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


UNDER_WAY = (ImportStatus.CHECKING, ImportStatus.RUNNING)


class Layout(NamedTuple):
    """Where a row has what, as the header says."""

    delimiter: str
    contact: int
    marketing: int


class Page(NamedTuple):
    """A part of the file that is decided and about to be written.

    From row ``cut`` on (counted from the page's first) contacts that do not
    count yet are held back: the customer's own maximum is reached (F12).
    """

    end: int  # where in the file it ends, in bytes
    lines: int
    cut: int | None = None


class Tally(NamedTuple):
    """What an import has come to so far."""

    rows: int = 0
    rejected: int = 0
    new: int = 0  # contacts that were not there before
    marketing: int = 0  # that count now and did not before
    leaving: int = 0  # that stop counting at the next update date
    held_back: int = 0  # beyond the customer's own maximum


NOTHING = Tally()


@dataclass(frozen=True, slots=True)
class ContactImport:
    """A CSV file of contacts: uploaded, then checked or imported page by page. ``offset`` is as far as it is."""

    account_id: str
    id: str
    created_at: datetime
    status: ImportStatus = ImportStatus.AWAITING_UPLOAD
    size: int = 0
    etag: str | None = None
    layout: Layout | None = None
    offset: int = 0
    lines: int = 0
    page: Page | None = None
    tally: Tally = NOTHING
    reports: int = 0  # parts of the report of rejected rows
    error: str | None = None
    version: int = 0

    @property
    def file(self) -> str:
        """Where the uploaded file lies."""
        return f"imports/{self.account_id}/{self.id}/contacts.csv"

    def report(self, part: int | None = None) -> str:
        """Where the report of rejected rows lies, or a part of it while it is written."""
        name = "rejected" if part is None else f"rejected-{part:06}"
        return f"imports/{self.account_id}/{self.id}/{name}.csv"


class Row(NamedTuple):
    """A row of the file: what it asks for, or why it is rejected."""

    line: int
    command: Command | None
    reason: str | None = None


def started(it: ContactImport, size: int, etag: str, *, dry_run: bool) -> Changes:
    """Begin to check or to import an uploaded file; a check may be followed by the import."""
    if it.status in UNDER_WAY:
        raise Conflict("This import is under way already.", code="import_under_way")
    if it.status is ImportStatus.DONE:
        raise Conflict("This file is imported already.", code="import_done")
    if size > LARGEST_FILE:
        raise Invalid(f"The file is larger than {LARGEST_FILE // 1024**3} GB.", code="file_too_large")
    begun = replace(
        it,
        status=ImportStatus.CHECKING if dry_run else ImportStatus.RUNNING,
        size=size,
        etag=etag,
        layout=None,
        offset=0,
        lines=0,
        tally=NOTHING,
        reports=0,
        error=None,
    )
    event = Event(it.account_id, "contacts.import_started", {"import": it.id, "dry_run": dry_run})
    return Changes(put=(begun,), events=(event,))


def failed(it: ContactImport, code: str) -> Changes:
    """It cannot go on; what was imported stays, and the same file may be started again from its beginning."""
    event = Event(it.account_id, "contacts.import_failed", {"import": it.id, "code": code})
    return Changes(put=(replace(it, status=ImportStatus.FAILED, error=code, page=None),), events=(event,))


def finished(it: ContactImport) -> Changes:
    """The whole file is read."""
    if it.status is ImportStatus.CHECKING:
        return Changes(put=(replace(it, status=ImportStatus.CHECKED),))
    data = {"import": it.id, **it.tally._asdict()}
    event = Event(it.account_id, "contacts.imported", data)
    return Changes(put=(replace(it, status=ImportStatus.DONE),), events=(event,))


def decided(
    it: ContactImport, page: Page, plan: Plan, rejected: Sequence[Row], rows: int, day: date
) -> ContactImport:
    """The import with a page decided: counted, and still to be written; of a dry run it is done with that."""
    tally = Tally(
        rows=it.tally.rows + rows,
        rejected=it.tally.rejected + len(rejected),
        new=it.tally.new + plan.total,
        marketing=it.tally.marketing + plan.marketing(day),
        leaving=it.tally.leaving + sum(_leaves(change.after, day) for change in plan.changes),
        held_back=it.tally.held_back + len(plan.held_back),
    )
    counted = replace(it, tally=tally, reports=it.reports + bool(rejected and it.tally.rejected < MOST_REJECTED))
    if it.status is ImportStatus.CHECKING:
        return written(replace(counted, page=page))
    return replace(counted, page=page)


def written(it: ContactImport) -> ContactImport:
    """The import with its page behind it."""
    assert it.page
    return replace(it, offset=it.page.end, lines=it.lines + it.page.lines, page=None)


def layout(header: bytes) -> Layout:
    """What the first row says of the others: it must name the columns ``contact`` and ``marketing``.

    >>> layout(b"name;contact;marketing")
    Layout(delimiter=';', contact=1, marketing=2)
    """
    text = header.decode("utf-8-sig", "replace").strip("\r\n")
    delimiter = next((each for each in ",;\t" if each in text), ",")
    columns = [column.strip().strip('"').lower() for column in text.split(delimiter)]
    if "contact" not in columns or "marketing" not in columns:
        raise Invalid("The first row must name the columns contact and marketing.", code="missing_columns")
    return Layout(delimiter, columns.index("contact"), columns.index("marketing"))


def rows(page: bytes, lines_before: int, it: Layout) -> Iterator[Row]:
    """The rows of a page, each with its line in the file; empty lines are passed over."""
    for line, content in enumerate(page.split(b"\n"), start=lines_before + 1):
        if content.strip():
            yield _row(line, content, it)


def first_beyond(
    found: Mapping[str, Contact], commands: Sequence[Command], day: date, room: int | None
) -> int | None:
    """The first command for which there is no room any more, if there is one."""
    seen: set[str] = set()
    for number, (contact_id, wish) in enumerate(commands):
        counts = contact_id in found and found[contact_id].counts_on(day)
        if wish is Wish.MARKETING and not counts and contact_id not in seen:
            if room is not None and len(seen) >= room:
                return number
            seen.add(contact_id)
    return None


def room_before(found: Mapping[str, Contact], commands: Sequence[Command], day: date, cut: int | None) -> int | None:
    """The room that the commands before ``cut`` take, of those that are not written yet."""
    if cut is None:
        return None
    wanted = {contact_id for contact_id, wish in commands[:cut] if wish is Wish.MARKETING}
    return sum(not (contact_id in found and found[contact_id].counts_on(day)) for contact_id in wanted)


def _leaves(contact: Contact | None, day: date) -> bool:
    return contact is not None and contact.leaves_on(day) is not None


def _row(line: int, content: bytes, it: Layout) -> Row:
    try:
        text = content.decode("utf-8")
        [cells] = csv.reader([text.rstrip("\r")], delimiter=it.delimiter, strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        return Row(line, None, "not_utf8" if isinstance(error, UnicodeDecodeError) else "not_csv")
    if len(cells) <= max(it.contact, it.marketing):
        return Row(line, None, "missing_cells")
    contact, value = cells[it.contact].strip(), cells[it.marketing].strip().lower()
    if not CONTACT_ID.fullmatch(contact):
        return Row(line, None, "invalid_contact")
    if value not in _VALUES:
        return Row(line, None, "invalid_marketing")
    return Row(line, Command(contact, _VALUES[value]))
