"""Counting an account's contacts, part by part, and doing what follows from the count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime

from shared.domain import recount, tiers
from shared.domain.changes import Changes
from shared.domain.periods import local_day
from shared.domain.recount import Holding, ShardCount
from shared.edge import batch, clock, upkeep
from shared.edge.contacts import price_of
from shared.edge.jobs import Job
from shared.edge.telemetry import logger, record
from shared.store import contacts, queries, table
from shared.store.record import PARTS

_ATTEMPTS = 5


def count(account_id: str, has_time: Callable[[], bool]) -> bool:
    """Count the contacts of an account, if that is due; ``False`` where the time ran out and more are left.

    Safe to run twice, late or side by side: who is second finds it done. What
    was counted when the time ran out is kept, and the next run goes on from there.
    """
    summary, now = contacts.summary(account_id), clock.now()
    if summary is None or summary.due_at > now:
        return True
    day, before = local_day(now, summary.zone), contacts.live(account_id)
    begun = summary.progress if summary.progress_on == day else (ShardCount(),) * PARTS

    def count_part(number: int) -> ShardCount:
        part = begun[number]
        while not part.done and has_time():
            part = contacts.count(account_id, number, day, part)
        return part

    queries.connect()
    parts = batch.side_by_side(count_part, range(PARTS))
    marketing, total = sum(part.marketing for part in parts), sum(part.total for part in parts)
    if not all(part.done for part in parts):
        _commit(Changes(put=(replace(summary, progress=tuple(parts), progress_on=day),)), now)
        logger.info("count goes on", account=account_id, total=total)
        return False
    if _conclude(account_id, marketing, total, before.peak):
        contacts.settle(before, marketing, total)
    return True


def postpone(job: Job, error: Exception) -> None:
    """Move a count that keeps failing out of the way for a while and raise one alarm."""
    summary, now = contacts.summary(job.account_id), clock.now()
    changes = recount.postpone(summary, f"{type(error).__name__}: {error}", now) if summary else Changes()
    if changes.put:
        _commit(changes, now)


def _conclude(account_id: str, marketing: int, total: int, peak: int) -> bool:
    """Store the count with all that follows from it, once; whether it was this one that did."""
    for attempt in range(_ATTEMPTS):
        if attempt:
            clock.pause(attempt - 1)
        summary, now = contacts.summary(account_id), clock.now()
        if summary is None or summary.due_at > now:
            return False
        try:
            holding = _holding(account_id, marketing, local_day(now, summary.zone), now)
            _commit(recount.counted(summary, marketing, total, peak, holding, now), now)
        except table.Stale:
            continue
        return True
    raise table.Stale("Others are changing this account right now.")


def _holding(account_id: str, marketing: int, day: date, now: datetime) -> Holding | None:
    """What the count is held against, brought up to date: renewals that wait for the count are told of it first."""
    account = queries.account(account_id)
    subscriptions = queries.alive_subscriptions(account_id)
    for each in subscriptions:
        known = tiers.counted(each, marketing, day)
        if known.put:
            _commit(known, now)
    tier = tiers.of(subscriptions)
    if tier is None or not account.marketing_contacts:
        return None
    book = upkeep.current(account_id, tier.subscription.id, now)
    tier = tiers.of([book.subscription])
    policy = queries.seller(account.seller).contacts_update
    return Holding(book, tier, price_of(tier), policy) if tier else None


def _commit(changes: Changes, now: datetime) -> None:
    table.commit(changes, now)
    record(changes.events)
