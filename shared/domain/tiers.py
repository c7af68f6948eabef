"""Contact tiers: which one an account has, what a larger one costs, and lowering it at a renewal (R54 to R57)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, NamedTuple

from shared.domain.account import Account
from shared.domain.catalog import Kind, Price
from shared.domain.changes import Changes, Event
from shared.domain.errors import Conflict, Invalid
from shared.domain.money import Money, total
from shared.domain.subscription import (
    Book,
    PendingInvoiceItem,
    Status,
    Subscription,
    SubscriptionItem,
    TierReduction,
    item_of,
)

_LIVE = (Status.ACTIVE, Status.PAST_DUE, Status.TRIALING)
_SATURDAY = 5


class Tier(NamedTuple):
    """The contact tier of an account: how many contacts it holds, and what it was bought as.

    A plan includes some contacts, and an item of marketing contacts beside it
    says how many there are in all: the larger of the two counts. So it is with
    the tiers of two subscriptions: they do not add up.
    """

    subscription: Subscription
    item: SubscriptionItem

    @property
    def limit(self) -> int:
        """How many contacts it holds."""
        return self.item.contacts

    @property
    def sends(self) -> int:
        """How many e-mails a month it allows: a multiple of the tier, so an upgrade allows more (F20)."""
        return self.limit * self.item.sends_per_contact


def of(subscriptions: Iterable[Subscription]) -> Tier | None:
    """The tier of an account, among its subscriptions; ``None`` where none of them is about contacts."""
    held = [
        Tier(each, item) for each in subscriptions if each.status in _LIVE for item in each.items if item.contacts
    ]
    held.sort(key=lambda it: (it.limit, it.item.kind is Kind.CONTACTS, it.subscription.id))
    return held[-1] if held else None


def to_be_lowered(subscriptions: Iterable[Subscription]) -> list[tuple[Tier, TierReduction]]:
    """The tiers for which a lower one was asked for, the largest first: a larger may have been bought beside one."""
    asked = ((of([each]), each.tier_reduction) for each in subscriptions)
    found = [(tier, reduction) for tier, reduction in asked if tier and reduction]
    return sorted(found, key=lambda it: it[0].limit, reverse=True)


def with_contacts(subscriptions: Iterable[Subscription]) -> list[Subscription]:
    """Those that have a tier, had one or will have one."""
    return [each for each in subscriptions if any(item.contacts for item in each.items)]


def beside(subscriptions: Iterable[Subscription], subscription: Subscription) -> int:
    """How many contacts the tiers of the other subscriptions hold."""
    other = of(each for each in subscriptions if each.id != subscription.id)
    return other.limit if other else 0


def check_bought(buyer: Account, bought: Iterable[Subscription], alive: Iterable[Subscription]) -> None:
    """Refuse a second tier of marketing contacts: they do not add up, and the smaller one would be paid for nothing.

    So would any be of an account without marketing contacts (R41).

    A larger one beside that of another subscription is sold: who moves from one to
    another buys before cancelling. So is one that starts later.
    """
    tiers = [(each, item) for each in bought for item in each.items if item.kind is Kind.CONTACTS]
    if len(tiers) > 1:
        sentence = "One tier of marketing contacts can be bought at a time: two do not add up."
        raise Invalid(sentence, code="second_contact_tier")
    if tiers and not buyer.marketing_contacts:
        sentence = "This account has no marketing contacts. Please ask your seller."
        raise Conflict(sentence, code="no_marketing_contacts")
    held = of(alive)
    for subscription, item in tiers:
        if held and subscription.status is Status.ACTIVE and item.contacts <= held.limit:
            sentence = f"You have a tier of {held.limit:,} contacts; one of {item.contacts:,} would not add to it."
            raise Conflict(sentence, code="contact_tier_held")


def upgrade(book: Book, item: SubscriptionItem, price: Price, count: int, on: date) -> Changes:
    """Move to the smallest tier that holds ``count``, as counted on a day (R54, F9, D5).

    998 contacts and 5 more are 1,003: one too many for 1,000, so 2,000. Several
    tiers are passed at once where it takes that. The rest of the period, from
    the day after, costs the new price less the old one, and is invoiced on that
    day; the full new price is due from the next period on (R56, F14). What no
    tier holds gets the largest. Nothing changes where there is no larger one.
    """
    subscription = book.subscription
    larger = _larger(item, price, count, subscription.currency)
    if larger is None:
        return Changes()
    grown = _with_tier(subscription, larger)
    data = {
        "subscription": subscription.id,
        "from": item.contacts,
        "to": larger.contacts,
        "marketing": count,
        "amount": Money(0, subscription.currency).decimal,
        "currency": subscription.currency,
    }
    owed = _first_charge(subscription, larger, on)
    if owed is None:  # the next period begins then, at the new price
        return Changes(put=(grown,), events=(_event(subscription, "tier.upgraded", data),))
    following = on + timedelta(days=1)
    data |= {"amount": owed.amount.decimal, "period": str(owed.period), "invoice_on": str(following)}
    dated = replace(grown, extra_invoice_on=min(following, grown.extra_invoice_on or following))
    return Changes(put=(dated, owed), events=(_event(subscription, "tier.upgraded", data),))


def next_tier(tier: Tier, price: Price | None, count: int = 0) -> SubscriptionItem | None:
    """The tier that one contact too many leads to, or so many of them."""
    return _larger(tier.item, price, max(count, tier.limit + 1), tier.subscription.currency) if price else None


def costs_more(tier: Tier, larger: SubscriptionItem) -> Money:
    """What a larger tier costs more than the present one, for each billing period."""
    return larger.fee - _paid(tier.subscription)


def charged_first(tier: Tier, larger: SubscriptionItem, on: date) -> Money:
    """What a larger tier costs more for the rest of a period, if it is exceeded on a day (R54)."""
    then = tier.subscription
    while then.next_invoice_on <= on:
        then = replace(then, billed=then.billed + 1)
    owed = _first_charge(then, larger, on)
    return owed.amount if owed else Money(0, then.currency)


def reduce(tier: Tier, price: Price | None, contacts: int, on: date, notice: int) -> TierReduction:
    """Ask for a lower tier from the next term on: the smallest that holds so many contacts (R57, F11).

    It must be asked for ``notice`` business days before the renewal at the latest.
    """
    subscription = tier.subscription
    renews_on = subscription.current_term.end
    if tier.item.kind is not Kind.CONTACTS or price is None:
        raise Conflict("Your contacts come with your plan; there is no lower tier.", code="lowest_tier")
    lower = item_of(price, contacts, subscription.currency)
    if lower.contacts >= tier.limit:
        sentence = (
            f"{contacts:,} contacts need a tier of {lower.contacts:,}: no less than the present {tier.limit:,}."
        )
        raise Conflict(sentence, code="not_lower")
    if subscription.ends_on and subscription.ends_on <= renews_on:
        raise Conflict(f"This subscription ends on {renews_on}; it is not renewed.", code="subscription_ends")
    latest = business_days_before(renews_on, notice)
    if on > latest:
        sentence = f"The tier for the term from {renews_on} could be lowered until {latest}."
        raise Conflict(sentence, code="reduction_too_late")
    return TierReduction(lower, renews_on)


def scheduled(subscription: Subscription, reduction: TierReduction) -> Changes:
    """Keep the wish for a lower tier until the renewal, in the place of one before."""
    event = _event(subscription, "tier.reduction_scheduled", _lowering(subscription, reduction))
    return Changes(put=(replace(subscription, tier_reduction=reduction),), events=(event,))


def canceled(subscription: Subscription) -> Changes:
    """The tier stays as it is after all."""
    reduction = subscription.tier_reduction
    if reduction is None:
        return Changes()
    data = _lowering(subscription, reduction) | {"cause": "asked"}
    event = _event(subscription, "tier.reduction_canceled", data)
    return Changes(put=(replace(subscription, tier_reduction=None),), events=(event,))


def lowered(tier: Tier) -> Tier | None:
    """The tier as it will be once a lower one that was asked for has taken its place."""
    reduction = tier.subscription.tier_reduction
    return of([_with_tier(tier.subscription, reduction.item)]) if reduction else None


def waits_for_count(subscription: Subscription, on: date) -> bool:
    """Whether a renewal must wait until the contacts are counted, because they decide on its price."""
    reduction = subscription.tier_reduction
    return reduction is not None and reduction.effective_on <= on and reduction.counted_on is None


def counted(subscription: Subscription, count: int, on: date, beside: int = 0) -> Changes:
    """The contacts were counted that a renewal waits for, if one does; ``beside`` are held by another tier."""
    reduction = subscription.tier_reduction
    if reduction is None or not waits_for_count(subscription, on):
        return Changes()
    known = reduction._replace(marketing=count, counted_on=on, beside=beside)
    return Changes(put=(replace(subscription, tier_reduction=known),))


def after_count(
    books: Sequence[Book], count: int, on: date, tell: Callable[[Book, Changes], Book]
) -> dict[str, Book]:
    """The books once those whose renewal waits for the count are told of it, one after the other."""
    after = {book.subscription.id: book for book in books}
    for id_, book in after.items():
        others = beside((each.subscription for each in after.values()), book.subscription)
        told = counted(book.subscription, count, on, others)
        if told.put:
            after[id_] = tell(book, told)
    return after


def reduced(subscription: Subscription, on: date) -> tuple[Subscription, tuple[Event, ...]]:
    """The subscription as it is renewed: with the lower tier that was asked for, if the contacts fit now."""
    reduction = subscription.tier_reduction
    if reduction is None or on < reduction.effective_on:
        return subscription, ()
    renewed = replace(subscription, tier_reduction=None)
    data = _lowering(subscription, reduction) | {"marketing": reduction.marketing}
    if reduction.marketing > max(reduction.item.contacts, reduction.beside):
        data["cause"] = "too_many_contacts"
        return renewed, (_event(subscription, "tier.reduction_canceled", data),)
    return _with_tier(renewed, reduction.item), (_event(subscription, "tier.reduced", data),)


def business_days_before(day: date, count: int) -> date:
    """The latest day that lies at least so many business days (Monday to Friday) before another.

    >>> str(business_days_before(date(2026, 4, 15), 5))
    '2026-04-08'
    """
    while count:
        day -= timedelta(days=1)
        count -= day.weekday() < _SATURDAY
    return day


def _larger(item: SubscriptionItem, price: Price, count: int, currency: str) -> SubscriptionItem | None:
    """The smallest tier above the present one that holds so many; the largest where none does."""
    most = price.most_contacts
    larger = item_of(price, min(count, most) if most else count, currency)
    return larger if larger.contacts > item.contacts else None


def _first_charge(subscription: Subscription, larger: SubscriptionItem, on: date) -> PendingInvoiceItem | None:
    """What is owed for the rest of the period from the day after; ``None`` where that begins another period."""
    following = on + timedelta(days=1)
    if following not in subscription.period:
        return None
    less = _paid(subscription)
    return PendingInvoiceItem(
        account_id=subscription.account_id,
        subscription_id=subscription.id,
        price=larger.price,
        kind=larger.kind.value,
        name=larger.name,
        unit=larger.unit,
        quantity=1,
        period=subscription.period.from_day(following),
        whole=subscription.period,
        day=on,
        less=less if less.amount else None,
        invoice_on=following,
    )


def _paid(subscription: Subscription) -> Money:
    """What is paid for the present tier by itself; the contacts of a plan are in the plan's price."""
    return total((item.fee for item in subscription.items if item.kind is Kind.CONTACTS), subscription.currency)


def _with_tier(subscription: Subscription, tier: SubscriptionItem) -> Subscription:
    """The subscription with this tier in the place of the one it has, or beside a plan that includes too few."""
    others = [item for item in subscription.items if item.kind is not Kind.CONTACTS]
    at = next((i for i, item in enumerate(subscription.items) if item.kind is Kind.CONTACTS), len(others))
    return replace(subscription, items=(*others[:at], tier, *others[at:]))


def _lowering(subscription: Subscription, reduction: TierReduction) -> dict[str, Any]:
    tier = of([subscription])
    return {
        "subscription": subscription.id,
        "from": tier.limit if tier else None,
        "to": reduction.item.contacts,
        "effective_on": str(reduction.effective_on),
    }


def _event(subscription: Subscription, type_: str, data: dict[str, Any]) -> Event:
    return Event(subscription.account_id, type_, data)
