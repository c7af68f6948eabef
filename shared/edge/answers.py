"""What callers get to see, field by field; ``docs/openapi.json`` is made from it.

A day is an ISO 8601 date of the seller, an instant UTC to the second.
"""

from __future__ import annotations

from typing import Any, Generic, TypedDict, TypeVar

T = TypeVar("T")


class Money(TypedDict):
    """An amount as a decimal string with the currency's own number of digits."""

    amount: str
    currency: str


class Period(TypedDict):
    """The days from ``start`` up to, but not including, ``end``."""

    start: str
    end: str


class Seller(TypedDict):
    """A seller entity."""

    id: str
    name: str
    timezone: str
    currency: str
    address: str
    billing_mailbox: str | None
    retry_days: list[int]
    after_retries: str
    seats_leave_first: str
    seats_invoiced: str
    contacts_update: str
    tier_notice_days: int


class Account(TypedDict):
    """An account."""

    id: str
    name: str
    seller: str
    currency: str
    billing_contacts: list[str]
    marketing_contacts: bool


class PaymentMethod(TypedDict):
    """A saved way to pay: what a person recognises it by."""

    id: str
    type: str
    brand: str | None
    last4: str | None
    expires: str | None


class Limits(TypedDict, total=False):
    """How much of something a subscription allows."""

    seats: int
    assigned: int
    contacts: int
    sends: int


class OwnedProduct(TypedDict):
    """A product or add-on that an account has, with its limits."""

    subscription: str
    product: str
    edition: str | None
    name: str
    limits: Limits


class Overview(Account):
    """R1 to R4: an account with what it has and when it is billed next."""

    payment_method: PaymentMethod | None
    next_invoice_on: str | None
    products: list[OwnedProduct]


class CatalogProduct(TypedDict):
    """A product that is sold."""

    name: str
    editions: list[str]
    legacy: bool


class CatalogSeatType(TypedDict):
    """A seat type that is sold."""

    name: str
    free: bool
    unlimited: bool


class CatalogPrice(TypedDict):
    """A price, as it was published."""

    product: str
    kind: str
    name: str
    amount: str
    edition: str | None
    interval: str | None
    currency: str | None
    term: str | None
    seat_type: str | None
    included_seats: int
    included_contacts: int
    sends_per_contact: int
    tiers: Any
    legacy: bool
    minimum: int


class Catalog(TypedDict):
    """All that is sold at present."""

    version: int
    products: dict[str, CatalogProduct]
    seat_types: dict[str, CatalogSeatType]
    prices: dict[str, CatalogPrice]


class ListedSubscription(TypedDict):
    """A subscription in a list."""

    id: str
    account: str
    status: str
    currency: str
    frequency: str
    started_on: str
    next_invoice_on: str | None


class Commitment(Period):
    """The commitment term that runs."""

    term: str


class Discount(TypedDict):
    """What seats cost less than they cost today, because they were bought before (R98): per seat and in all."""

    list_price: Money
    per_unit: Money
    total: Money


class SubscriptionItem(TypedDict):
    """So many units at the price they were bought at."""

    price: str
    name: str
    kind: str
    quantity: int
    unit_price: Money
    cost: Money


class DiscountedItem(SubscriptionItem):
    """The same with what it costs less than it would today."""

    discount: Discount | None


class PendingItem(TypedDict):
    """Owed already, on the next invoice."""

    name: str
    quantity: int
    amount: Money
    period: Period | None


class WaitingRemoval(TypedDict):
    """Seats that will be gone on the day on which the next commitment term begins."""

    seat_type: str
    quantity: int
    effective_on: str


class Subscription(ListedSubscription):
    """R5: billing details. ``payment_method`` is charged by itself; none is while a payment is disputed, say."""

    commitment: Commitment
    auto_renewal: bool
    payments: int | None
    ends_on: str | None
    canceled_on: str | None
    parked: bool
    current_period: Period | None
    payment_methods: list[str]
    payment_method: str | None
    update_page: str | None
    cost: Money
    discounts: Money
    items: list[DiscountedItem]
    pending: list[PendingItem]
    removals: list[WaitingRemoval]


class Seats(TypedDict):
    """The seats of one type: those that come with the subscription, those bought beside, and how many are taken.

    ``total`` and ``available`` are null where there is no end of them.
    """

    seat_type: str
    included: int
    additional: int
    total: int | None
    assigned: int
    available: int | None


class LeavingLot(TypedDict):
    """Seats that were bought at one price."""

    price: str
    quantity: int
    unit_price: Money


