"""The single table: one class per kind of record, each with its key templates.

The class attribute ``keys`` is the entity chart. ``docs/data-model.md`` shows
the same chart, and a test keeps the two and ``template.yaml`` equal. All kinds
stand in this one module: PynamoDB forgets those that are not imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from pynamodb.attributes import (
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
    VersionAttribute,
)

from shared.domain.account import Account, AfterRetries, PaymentMethod, SeatsInvoiced, SellerEntity, UpdatePolicy
from shared.domain.catalog import Kind, Price, Product, SeatType, Tier
from shared.domain.checkout import Checkout, CheckoutStatus
from shared.domain.difference import Difference, Differs
from shared.domain.invoice import (
    Attempt,
    AttemptState,
    Dispute,
    GiveUp,
    Invoice,
    InvoiceLine,
    InvoiceStatus,
    PastAttempt,
)
from shared.domain.periods import Interval
from shared.domain.quote import Quote
from shared.domain.refund import CreditNote, Reason, Refund, RefundStatus
from shared.domain.subscription import (
    LeavesFirst,
    PendingInvoiceItem,
    PendingRemoval,
    Status,
    Subscription,
    SubscriptionItem,
    TierReduction,
)
from shared.domain.user import HeldSeat, User
from shared.store.attributes import (
    DataAttribute,
    DateAttribute,
    InstantAttribute,
    MoneyAttribute,
    PeriodAttribute,
    RowsAttribute,
    WordAttribute,
)
from shared.store.record import RECORD_OF, Record


class AccountRecord(Record, discriminator="account"):
    """A customer of the seller."""

    entity = Account
    keys: ClassVar = {"PK": "ACCOUNT#{id}", "SK": "ACCOUNT"}
    version = VersionAttribute()
    id = UnicodeAttribute()
    seller = UnicodeAttribute()
    name = UnicodeAttribute()
    currency = UnicodeAttribute()
    billing_contacts: DataAttribute[tuple[str, ...]] = DataAttribute(tuple[str, ...], null=True)
    customer = UnicodeAttribute(null=True)
    customer_asked_at = InstantAttribute(null=True)
    payment_method = UnicodeAttribute(null=True)
    payment_method_type = UnicodeAttribute(null=True)
    marketing_contacts = BooleanAttribute(null=True)


class SellerEntityRecord(Record, discriminator="seller_entity"):
    """A company of the seller: zone, currency, policies."""

    entity = SellerEntity
    keys: ClassVar = {"PK": "SELLER", "SK": "ENTITY#{id}#"}
    version = VersionAttribute()
    id = UnicodeAttribute()
    name = UnicodeAttribute()
    timezone = UnicodeAttribute()
    currency = UnicodeAttribute()
    address = UnicodeAttribute(null=True)
    billing_mailbox = UnicodeAttribute(null=True)
    retry_days: DataAttribute[tuple[int, ...]] = DataAttribute(tuple[int, ...], null=True)
    after_retries = WordAttribute(AfterRetries, null=True)
    seats_leave_first = WordAttribute(LeavesFirst, null=True)
    seats_invoiced = WordAttribute(SeatsInvoiced, null=True)
    contacts_update = WordAttribute(UpdatePolicy, null=True)
    tier_notice_days = NumberAttribute(null=True)


@dataclass(frozen=True, slots=True)
class CatalogHead:
    """What is sold at present: products, seat types and the ids of the prices. Publishing moves this one record."""

    products: tuple[Product, ...]
    seat_types: tuple[SeatType, ...]
    prices: tuple[str, ...]
    names: dict[str, str]  # what they are called at present
    legacy: tuple[str, ...] = ()  # those that are for whoever has them only
    version: int = 0


class CatalogRecord(Record, discriminator="catalog"):
    """The head of the catalogue; its version tells warm functions whether they know it already."""

    entity = CatalogHead
    keys: ClassVar = {"PK": "CATALOG", "SK": "CATALOG"}
    version = VersionAttribute()
    products: DataAttribute[tuple[Product, ...]] = DataAttribute(tuple[Product, ...])
    seat_types: DataAttribute[tuple[SeatType, ...]] = DataAttribute(tuple[SeatType, ...])
    prices: DataAttribute[tuple[str, ...]] = DataAttribute(tuple[str, ...])
    names: DataAttribute[dict[str, str]] = DataAttribute(dict[str, str])
    legacy: DataAttribute[tuple[str, ...]] = DataAttribute(tuple[str, ...], null=True)


class PriceRecord(Record, discriminator="price"):
    """A price, for good: another amount is another price."""

    entity = Price
    keys: ClassVar = {"PK": "CATALOG", "SK": "PRICE#{id}#"}
    written_once = True
    id = UnicodeAttribute()
    product = UnicodeAttribute()
    price_kind = WordAttribute(Kind)
    amount = UnicodeAttribute(null=True)
    name = UnicodeAttribute(null=True)  # stands on the head, as ``legacy`` does
    edition = UnicodeAttribute(null=True)
    interval = WordAttribute(Interval, null=True)
    currency = UnicodeAttribute(null=True)
    term = WordAttribute(Interval, null=True)
    seat_type = UnicodeAttribute(null=True)
    included_seats = NumberAttribute(null=True)
    included_contacts = NumberAttribute(null=True)
    sends_per_contact = NumberAttribute(null=True)
    tiers: DataAttribute[tuple[Tier, ...]] = DataAttribute(tuple[Tier, ...], null=True)
    step: DataAttribute[Tier] = DataAttribute(Tier, null=True)
    legacy = BooleanAttribute(null=True)  # stands on the head: it may change
    minimum = NumberAttribute(null=True)


class PaymentMethodRecord(Record, discriminator="payment_method"):
    """A saved way to pay: ids, brand and last four digits."""

    entity = PaymentMethod
    keys: ClassVar = {"PK": "ACCOUNT#{account_id}", "SK": "METHOD#{id}"}
    account_id = UnicodeAttribute()
    id = UnicodeAttribute()
    type = UnicodeAttribute()
    brand = UnicodeAttribute(null=True)
    last4 = UnicodeAttribute(null=True)
    expires = UnicodeAttribute(null=True)
    saved_at = InstantAttribute(null=True)
    customer = UnicodeAttribute(null=True)


class CheckoutRecord(Record, discriminator="checkout"):
    """What is being bought; in the due index until it is paid or given up."""

    entity = Checkout
    keys: ClassVar = {
        "PK": "ACCOUNT#{account_id}",
        "SK": "CHECKOUT#{id}#",
        "GSI1PK": "DUE#collection#{shard}",
        "GSI1SK": "{due_at}#{account_id}#{id}",
    }
    version = VersionAttribute()
    account_id = UnicodeAttribute()
    id = UnicodeAttribute()
    status = WordAttribute(CheckoutStatus)
    on = DateAttribute()
    subscriptions: DataAttribute[tuple[Subscription, ...]] = DataAttribute(tuple[Subscription, ...])
    invoice_id = UnicodeAttribute(null=True)
    expires_at = InstantAttribute(attr_name="open_until")
    failures = NumberAttribute(null=True)
    retry_at = InstantAttribute(null=True)
    error = UnicodeAttribute(null=True)
    replaces = UnicodeAttribute(null=True)


class SubscriptionRecord(Record, discriminator="subscription"):
    """The aggregate: whatever changes below it bumps its version."""

    entity = Subscription
    keys: ClassVar = {
        "PK": "ACCOUNT#{account_id}",
        "SK": "SUB#{id}#",
        "GSI1PK": "DUE#rollover#{shard}",
        "GSI1SK": "{due_at}#{account_id}#{id}",
        "GSI2PK": "SUBS#{status}#{shard}",
        "GSI2SK": "{account_id}#{id}",
    }
    version = VersionAttribute()
    account_id = UnicodeAttribute()
    id = UnicodeAttribute()
    seller = UnicodeAttribute()
    timezone = UnicodeAttribute()
    currency = UnicodeAttribute()
    status = WordAttribute(Status)
    anchor = DateAttribute()
    interval = WordAttribute(Interval)
    term = WordAttribute(Interval)
    items: RowsAttribute[SubscriptionItem] = RowsAttribute(SubscriptionItem)
    payments = NumberAttribute(null=True)
    customer = UnicodeAttribute(null=True)
    payment_method = UnicodeAttribute(null=True)
    payment_methods: DataAttribute[tuple[str, ...]] = DataAttribute(tuple[str, ...], null=True)
    billed = NumberAttribute(null=True)
    seq = NumberAttribute(null=True)
    unpaid = NumberAttribute(null=True)
    disputes: DataAttribute[tuple[str, ...]] = DataAttribute(tuple[str, ...], null=True)
    dead_method = UnicodeAttribute(null=True)
    failures = NumberAttribute(null=True)
    retry_at = InstantAttribute(null=True)
    error = UnicodeAttribute(null=True)
    canceled_on = DateAttribute(null=True)
    invoiced_on = DateAttribute(null=True)
    parked = BooleanAttribute(null=True)
    released = BooleanAttribute(null=True)
    assigned: DataAttribute[tuple[tuple[str, int], ...]] = DataAttribute(tuple[tuple[str, int], ...], null=True)
    extra_invoice_on = DateAttribute(null=True)
    billed_between = NumberAttribute(null=True)
    tier_reduction: DataAttribute[TierReduction] = DataAttribute(TierReduction, null=True)


class UserRecord(Record, discriminator="user"):
    """Someone who works in an account, with the seats they sit on."""

    entity = User
    keys: ClassVar = {"PK": "ACCOUNT#{account_id}", "SK": "USER#{id}#"}
    version = VersionAttribute()
    account_id = UnicodeAttribute()
    id = UnicodeAttribute()
    active = BooleanAttribute(null=True)
    super_admin = BooleanAttribute(null=True)
    seats: DataAttribute[tuple[HeldSeat, ...]] = DataAttribute(tuple[HeldSeat, ...], null=True)


class QuoteRecord(Record, discriminator="quote"):
    """A quote that is open."""

    entity = Quote
    keys: ClassVar = {"PK": "ACCOUNT#{account_id}", "SK": "QUOTE#{id}#"}
    version = VersionAttribute()
    account_id = UnicodeAttribute()
    id = UnicodeAttribute()
    dated = DateAttribute()


class PendingRemovalRecord(Record, discriminator="pending_removal"):
    """So many seats fewer from the next commitment term on; loaded with its subscription in one query."""

    entity = PendingRemoval
    keys: ClassVar = {"PK": "ACCOUNT#{account_id}", "SK": "SUB#{subscription_id}#CHANGE#{seat_type}"}
    written_once = True
    account_id = UnicodeAttribute()
    subscription_id = UnicodeAttribute()
    seat_type = UnicodeAttribute()
    quantity = NumberAttribute()
    effective_on = DateAttribute()
    leaves_first = WordAttribute(LeavesFirst, null=True)


class PendingInvoiceItemRecord(Record, discriminator="pending_invoice_item"):
    """Owed already, waiting for the next invoice; loaded with its subscription in one query."""

    entity = PendingInvoiceItem
    keys: ClassVar = {"PK": "ACCOUNT#{account_id}", "SK": "SUB#{subscription_id}#ITEM#{price}#{day}"}
    account_id = UnicodeAttribute()
    subscription_id = UnicodeAttribute()
    price = UnicodeAttribute()
    price_kind = UnicodeAttribute()
    name = UnicodeAttribute()
    unit = MoneyAttribute()
    quantity = NumberAttribute()
    period = PeriodAttribute(null=True)
    whole = PeriodAttribute(null=True)
    day = DateAttribute(null=True)
    less = MoneyAttribute(null=True)
    invoice_on = DateAttribute(null=True)


class InvoiceRecord(Record, discriminator="invoice"):
    """What is owed, with its lines and the live attempt to collect it."""

    entity = Invoice
    keys: ClassVar = {
        "PK": "ACCOUNT#{account_id}",
        "SK": "INVOICE#{id}#",
        "GSI1PK": "DUE#collection#{shard}",
        "GSI1SK": "{due_at}#{account_id}#{id}",
    }
    version = VersionAttribute()
    account_id = UnicodeAttribute()
    id = UnicodeAttribute()
    seller = UnicodeAttribute()
    date = DateAttribute()
    currency = UnicodeAttribute()
    lines: DataAttribute[tuple[InvoiceLine, ...]] = DataAttribute(tuple[InvoiceLine, ...])
    status = WordAttribute(InvoiceStatus, null=True)
    subscription_id = UnicodeAttribute(null=True)
    checkout_id = UnicodeAttribute(null=True)
    payment_methods: DataAttribute[tuple[str, ...]] = DataAttribute(tuple[str, ...], null=True)
    attempt: DataAttribute[Attempt] = DataAttribute(Attempt, null=True)
    due_at = InstantAttribute(null=True)
    submitted = BooleanAttribute(null=True)
    past_due = BooleanAttribute(null=True)
    giving_up = WordAttribute(GiveUp, null=True)
    paid_at = InstantAttribute(null=True)
    refunded = NumberAttribute(null=True)
    credit_notes = NumberAttribute(null=True)
    disputes: DataAttribute[tuple[Dispute, ...]] = DataAttribute(tuple[Dispute, ...], null=True)
    failures = NumberAttribute(null=True)
    error = UnicodeAttribute(null=True)


class PastAttemptRecord(Record, discriminator="past_attempt"):
    """How an attempt ended that did not succeed."""

    entity = PastAttempt
    keys: ClassVar = {"PK": "ACCOUNT#{account_id}", "SK": "INVOICE#{invoice_id}#ATTEMPT#{n:02}"}
    written_once = True
    account_id = UnicodeAttribute()
    invoice_id = UnicodeAttribute()
    n = NumberAttribute()
    state = WordAttribute(AttemptState)
    at = InstantAttribute()
    payment_intent = UnicodeAttribute(null=True)
    charge = UnicodeAttribute(null=True)
    error = UnicodeAttribute(null=True)
    message = UnicodeAttribute(null=True)


class CreditNoteRecord(Record, discriminator="credit_note"):
    """What was taken back of an invoice."""

    entity = CreditNote
    keys: ClassVar = {"PK": "ACCOUNT#{account_id}", "SK": "INVOICE#{invoice_id}#CREDIT#{n:02}"}
    written_once = True
    account_id = UnicodeAttribute()
    invoice_id = UnicodeAttribute()
    n = NumberAttribute()
    date = DateAttribute()
    amount = MoneyAttribute()
    reason = WordAttribute(Reason, null=True)


class RefundRecord(Record, discriminator="refund"):
    """The payout of a credit note; in the due index until the money has arrived, or cannot."""

    entity = Refund
    keys: ClassVar = {
        "PK": "ACCOUNT#{account_id}",
        "SK": "INVOICE#{invoice_id}#REFUND#{n:02}",
        "GSI1PK": "DUE#collection#{shard}",
        "GSI1SK": "{due_at}#{account_id}#{id}",
    }
    version = VersionAttribute()
    account_id = UnicodeAttribute()
    invoice_id = UnicodeAttribute()
    n = NumberAttribute()
    status = WordAttribute(RefundStatus)
    amount = MoneyAttribute()
    units = NumberAttribute()
    payment_intent = UnicodeAttribute()
    t0 = InstantAttribute()
    attempt = NumberAttribute(null=True)
    reason = WordAttribute(Reason, null=True)
    stripe_refund = UnicodeAttribute(null=True)
    look = BooleanAttribute(null=True)
    due_at = InstantAttribute(null=True)
    failures = NumberAttribute(null=True)
    error = UnicodeAttribute(null=True)
    message = UnicodeAttribute(null=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """The events of one commit, in their order: ``[{"type": …, "data": …}, …]``."""

    account_id: str
    id: str
    at: datetime
    events: list[dict[str, Any]]


class EventRecord(Record, discriminator="event"):
    """Audit trail and outbox in one: written with the change, published by the table's stream."""

    entity = Entry
    keys: ClassVar = {"PK": "ACCOUNT#{account_id}", "SK": "EVENT#{at}#{id}"}
    written_once = True
    account_id = UnicodeAttribute()
    id = UnicodeAttribute()
    at = InstantAttribute()
    events = JSONAttribute()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered: kept under its idempotency key, with a digest of what was asked."""

    scope: str
    key: str
    request: str
    answer: Any
    expires_at: datetime


class AnswerRecord(Record, discriminator="idempotency"):
    """The answer to a request that was carried out, kept for a week."""

    entity = Answer
    keys: ClassVar = {"PK": "IDEMPOTENCY#{scope}#{key}", "SK": "IDEMPOTENCY"}
    scope = UnicodeAttribute()
    key = UnicodeAttribute()
    request = UnicodeAttribute()
    answer = JSONAttribute()
    expires_at = TTLAttribute()


class DifferenceRecord(Record, discriminator="difference"):
    """That a difference was found and told, so that it is not told again every day."""

    entity = Difference
    keys: ClassVar = {"PK": "DIFFERENCES", "SK": "DIFFERENCE#{differs}#{thing}#"}
    differs = WordAttribute(Differs)
    thing = UnicodeAttribute()
    account_id = UnicodeAttribute()
    what = UnicodeAttribute()
    expires_at = TTLAttribute()


RECORD_OF.update({cls.entity: cls for cls in Record.__subclasses__()})
