"""Contacts in the table: they are read, written and counted here, and do not pass through ``table.commit``.

Each is one item and one write. A write holds only if the contact is still what
it was when it was decided on; whoever lost a race decides again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from pynamodb.exceptions import DeleteError, PutError, PynamoDBException, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from shared.domain.catalog import Price
from shared.domain.contacts import Change, Contact
from shared.domain.counting import LiveCount, ShardCount, Tally
from shared.domain.recount import ContactSummary, DailyCount
from shared.store.contact_records import ContactRecord, LiveCountRecord
from shared.store.record import Record
from shared.store.table import Beside

MOST_DAYS = 400
_TRIES = 5
_IN_THE_WAY = "TransactionConflictException"


def summary(account_id: str) -> ContactSummary | None:
    """AP22: an account's contacts as they were last counted, or nothing before the first one."""
    found: ContactSummary | None = _get(f"ACCOUNT#{account_id}", "CONTACTS")
    return found


def live(account_id: str) -> LiveCount:
    """AP23: how many contacts an account has now."""
    found: LiveCount | None = _get(f"ACCOUNT#{account_id}", "LIVE")
    return found or LiveCount(account_id)


def daily_counts(account_id: str, days: int = MOST_DAYS) -> list[DailyCount]:
    """AP24: the last daily counts of an account, the oldest first."""
    found = Record.query(
        f"ACCOUNT#{account_id}", Record.SK.startswith("COUNT#"), limit=days, scan_index_forward=False
    )
    return [record.to_entity() for record in found][::-1]


def some(account_id: str, contact_ids: Iterable[str]) -> dict[str, Contact]:
    """AP25: those of these contacts that there are, by their ids."""
    keys = [Record.key_of(Contact(account_id, id_)) for id_ in dict.fromkeys(contact_ids)]
    found = (record.to_entity() for record in Record.batch_get(keys, consistent_read=True))
    return {contact.id: contact for contact in found}


def count(account_id: str, number: int, day: date, so_far: ShardCount, *, consistent: bool = False) -> ShardCount:
    """AP26: a further page of a part of an account's contacts, counted as they are on a day.

    DynamoDB counts, and answers how many it has looked at and how many of them
    are marketing contacts; no contact leaves the table. A ``consistent`` read
    sees everything that is written, and costs twice as much.
    """
    pk = f"CONTACTS#{account_id}#{number}"
    marketing = ContactRecord.since.exists() & (ContactRecord.until.does_not_exist() | (ContactRecord.until > day))
    answer = Record._get_connection().query(  # noqa: SLF001
        pk,
        filter_condition=marketing,
        consistent_read=consistent,
        select="COUNT",
        exclusive_start_key={"PK": {"S": pk}, "SK": {"S": so_far.after}} if so_far.after else None,
    )
    after = answer.get("LastEvaluatedKey", {}).get("SK", {}).get("S", "")
    return ShardCount(so_far.marketing + answer["Count"], so_far.total + answer["ScannedCount"], after, not after)


def price(price_id: str) -> Price | None:
    """AP27: a price that was published once, whether it is still sold or not."""
    found: Price | None = _get("CATALOG", f"PRICE#{price_id}#")
    return found


def write(change: Change) -> bool:
    """Let a contact become what was decided, or answer that it is not any more what it was then."""
    record = Record.of(change.contact)
    try:
        if change.after is None:
            record.delete(_still(change.before))
        else:
            record.save(_still(change.before))
    except (PutError, DeleteError) as error:
        return _held(error)
    return True


def add(account_id: str, marketing: int, total: int, at_most: int | None = None) -> bool:
    """Let the live count follow what changes; not if more than ``at_most`` would be marketing contacts then."""
    counter = LiveCountRecord(f"ACCOUNT#{account_id}", "LIVE")
    try:
        counter.update(added(marketing, total), None if at_most is None else room(at_most - marketing))
    except UpdateError as error:
        return _held(error)
    now = int(counter.marketing)
    if now > (counter.peak or 0):
        _reached(counter, now)
    return True


def _reached(counter: LiveCountRecord, now: int) -> None:
    """The peak is at least this, unless others have counted more meanwhile; a transaction in the way is soon over."""
    lower = LiveCountRecord.peak.does_not_exist() | (LiveCountRecord.peak < now)
    for _ in range(_TRIES):
        try:
            counter.update([LiveCountRecord.peak.set(now)], lower)
        except UpdateError as error:
            _held(error)
            if error.cause_response_code == _IN_THE_WAY:
                continue
        return


def settled(account_id: str, tally: Tally) -> Beside:
    """Put the live count right by what a count has found, in the transaction that stores it."""
    counter = LiveCountRecord(f"ACCOUNT#{account_id}", "LIVE")
    right = added(tally.marketing_off, tally.total_off, grows=False)
    return lambda transaction: transaction.update(counter, [*right, LiveCountRecord.peak.set(tally.marketing)])


def added(marketing: int, total: int, *, grows: bool = True) -> list[Action]:
    """What moves the live count. A request adds marketing contacts, or it takes some away: never both at once."""
    moved: list[Action] = [
        Record.kind.set(LiveCountRecord),
        LiveCountRecord.marketing.add(marketing),
        LiveCountRecord.total.add(total),
    ]
    if grows and (marketing > 0 or total > 0):
        moved += [LiveCountRecord.gained.add(max(marketing, 0)), LiveCountRecord.made.add(max(total, 0))]
    return moved


def room(fewest: int) -> Condition:
    """There are so few marketing contacts that those to come fit in."""
    few: Condition = LiveCountRecord.marketing <= fewest
    return few | LiveCountRecord.marketing.does_not_exist() if fewest >= 0 else few


def _still(before: Contact | None) -> Condition:
    """Nobody has changed the contact since it was read."""
    if before is None:
        return Record.PK.does_not_exist()
    condition: Condition = Record.PK.exists()
    for attribute, value in ((ContactRecord.since, before.since), (ContactRecord.until, before.until)):
        condition &= attribute.does_not_exist() if value is None else attribute == value
    return condition


def _held(error: PynamoDBException) -> bool:
    """``False`` where the condition of a write did not hold, or a transaction was in its way; else it is an error."""
    if error.cause_response_code not in ("ConditionalCheckFailedException", _IN_THE_WAY):
        raise error
    return False


def _get(pk: str, sk: str) -> Any:
    try:
        return Record.get(pk, sk, consistent_read=True).to_entity()
    except Record.DoesNotExist:
        return None