class Lot(LeavingLot):
    """The same with their name, and what they cost less than seats cost today (R98)."""

    name: str
    discount: Discount | None


class PendingRemoval(TypedDict):
    """Seats that will be gone on the day on which the next commitment term begins."""

    quantity: int
    effective_on: str
    leaving: list[LeavingLot]
    cost_from_then: Money


class SeatUser(TypedDict):
    """Who sits on a seat."""

    user: str
    active: bool


class SeatWarning(TypedDict):
    """Seats that bring nothing, and what can be done about them."""

    code: str
    detail: str
    quantity: int
    users: list[str]


class SeatsOfType(Seats):
    """All there is to know of the seats of one type."""

    name: str
    minimum: int
    lots: list[Lot]
    pending_removal: PendingRemoval | None
    users: list[SeatUser]
    warnings: list[SeatWarning]


class SeatList(TypedDict):
    """All seats of a subscription."""

    subscription: str
    seats: list[SeatsOfType]


class Charge(Money):
    """What the next invoice will hold for the rest of the period."""

    period: Period
    days: int
    of_days: int
    invoice_on: str


class Bought(TypedDict):
    """Seats that are bought: at which price, for what now, and what the subscription costs from then on."""

    quantity: int
    unit_price: Money
    charge: Charge
    cost_from_then: Money


class Purchase(Seats, Bought):
    """What buying seats comes to: the same before and after."""

    subscription: str
    notice: str | None
    pending_removal: PendingRemoval | None


class Seating(Seats):
    """What moving users comes to: the same before and after. ``action`` is what the button says: save or checkout."""

    subscription: str
    action: str
    joined: list[str]
    left: list[str]
    purchase: Bought | None
    removal_canceled: int | None


class UpdateBox(TypedDict):
    """How many seats there are, and what the subscription costs."""

    seats: int
    cost: Money


class Removal(PendingRemoval):
    """What removing seats comes to: the subscription now and after the update (R30)."""

    subscription: str
    seat_type: str
    scheduled: bool
    current: UpdateBox
    after_update: UpdateBox


class UserSeat(TypedDict):
    """A seat that a user sits on."""

    seat_type: str
    subscription: str


class User(TypedDict):
    """Someone who works in an account."""

    id: str
    active: bool
    super_admin: bool
    seats: list[UserSeat]


class ChangedUser(User):
    """A user with what was given in the same step.

    ``action`` is what the button says (R19): ``checkout`` where seats are
    bought, else ``send`` of a new user and ``save`` of one that is there.
    """

    action: str
    given: list[Seating]


class Quote(TypedDict):
    """A quote that is open, and the day from which it is to hold."""

    id: str
    dated: str


class Line(TypedDict):
    """One thing that is owed."""

    description: str
    quantity: int
    amount: Money
    period: Period | None
    price: str
    kind: str
    subscription: str | None


class Decline(TypedDict):
    """Why a payment failed: Stripe's code and its sentence for the payer."""

    code: str
    detail: str | None


class Dispute(TypedDict):
    """What the payer's bank demands back; ``status`` is Stripe's word."""

    id: str
    status: str
    amount: Money


class Invoice(TypedDict):
    """An invoice with its lines and how far it is paid; ``refunded`` counts what is on its way back.

    ``giving_up``: it is written off as soon as nothing can capture any more.
    """

    id: str
    number: str
    account: str
    subscription: str | None
    checkout: str | None
    date: str
    currency: str
    status: str
    total: Money
    lines: list[Line]
    paid_at: str | None
    refunded: Money
    disputes: list[Dispute]
    next_attempt_at: str | None
    past_due: bool
    giving_up: bool
    pay_page: str | None
    error: Decline | None


class CreditNote(TypedDict):
    """What is taken back of an invoice; its number is printed on it."""

    number: str
    date: str
    amount: Money
    reason: str | None


class Refund(TypedDict):
    """Money on its way back, and the credit note that it pays out."""

    id: str
    invoice: str
    status: str
    amount: Money
    credit_note: CreditNote
    error: Decline | None


class StartingSubscription(TypedDict):
    """A subscription that a checkout starts."""

    id: str
    starts_as: str
    frequency: str
    term: str
    payments: int | None
    starts_on: str
    ends_on: str | None
    cost: Money
    items: list[SubscriptionItem]


