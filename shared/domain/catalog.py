"""What can be bought: products, their editions and seat types, and the prices of all of it.

A price never changes: another amount is another price. What was bought keeps a
snapshot of its price (``subscription.SubscriptionItem``), so publishing a new
catalogue touches nobody who bought before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from shared.domain.errors import Conflict, Invalid, NotFound
from shared.domain.money import Money
from shared.domain.periods import Interval

MOST_PRICES = 1000
MOST_TIERS = 50
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Kind(StrEnum):
    """What a price is for."""

    PLAN = "plan"
    SEAT = "seat"
    CONTACTS = "contacts"
    ADDON = "addon"


@dataclass(frozen=True, slots=True)
class Product:
    """Something that is sold in editions, such as a hub. A ``legacy`` one is changed by the seller's staff (R35)."""

    id: str
    name: str
    editions: tuple[str, ...] = ()
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class SeatType:
    """A kind of seat a user can be given (R38, F5): ``free`` costs nothing, of ``unlimited`` there is no end."""

    id: str
    name: str
    free: bool = False
    unlimited: bool = False


@dataclass(frozen=True, slots=True)
class Tier:
    """Up to so many contacts for so much per interval, as a decimal string."""

    up_to: int
    amount: str


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit costs per interval (R14, R15).

    ``amount`` is a decimal string; without a ``currency`` it is sold in the
    currency of the account that buys. ``interval`` ``None`` is paid once.
    ``term`` limits a price to one commitment; ``legacy`` to those who have it.
    ``minimum`` is the fewest seats that are sold, and that can be kept (F2).
    ``sends_per_contact`` e-mails a month are allowed for each contact that a
    tier holds (F20).
    """

    id: str
    product: str
    kind: Kind
    amount: str = "0"
    name: str = ""
    edition: str | None = None
    interval: Interval | None = None
    currency: str | None = None
    term: Interval | None = None
    seat_type: str | None = None
    included_seats: int = 0
    included_contacts: int = 0
    sends_per_contact: int = 0
    tiers: tuple[Tier, ...] = ()
    step: Tier | None = None
    legacy: bool = False
    minimum: int = 0

    def money(self, text: str, currency: str) -> Money:
        """An amount of this price in the currency of the buyer."""
        if self.currency not in (None, currency):
            raise Conflict(f"{self.name} is sold in {self.currency} and not in {currency}.", code="wrong_currency")
        try:
            return Money.parse(text, currency)
        except Invalid:
            raise Conflict(f"{self.name} is not sold in {currency}.", code="wrong_currency") from None

    def unit(self, currency: str) -> Money:
        """What one unit costs per interval."""
        return self.money(self.amount, currency)

    def tier(self, contacts: int, currency: str) -> tuple[int, Money]:
        """The smallest limit that holds so many contacts, and what it costs per interval (D5, F15).

        >>> pro = Price("c", "marketing", Kind.CONTACTS, included_contacts=2000, step=Tier(5000, "250.00"))
        >>> pro.tier(2000, "USD"), pro.tier(2001, "USD")
        ((2000, Money(amount=0, currency='USD')), (7000, Money(amount=25000, currency='USD')))
        """
        base = self.unit(currency)
        if contacts <= self.included_contacts:
            return self.included_contacts, base
        if self.step:
            steps = -(-(contacts - self.included_contacts) // self.step.up_to)
            limit = self.included_contacts + steps * self.step.up_to
            return limit, base + self.money(self.step.amount, currency).times(steps)
        for tier in self.tiers:
            if contacts <= tier.up_to:
                return tier.up_to, base + self.money(tier.amount, currency)
        raise Invalid(f"{self.name} holds at most {self.tiers[-1].up_to} contacts.", code="too_many_contacts")

    @property
    def most_contacts(self) -> int | None:
        """How many the largest tier holds; ``None`` where there is always a larger one."""
        return None if self.step else self.tiers[-1].up_to if self.tiers else self.included_contacts


@dataclass(frozen=True, slots=True)
class Catalog:
    """All that is sold at present."""

    products: tuple[Product, ...] = ()
    seat_types: tuple[SeatType, ...] = ()
    prices: tuple[Price, ...] = ()
    version: int = 0
    _by_id: dict[str, Price] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {price.id: price for price in self.prices})

    def price(self, price_id: str) -> Price:
        """The price of that id, if it is sold at present."""
        if price_id not in self._by_id:
            raise NotFound(f"No price {price_id[:80]!r} is sold.", code="unknown_price")
        return self._by_id[price_id]

    def seat_price(
        self,
        bought_at: str,
        product: str,
        edition: str | None,
        seat_type: str,
        interval: Interval,
        term: Interval,
        currency: str,
    ) -> Price:
        """The price at which a further seat is sold at present (R39).

        It is the one that the seats there are were bought at, where that is still
        sold; else the one that took its place: same product, edition, seat type,
        interval and commitment.
        """
        same = self._by_id.get(bought_at)
        if same and same.kind is Kind.SEAT and same.seat_type == seat_type and not same.legacy:
            return same
        successors = [
            price
            for price in self.prices
            if price.kind is Kind.SEAT and not price.legacy and price.currency in (None, currency)
            if (price.product, price.seat_type, price.interval) == (product, seat_type, interval)
            if price.edition in (None, edition) and price.term in (None, term)
        ]
        if not successors:
            sentence = f"No more {self.seat_type(seat_type).name} seats are sold here. Please ask your seller."
            raise Conflict(sentence, code="not_sold")
        return min(successors, key=lambda price: (price.edition is None, price.term is None, price.id))

    def contacts_price(self, edition: str | None, interval: Interval, term: Interval, currency: str) -> Price | None:
        """The price of marketing contacts beside a plan that includes some: same edition, interval and commitment."""
        beside = [
            price
            for price in self.prices
            if price.kind is Kind.CONTACTS and not price.legacy and price.currency in (None, currency)
            if price.interval is interval and price.edition in (None, edition) and price.term in (None, term)
        ]
        return min(beside, key=lambda price: (price.edition is None, price.term is None, price.id), default=None)

    def seat_type(self, seat_type: str) -> SeatType:
        """A seat type; one that is not sold any more goes by its id."""
        return next((known for known in self.seat_types if known.id == seat_type), SeatType(seat_type, seat_type))

    def is_legacy(self, product: str) -> bool:
        """Whether a product is left to those who have it: said to be, or not in the catalogue any more."""
        return all(known.legacy for known in self.products if known.id == product)


def check(catalog: Catalog) -> None:
    """Refuse a catalogue that could not be sold from; the error's ``path`` says where it is wrong."""
    products = {product.id: product for product in catalog.products}
    seat_types = {seat_type.id: seat_type for seat_type in catalog.seat_types}
    for kind, ids in (("products", products), ("seat_types", seat_types)):
        for id_ in ids:
            _demand(_ID.fullmatch(id_), (kind, id_), f"{id_[:80]!r} is not an id: use a-z, 0-9, '.', '_' and '-'.")
    for known in catalog.seat_types:
        sentence = f"Seat type {known.id!r}: what there is no end of is free."
        _demand(known.free or not known.unlimited, ("seat_types", known.id, "unlimited"), sentence)
    _demand(len(catalog.prices) <= MOST_PRICES, ("prices",), f"A catalogue holds at most {MOST_PRICES} prices.")
    for price in catalog.prices:
        _check_price(price, products, seat_types)


