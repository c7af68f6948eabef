"""Importing a file of contacts: a page is read and decided, kept, and then written, however often it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import datetime

from shared import files
from shared.domain import contact_import as rules
from shared.domain import contacts as contact_rules
from shared.domain import recount
from shared.domain.changes import Changes
from shared.domain.contact_import import (
    MOST_REJECTED,
    MOST_ROWS,
    MOST_TRIES,
    UNDER_WAY,
    ContactImport,
    ImportStatus,
    Page,
)
from shared.domain.contacts import MOST_AT_ONCE, Change, Command, Contact, Plan, Today
from shared.domain.errors import BillingError, Invalid
from shared.edge import batch, clock, import_counts, import_draft, import_pages
from shared.edge import contacts as edge
from shared.edge.import_draft import Draft
from shared.edge.import_pages import Read
from shared.edge.jobs import Job
from shared.edge.telemetry import logger, record
from shared.store import contacts, queries, table
from shared.store import imports as stored

_HEADER = "line,reason\n"
_ATTEMPTS = 10


def start(account_id: str, import_id: str) -> None:
    """Queue an import that was started."""
    batch.send("IMPORT_QUEUE_URL", [{"kind": "contact_import", "account": account_id, "id": import_id}])


def go_on(account_id: str, import_id: str, has_time: Callable[[], bool]) -> bool:
    """Take an import on, page by page; ``False`` where the time ran out and more is left.

    Whoever does holds its lease; others leave it alone as long as that lasts.
    """
    it = _taken(account_id, import_id)
    if it is None:
        return True
    try:
        with import_draft.of(it) if it.status is ImportStatus.CHECKING else nullcontext() as draft:
            return _on(it, draft, has_time)
    except Exception:
        with suppress(Exception):  # the lease ends by itself, too
            _let_go(it)
        raise


def give_up(job: Job, error: Exception) -> None:
    """The message is left alone; the sweep sends another as long as the import is under way."""
    it = stored.contact_import(job.account_id, job.id)
    logger.error("import message given up", status=it.status.value, reason=str(error)[:300], **job._asdict())


def _taken(account_id: str, import_id: str) -> ContactImport | None:
    """The import, if it is under way and nobody else holds it; what nobody can get any further has failed."""
    it = rules.taken(stored.contact_import(account_id, import_id), clock.now())
    if it is None:
        return None
    try:
        kept = _kept(it)
    except table.Stale:
        return None
    if kept.tries > MOST_TRIES:
        _fail(kept, "internal_error")
        return None
    return kept


def _let_go(it: ContactImport) -> None:
    now = stored.contact_import(it.account_id, it.id)
    if _same(it, now):
        _commit(Changes(put=(replace(now, due_at=clock.now()),)))


def _same(it: ContactImport, now: ContactImport) -> bool:
    """Whether it is held by the same one still."""
    return now.status in UNDER_WAY and now.lease == it.lease


def _on(it: ContactImport, draft: Draft | None, has_time: Callable[[], bool]) -> bool:
    lost = 0
    while it.status in UNDER_WAY:
        if not has_time():
            _hand_over(it, draft)
            return False
        try:
            it, lost = _step(it, draft), 0
        except table.Stale:  # others took the room that there was, or the contacts, or the import itself
            lost += 1
            now = stored.contact_import(it.account_id, it.id)
            if not _same(it, now):
                return True
            if lost == _ATTEMPTS:
                raise
            clock.pause(lost)
            it = replace(now, doubtful=now.doubtful or now.page is not None)
        except files.Changed:
            it = _fail(it, "file_changed")
        except BillingError as error:
            it = _fail(it, error.code)
    return True


def _hand_over(it: ContactImport, draft: Draft | None) -> None:
    """Somebody else goes on from here."""
    if draft:
        draft.close()
        files.save(it.draft, draft.path)
    _commit(Changes(put=(rules.handed_over(it, clock.now()),)))
    logger.info("import goes on", account=it.account_id, id=it.id, rows=it.tally.rows)


def _step(it: ContactImport, draft: Draft | None) -> ContactImport:
    """One step: a page decided and written; the report at the end; or the end, if somebody wants it stopped."""
    if it.page:
        return _write_again(it, it.page)
    if it.stopping:
        return _fail(it, rules.STOPPED)
    if draft and _count_passed(it):  # the one that it tells of is over: it begins anew, for the next
        draft.forget()
        return rules.anew(it)
    if it.layout is None and it.size:
        header = import_pages.header(it)
        it = replace(it, layout=header.layout, offset=header.size, lines=header.lines)
    return _finish(it) if it.offset >= it.size else _decide(it, draft)


def _decide(it: ContactImport, draft: Draft | None) -> ContactImport:
    """Read a page, decide what it comes to, and keep that with all its counts, before anything is written."""
    if it.tally.rows >= MOST_ROWS:
        raise Invalid(f"The file has more than {MOST_ROWS:,} rows.", code="too_many_rows")
    read = import_pages.read(it, import_pages.PAGE)
    known = edge.situation(it.account_id, clock.now())
    today, maximum = known.today, known.summary.maximum
    it = _beside_the_count(it)
    if it.doubtful and maximum is not None and draft is None:  # how much room there is must be known
        import_counts.settle(it.account_id)
        it = replace(it, doubtful=False)
    found = edge.found(it.account_id, read.commands)
    if draft:
        found = draft.over(found, it.account_id, (command.contact for command in read.commands))
    room = None if maximum is None else maximum - _expected(it)
    full = rules.full(found, read.commands, today, room)
    commands, plan = _plan(it, found, read.commands, today, full)
    tally = rules.come_to(plan, read.rows, today, known.summary.next_count(clock.now()))
    reported = _report(it, read)
    it = replace(it, page=Page(read.end, read.lines, read.length, today, tally, reported, full))
    if draft:
        kept = _kept(_held(rules.written(it)))
        draft.learn(plan.changes)  # whoever dies before this begins anew
        return kept
    if not plan.changes:
        return _page_done(it)
    decided = stored.decide_page(_held(it), tally.marketing, plan.total, maximum, _grown(plan, today))
    return _write(decided, commands, plan, today)


def _write_again(it: ContactImport, page: Page) -> ContactImport:
    """Write a page that was decided, and perhaps written in part; how many of it, only a count can tell.

    A daily count that runs by now does not know of what is still to be set, and
    is told once more: none of that is certain.
    """
    commands = import_pages.read(it, page.read).commands
    found = edge.found(it.account_id, commands)
    commands, plan = _plan(it, found, commands, page.today, page.full)
    it = stored.decide_page(_held(replace(it, doubtful=True)), 0, 0, None, _grown(plan, page.today))
    return _write(it, commands, plan, page.today)


def _grown(plan: Plan, today: Today) -> tuple[int, int]:
    """How many become marketing contacts, and how many come to be; what leaves is not taken off."""
    gained = sum(max(change.marketing(today.day), 0) for change in plan.changes)
    return gained, sum(change.before is None for change in plan.changes)


def _write(it: ContactImport, commands: Sequence[Command], plan: Plan, today: Today) -> ContactImport:
    """Write a page; contacts that others have changed meanwhile are given back, and set as any others are.

    What is deleted is gone before anything is set: no contact is counted with
    another that takes its place in the same page.
    """
    gone = [change for change in plan.changes if change.after is None]
    others = [change for change in plan.changes if change.after is not None]
    moved = Plan((*_moved(gone), *_moved(others)))
    if moved.changes:
        back = Plan() if it.doubtful else moved  # what a worker before this one wrote looks the same
        it = stored.decide_page(replace(it, doubtful=True), -back.marketing(today.day), -back.total, None)
        it = _with_held_back(it, _set(it.account_id, commands, {change.contact.id for change in moved.changes}))
    contacts.add(it.account_id, 0, 0)  # the peak
    return _page_done(it)


def _page_done(it: ContactImport) -> ContactImport:
    """A page is behind it, once whoever is to know of contacts that were held back was told (F12)."""
    if it.page and it.page.tally.held_back:
        _tell_held_back(it.account_id)
    return _kept(_held(rules.written(it)))


def _moved(changes: Sequence[Change]) -> list[Change]:
    """Write these changes, and answer which of the contacts others have changed meanwhile."""
    queries.connect()
    written = batch.side_by_side(contacts.write, changes)
    return [change for change, done in zip(changes, written, strict=True) if not done]


def _set(account_id: str, commands: Sequence[Command], only: set[str]) -> int:
    """Set some of the contacts as a request would; how many of them are held back."""
    held_back = 0
    last = [command for id_, command in {each.contact: each for each in commands}.items() if id_ in only]
    for first in range(0, len(last), MOST_AT_ONCE):
        held_back += len(edge.set_all(account_id, last[first : first + MOST_AT_ONCE], clock.now()).held_back)
    return held_back


def _with_held_back(it: ContactImport, more: int) -> ContactImport:
    assert it.page
    tally = it.page.tally
    return replace(it, page=it.page._replace(tally=tally._replace(held_back=tally.held_back + more)))


def _tell_held_back(account_id: str) -> None:
    for attempt in range(_ATTEMPTS):
        summary = contacts.summary(account_id)
        try:
            return _commit(recount.at_maximum(summary) if summary else Changes())
        except table.Stale:  # a count, say, was stored at the same moment
            clock.pause(attempt)
    raise table.Stale("Others are changing the same contacts right now.")


def _plan(
    it: ContactImport, found: dict[str, Contact], commands: Sequence[Command], today: Today, full: Sequence[int]
) -> tuple[list[Command], Plan]:
    kept, held_back = rules.within(found, commands, today, full)
    return kept, contact_rules.plan(it.account_id, found, kept, today)._replace(held_back=held_back)


def _expected(it: ContactImport) -> int:
    """The marketing contacts that there are, and of a dry run those that there would be."""
    would_be = it.tally.marketing if it.status is ImportStatus.CHECKING else 0
    return contacts.live(it.account_id).marketing + would_be


def _beside_the_count(it: ContactImport) -> ContactImport:
    """The import, doubtful if a daily count came in between: that does not find what is only decided yet.

    Eight contacts of a page are decided and counted, three are written, the
    function dies. The daily count finds three and puts the live count right.
    Then the page is written again: there are eight, and the live count says three.
    """
    return replace(it, counts_at=_counts_at(it), doubtful=it.doubtful or _count_passed(it))


def _count_passed(it: ContactImport) -> bool:
    return it.counts_at is not None and it.counts_at != _counts_at(it)


def _counts_at(it: ContactImport) -> datetime | None:
    summary = contacts.summary(it.account_id)
    return summary.counts_at if summary else None


def _report(it: ContactImport, read: Read) -> bool:
    """Note the rejected rows of a page, if there are any and not too many yet."""
    if not read.rejected or it.tally.rejected >= MOST_REJECTED:
        return False
    lines = "".join(f"{row.line},{row.reason}\n" for row in read.rejected)
    files.write(it.report(it.reports), lines.encode())
    return True


def _finish(it: ContactImport) -> ContactImport:
    """Put the parts of the report together, and the live count right where it is doubtful; then it is done."""
    if it.tally.rejected:
        parts = batch.side_by_side(lambda part: files.read(it.report(part), 0, 8 * 1024**2), range(it.reports))
        files.write(it.report(), _HEADER.encode() + b"".join(parts))
    checked = it.status is ImportStatus.CHECKING
    if not checked and _beside_the_count(it).doubtful:
        import_counts.settle(it.account_id)
    over = _over(rules.finished(it, import_counts.outcome(it) if checked else None))
    files.delete(it.draft, *() if checked else (it.file,))
    return over


def _fail(it: ContactImport, code: str) -> ContactImport:
    """It cannot go on; what was counted of a page that is not written, or not whole, is taken back."""
    if it.page or it.doubtful:
        import_counts.settle(it.account_id)
    return _over(rules.failed(it, code))


def _over(changes: Changes) -> ContactImport:
    _commit(changes)
    over: ContactImport = changes.put[0]
    return over


def _held(it: ContactImport) -> ContactImport:
    return replace(it, due_at=clock.now() + rules.LEASE)


def _kept(it: ContactImport) -> ContactImport:
    _commit(Changes(put=(it,)))
    return replace(it, version=it.version + 1)


def _commit(changes: Changes) -> None:
    if changes.put:
        table.commit(changes, clock.now())
        record(changes.events)
