"""What callers may send: every field with its type; unknown fields are refused.

Money is never sent as a price or an amount to pay, only as ``expect_amount``:
what the caller was shown, so that another price is refused and not charged;
and by the seller's staff as what to give back.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal

from msgspec import UNSET, Meta, UnsetType, field

from shared.domain.account import AfterRetries, SeatsInvoiced, UpdatePolicy
from shared.domain.catalog import MOST_PRICES, Catalog, Kind, Price, Product, SeatType, Tier
from shared.domain.periods import Interval
from shared.domain.refund import Reason
from shared.domain.subscription import LeavesFirst
from shared.edge.body import Amount, Body, Count, Id, Mailbox, MailboxOrNone, Positive, Text

Types = Annotated[tuple[Text, ...], Meta(min_length=1, max_length=10)]
Contacts = Annotated[tuple[Id, ...], Meta(max_length=1000)]


class PutSeller(Body):
    """A seller entity: its zone decides which day it is, its currency what its accounts pay in.

    What is not named stays as it is; an empty ``billing_mailbox`` is none any more.
    """

    timezone: Text
    currency: Text
    name: Text | None = None
    address: Annotated[str, Meta(max_length=1000)] | None = None
    billing_mailbox: MailboxOrNone | None = None
    retry_days: Annotated[tuple[Annotated[int, Meta(ge=1, le=60)], ...], Meta(max_length=10)] | None = None
    after_retries: AfterRetries | None = None
    seats_leave_first: LeavesFirst | None = None
    seats_invoiced: SeatsInvoiced | None = None
    contacts_update: UpdatePolicy | None = None
    tier_notice_days: Annotated[int, Meta(ge=0, le=60)] | None = None


class PutAccount(Body):
    """A customer of a seller entity, which a new one must name. What is not named stays as it is."""

    seller: Text | None = None
    name: Text | None = None
    currency: Text | None = None
    billing_contacts: Annotated[tuple[Mailbox, ...], Meta(max_length=20)] | None = None
    marketing_contacts: bool | None = None


class PutQuote(Body):
    """A quote that is open, and the day from which it is to hold."""

    dated: date


class PutProduct(Body):
    """A product and its editions; of a ``legacy`` one the seller's staff remove seats."""

    name: Text | None = None
    editions: Annotated[tuple[Text, ...], Meta(max_length=20)] = ()
    legacy: bool = False


class PutSeatType(Body):
    """A seat type: ``free`` ones cost nothing, of ``unlimited`` ones there is no end."""

    name: Text | None = None
    free: bool = False
    unlimited: bool = False


class PutTier(Body):
    """Up to so many contacts for so much per interval."""

    up_to: Positive
    amount: Amount


class PutStep(Body):
    """So many contacts more for so much more per interval."""

    step: Positive
    amount: Amount


class PutPrice(Body):
    """A price; see ``shared.domain.catalog.Price``."""

    product: Text
    kind: Kind
    amount: Amount | UnsetType = UNSET
    name: Text | None = None
    edition: Text | None = None
    interval: Interval | None = None
    currency: Text | None = None
    term: Interval | None = None
    seat_type: Text | None = None
    included_seats: Count = 0
    included_contacts: Count = 0
    sends_per_contact: Count = 0
    tiers: tuple[PutTier, ...] | PutStep = ()
    legacy: bool = False
    minimum: Count = 0


class PutCatalog(Body):
    """All that is sold from now on. Products, or seat types, are made up from the prices where none are named.

    With a ``version`` it must be that one that is replaced.
    """

    LARGEST: ClassVar = 1024 * 1024

    prices: Annotated[dict[str, PutPrice], Meta(min_length=1, max_length=MOST_PRICES)]
    products: dict[str, PutProduct] = field(default_factory=dict)
    seat_types: dict[str, PutSeatType] = field(default_factory=dict)
    version: int | None = None

    def to_catalog(self) -> Catalog:
        """The catalogue in the domain's words."""
        products = _products(self)
        prices = tuple(_price(id_, put, products) for id_, put in self.prices.items())
        return Catalog(tuple(products.values()), tuple(_seat_types(self)), prices)


class LineItem(Body):
    """A line item to buy: so many units, for how long, how many payments, from when."""

    price: Text
    quantity: Positive = 1
    term: Interval | None = None
    payments: Positive | None = None
    starts_on: date | None = None


