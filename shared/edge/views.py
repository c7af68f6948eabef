"""What callers get to see: the domain's entities as JSON.

Money is ``{"amount": "23.23", "currency": "EUR"}``, a day an ISO 8601 date of
the seller, an instant UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from shared.domain import seats
from shared.domain.account import Account, PaymentMethod, SellerEntity
from shared.domain.catalog import Catalog, Price
from shared.domain.changes import Event
from shared.domain.money import Money, total
from shared.domain.periods import Period
from shared.domain.quote import Quote
from shared.domain.subscription import Book, Status, Subscription, SubscriptionItem
from shared.store.queries import Page

if TYPE_CHECKING:  # the shapes cost nothing in a function; only docs/openapi.json is made from them
    from shared.edge import answers

T = TypeVar("T")


def money(value: Money) -> answers.Money:
    """An amount and its currency."""
    return {"amount": value.decimal, "currency": value.currency}


def instant(value: datetime) -> str:
    """An instant to the second, in UTC."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def period(value: Period) -> answers.Period:
    """The days from ``start`` up to, but not including, ``end``."""
    return {"start": str(value.start), "end": str(value.end)}


def page(listed: Page, view: Callable[[Any], T]) -> answers.Page[T]:
    """One page of a list; ``cursor`` asks for the next one and is null on the last."""
    return {"items": [view(item) for item in listed.items], "cursor": listed.cursor}


def seller(entity: SellerEntity) -> answers.Seller:
    """A seller entity."""
    return {
        "id": entity.id,
        "name": entity.name,
        "timezone": entity.timezone,
        "currency": entity.currency,
        "address": entity.address,
        "billing_mailbox": entity.billing_mailbox or None,
        "retry_days": list(entity.retry_days),
        "after_retries": entity.after_retries.value,
        "seats_leave_first": entity.seats_leave_first.value,
        "seats_invoiced": entity.seats_invoiced.value,
        "contacts_update": entity.contacts_update.value,
        "tier_notice_days": entity.tier_notice_days,
    }


def account(entity: Account) -> answers.Account:
    """An account, by itself."""
    return {
        "id": entity.id,
        "name": entity.name,
        "seller": entity.seller,
        "currency": entity.currency,
        "billing_contacts": list(entity.billing_contacts),
        "marketing_contacts": entity.marketing_contacts,
    }


def overview(entity: Account, method: PaymentMethod | None, subscriptions: list[Subscription]) -> answers.Overview:
    """R1, R3, R4: an account with its products and add-ons, their limits, and what is due next."""
    dates = [str(each.next_invoice_on) for each in subscriptions]
    return {
        **account(entity),
        "payment_method": payment_method(method) if method else None,
        "next_invoice_on": min(dates, default=None),
        "products": [owned for each in subscriptions for owned in _products(each)],
    }


def payment_method(method: PaymentMethod) -> answers.PaymentMethod:
    """What a person recognises a way to pay by."""
    return {
        "id": method.id,
        "type": method.type,
        "brand": method.brand,
        "last4": method.last4,
        "expires": method.expires,
    }


def saved_method(
    setup_intent: str, status: str, client_secret: str, method: PaymentMethod | None
) -> answers.SavedMethod:
    """A way to pay, saved or about to be."""
    return {
        "setup_intent": setup_intent,
        "status": status,
        "client_secret": client_secret,
        "payment_method": payment_method(method) if method else None,
    }


def catalog(entity: Catalog) -> answers.Catalog:
    """The catalogue in the shape in which it is published."""
    return {
        "version": entity.version,
        "products": {
            each.id: {"name": each.name, "editions": list(each.editions), "legacy": each.legacy}
            for each in entity.products
        },
        "seat_types": {
            each.id: {"name": each.name, "free": each.free, "unlimited": each.unlimited} for each in entity.seat_types
        },
        "prices": {each.id: _price(each) for each in entity.prices},
    }


