"""A checkout: line items bought together, paid on one first invoice, grouped into subscriptions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from shared.domain import collection, invoice, setback
from shared.domain.account import Account, PaymentMethod, SellerEntity
from shared.domain.catalog import Kind, Price
from shared.domain.changes import Changes, Event
from shared.domain.errors import Conflict, Invalid
from shared.domain.invoice import Invoice, InvoiceLine, fee_line
from shared.domain.money import Money, total
from shared.domain.periods import Interval, local_day, nth_period
from shared.domain.processor import accepted_types, can_charge, too_large
from shared.domain.subscription import (
    MOST_ITEMS,
    MOST_UNITS,
    Status,
    Subscription,
    SubscriptionItem,
    item_of,
)

MOST_GROUPS = 10
MOST_SUBSCRIPTIONS = 80
MOST_PAYMENTS = 1200
LATEST_START = timedelta(days=2 * 366)
OPEN_FOR = timedelta(hours=24)


class CheckoutStatus(StrEnum):
    """Whether it can still be paid."""

    OPEN = "open"
    COMPLETE = "complete"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class LineItem:
    """Something to buy: so many units at a price, how long for, and from when.

    ``term`` is the commitment (the price's interval unless named), ``payments``
    a fixed number of them (R73), ``starts_on`` a later first day (R77).
    """

    price: Price
    quantity: int = 1
    term: Interval | None = None
    payments: int | None = None
    starts_on: date | None = None


@dataclass(frozen=True, slots=True)
class Checkout:
    """What is being bought: nothing of it exists before it is paid."""

    account_id: str
    id: str
    status: CheckoutStatus
    on: date
    subscriptions: tuple[Subscription, ...]  # as they will start
    invoice_id: str | None
    expires_at: datetime
    failures: int = 0
    retry_at: datetime | None = None
    error: str | None = None
    replaces: str | None = None  # the free subscription whose place it takes (R37)
    version: int = 0

    @property
    def due_at(self) -> datetime | None:
        """When an open one is given up or, once paid, users still move (``retry_at``); later, while that fails."""
        return self.retry_at or (self.expires_at if self.status is CheckoutStatus.OPEN else None)


class Offer(NamedTuple):
    """A checkout as decided: what it will start and what is due now."""

    checkout: Checkout
    invoice: Invoice | None

    @property
    def due_now(self) -> Money:
        """What is paid at once."""
        amounts = (line.amount for line in self.invoice.lines) if self.invoice else ()
        return total(amounts, self.checkout.subscriptions[0].currency if not self.invoice else self.invoice.currency)

    def lacks_a_method(self, account: Account) -> bool:
        """Whether nothing is due now, but something will be: then a way to pay must be there already."""
        if self.invoice or not any(each.fee.amount for each in self.checkout.subscriptions):
            return False
        accepted = all(account.payment_method_type in each.payment_methods for each in self.checkout.subscriptions)
        return account.payment_method is None or not accepted


class _Terms(NamedTuple):
    """Line items with the same four share a subscription (R71, D19)."""

    interval: Interval
    term: Interval
    payments: int | None
    starts_on: date


def offer(
    account: Account,
    seller: SellerEntity,
    lines: Iterable[LineItem],
    checkout_id: str,
    now: datetime,
    payment_methods: tuple[str, ...] = ("card",),
) -> Offer:
    """Group line items into subscriptions and draw their one first invoice.

    Groups that start today are on the invoice with their first period; those
    that start later are invoiced when they do. What is paid once is on it too.
    ``payment_methods`` are the types its payer may choose from, now and
    whenever the way to pay is changed (R65).
    """
    on = local_day(now, seller.zone)
    accepted = accepted_types(payment_methods, account.currency)
    groups, once = _grouped(account, lines, on)
    subscriptions = tuple(
        replace(
            _subscription(account, seller, terms, items, _subscription_id(checkout_id, n), on),
            payment_methods=accepted,
        )
        for n, (terms, items) in enumerate(groups.items())
    )
    bill = _first_invoice(account, subscriptions, once, checkout_id, on)
    bill = bill and replace(bill, payment_methods=accepted)
    if not subscriptions and bill is None:
        raise Invalid("There is nothing to buy: name an item that costs something or renews.", code="nothing_to_buy")
    checkout = Checkout(
        account_id=account.id,
        id=checkout_id,
        status=CheckoutStatus.OPEN,
        on=on,
        subscriptions=subscriptions,
        invoice_id=bill.id if bill else None,
        expires_at=now + OPEN_FOR,
    )
    return Offer(checkout, bill)


def _grouped(
    account: Account, lines: Iterable[LineItem], on: date
) -> tuple[dict[_Terms, list[SubscriptionItem]], list[SubscriptionItem]]:
    """The items of each subscription to be (R71), and those that are paid once."""
    groups: dict[_Terms, list[SubscriptionItem]] = {}
    once: list[SubscriptionItem] = []
    for line in lines:
        item = _item(account, line)
        if line.price.interval is None:
            once.append(item)
        else:
            groups.setdefault(_terms(line, line.price.interval, on), []).append(item)
    if len(groups) > MOST_GROUPS:
        raise Invalid(f"A checkout makes at most {MOST_GROUPS} subscriptions.", code="too_many_groups")
    return groups, once


def check_room(checkout: Checkout, alive: int) -> None:
    """Refuse what would give an account more subscriptions than one transaction can move."""
    if alive + len(checkout.subscriptions) > MOST_SUBSCRIPTIONS:
        sentence = f"An account has at most {MOST_SUBSCRIPTIONS} subscriptions at a time."
        raise Conflict(sentence, code="too_many_subscriptions")


def begin(account: Account, made: Offer, now: datetime) -> Changes:
    """Open the checkout with its invoice about to be paid; with nothing to pay it is complete at once."""
    checkout, bill = made
    if bill is None:
        return complete(checkout, account, None)
    accepted = account.payment_method_type in bill.payment_methods
    method = account.payment_method if accepted else None
    debit = method is not None and account.payment_method_type != "card"  # its mandate is there already
    frozen = collection.freeze(bill, account.customer, method, now, on_session=not debit)
    return Changes(put=(checkout, frozen), events=(invoice.issued(frozen),))


def complete(checkout: Checkout, account: Account, method: PaymentMethod | None) -> Changes:
    """All its subscriptions at once, charged from now on by the method that paid (R62, R74).

    ``method`` is the one that paid, where it is not the one the account had
    saved. One that was not saved with the account's customer paid this once.
    The account is written in any case: what two checkouts of it start at one
    time, each would decide without the other.
    """
    if checkout.status is not CheckoutStatus.OPEN:
        return Changes()
    if method and method.customer != account.customer:
        method = None
    if method:
        account = replace(account, payment_method=method.id, payment_method_type=method.type)
    started = tuple(charged_by(subscription, account) for subscription in checkout.subscriptions)
    data = {"checkout": checkout.id, "subscriptions": [subscription.id for subscription in started]}
    events = [Event(account.id, "checkout.completed", data)]
    for subscription in started:
        if subscription.status is Status.ACTIVE:
            facts = {
                "subscription": subscription.id,
                "period": str(subscription.period),
                "term": str(subscription.current_term),
            }
            events.append(Event(account.id, "subscription.started", facts))
    saved = (method, account) if method else (account,)
    done = replace(checkout, status=CheckoutStatus.COMPLETE, retry_at=None)
    return Changes(put=(done, *started, *saved), events=tuple(events))


def charged_by(subscription: Subscription, account: Account) -> Subscription:
    """The subscription, charged by what its account has saved from now on, if it accepts that (R65, R74)."""
    if account.payment_method_type not in subscription.payment_methods:
        return replace(subscription, customer=account.customer)
    return replace(subscription, customer=account.customer, payment_method=account.payment_method, disputes=())


def wait_for(checkout: Checkout, until: datetime) -> Checkout:
    """The checkout, open for at least as long as its payer has been given to do what the bank asks."""
    return replace(checkout, expires_at=max(checkout.expires_at, until))


def expire(checkout: Checkout, bill: Invoice | None) -> Changes:
    """Nobody paid in time: nothing ever started. Its PaymentIntent is cancelled already."""
    expired = replace(checkout, status=CheckoutStatus.EXPIRED, retry_at=None)
    event = Event(checkout.account_id, "checkout.expired", {"checkout": checkout.id})
    return Changes(put=(expired,), events=(event,)) + (collection.void(bill) if bill else Changes())


def postpone(checkout: Checkout, error: str, now: datetime) -> Changes:
    """Move a checkout that cannot be given up out of the way (1 h, 6 h, 1 d) and raise one alarm."""
    if not setback.still_due(checkout.due_at, now):
        return Changes()
    again = now + setback.delay(checkout.failures)
    put_off = replace(checkout, failures=checkout.failures + 1, retry_at=again, error=setback.cut(error))
    alarm = setback.alarm(checkout.account_id, checkout.failures, "expiry_failed", error, checkout=checkout.id)
    return Changes(put=(put_off,), events=alarm)


def _item(account: Account, line: LineItem) -> SubscriptionItem:
    price = line.price
    if not 1 <= line.quantity <= MOST_UNITS:
        raise Invalid(f"A quantity is from 1 to {MOST_UNITS:,}.", code="invalid_quantity")
    if price.kind is Kind.PLAN and line.quantity != 1:
        raise Invalid(f"{price.name} can be bought once, not {line.quantity} times.", code="invalid_quantity")
    if price.legacy:
        raise Conflict(f"{price.name} is no longer sold at this price.", code="not_sold")
    if price.interval is None and (line.term or line.payments or line.starts_on):
        raise Invalid(f"{price.name} is paid once: no term, payments or start.", code="paid_once")
    return item_of(price, line.quantity, account.currency)


def _terms(line: LineItem, interval: Interval, on: date) -> _Terms:
    term = line.term or line.price.term or interval
    starts_on = line.starts_on or on
    if line.price.term not in (None, term):
        raise Invalid(f"{line.price.name} is sold for a {line.price.term} only.", code="wrong_term")
    per_term = interval.fits(term)
    if per_term is None:
        sentence = f"A commitment of a {term.value} is not a whole number of periods of a {interval.value}."
        raise Invalid(sentence, code="wrong_term")
    if line.payments is not None and not 1 <= line.payments <= MOST_PAYMENTS:
        raise Invalid(f"The number of payments is from 1 to {MOST_PAYMENTS}.", code="invalid_payments")
    if line.payments is not None and line.payments % per_term:
        sentence = f"{line.payments} payments are not a whole number of commitments of a {term.value}."
        raise Invalid(sentence, code="invalid_payments")
    if not on <= starts_on <= on + LATEST_START:
        raise Invalid("A subscription starts today or within two years.", code="invalid_start")
    return _Terms(interval, term, line.payments, starts_on)


def _subscription(
    account: Account,
    seller: SellerEntity,
    terms: _Terms,
    items: list[SubscriptionItem],
    subscription_id: str,
    on: date,
) -> Subscription:
    later = terms.starts_on > on
    subscription = Subscription(
        account_id=account.id,
        id=subscription_id,
        seller=seller.id,
        timezone=seller.timezone,
        currency=account.currency,
        status=Status.SCHEDULED if later else Status.ACTIVE,
        anchor=terms.starts_on,
        interval=terms.interval,
        term=terms.term,
        items=(),
        payments=terms.payments,
        billed=0 if later else 1,
    )
    for item in items:
        subscription = subscription.with_item(item)
    for item in subscription.items:  # line items at one price are added up
        most = 1 if item.kind in (Kind.PLAN, Kind.CONTACTS) else MOST_UNITS
        if item.quantity > most:
            raise Invalid(f"Of {item.name} a subscription holds at most {most:,}.", code="invalid_quantity")
        if item.quantity < item.minimum:
            raise Invalid(f"Of {item.name} at least {item.minimum} are sold.", code="below_minimum")
    if len(subscription.items) > MOST_ITEMS:
        raise Invalid(f"A subscription holds at most {MOST_ITEMS} different prices.", code="too_many_items")
    return subscription


def _first_invoice(
    account: Account,
    subscriptions: tuple[Subscription, ...],
    once: list[SubscriptionItem],
    checkout_id: str,
    on: date,
) -> Invoice | None:
    lines = [line for subscription in subscriptions if subscription.billed for line in _fees(subscription)]
    lines += [fee_line(item, None) for item in once]
    owed = tuple(line for line in lines if line.amount.amount)
    if not owed:
        return None
    bill = Invoice(
        account_id=account.id,
        id=f"{checkout_id}-00000",
        seller=account.seller,
        date=on,
        currency=account.currency,
        lines=owed,
        checkout_id=checkout_id,
    )
    if too_large(bill.total):
        raise Invalid(f"{bill.total} is more than can be charged at once.", code="amount_too_large")
    if not can_charge(bill.total):
        sentence = f"{bill.total} is less than can be charged at once. Please buy more, or for longer."
        raise Invalid(sentence, code="amount_too_small")
    return bill


def _fees(subscription: Subscription) -> list[InvoiceLine]:
    period = nth_period(subscription.anchor, subscription.interval, 0)
    return [replace(fee_line(item, period), subscription_id=subscription.id) for item in subscription.items]


def _subscription_id(checkout_id: str, n: int) -> str:
    return f"sub_{checkout_id.removeprefix('co_')}{'abcdefghij'[n]}"