class BuyItems(Body):
    """A checkout; ``payment_methods`` are the types that its payer may choose from (R65).

    ``replaces`` names the free subscription that this is the upgrade of (R37).
    """

    items: Annotated[tuple[LineItem, ...], Meta(min_length=1, max_length=50)]
    payment_methods: Types = ("card",)
    expect_amount: Amount | None = None
    replaces: Id | None = None


class PutContact(Body):
    """Whether a contact is a marketing contact."""

    marketing: bool


class BatchContacts(Body):
    """Up to 1,000 contacts at once, each named once."""

    LARGEST: ClassVar = 256 * 1024

    marketing: Contacts = ()
    non_marketing: Contacts = ()
    delete: Contacts = ()


class OpenImport(Body):
    """How large the file is: no other size can be uploaded."""

    bytes: Annotated[int, Meta(ge=1)]


class StartImport(Body):
    """Whether the file is only to be checked."""

    dry_run: bool = False


class PutMaximum(Body):
    """The customer's own maximum of marketing contacts; none without one."""

    maximum: Positive | None


class RequestMaximum(Body):
    """The maximum that somebody would like to have; none without one."""

    maximum: Positive | None


class ReduceTier(Body):
    """How many contacts the tier must hold from the next term on."""

    contacts: Positive


class SaveMethod(Body):
    """A way to pay: Stripe's id of it, or nothing to let the payer enter one.

    With a ``subscription``, of the types that its checkout accepted (F28).
    """

    payment_method: Text | None = None
    payment_methods: Types | None = None
    subscription: Text | None = None


class PreviewCancel(Body):
    """Which way to end a subscription; the seller may waive the rest of a commitment."""

    when: Literal["now"] = "now"
    waive: bool = False


class Cancel(PreviewCancel):
    """The same, with the tick "I understand the customer will not be charged again" (R87)."""

    understood: bool = False


class MoneyAmount(Body):
    """An amount and its currency."""

    amount: Amount
    currency: Text


class RefundInvoice(Body):
    """What to give back: an amount, what was paid for unused days, or all that is left."""

    amount: MoneyAmount | None = None
    unused_days: bool = False
    reason: Reason | None = None


def _products(body: PutCatalog) -> dict[str, Product]:
    """The products as named, and those that only prices name with the editions that prices name."""
    products = {
        id_: Product(id_, put.name or _title(id_), tuple(put.editions), put.legacy)
        for id_, put in body.products.items()
    }
    for price in body.prices.values() if not body.products else ():
        known = products.get(price.product) or Product(price.product, _title(price.product))
        if price.product not in body.products and price.edition and price.edition not in known.editions:
            known = Product(known.id, known.name, (*known.editions, price.edition))
        if price.product not in body.products:
            products[price.product] = known
    return products


def _seat_types(body: PutCatalog) -> list[SeatType]:
    named = {
        id_: SeatType(id_, put.name or _title(id_), put.free, put.unlimited) for id_, put in body.seat_types.items()
    }
    used = (price.seat_type for price in body.prices.values() if price.seat_type)
    return [*named.values(), *(SeatType(id_, _title(id_)) for id_ in dict.fromkeys(used) if not body.seat_types)]


def _price(id_: str, put: PutPrice, products: dict[str, Product]) -> Price:
    step = Tier(put.tiers.step, put.tiers.amount) if isinstance(put.tiers, PutStep) else None
    tiers = () if isinstance(put.tiers, PutStep) else tuple(Tier(tier.up_to, tier.amount) for tier in put.tiers)
    return Price(
        id=id_,
        product=put.product,
        kind=put.kind,
        amount=put.amount or ("0" if put.kind is Kind.CONTACTS else ""),
        name=put.name or _name(put, products.get(put.product) or Product(put.product, _title(put.product))),
        edition=put.edition,
        interval=put.interval,
        currency=put.currency,
        term=put.term,
        seat_type=put.seat_type,
        included_seats=put.included_seats,
        included_contacts=put.included_contacts,
        sends_per_contact=put.sends_per_contact,
        tiers=tiers,
        step=step,
        legacy=put.legacy,
        minimum=put.minimum,
    )


def _name(put: PutPrice, product: Product) -> str:
    """``Sales Professional seat``: what a price is called that has no name of its own."""
    what = {Kind.SEAT: "seat", Kind.CONTACTS: "contacts", Kind.ADDON: "add-on", Kind.PLAN: ""}[put.kind]
    return " ".join(word for word in (product.name, _title(put.edition or ""), what) if word)


def _title(id_: str) -> str:
    return id_.replace("-", " ").replace("_", " ").title()