def terms_of(price: Price) -> Price:
    """What can never change of a price: all of it but its name and whether it is still sold to everybody."""
    return replace(price, name="", legacy=False)


def _check_price(price: Price, products: dict[str, Product], seat_types: dict[str, SeatType]) -> None:
    def demand(fine: object, name: str, sentence: str) -> None:
        _demand(
            fine,
            ("prices", price.id, name) if name else ("prices", price.id),
            f"Price {price.id!r}: {sentence}",
        )

    demand(_ID.fullmatch(price.id), "", "an id uses a-z, 0-9, '.', '_' and '-' only.")
    demand(price.product in products, "product", f"there is no product {price.product!r}.")
    editions = products[price.product].editions
    demand(
        price.edition is None or price.edition in editions,
        "edition",
        f"there is no edition {price.edition!r}.",
    )
    demand(price.seat_type is None or price.seat_type in seat_types, "seat_type", "there is no such seat type.")
    if price.kind is Kind.SEAT:
        _check_seat(price, seat_types, demand)
    demand(price.kind is Kind.SEAT or not price.minimum, "minimum", "only seats have a minimum.")
    demand(not price.included_seats or price.seat_type, "seat_type", "included seats need a seat_type.")
    demand(price.included_seats >= 0, "included_seats", "there cannot be less than 0 seats.")
    demand(price.included_contacts >= 0, "included_contacts", "there cannot be less than 0 contacts.")
    demand(price.sends_per_contact >= 0, "sends_per_contact", "there cannot be less than 0 e-mails.")
    fits = price.term is None or (price.interval and price.interval.fits(price.term))
    demand(fits, "term", "the term is not a whole number of intervals.")
    _check_amounts(price, demand)


class _Demand(Protocol):
    def __call__(self, fine: object, name: str, sentence: str) -> None: ...


def _check_seat(price: Price, seat_types: dict[str, SeatType], demand: _Demand) -> None:
    demand(price.seat_type, "seat_type", "a seat needs a seat_type.")
    demand(price.interval, "interval", "a seat is paid per interval.")
    demand(price.minimum >= 0, "minimum", "there cannot be less than 0 seats.")
    of = seat_types[price.seat_type or ""]
    demand(not of.unlimited, "seat_type", "what there is no end of is not sold.")
    demand(not of.free or not price.amount.strip("0."), "amount", "a seat of this type costs nothing.")


def _check_amounts(price: Price, demand: _Demand) -> None:
    tiers = (*price.tiers, *([price.step] if price.step else []))
    demand(price.kind is Kind.CONTACTS or not tiers, "tiers", "only contacts are sold in tiers.")
    demand(price.kind is not Kind.CONTACTS or tiers, "tiers", "contacts need tiers.")
    demand(not (price.tiers and price.step), "tiers", "tiers are a list or a step, not both.")
    demand(len(price.tiers) <= MOST_TIERS, "tiers", f"there can be at most {MOST_TIERS} tiers.")
    limits = [price.included_contacts, *(tier.up_to for tier in price.tiers)]
    demand(limits == sorted(set(limits)), "tiers", "each tier must hold more contacts than the one before.")
    demand(price.step is None or price.step.up_to > 0, "tiers", "a step must be at least 1.")
    demand(price.amount, "amount", 'a price needs an amount, such as "20.00".')
    for name, amount in (("amount", price.amount), *(("tiers", tier.amount) for tier in tiers)):
        try:
            # Without a currency of its own a price may be sold in any; its amount must then at least be a number.
            money = Money.parse(amount, price.currency or "KWD")
        except Invalid as error:
            raise Invalid(f"Price {price.id!r}: {error}", code=error.code, path=("prices", price.id, name)) from None
        demand(money.amount >= 0, name, "an amount cannot be negative.")


def _demand(fine: object, path: tuple[str, ...], sentence: str) -> None:
    if not fine:
        raise Invalid(sentence, code="invalid_catalog", path=path)
