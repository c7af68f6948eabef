"""Importing contacts from a CSV file: how far it is, who goes on with it, and what it has come to.

A file is taken page by page. What a page comes to is decided and kept, with
all its counts, before anything of it is written; whoever finds an import that
broke off in the middle of a page writes the same page again, and nothing is
counted twice or half.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from shared.domain.changes import Changes, Event
from shared.domain.contact_rows import Layout, Row
from shared.domain.contacts import Command, Contact, Plan, Today, Wish
from shared.domain.errors import Conflict, Invalid
from shared.domain.money import Money

LARGEST_FILE = 2 * 1024**3
"""Bytes: ten million rows of two hundred."""
MOST_ROWS = 40_000_000
"""Of short ones: what a dry run keeps of so many contacts fits on the disk of a function."""
MOST_OPEN = 20
"""Imports of an account that wait for their upload or are under way."""
MOST_REJECTED = 100_000
"""So many rejected rows are reported one by one; all of them are counted."""
LEASE = timedelta(minutes=15)
"""As long as a function may run: whoever has not renewed it for so long is gone."""
MOST_TRIES = 5
"""So often in a row it is taken up without getting any further."""
STALLED = timedelta(hours=1)
"""So long after the lease nobody has gone on with it: it may be started anew."""
STOPPED = "stopped"
"""The code of an import that somebody did not want any more."""
UPLOADED_WITHIN, KEPT = timedelta(days=1), timedelta(days=30)


class ImportStatus(StrEnum):
    """How far an import is."""

    AWAITING_UPLOAD = "awaiting_upload"
    CHECKING = "checking"  # a dry run: nothing is written
    CHECKED = "checked"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


UNDER_WAY = (ImportStatus.CHECKING, ImportStatus.RUNNING)
_OPEN = (ImportStatus.AWAITING_UPLOAD, *UNDER_WAY)


class Tally(NamedTuple):
    """What an import has come to so far."""

    rows: int = 0
    rejected: int = 0
    new: int = 0  # contacts that were not there before
    deleted: int = 0
    marketing: int = 0  # how many more count now
    at_count: int = 0  # how many more count at the next daily count
    leaving: int = 0  # how many more stop counting at the next update date
    held_back: int = 0  # beyond the customer's own maximum

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(*(a + b for a, b in zip(self, other, strict=True)))


NOTHING = Tally()


class Page(NamedTuple):
    """A part of the file that is decided and about to be written.

    ``full`` are the commands at which the customer's own maximum is reached, is
    not any more, is reached again: in between, contacts that do not count yet
    are held back (F12).
    """

    end: int  # where in the file it ends, in bytes
    lines: int
    read: int  # how much was read to find it
    today: Today
    tally: Tally
    reported: bool
    full: tuple[int, ...] = ()


class Outcome(NamedTuple):
    """What the next daily count would be, the tier now and then, and what that costs."""

    marketing: int
    tier: int | None = None
    tier_after: int | None = None
    charge: Money | None = None  # on the day after, for the rest of the period
    costs_more: Money | None = None  # each period after it


@dataclass(frozen=True, slots=True)
class ContactImport:
    """A CSV file of contacts: uploaded, then checked or imported page by page. ``offset`` is as far as it is.

    Under way, it belongs to who took the ``lease`` (named by the version it was
    taken from) until ``due_at``; from then on anybody may go on. ``doubtful``
    says that the live count may be off and is put right in the end; ``stopping``,
    that it is not to go on.
    """

    account_id: str
    id: str
    created_at: datetime
    expires_at: datetime
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
    outcome: Outcome | None = None
    due_at: datetime | None = None
    lease: int = 0
    tries: int = 0
    drafted: int = 0  # how far the dry run is that was handed over
    counts_at: datetime | None = None  # the daily count that was next when its first page was decided
    doubtful: bool = False
    stopping: bool = False
    version: int = 0

    @property
    def file(self) -> str:
        """Where the uploaded file lies."""
        return self._place("contacts.csv")

    @property
    def draft(self) -> str:
        """Where lies what a dry run has found so far, while it is handed over."""
        return self._place("draft")

    def report(self, part: int | None = None) -> str:
        """Where the report of rejected rows lies, or a part of it while it is written."""
        return self._place("rejected.csv" if part is None else f"rejected-{part:06}.csv")

    def _place(self, name: str) -> str:
        return f"imports/{self.account_id}/{self.id}/{name}"


def opened(account_id: str, id_: str, size: int, others: Sequence[ContactImport], now: datetime) -> ContactImport:
    """An import that waits for its upload, of so many bytes."""
    if size > LARGEST_FILE:
        raise Invalid(f"The file is larger than {LARGEST_FILE // 1024**3} GB.", code="file_too_large")
    if sum(it.status in _OPEN and it.expires_at > now for it in others) >= MOST_OPEN:
        raise Conflict(f"{MOST_OPEN} imports are open already; let one end first.", code="too_many_imports")
    return ContactImport(account_id, id_, now, now + UPLOADED_WITHIN, size=size)


def started(it: ContactImport, uploaded: tuple[int, str] | None, now: datetime, *, dry_run: bool) -> Changes:
    """Begin to check or to import a file, ``uploaded`` with its size and etag; a check may precede the import."""
    if it.status in UNDER_WAY and it.due_at and now < it.due_at + STALLED:
        raise Conflict("This import is under way already.", code="import_under_way")
    if it.status is ImportStatus.DONE:
        raise Conflict("This file is imported already.", code="import_done")
    if uploaded is None:
        raise Conflict("Nothing was uploaded yet.", code="nothing_uploaded")
    size, etag = uploaded
    if size != it.size:
        raise Conflict(f"The file has {size:,} bytes, and not {it.size:,} as was said.", code="other_size")
    begun = replace(
        anew(it),
        status=ImportStatus.CHECKING if dry_run else ImportStatus.RUNNING,
        expires_at=now + KEPT,
        etag=etag,
        doubtful=it.doubtful or it.page is not None,
        stopping=False,
        due_at=now,
        lease=0,
        tries=0,
    )
    event = Event(it.account_id, "contacts.import_started", {"import": it.id, "dry_run": dry_run})
    return Changes(put=(begun,), events=(event,))


def stopped(it: ContactImport) -> Changes:
    """It is not to go on: at once where nobody is at work, else whoever is stops at the end of the page."""
    if it.status not in _OPEN:
        raise Conflict("This import is over already.", code="import_over")
    if it.status is ImportStatus.AWAITING_UPLOAD:
        return failed(it, STOPPED)
    return Changes() if it.stopping else Changes(put=(replace(it, stopping=True),))


def taken(it: ContactImport, now: datetime) -> ContactImport | None:
    """The import in the hands of whoever goes on with it, if nobody does; a dry run that broke off begins anew."""
    if it.status not in UNDER_WAY or it.due_at is None or now < it.due_at:
        return None
    broke_off = it.status is ImportStatus.CHECKING and it.offset != it.drafted
    return replace(
        anew(it) if broke_off else it,
        doubtful=it.doubtful or it.page is not None,
        lease=it.version + 1,
        due_at=now + LEASE,
        tries=it.tries + 1,
    )


def anew(it: ContactImport) -> ContactImport:
    """From its beginning."""
    return replace(
        it,
        layout=None,
        offset=0,
        lines=0,
        page=None,
        tally=NOTHING,
        reports=0,
        error=None,
        outcome=None,
        drafted=0,
        counts_at=None,
    )


def handed_over(it: ContactImport, now: datetime) -> ContactImport:
    """The import for somebody else to go on with, who goes on from here."""
    drafted = it.offset if it.status is ImportStatus.CHECKING else 0
    return replace(it, due_at=now, drafted=drafted, tries=0 if drafted else it.tries)


def failed(it: ContactImport, code: str) -> Changes:
    """It cannot go on; what was imported stays, and the same file may be started again from its beginning."""
    over = replace(it, status=ImportStatus.FAILED, error=code, page=None, due_at=None, doubtful=False, stopping=False)
    events = [Event(it.account_id, "contacts.import_failed", {"import": it.id, "code": code})]
    if code == "internal_error":
        events.append(Event(it.account_id, "alarm.raised", {"code": "import_failed", "import": it.id}))
    return Changes(put=(over,), events=tuple(events))


def finished(it: ContactImport, outcome: Outcome | None = None) -> Changes:
    """The whole file is read; of a dry run there is what it would come to."""
    over = replace(it, outcome=outcome, due_at=None, doubtful=False)
    if outcome:
        return Changes(put=(replace(over, status=ImportStatus.CHECKED),))
    facts = it.tally._asdict()
    del facts["at_count"]
    event = Event(it.account_id, "contacts.imported", {"import": it.id, **facts})
    return Changes(put=(replace(over, status=ImportStatus.DONE),), events=(event,))


def come_to(plan: Plan, rows: Sequence[Row], today: Today, next_count: date) -> Tally:
    """What a page comes to, on this day and on that of the next daily count."""
    return Tally(
        rows=len(rows),
        rejected=sum(row.reason is not None for row in rows),
        new=sum(change.before is None for change in plan.changes),
        deleted=sum(change.after is None for change in plan.changes),
        marketing=plan.marketing(today.day),
        at_count=plan.marketing(next_count),
        leaving=sum(_leaves(change.after, today) - _leaves(change.before, today) for change in plan.changes),
        held_back=len(plan.held_back),
    )


def written(it: ContactImport) -> ContactImport:
    """The import with its page behind it."""
    page = it.page
    assert page
    return replace(
        it,
        offset=page.end,
        lines=it.lines + page.lines,
        tally=it.tally.plus(page.tally),
        reports=it.reports + page.reported,
        page=None,
        tries=it.tries if it.status is ImportStatus.CHECKING else 0,
    )


def full(
    found: Mapping[str, Contact], commands: Sequence[Command], today: Today, room: int | None
) -> tuple[int, ...]:
    """The commands at which there is no room any more, is some again, and so on; rows that delete make room.

    With room for one, ann takes it, bob is held back, ann leaves, and cyd fits:

    >>> rows = [Command("ann", Wish.MARKETING), Command("bob", Wish.MARKETING)]
    >>> rows += [Command("ann", Wish.DELETE), Command("cyd", Wish.MARKETING)]
    >>> full({}, rows, Today(date(2026, 4, 15), date(2026, 5, 15)), room=1)
    (1, 3)
    """
    if room is None:
        return ()
    counts = {contact_id: contact.counts_on(today.day) for contact_id, contact in found.items()}
    turns: list[int] = []
    for number, (contact_id, wish) in enumerate(commands):
        if (room <= 0) != len(turns) % 2:
            turns.append(number)
        before = counts.get(contact_id, False)
        counts[contact_id] = _counts_then(wish, before, has_room=room > 0)
        room -= counts[contact_id] - before
    return tuple(turns)


def within(
    found: Mapping[str, Contact], commands: Sequence[Command], today: Today, full: Sequence[int]
) -> tuple[list[Command], tuple[str, ...]]:
    """The commands with those made non-marketing for which there is no room, and which contacts are held back so."""
    counts = {contact_id: contact.counts_on(today.day) for contact_id, contact in found.items()}
    kept, held_back = list[Command](), dict[str, None]()
    for number, (contact_id, wish) in enumerate(commands):
        before, has_room = counts.get(contact_id, False), bisect_right(full, number) % 2 == 0
        held_back.pop(contact_id, None)
        if wish is Wish.MARKETING and not before and not has_room:
            held_back[contact_id] = None
        kept.append(Command(contact_id, Wish.NON_MARKETING if contact_id in held_back else wish))
        counts[contact_id] = _counts_then(wish, before, has_room=has_room)
    return kept, tuple(held_back)


def _counts_then(wish: Wish, before: bool, *, has_room: bool) -> bool:
    """Whether a contact counts after a command."""
    return {Wish.MARKETING: before or has_room, Wish.DELETE: False}.get(wish, before)


def _leaves(contact: Contact | None, today: Today) -> bool:
    return contact is not None and contact.leaves_on(today.day) is not None
