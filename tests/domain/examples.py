"""A seller in New York, a customer, what is sold, and short ways to tell a story with them."""

from datetime import UTC, date, datetime
from typing import NamedTuple

from shared.domain import checkout, renewal
from shared.domain.account import Account, SellerEntity
from shared.domain.catalog import Catalog, Kind, Price, Product, SeatType
from shared.domain.changes import Changes, Event
from shared.domain.checkout import LineItem, Offer
from shared.domain.invoice import Invoice
from shared.domain.periods import Interval
from shared.domain.subscription import Book, Subscription

SELLER = SellerEntity("us", "Hub Inc.", timezone="America/New_York", currency="USD")
ACME = Account("acme", "us", "Acme", "USD", customer="cus_acme", payment_method="pm_visa")


def seat_price(amount="100.00", interval=Interval.MONTH, **more):
    """A sales seat at another price or for another interval."""
    facts = {"id": f"sales-{amount}-{interval}", "name": "Sales Hub seat", "edition": "professional", **more}
    return Price(product="sales", kind=Kind.SEAT, seat_type="sales", amount=amount, interval=interval, **facts)


SEAT = seat_price(id="sales-seat")
YEARLY_SEAT = seat_price("900.00", Interval.YEAR, id="sales-seat-year")
PLAN = Price(
    id="hub-professional",
    product="sales",
    kind=Kind.PLAN,
    name="Hub Professional",
    amount="890.00",
    edition="professional",
    interval=Interval.MONTH,
    seat_type="sales",
    included_seats=3,
)
ONBOARDING = Price("onboarding", "sales", Kind.ADDON, "3000.00", "Onboarding")
PRODUCTS = (Product("sales", "Sales Hub", ("starter", "professional", "enterprise")),)
SEAT_TYPES = (SeatType("sales", "Sales"), SeatType("service", "Service"))
CATALOG = Catalog(PRODUCTS, SEAT_TYPES, (SEAT, YEARLY_SEAT, PLAN, ONBOARDING))


def day(text: str) -> date:
    """``2026-02-07``."""
    return date.fromisoformat(text)


def at(text: str) -> datetime:
    """An instant by the seller's clock; a day alone is ten in the morning."""
    local = datetime.fromisoformat(text if "T" in text else f"{text}T10:00")
    return local.replace(tzinfo=SELLER.zone).astimezone(UTC)


def offered(*lines: LineItem, on: str = "2026-01-25", account: Account = ACME) -> Offer:
    """A checkout before it is opened."""
    return checkout.offer(account, SELLER, lines, "co_1", at(on))


def bought(*lines: LineItem, on: str = "2026-01-25") -> Book:
    """The one subscription that a paid checkout starts."""
    [subscription] = started(checkout.complete(offered(*lines, on=on).checkout, ACME, None))
    return Book(subscription)


def started(changes: Changes) -> list[Subscription]:
    """The subscriptions that a decision writes."""
    return [entity for entity in changes.put if isinstance(entity, Subscription)]


def invoices(changes: Changes) -> list[Invoice]:
    """The invoices that a decision writes."""
    return [entity for entity in changes.put if isinstance(entity, Invoice)]


def bill(invoice: Invoice) -> list[tuple[str, str]]:
    """What a customer reads on an invoice."""
    return [(line.description, line.amount.decimal) for line in invoice.lines]


class Run(NamedTuple):
    """What came of doing everything that was due."""

    book: Book
    invoices: list[Invoice]
    events: list[Event]


def run(book: Book, on: str) -> Run:
    """Do everything that is due by a day, step by step, as the worker does."""
    done = Run(book, [], [])
    while changes := renewal.step(done.book, at(on)):
        done = Run(done.book.after(changes), done.invoices + invoices(changes), [*done.events, *changes.events])
    return done


def run_daily(book: Book, days: list[str]) -> Run:
    """The same, by a worker that comes on each of these days."""
    done = Run(book, [], [])
    for on in days:
        new = run(done.book, on)
        done = Run(new.book, done.invoices + new.invoices, done.events + new.events)
    return done