def subscription(book: Book, catalog: Catalog, update_page: str | None = None) -> answers.Subscription:
    """R5, R100: billing details: commitment, auto-renewal, cost, discounts, frequency, and what waits."""
    it = book.subscription
    fixed = it.payments is not None
    items = [_discounted(each, it, catalog) for each in it.items]
    less = [Money.parse(each["discount"]["total"]["amount"], it.currency) for each in items if each["discount"]]
    return {
        **listed_subscription(it),
        "commitment": {"term": it.term.value, **period(it.current_term)},
        "auto_renewal": not fixed,
        "payments": it.payments,
        "ends_on": str(it.ends_on) if it.ends_on else None,
        "canceled_on": str(it.canceled_on) if it.canceled_on else None,
        "parked": it.parked,
        "current_period": period(it.period) if it.status is not Status.SCHEDULED else None,
        "payment_methods": list(it.payment_methods),
        "payment_method": it.automatic_method,
        "update_page": update_page,
        "cost": money(it.fee),
        "discounts": money(total(less, it.currency)),
        "items": items,
        "pending": [
            {
                "name": item.name,
                "quantity": item.quantity,
                "amount": money(item.amount),
                "period": period(item.period) if item.period else None,
            }
            for item in book.pending
        ],
        "removals": [
            {"seat_type": each.seat_type, "quantity": each.quantity, "effective_on": str(each.effective_on)}
            for each in book.removals
        ],
    }


def listed_subscription(it: Subscription) -> answers.ListedSubscription:
    """A subscription in a list."""
    return {
        "id": it.id,
        "account": it.account_id,
        "status": it.status.value,
        "currency": it.currency,
        "frequency": it.interval.value,
        "started_on": str(it.anchor),
        "next_invoice_on": str(it.next_invoice_on) if it.alive else None,
    }


def quote(it: Quote) -> answers.Quote:
    """A quote that is open."""
    return {"id": it.id, "dated": str(it.dated)}


def event(logged: tuple[Any, Event]) -> answers.Event:
    """One thing that happened."""
    entry, it = logged
    told: Any = {"at": instant(entry.at), "type": it.type, **it.data}
    return cast("answers.Event", told)


def _products(it: Subscription) -> list[answers.OwnedProduct]:
    """The items of a subscription; the seats of a type stand once, beside the first item that has them."""
    seats_of = {each.type: each for each in seats.count(it)}
    found: list[answers.OwnedProduct] = []
    for item in it.items:
        limits: answers.Limits = {}
        if item.seat_type in seats_of:
            here = seats_of.pop(item.seat_type)
            limits["seats"], limits["assigned"] = here.total, here.assigned
        if item.contacts:
            limits["contacts"] = item.contacts
            if item.sends_per_contact:
                limits["sends"] = item.contacts * item.sends_per_contact
        owned: answers.OwnedProduct = {
            "subscription": it.id,
            "product": item.product,
            "edition": item.edition,
            "name": item.name,
            "limits": limits,
        }
        found.append(owned)
    return found


def item(item: SubscriptionItem) -> answers.SubscriptionItem:
    """So many units at a price."""
    return {
        "price": item.price,
        "name": item.name,
        "kind": item.kind.value,
        "quantity": item.quantity,
        "unit_price": money(item.unit),
        "cost": money(item.fee),
    }


def discount(lot: SubscriptionItem, it: Subscription, catalog: Catalog) -> answers.Discount | None:
    """R98: what seats cost less than they cost today, because they were bought before."""
    less = seats.legacy_discount(lot, it, catalog)
    if less is None:
        return None
    return {"list_price": money(lot.unit + less), "per_unit": money(less), "total": money(less.times(lot.quantity))}


def _discounted(each: SubscriptionItem, it: Subscription, catalog: Catalog) -> answers.DiscountedItem:
    return {**item(each), "discount": discount(each, it, catalog)}


def _price(it: Price) -> answers.CatalogPrice:
    tiers: Any = [{"up_to": tier.up_to, "amount": tier.amount} for tier in it.tiers]
    if it.step:
        tiers = {"step": it.step.up_to, "amount": it.step.amount}
    return {
        "product": it.product,
        "kind": it.kind.value,
        "name": it.name,
        "amount": it.amount,
        "edition": it.edition,
        "interval": it.interval and it.interval.value,
        "currency": it.currency,
        "term": it.term and it.term.value,
        "seat_type": it.seat_type,
        "included_seats": it.included_seats,
        "included_contacts": it.included_contacts,
        "sends_per_contact": it.sends_per_contact,
        "tiers": tiers,
        "legacy": it.legacy,
        "minimum": it.minimum,
    }