class Offer(TypedDict):
    """A checkout before it is opened; ``loses_access`` names the users whose free seats it takes (R37).

    These are of the free subscription that it ``replaces``.
    """

    status: str
    replaces: str | None
    due_now: Money
    subscriptions: list[StartingSubscription]
    invoice: Invoice | None
    loses_access: list[str]


class Paying(TypedDict):
    """How far an invoice is paid, and what its payer must do: on our page, or with the client secret on yours."""

    status: str
    action: str | None
    client_secret: str | None
    pay_page: str | None
    error: Decline | None


class PayingInvoice(Invoice):
    """An invoice that somebody asked to be charged now."""

    payment: Paying


class LeftInvoice(TypedDict):
    """An invoice that cancelling leaves as it is."""

    invoice: str
    amount: Money
    status: str


class Cancellation(TypedDict):
    """What cancelling comes to: the same before and after."""

    subscription: str
    status: str
    canceled_on: str
    charge: Money
    committed_until: str | None
    payments_under_way: list[LeftInvoice]
    still_owed: list[LeftInvoice]
    notice: str


class Checkout(TypedDict):
    """A checkout as it stands."""

    id: str
    status: str
    expires_at: str | None
    subscriptions: list[StartingSubscription]
    invoice: Invoice | None
    payment: Paying | None


class SavedMethod(TypedDict):
    """A way to pay, saved or about to be."""

    setup_intent: str
    status: str
    client_secret: str
    payment_method: PaymentMethod | None


class Contact(TypedDict):
    """A contact. One set as non-marketing counts until the next update date, ``until_next_update`` (F13)."""

    id: str
    marketing: bool
    until_next_update: str | None
    notice: str | None


class ContactsSet(TypedDict):
    """What became of many contacts; those ``held_back`` are beyond the customer's own maximum."""

    changed: int
    marketing: int
    total: int
    held_back: list[str]
    next_update_on: str
    notice: str | None


class ImportOutcome(TypedDict):
    """What an import that was checked would come to.

    Beyond the tier it would be ``tier_after``: ``charge`` for the rest of the
    period, and ``costs_more`` for each one after it.
    """

    marketing: int
    tier: int | None
    tier_after: int | None
    charge: Money | None
    costs_more: Money | None


class Import(TypedDict):
    """An import of contacts, how far it is and what it has come to, or would come to after a dry run."""

    id: str
    status: str
    stopping: bool
    created_at: str
    upload: str | None
    bytes: int
    bytes_done: int
    rows: int
    rejected: int
    new: int
    deleted: int
    marketing: int
    leaving: int
    held_back: int
    report: str | None
    error: str | None
    outcome: ImportOutcome | None


class Counted(TypedDict):
    """How many contacts there were on a day: at the count, and at most since the one before."""

    on: str
    marketing: int
    total: int
    peak: int


class Counting(TypedDict):
    """How many contacts there are now."""

    marketing: int
    total: int


class Forecast(TypedDict):
    """When the tier will be exceeded if it goes on like this, and what it will be then.

    ``charge`` is for the rest of that period, and ``costs_more`` for each one after it.
    """

    exceeded_on: str
    tier: int | None
    charge: Money | None
    costs_more: Money | None


class Reduction(TypedDict):
    """A lower tier from a renewal on, if the contacts fit then; what is paid for contacts now and after."""

    subscription: str
    effective_on: str
    current_tier: int
    current_cost: Money
    tier_after: int
    cost_after: Money
    ask_until: str
    fits_today: bool


class MaximumRequested(TypedDict):
    """The maximum as it is, and as somebody would like to have it."""

    maximum: int | None
    requested: int | None


class Usage(TypedDict):
    """R42 to R44, R52: contacts against the tier; ``daily`` is what is billed by, ``live`` the count of now."""

    daily: Counted | None
    live: Counting
    tier: int | None
    percent: int | None
    send_limit: int | None
    maximum: int | None
    next_update_on: str
    renews_on: str | None
    reduction: Reduction | None
    forecast: Forecast | None
    series: list[Counted]


class Page(TypedDict, Generic[T]):
    """One page of a list; ``cursor`` asks for the next one and is null on the last."""

    items: list[T]
    cursor: str | None


class Event(TypedDict):
    """One thing that happened; what belongs to its type stands beside."""

    at: str
    type: str


class ClientSecret(TypedDict):
    """What Stripe's Payment Element confirms with."""

    client_secret: str


class Received(TypedDict):
    """Taken note of."""

    received: bool


class Problem(TypedDict, total=False):
    """A refusal (RFC 9457): a stable code for programs, a sentence for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    pointer: str
