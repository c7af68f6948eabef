"""One of each kind of entity, and short ways to write many."""

from dataclasses import replace
from datetime import UTC, date, datetime

from shared.domain.account import Account, PaymentMethod, SellerEntity
from shared.domain.catalog import Kind, Price, Product, SeatType, Tier
from shared.domain.changes import Changes, Event
from shared.domain.checkout import Checkout, CheckoutStatus
from shared.domain.contact_import import ContactImport, ImportStatus, Outcome, Page, Tally
from shared.domain.contact_rows import Layout
from shared.domain.contacts import Contact, Today
from shared.domain.counting import LiveCount
from shared.domain.difference import Differs, found
from shared.domain.invoice import Attempt, AttemptState, Invoice, InvoiceLine, InvoiceStatus, PastAttempt
from shared.domain.money import Money
from shared.domain.periods import Interval, Period
from shared.domain.quote import Quote
from shared.domain.recount import ContactSummary, DailyCount
from shared.domain.refund import CreditNote, Reason, Refund, RefundStatus
from shared.domain.subscription import PendingInvoiceItem, PendingRemoval, Status, Subscription, SubscriptionItem
from shared.domain.user import HeldSeat, User
from shared.store import contact_records, import_records, table  # noqa: F401 - so that Record knows them
from shared.store.records import Answer, CatalogHead, Entry

NOW = datetime(2026, 2, 7, 15, 30, tzinfo=UTC)
JANUARY = Period(date(2026, 1, 25), date(2026, 2, 25))

SELLER = SellerEntity("us", "Hub Inc.", "America/New_York", "USD", "25 First Street", "billing@hub.test", (3, 5, 7))
ACME = Account(
    "acme", "us", "Acme", "USD", ("ann@acme.test",), "cus_NffrFeUfNV2Hib", NOW, "pm_1MqLiJLkdIwHu7ixUEgbFdYF"
)
METHOD = PaymentMethod(
    "acme", "pm_1MqLiJLkdIwHu7ixUEgbFdYF", "card", "visa", "4242", "2030-04", NOW, "cus_NffrFeUfNV2Hib"
)
PRICE = Price("sales-seat", "sales", Kind.SEAT, "100.00", "Sales Hub seat", "professional", Interval.MONTH,
              seat_type="sales")  # fmt: skip
HEAD = CatalogHead(
    (Product("sales", "Sales Hub", ("professional",)),),
    (SeatType("sales", "Sales"),),
    ("sales-seat",),
    {"sales-seat": "Sales Hub seat"},
)
PLAN_ITEM = SubscriptionItem("sales-professional", "sales", Kind.PLAN, "Sales Hub Professional", Money(890_00, "USD"),
                             1, "professional", "sales", 3, 2000)  # fmt: skip
SEAT_ITEM = SubscriptionItem("sales-seat", "sales", Kind.SEAT, "Sales Hub seat", Money(100_00, "USD"), 5,
                             "professional", "sales")  # fmt: skip
SUBSCRIPTION = Subscription(
    account_id="acme",
    id="sub_5ca58c7d1a0fb62aa",
    seller="us",
    timezone="America/New_York",
    currency="USD",
    status=Status.ACTIVE,
    anchor=date(2026, 1, 25),
    interval=Interval.MONTH,
    term=Interval.YEAR,
    items=(PLAN_ITEM, SEAT_ITEM),
    customer="cus_NffrFeUfNV2Hib",
    payment_method="pm_1MqLiJLkdIwHu7ixUEgbFdYF",
    billed=1,
    seq=1,
)
PENDING = PendingInvoiceItem(
    "acme", SUBSCRIPTION.id, "sales-seat", "seat", "Sales Hub seat", Money(100_00, "USD"), 1,
    Period(date(2026, 2, 7), date(2026, 2, 25)), JANUARY, date(2026, 2, 7),
)  # fmt: skip
REMOVAL = PendingRemoval("acme", SUBSCRIPTION.id, "sales", 2, date(2027, 1, 25))
USER = User("acme", "ann", super_admin=True, seats=(HeldSeat("sales", SUBSCRIPTION.id),))
QUOTE = Quote("acme", "q-17", date(2026, 6, 1))
LINES = (
    InvoiceLine("1 × Sales Hub Professional", 1, Money(890_00, "USD"), JANUARY, "sales-professional", "plan"),
    InvoiceLine("5 × Sales Hub seat", 5, Money(500_00, "USD"), JANUARY, "sales-seat", "seat"),
    InvoiceLine("1 × Sales Hub seat, 18 of 31 days", 1, Money(58_06, "USD"), PENDING.period, "sales-seat", "seat"),
)
ATTEMPT = Attempt(1, AttemptState.SUCCEEDED, NOW, 1448_06, "cus_NffrFeUfNV2Hib", "pm_1MqLiJLkdIwHu7ixUEgbFdYF",
                  payment_intent="pi_3MtwBwLkdIwHu7ix28a3tqPa", charge="ch_3MmlLrLkdIwHu7ix0snN0B15")  # fmt: skip
