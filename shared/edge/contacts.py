"""Setting contacts: what there is, what is to become of it, and writing that, contact by contact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from typing import NamedTuple

from shared.domain import contacts as rules
from shared.domain import recount, tiers
from shared.domain.account import Account, SellerEntity
from shared.domain.catalog import Kind, Price
from shared.domain.changes import Changes
from shared.domain.contacts import MOST_AT_ONCE, Change, Command, Plan, Today, Wish
from shared.domain.errors import Conflict, Invalid
from shared.domain.periods import local_day
from shared.domain.recount import ContactSummary
from shared.domain.subscription import Subscription
from shared.domain.tiers import Tier
from shared.edge import batch, clock, upkeep
from shared.store import contacts, queries, table

_CHUNK = 100  # of BatchGetItem
_ROUNDS = 10


class Situation(NamedTuple):
    """What an account's contacts are held against."""

    account: Account
    seller: SellerEntity
    subscriptions: list[Subscription]  # those that are about contacts
    summary: ContactSummary
    today: Today

    @property
    def tier(self) -> Tier | None:
        """The contact tier, if there is one."""
        return tiers.of(self.subscriptions)


class Done(NamedTuple):
    """What a request has come to."""

    changed: int
    held_back: tuple[str, ...]
    situation: Situation

    @property
    def notice(self) -> str | None:
        """The clear answer to whoever would have had more than the customer's own maximum (F12)."""
        if not self.held_back:
            return None
        maximum = self.situation.summary.maximum
        return f"Your own maximum of {maximum:,} marketing contacts is reached: further ones are non-marketing."

    @property
    def told(self) -> Changes:
        """The one notice of it."""
        return recount.at_maximum(self.situation.summary) if self.held_back else Changes()


def seen(account_id: str, now: datetime) -> Situation:
    """What there is to know of an account and its contacts, for those who only look."""
    account = queries.account(account_id)
    seller = queries.seller(account.seller)
    alive = tiers.with_contacts(queries.alive_subscriptions(account_id))
    subscriptions = [_up_to_date(each, now) for each in alive]
    summary = contacts.summary(account_id) or recount.begun(account_id, seller.timezone, now)
    return Situation(account, seller, subscriptions, summary, today(seller, tiers.of(subscriptions), now))


def _up_to_date(subscription: Subscription, now: datetime) -> Subscription:
    """A subscription with everything done that is due of it: its tier may begin, or run out, with this day."""
    if subscription.due_at is None or now < subscription.due_at:
        return subscription
    return upkeep.previewed(subscription.account_id, subscription.id, now).book.subscription


def situation(account_id: str, now: datetime, *, even_off: bool = False) -> Situation:
    """The same before contacts are set: the daily count begins with the first of them.

    An account without marketing contacts may only delete those that it has, and
    ask for a lower tier (R41): what is done ``even_off``.
    """
    known = seen(account_id, now)
    if not known.account.marketing_contacts and not even_off:
        raise Conflict(
            "This account has no marketing contacts. Please ask your seller.", code="no_marketing_contacts"
        )
    if known.summary.version:
        return known
    table.commit(Changes(put=(known.summary,)), now)
    return known._replace(summary=replace(known.summary, version=1))


def today(seller: SellerEntity, tier: Tier | None, now: datetime) -> Today:
    """The day it is for the seller, and the next update date (R49 to R52)."""
    day: date = local_day(now, seller.zone)
    return Today(day, rules.next_update(tier.subscription if tier else None, seller.contacts_update, day))


