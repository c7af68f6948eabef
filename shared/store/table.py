"""Committing what a decision changes: all of it, or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.transactions import TransactWrite

from shared.domain import refund
from shared.domain.account import Account
from shared.domain.changes import Changes, Event
from shared.domain.errors import Conflict
from shared.store.attributes import instant
from shared.store.record import RECORD_OF, Record
from shared.store.records import Answer, AnswerRecord, DifferenceRecord, Entry

TRANSACTION_LIMIT = 100  # of DynamoDB
KEPT = timedelta(days=7)


class Stale(Conflict):
    """Someone else changed the data first: load again and decide again."""

    code = "busy"


class Busy(Stale):
    """Someone else is writing at this very moment: nobody knows yet whether the data changes."""


class Once(NamedTuple):
    """The idempotency key of a request in its scope, a digest of the request, and the answer to it."""

    scope: str
    key: str
    request: str
    answer: Any


Beside = Callable[[TransactWrite], None]
"""Something else to be done in a transaction."""


def nothing(_: TransactWrite) -> None:
    """Nothing else."""


def commit(
    changes: Changes,
    now: datetime,
    once: Once | None = None,
    beside: Beside = nothing,
) -> None:
    """Write all of ``changes``, their events and the answer of the request, or nothing.

    Puts carry the version that was read, so a concurrent writer makes this
    raise ``Stale`` instead of losing an update. New items must not exist yet.
    ``beside`` is what else is to be in the transaction: a counter that moves.
    """
    puts = [Record.of(entity) for entity in changes.put]
    if changes.events:
        puts.append(Record.of(_entry(changes, now, once)))
    if once:
        puts.append(Record.of(Answer(*once, now + KEPT)))
    deletes = [Record.of(entity) for entity in changes.delete]
    checks = [Record.of(entity) for entity in changes.check]
    assert 0 < len(puts) + len(deletes) + len(checks) <= TRANSACTION_LIMIT
    try:
        with TransactWrite(connection=Record._get_connection().connection) as transaction:  # noqa: SLF001
            for record in puts:
                transaction.save(record, condition=_unless_there(record, now))
            for record in deletes:
                transaction.delete(record, condition=Record.PK.exists())
            for record in checks:
                condition = Record.PK.exists() & (type(record).version == record.version)  # type: ignore[attr-defined]
                transaction.condition_check(type(record), record.PK, record.SK, condition)
            beside(transaction)
    except TransactWriteError as error:
        if lost := _lost_a_race(error):
            raise lost("Others are changing the same things right now. Please try again.") from error
        raise


def put_off(kind: str, account_id: str, id_: str, now: datetime) -> None:
    """Move an item that cannot even be read a day on in the due index, by its keys alone, and raise an alarm."""
    record_class = next(each for each in RECORD_OF.values() if Record.kind.serialize(each) == kind)
    until = now + timedelta(days=1)
    keys = record_class.filled_keys(_Keys(account_id, id_, until))
    alarm = {"type": "alarm.raised", "data": {"code": "unreadable", kind: id_}}
    entry = Record.of(Entry(account_id, f"unreadable-{id_}", now, [alarm]))
    try:
        with TransactWrite(connection=Record._get_connection().connection) as transaction:  # noqa: SLF001
            transaction.update(
                record_class(keys["PK"], keys["SK"]),
                actions=[Record.GSI1SK.set(keys["GSI1SK"])],
                condition=instant(now) + "~" >= Record.GSI1SK,
                add_version_condition=False,
            )
            transaction.save(entry, condition=Record.PK.does_not_exist())
    except TransactWriteError as error:
        if not _lost_a_race(error):  # else somebody put it off already, or mended it
            raise


class _Keys(NamedTuple):
    """What the keys of something in the due index are made of."""

    account_id: str
    id: str
    due_at: datetime
    status: str = ""

    @property
    def invoice_id(self) -> str:
        """Of a refund: the invoice that it lies under."""
        return refund.place(self.id)[0]

    @property
    def n(self) -> int:
        """Of a refund: its number there."""
        return refund.place(self.id)[1]


def _unless_there(record: Record, now: datetime) -> Condition | None:
    """What is written once must not be there yet; what has expired does not count."""
    if isinstance(record, (AnswerRecord, DifferenceRecord)):
        absent: Condition = Record.PK.does_not_exist() | (type(record).expires_at <= now)
        return absent
    return Record.PK.does_not_exist() if record.written_once else None


def _lost_a_race(error: TransactWriteError) -> type[Stale] | None:
    codes = {reason.code for reason in error.cancellation_reasons if reason}
    if "ConditionalCheckFailed" in codes:
        return Stale
    return Busy if "TransactionConflict" in codes else None


def _entry(changes: Changes, now: datetime, once: Once | None) -> Entry:
    """The events of a commit as one item.

    Its id follows from the request's key, or from what was written at which
    version: the same for whoever decides the same. It begins with the highest
    and the lowest version, so that what happens in one instant keeps its order:
    what starts something comes before what happens to it. The account's own
    does not count: it is written beside many things.
    """
    [account_id] = {event.account_id for event in changes.events}
    touched = changes.put or changes.delete
    written = [(*Record.key_of(entity), getattr(entity, "version", 0)) for entity in touched]
    seed = f"{once.scope}/{once.key}" if once else json.dumps(written)
    versions = [getattr(entity, "version", None) for entity in touched if not isinstance(entity, Account)]
    known = [version for version in versions if version is not None] or [0]
    name = f"{max(known):06}-{min(known):06}-{sha256(seed.encode()).hexdigest()[:16]}"
    return Entry(account_id, name, now, [{"type": event.type, "data": event.data} for event in changes.events])


def events_of(entry: Entry) -> list[Event]:
    """The events of one commit, in their order."""
    return [Event(entry.account_id, event["type"], event["data"]) for event in entry.events]
