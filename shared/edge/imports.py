"""Importing a file of contacts: a page is read and decided, kept, and then written, however often it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from shared import files
from shared.domain import contact_import as rules
from shared.domain import contacts as contact_rules
from shared.domain.changes import Changes
from shared.domain.contact_import import MOST_REJECTED, UNDER_WAY, ContactImport, ImportStatus, Page, Row
from shared.domain.contacts import Command, Contact, Plan
from shared.domain.errors import Invalid
from shared.edge import batch, clock
from shared.edge import contacts as edge
from shared.edge.contacts import Situation
from shared.edge.jobs import Job
from shared.edge.telemetry import logger, record
from shared.store import contacts, table
from shared.store import imports as stored

PAGE = 256 * 1024
"""Bytes that are taken at a time: some thousand rows, written within seconds."""
_HEADER = "line,reason\n"
_ATTEMPTS = 10


class _Read(NamedTuple):
    """A page of a file: its rows, where it ends, how many lines it has."""

    rows: list[Row]
    end: int
    lines: int

    @property
    def commands(self) -> list[Command]:
        """What its good rows ask for."""
        return [row.command for row in self.rows if row.command]

    @property
    def rejected(self) -> list[Row]:
        """Its bad ones."""
        return [row for row in self.rows if row.reason]


class _Broken(Exception):
    """The file cannot be imported; ``args`` say why, as a code."""


def go_on(account_id: str, import_id: str, has_time: Callable[[], bool]) -> bool:
    """Take an import on, page by page; ``False`` where the time ran out and more is left."""
    it, lost = stored.contact_import(account_id, import_id), 0
    while it.status in UNDER_WAY:
        if not has_time():
            logger.info("import goes on", account=account_id, id=import_id, rows=it.tally.rows)
            return False
        try:
            it, lost = _step(it), 0
        except table.Stale:  # somebody else goes on with it, or took the room that there was
            lost += 1
            if lost == _ATTEMPTS:
                raise
            clock.pause(lost)
            it = stored.contact_import(account_id, import_id)
        except (files.Changed, _Broken) as error:
            code = "file_changed" if isinstance(error, files.Changed) else str(error)
            _commit(rules.failed(it, code))
            break
    return True


def give_up(job: Job, error: Exception) -> None:
    """What keeps failing is told to whoever looks at the import; started again it begins anew."""
    it = stored.contact_import(job.account_id, job.id)
    logger.error("import given up", account=job.account_id, id=job.id, reason=str(error)[:300])
    if it.status in UNDER_WAY:
        _commit(rules.failed(it, "internal_error"))


def _step(it: ContactImport) -> ContactImport:
    """One step: a page decided, or written; the report at the end."""
    if it.page:
        return _write(it, it.page)
    if it.offset >= it.size:
        return _finish(it)
    if it.layout is None:
        it = replace(it, layout=_layout(it))
    return _decide(it)


def _decide(it: ContactImport) -> ContactImport:
    """Read a page, decide what it comes to, and keep that with all its counts, before anything is written."""
    read = _read(it, PAGE)
    known = edge.situation(it.account_id, clock.now())
    day, maximum = known.today.day, known.summary.maximum
    found = edge.found(it.account_id, read.commands)
    room = None if maximum is None else max(maximum - _expected(it), 0)
    cut = rules.first_beyond(found, read.commands, day, room)
    plan = _plan(it, found, read.commands, known, cut)
    rejected = read.rejected
    if rejected and it.tally.rejected < MOST_REJECTED:
        lines = "".join(f"{row.line},{row.reason}\n" for row in rejected)
        files.write(it.report(it.reports), lines.encode())
    decided = rules.decided(it, Page(read.end, read.lines, cut), plan, rejected, len(read.rows), day)
    if it.status is ImportStatus.CHECKING:
        return _kept(decided)
    if plan.held_back:
        _commit(edge.Done(0, plan.held_back, known).told)
    return stored.decide_page(decided, plan.marketing(day), plan.total, maximum)


def _write(it: ContactImport, page: Page) -> ContactImport:
    """Write a page that was decided; done again after a crash it comes to the same."""
    commands = _read(it, page.end - it.offset).commands
    known = edge.situation(it.account_id, clock.now())
    found = edge.found(it.account_id, commands)
    plan = _plan(it, found, commands, known, page.cut)
    moved = edge.write(it.account_id, plan.changes, known.today.day)
    last = {command.contact: command for command in commands if command.contact in moved}
    for start in range(0, len(last), contact_rules.MOST_AT_ONCE):
        part = list(last.values())[start : start + contact_rules.MOST_AT_ONCE]
        edge.set_all(it.account_id, part, clock.now())
    contacts.add(it.account_id, 0, 0)  # the peak
    return _kept(rules.written(it))


def _plan(
    it: ContactImport, found: dict[str, Contact], commands: Sequence[Command], known: Situation, cut: int | None
) -> Plan:
    room = rules.room_before(found, commands, known.today.day, cut)
    return contact_rules.plan(it.account_id, found, commands, known.today, room)


def _expected(it: ContactImport) -> int:
    """The marketing contacts that there are, and of a dry run those that there would be."""
    would_be = it.tally.marketing if it.status is ImportStatus.CHECKING else 0
    return contacts.live(it.account_id).marketing + would_be


def _layout(it: ContactImport) -> rules.Layout:
    header = files.read(it.file, 0, PAGE, it.etag).partition(b"\n")[0]
    try:
        return rules.layout(header)
    except Invalid as error:
        raise _Broken(error.code) from error


def _read(it: ContactImport, length: int) -> _Read:
    """The rows from the offset on, as far as whole lines go."""
    assert it.layout
    content = files.read(it.file, it.offset, length, it.etag)
    if it.offset + len(content) < it.size:
        content = content[: content.rfind(b"\n") + 1]
        if not content:
            raise _Broken("line_too_long")
    rows = list(rules.rows(content, it.lines, it.layout))
    if it.offset == 0:
        rows = [row for row in rows if row.line > 1]  # the header
    return _Read(rows, it.offset + len(content), content.count(b"\n"))


def _finish(it: ContactImport) -> ContactImport:
    """Put the parts of the report together; then the import is done."""
    if it.tally.rejected:
        parts = [files.read(it.report(part), 0, 8 * 1024**2) for part in range(it.reports)]
        files.write(it.report(), _HEADER.encode() + b"".join(parts))
    changes = rules.finished(it)
    _commit(changes)
    done: ContactImport = changes.put[0]
    return replace(done, version=done.version + 1)


def _kept(it: ContactImport) -> ContactImport:
    _commit(Changes(put=(it,)))
    return replace(it, version=it.version + 1)


def _commit(changes: Changes) -> None:
    if changes.put:
        table.commit(changes, clock.now())
        record(changes.events)


def start(account_id: str, import_id: str) -> None:
    """Queue an import that was started."""
    batch.send("IMPORT_QUEUE_URL", [{"kind": "contact_import", "account": account_id, "id": import_id}])