INVOICE = Invoice(
    "acme", f"{SUBSCRIPTION.id}-00001", "us", date(2026, 2, 25), "USD", LINES, InvoiceStatus.PAID, SUBSCRIPTION.id,
    attempt=ATTEMPT, paid_at=NOW,
)  # fmt: skip
CHECKOUT = Checkout("acme", "co_5ca58c7d1a0fb62a", CheckoutStatus.OPEN, date(2026, 1, 25), (SUBSCRIPTION,),
                    "co_5ca58c7d1a0fb62a-00000", NOW)  # fmt: skip
PAST_ATTEMPT = PastAttempt(
    "acme", INVOICE.id, 1, AttemptState.DECLINED, NOW, "pi_1", "ch_1", "lost_card", "Declined."
)
ENTRY = Entry("acme", "000002-0123456789abcdef", NOW, [{"type": "seats.added", "data": {"quantity": 1}}])
ANSWER = Answer("acme", "key-1", "digest", {"total": 6}, NOW)
DIFFERENCE = found(Differs.UNKNOWN_INVOICE, "ch_3MmlLrLkdIwHu7ix0snN0B15", "acme", "pi_1 moved 100 usd", NOW)
CONTACTS_PRICE = Price("contacts", "marketing", Kind.CONTACTS, tiers=(Tier(1000, "18.00"),), step=None)

CREDIT_NOTE = CreditNote("acme", INVOICE.id, 1, date(2026, 3, 1), Money(48_06, "USD"), Reason.DUPLICATE)
REFUND = Refund(
    "acme", INVOICE.id, 1, RefundStatus.REQUESTED, CREDIT_NOTE.amount, 48_06, ATTEMPT.payment_intent, NOW,
    reason=Reason.DUPLICATE, due_at=NOW,
)  # fmt: skip

CONTACT = Contact("acme", "jane.doe", date(2026, 1, 26), date(2026, 2, 25))
SUMMARY = ContactSummary("acme", "America/New_York", NOW, date(2026, 2, 7), 998, 1203, 1000, 98, 5000)
LIVE = LiveCount("acme", 1001, 1206, 1002)
DAILY = DailyCount("acme", date(2026, 2, 7), 998, 1203, 1002, 1000)
IMPORT = ContactImport(
    "acme", "imp_109354bc34760536", NOW, NOW, ImportStatus.RUNNING, 4_200_000, '"9b2cf535f27731c974343645a3985328"',
    Layout(",", 0, 1), 262_100, 5200,
    Page(524_200, 5190, 262_144, Today(date(2026, 2, 7), date(2026, 2, 25)), Tally(5190, 2), True, (17,)),
    Tally(5199, 3, 4100, 2, 4000, 3980, 20, 7), 2, due_at=NOW, lease=4, tries=1, counts_at=NOW, doubtful=True,
    outcome=Outcome(12_040, 10_000, 20_000, Money(56_00, "USD"), Money(60_00, "USD")), drafted=17, error="busy",
)  # fmt: skip

EVERY_KIND = {
    "account": ACME,
    "seller_entity": SELLER,
    "catalog": HEAD,
    "price": PRICE,
    "payment_method": METHOD,
    "checkout": CHECKOUT,
    "subscription": SUBSCRIPTION,
    "pending_invoice_item": PENDING,
    "pending_removal": REMOVAL,
    "user": USER,
    "quote": QUOTE,
    "invoice": INVOICE,
    "past_attempt": PAST_ATTEMPT,
    "credit_note": CREDIT_NOTE,
    "refund": REFUND,
    "event": ENTRY,
    "idempotency": ANSWER,
    "difference": DIFFERENCE,
    "contact": CONTACT,
    "contact_summary": SUMMARY,
    "live_count": LIVE,
    "daily_count": DAILY,
    "contact_import": IMPORT,
}


def write(*entities, now=NOW):
    """Write entities, all together."""
    table.commit(Changes(put=entities), now)


def subscription(number, account="acme", **facts):
    """One of several subscriptions of an account."""
    return replace(SUBSCRIPTION, account_id=account, id=f"sub_{number}", **facts)


def invoice(number, account="acme", **facts):
    """One of several invoices of an account."""
    return replace(INVOICE, account_id=account, id=f"sub_1-{number:05}", **facts)


def happened(kind, account="acme", **data):
    """Something that happened."""
    return Event(account, kind, data)