def set_all(account_id: str, commands: Sequence[Command], now: datetime) -> Done:
    """Carry out commands, at most 1,000. Sent twice they change nothing the second time.

    What is deleted is gone before anything is set. So no contact is counted with
    another that takes its place in the same request.
    """
    twice = [contact for contact, times in Counter(each.contact for each in commands).items() if times > 1]
    if twice:
        raise Invalid(f"{twice[0]!r} is named more than once.", code="contact_named_twice")
    if not commands:
        raise Invalid("No contact is named.", code="no_contacts")
    if len(commands) > MOST_AT_ONCE:
        raise Invalid(f"At most {MOST_AT_ONCE:,} contacts can be set at once.", code="too_many_contacts")
    gone = [each for each in commands if each.wish is Wish.DELETE]
    others = [each for each in commands if each.wish is not Wish.DELETE]
    known = situation(account_id, now, even_off=not others)
    deleted, _ = _carried_out(account_id, gone, known)
    changed, held_back = _carried_out(account_id, others, known)
    return Done(deleted + changed, held_back, known)


def _carried_out(account_id: str, commands: Sequence[Command], known: Situation) -> tuple[int, tuple[str, ...]]:
    """How many contacts changed, and which were held back."""
    changed, held_back, left = 0, list[str](), list(commands)
    for attempt in range(_ROUNDS):
        if not left:
            return changed, tuple(held_back)
        if attempt:
            clock.pause(attempt - 1)
        plan = _reserved(account_id, left, known)
        if plan is None:
            continue
        moved = write(account_id, plan.changes, known.today.day)
        changed += len(plan.changes) - len(moved)
        held_back += [each for each in plan.held_back if each not in moved]
        left = [each for each in left if each.contact in moved]
    raise table.Stale("Others are changing the same contacts right now. Please try again.")


def price_of(tier: Tier) -> Price | None:
    """The price that sells larger tiers: the one it was bought at; beside a plan, the one of its edition."""
    it, item = tier.subscription, tier.item
    if item.kind is Kind.CONTACTS:
        bought_at = contacts.price(item.price)  # it may be sold no more, and goes by the name it had then
        return bought_at and replace(bought_at, name=item.name.rpartition(", up to ")[0])
    return queries.catalog().contacts_price(item.edition, it.interval, it.term, it.currency)


def found(account_id: str, commands: Sequence[Command]) -> dict[str, rules.Contact]:
    """The contacts that commands are about, as they are."""
    ids = list(dict.fromkeys(each.contact for each in commands))
    chunks = [ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK)]
    queries.connect()
    parts = batch.side_by_side(partial(contacts.some, account_id), chunks)
    return {id_: contact for part in parts for id_, contact in part.items()}


def write(account_id: str, changes: Sequence[Change], day: date) -> set[str]:
    """Write what was decided and is counted already; which contacts somebody else has changed meanwhile."""
    queries.connect()
    written = batch.side_by_side(contacts.write, changes)
    moved = Plan(tuple(change for change, done in zip(changes, written, strict=True) if not done))
    _give_back(account_id, moved.marketing(day), moved.total)
    return {change.contact.id for change in moved.changes}


def _reserved(account_id: str, commands: Sequence[Command], known: Situation) -> Plan | None:
    """What these commands come to, counted already; ``None`` where others took the room that there was."""
    day, maximum = known.today.day, known.summary.maximum
    room = None if maximum is None else maximum - contacts.live(account_id).marketing
    plan = rules.plan(account_id, found(account_id, commands), commands, known.today, room)
    more = plan.marketing(day)
    return plan if _count(account_id, more, plan.total, maximum if more > 0 else None) else None


def _count(account_id: str, marketing: int, total: int, at_most: int | None = None) -> bool:
    return contacts.add(account_id, marketing, total, at_most) if marketing or total else True


def _give_back(account_id: str, marketing: int, total: int) -> None:
    """Count no more what was counted and came to nothing; others may be counting at the same moment."""
    for attempt in range(_ROUNDS):
        if _count(account_id, -marketing, -total):
            return
        clock.pause(attempt)
    raise table.Stale("Others are changing the same contacts right now. Please try again.")


def set_maximum(account_id: str, maximum: int | None, now: datetime) -> tuple[Situation, Changes]:
    """The customer's own maximum, or none."""
    known = situation(account_id, now)
    return known, recount.with_maximum(known.summary, maximum)
