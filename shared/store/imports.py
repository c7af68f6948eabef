"""Imports of contacts in the table: how far one is, and a page of it decided."""

from __future__ import annotations

from dataclasses import replace

from pynamodb.exceptions import TransactWriteError
from pynamodb.transactions import TransactWrite

from shared.domain.contact_import import ContactImport
from shared.domain.counting import Tally
from shared.domain.errors import NotFound
from shared.store import contacts
from shared.store import import_records as _kinds  # noqa: F401 - so that Record knows them
from shared.store.contact_records import LiveCountRecord
from shared.store.record import Record
from shared.store.table import Stale

_LOST = ("ConditionalCheckFailed", "TransactionConflict")


def contact_import(account_id: str, import_id: str) -> ContactImport:
    """AP28: an import of contacts, and how far it is."""
    try:
        record = Record.get(f"ACCOUNT#{account_id}", f"IMPORT#{import_id}#", consistent_read=True)
    except Record.DoesNotExist:
        raise NotFound(f"There is no import {import_id!r}.", code="unknown_import") from None
    found: ContactImport = record.to_entity()
    return found


def imports(account_id: str) -> list[ContactImport]:
    """AP29: all imports of an account."""
    found = Record.query(f"ACCOUNT#{account_id}", Record.SK.startswith("IMPORT#"), consistent_read=True)
    return [record.to_entity() for record in found]


def decide_page(
    it: ContactImport, marketing: int, total: int, at_most: int | None, grown: tuple[int, int] | None = None
) -> ContactImport:
    """Keep what a page of an import comes to, counted in the same transaction; ``Stale`` if others were first.

    A page may delete as well: how many contacts it adds is told by ``grown``.
    """
    gained, made = grown or (max(marketing, 0), max(total, 0))
    try:
        with TransactWrite(connection=Record._get_connection().connection) as transaction:  # noqa: SLF001
            transaction.save(Record.of(it))
            if marketing or total or gained or made:
                counter = LiveCountRecord(f"ACCOUNT#{it.account_id}", "LIVE")
                fits = None if at_most is None or marketing <= 0 else contacts.room(at_most - marketing)
                grows = [LiveCountRecord.gained.add(gained), LiveCountRecord.made.add(made)] if gained or made else []
                transaction.update(counter, [*contacts.added(marketing, total, grows=False), *grows], fits)
    except TransactWriteError as error:
        if any(reason and reason.code in _LOST for reason in error.cancellation_reasons):
            raise Stale("Others are changing the same contacts right now.") from error
        raise
    return replace(it, version=it.version + 1)


def correct(account_id: str, tally: Tally) -> None:
    """Put the live count right by what a count has found, and nothing else."""
    if tally.is_off:
        counter = LiveCountRecord(f"ACCOUNT#{account_id}", "LIVE")
        counter.update(contacts.added(tally.marketing_off, tally.total_off, grows=False))
