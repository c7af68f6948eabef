"""Counting an account's contacts, part by part, and doing what follows from the count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from shared.domain import recount, tiers
from shared.domain.changes import Changes
from shared.domain.counting import MOST_AGAIN, WRITTEN_WITHIN, Counting, ShardCount, Tally
from shared.domain.periods import local_day
from shared.domain.recount import ContactSummary, Holding
from shared.domain.subscription import Book
from shared.edge import batch, clock, upkeep
from shared.edge.contacts import price_of
from shared.edge.jobs import Job
from shared.edge.telemetry import logger, record
from shared.store import contacts, queries, table
from shared.store.record import PARTS
from shared.store.table import Beside

PAGES = 50
"""So many pages of each part are counted, some minutes' work, before it is kept how far the count got."""
LEASE = timedelta(minutes=20)
"""For so long after that no sweep begins the count anew: longer than a function may run."""
_ATTEMPTS = 5


def count(account_id: str, has_time: Callable[[], bool]) -> bool:
    """Count the contacts of an account, if that is due; ``False`` where the time ran out and more are left.

    Safe to run twice, late or side by side: who is second finds it done. What
    was counted is kept every so many pages, and the next run goes on from there.
    What is counted past midnight is counted again, for the day that has begun.
    """
    summary = contacts.summary(account_id)
    if summary is None or summary.counts_at > clock.now():
        return True
    queries.connect()
    kept = summary.progress
    counting = kept or _begun(account_id, summary)
    while True:
        counting = _further(account_id, counting, has_time)
        if counting.done:
            again = _conclude(account_id, counting)
            if again is None:
                return True
            counting = again
        elif not _keep(account_id, kept, counting):
            return True
        else:
            kept = counting
            logger.info("count goes on", account=account_id, total=sum(part.total for part in counting.parts))
            if not has_time():
                return False


def postpone(job: Job, error: Exception) -> None:
    """Move a count that keeps failing out of the way for a while and raise one alarm."""
    summary, now = contacts.summary(job.account_id), clock.now()
    changes = recount.postpone(summary, f"{type(error).__name__}: {error}", now) if summary else Changes()
    if changes.put:
        _commit(changes, now)


def _begun(account_id: str, summary: ContactSummary) -> Counting:
    """A count of today's, with nothing counted yet."""
    day = local_day(clock.now(), summary.zone)
    return Counting(day, contacts.live(account_id), (ShardCount(),) * PARTS)


def _further(account_id: str, counting: Counting, has_time: Callable[[], bool]) -> Counting:
    """The count, some pages of each part further."""

    def count_part(number: int) -> ShardCount:
        part = counting.parts[number]
        for _ in range(PAGES):
            if part.done or not has_time():
                break
            part = contacts.count(account_id, number, counting.day, part, consistent=counting.consistent)
        return part

    return replace(counting, parts=tuple(batch.side_by_side(count_part, range(PARTS))))


def _keep(account_id: str, kept: Counting | None, counting: Counting) -> bool:
    """Keep how far the count got; ``False`` where somebody else has gone on with it, or is done."""
    for summary, now in _due(account_id):
        if summary.progress != kept:
            return False
        try:
            _commit(Changes(put=(replace(summary, progress=counting, busy_until=now + LEASE),)), now)
        except table.Stale:
            continue
        return True
    return False


def _conclude(account_id: str, counting: Counting) -> Counting | None:
    """Store the count with all that follows from it, once; or what has to be counted again first."""
    for summary, now in _due(account_id):
        if local_day(now, summary.zone) != counting.day:
            return _begun(account_id, summary)
        tally = counting.tally(contacts.live(account_id))
        if tally.is_off and not counting.waited:
            return _waited(counting)
        try:
            books = _up_to_date(account_id, now)
            if counting.again < MOST_AGAIN and _is_in_doubt(counting, tally, books):
                return _waited(replace(_begun(account_id, summary), again=counting.again + 1))
            changes = recount.counted(summary, tally, _holding(account_id, books, tally, now))
            _commit(changes, now, contacts.settled(account_id, tally))
        except table.Stale:
            continue
        return None
    return None


def _waited(counting: Counting) -> Counting:
    """The same count from its first page on, once all that was under way at its beginning is over."""
    clock.sleep(WRITTEN_WITHIN.total_seconds())
    return replace(counting, parts=(ShardCount(),) * PARTS, waited=True)


def _due(account_id: str) -> Iterator[tuple[ContactSummary, datetime]]:
    """The summary as it is now, as often as others change it; nothing more once somebody has counted."""
    for attempt in range(_ATTEMPTS):
        if attempt:
            clock.pause(attempt - 1)
        summary, now = contacts.summary(account_id), clock.now()
        if summary is None or summary.counts_at > now:
            return
        yield summary, now
    raise table.Stale("Others are changing this account right now.")


def _up_to_date(account_id: str, now: datetime) -> list[Book]:
    """All that is about contacts, with everything done that is due: a tier may begin or end on this day."""
    subscriptions = queries.alive_subscriptions(account_id)
    return [upkeep.current(account_id, each.id, now) for each in tiers.with_contacts(subscriptions)]


def _is_in_doubt(counting: Counting, tally: Tally, books: list[Book]) -> bool:
    """Whether it would cost money, and is not certain: a tier that is exceeded, a lower one that they do not fit."""
    subscriptions = [book.subscription for book in books]
    limits = [
        max(each.tier_reduction.item.contacts, tiers.beside(subscriptions, each))
        for each in subscriptions
        if each.tier_reduction and tiers.waits_for_count(each, tally.day)
    ]
    tier = tiers.of(subscriptions)
    if tier and tally.marketing > tier.limit and tiers.next_tier(tier, price_of(tier)):
        limits += [tier.limit] * queries.account(tier.subscription.account_id).marketing_contacts
    if counting.consistent:
        return tally.in_doubt(limits)
    return any(tally.marketing > limit for limit in limits)


def _holding(account_id: str, books: list[Book], tally: Tally, now: datetime) -> Holding | None:
    """What the count is held against: renewals that wait for it are told of it, and done, first."""

    def tell(book: Book, counted: Changes) -> Book:
        _commit(counted, now)
        return upkeep.current(account_id, book.subscription.id, now)

    after = tiers.after_count(books, tally.certain, tally.day, tell)
    tier = tiers.of(book.subscription for book in after.values())
    account = queries.account(account_id)
    if tier is None or not account.marketing_contacts:
        return None
    policy = queries.seller(account.seller).contacts_update
    return Holding(after[tier.subscription.id], tier, price_of(tier), policy)


def _commit(changes: Changes, now: datetime, beside: Beside = table.nothing) -> None:
    table.commit(changes, now, beside=beside)
    record(changes.events)
