"""Every way in which the table is read: one function and one number per access pattern."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec

from shared.domain.account import Account, PaymentMethod, SellerEntity
from shared.domain.catalog import Catalog, Price
from shared.domain.checkout import Checkout
from shared.domain.errors import Invalid, NotFound
from shared.domain.invoice import Invoice
from shared.domain.quote import Quote
from shared.domain.refund import CreditNote, Refund, place
from shared.domain.subscription import Book, PendingInvoiceItem, PendingRemoval, Status, Subscription
from shared.domain.user import User
from shared.store.attributes import instant
from shared.store.record import SHARDS, Record
from shared.store.records import (
    AccountRecord,
    Answer,
    CatalogHead,
    CheckoutRecord,
    EventRecord,
    InvoiceRecord,
    RefundRecord,
    SubscriptionRecord,
    UserRecord,
)
from shared.store.table import events_of

T = TypeVar("T")
MOST_LISTED = 100
_SCANNED_AT_ONCE = 10_000  # more than fit into the megabyte that DynamoDB reads in one go
_Place = tuple[Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,200}(?!\s)$")]]
"""Where a list of one account goes on: the sort key of what was listed last."""
_ShardPlace = tuple[
    Annotated[int, msgspec.Meta(ge=0, lt=SHARDS)],
    Annotated[str, msgspec.Meta(pattern=r"^[\w.-]{1,99}#[\w.-]{1,99}(?!\s)$")] | None,
]
"""Where a list over all accounts goes on: the shard, and what was listed last of it."""


class Page(NamedTuple):
    """One page of a list, and the cursor of the next one where there is one."""

    items: list[Any]
    cursor: str | None


class Due(NamedTuple):
    """Something in the due index: what it is and where it lies."""

    kind: str
    account_id: str
    id: str


class Segment(NamedTuple):
    """Some accounts of a segment of the table, and the one after which it goes on, where it does."""

    accounts: list[str]
    after: str | None


def find_account(account_id: str) -> Account | None:
    """AP1: an account, or nothing."""
    found: Account | None = _get(f"ACCOUNT#{account_id}", "ACCOUNT")
    return found


def account(account_id: str) -> Account:
    """AP1: an account."""
    return _known(find_account(account_id), f"There is no account {account_id!r}.", "unknown_account")


def book(account_id: str, subscription_id: str) -> Book:
    """AP2: a subscription and everything that waits for its next invoice, in one query."""
    found = [
        record.to_entity()
        for record in Record.query(
            f"ACCOUNT#{account_id}", Record.SK.startswith(f"SUB#{subscription_id}#"), consistent_read=True
        )
    ]
    subscription = next((entity for entity in found if isinstance(entity, Subscription)), None)
    sentence = f"There is no subscription {subscription_id!r}."
    waiting = (entity for entity in found if isinstance(entity, (PendingInvoiceItem, PendingRemoval)))
    return Book.of(_known(subscription, sentence, "unknown_subscription"), waiting)


def subscriptions(account_id: str, limit: int = MOST_LISTED, cursor: str | None = None) -> Page:
    """AP3: the subscriptions of an account."""
    return _list(SubscriptionRecord, f"ACCOUNT#{account_id}", "SUB#", limit, cursor)


def alive_subscriptions(account_id: str) -> list[Subscription]:
    """AP3: all subscriptions of an account that will still be billed."""
    page = subscriptions(account_id)
    found: list[Subscription] = list(page.items)
    while page.cursor:
        page = subscriptions(account_id, cursor=page.cursor)
        found += page.items
    return [subscription for subscription in found if subscription.alive]


def invoices(account_id: str, limit: int = MOST_LISTED, cursor: str | None = None) -> Page:
    """AP4: the invoices of an account, in the order of their numbers."""
    return _list(InvoiceRecord, f"ACCOUNT#{account_id}", "INVOICE#", limit, cursor)


def unsettled_invoices(account_id: str) -> list[Invoice]:
    """AP4: all invoices of an account that something may still be collected of, the oldest first."""
    page = invoices(account_id)
    found: list[Invoice] = list(page.items)
    while page.cursor:
        page = invoices(account_id, cursor=page.cursor)
        found += page.items
    return sorted((each for each in found if not each.settled), key=lambda each: (each.date, each.id))


def find_invoice(account_id: str, invoice_id: str) -> Invoice | None:
    """AP5: an invoice, or nothing."""
    found: Invoice | None = _get(f"ACCOUNT#{account_id}", f"INVOICE#{invoice_id}#")
    return found


def invoice(account_id: str, invoice_id: str) -> Invoice:
    """AP5: an invoice."""
    found = find_invoice(account_id, invoice_id)
    return _known(found, f"There is no invoice {invoice_id!r}.", "unknown_invoice")


class _Known:
    """The catalogue as last read: a warm function reads only its head again (prices never change)."""

    catalog: Catalog | None = None


def connect() -> None:
    """Make the one client now: made by many threads at once it takes hundreds of megabytes."""
    Record._get_connection().connection.client  # noqa: B018, SLF001 - made when it is first asked for


def forget() -> None:
    """Nothing is known of the table: it is another one."""
    _Known.catalog = None


def catalog() -> Catalog:
    """AP6: what is sold at present. A catalogue that was never published is empty."""
    head: CatalogHead | None = _get("CATALOG", "CATALOG")
    if head is None:
        return Catalog()
    if _Known.catalog is None or _Known.catalog.version != head.version:
        sold = published_prices()
        prices = tuple(
            replace(sold[price_id], name=head.names[price_id], legacy=price_id in head.legacy)
            for price_id in head.prices
        )
        _Known.catalog = Catalog(head.products, head.seat_types, prices, head.version)
    return _Known.catalog


def published_prices() -> dict[str, Price]:
    """AP7: every price there ever was, by its id."""
    found = Record.query("CATALOG", Record.SK.startswith("PRICE#"), consistent_read=True)
    return {record.to_entity().id: record.to_entity() for record in found}


def find_seller(seller_id: str) -> SellerEntity | None:
    """AP8: a seller entity, or nothing."""
    found: SellerEntity | None = _get("SELLER", f"ENTITY#{seller_id}#")
    return found


def seller(seller_id: str) -> SellerEntity:
    """AP8: a seller entity."""
    return _known(find_seller(seller_id), f"There is no seller entity {seller_id!r}.", "unknown_seller")


def due(kind: str, now: datetime, limit: int) -> Iterator[Due]:
    """AP9: everything that falls due up to ``now``, however late, the oldest of each shard first."""
    for number in range(SHARDS):
        found = Record.due.query(f"DUE#{kind}#{number:02d}", f"{instant(now)}~" >= Record.GSI1SK, limit=limit)
        for record in found:
            _, account_id, id_ = record.GSI1SK.split("#")
            yield Due(Record.kind.serialize(type(record)), account_id, id_)


def checkout(account_id: str, checkout_id: str) -> Checkout:
    """AP10: a checkout."""
    found: Checkout | None = _get(f"ACCOUNT#{account_id}", f"CHECKOUT#{checkout_id}#")
    return _known(found, f"There is no checkout {checkout_id!r}.", "unknown_checkout")


def payment_method(account_id: str, method_id: str) -> PaymentMethod | None:
    """AP11: a saved way to pay."""
    found: PaymentMethod | None = _get(f"ACCOUNT#{account_id}", f"METHOD#{method_id}")
    return found


def answered(scope: str, key: str, now: datetime) -> Answer | None:
    """AP12: what the same request was answered before, for a week."""
    found: Answer | None = _get(f"IDEMPOTENCY#{scope}#{key}", "IDEMPOTENCY")
    return found if found and found.expires_at > now else None


def events(account_id: str, limit: int = MOST_LISTED, cursor: str | None = None) -> Page:
    """AP13: what happened to an account, the newest commit first; the limit counts commits."""
    page = _list(EventRecord, f"ACCOUNT#{account_id}", "EVENT#", limit, cursor, newest_first=True)
    return Page([(entry, event) for entry in page.items for event in reversed(events_of(entry))], page.cursor)


def subscriptions_by_status(status: Status, limit: int = MOST_LISTED, cursor: str | None = None) -> Page:
    """AP14: the seller's subscriptions of one status, over all accounts, shard by shard."""
    first, after = _read(cursor, _ShardPlace) if cursor else (0, None)
    keys: list[tuple[str, str]] = []
    for number in range(first, SHARDS):
        pk = f"SUBS#{status.value}#{number:02d}"
        start = _list_key(pk, after) if after else None
        found = Record.lists.query(pk, limit=limit - len(keys), last_evaluated_key=start)
        listed = list(found)
        keys += [(record.PK, record.SK) for record in listed]
        after = None
        if len(keys) == limit:
            last = listed[-1].GSI2SK if found.last_evaluated_key else None
            more = (number, last) if last else (number + 1, None)
            return Page(_in_order(keys), _write(more) if more[0] < SHARDS else None)
    return Page(_in_order(keys), None)


def find_refund(account_id: str, refund_id: str) -> Refund | None:
    """AP15: a refund of an invoice, or nothing."""
    invoice_id, n = place(refund_id)
    found: Refund | None = _get(f"ACCOUNT#{account_id}", f"INVOICE#{invoice_id}#REFUND#{n:02}")
    return found


def refund(account_id: str, refund_id: str) -> Refund:
    """AP15: a refund of an invoice."""
    return _known(find_refund(account_id, refund_id), f"There is no refund {refund_id!r}.", "unknown_refund")


def refunds(account_id: str, invoice_id: str) -> list[tuple[CreditNote, Refund]]:
    """AP16: the credit notes of an invoice, each with its refund, in the order of their numbers."""
    found = Record.query(
        f"ACCOUNT#{account_id}", Record.SK.startswith(f"INVOICE#{invoice_id}#"), consistent_read=True
    )
    entities = [record.to_entity() for record in found]
    payouts = {entity.n: entity for entity in entities if isinstance(entity, Refund)}
    return [(entity, payouts[entity.n]) for entity in entities if isinstance(entity, CreditNote)]


def segment(number: int, of: int, after: str | None = None, limit: int = MOST_LISTED) -> Segment:
    """AP17: accounts of one segment of the table, in no order; the segments together hold every account."""
    start = {"PK": {"S": f"ACCOUNT#{after}"}, "SK": {"S": "ACCOUNT"}} if after else None
    found = Record.scan(
        Record.kind == AccountRecord,
        segment=number,
        total_segments=of,
        limit=limit,
        last_evaluated_key=start,
        page_size=_SCANNED_AT_ONCE,
        attributes_to_get=["PK", "SK", "kind"],
    )
    names = [record.PK.removeprefix("ACCOUNT#") for record in found]
    return Segment(names, names[-1] if found.last_evaluated_key else None)


def holdings(account_id: str) -> list[Any]:
    """AP18: the checkouts, invoices, refunds and subscriptions of an account."""
    kinds = Record.kind.is_in(CheckoutRecord, InvoiceRecord, RefundRecord, SubscriptionRecord)
    ranges = (Record.SK.startswith("CHECKOUT#"), Record.SK.between("INVOICE#", "SUB#~"))  # no events or users
    return [
        record.to_entity()
        for keys in ranges
        for record in Record.query(f"ACCOUNT#{account_id}", keys, filter_condition=kinds, consistent_read=True)
    ]


def some_users(account_id: str, user_ids: Iterable[str]) -> dict[str, User]:
    """AP19: those of some users that there are, by their ids, in one call."""
    keys = [(f"ACCOUNT#{account_id}", f"USER#{user_id}#") for user_id in dict.fromkeys(user_ids)]
    users = (record.to_entity() for record in Record.batch_get(keys, consistent_read=True))
    return {user.id: user for user in users}


def users(account_id: str, limit: int = MOST_LISTED, cursor: str | None = None) -> Page:
    """AP20: the users of an account, in the order of their ids."""
    return _list(UserRecord, f"ACCOUNT#{account_id}", "USER#", limit, cursor)


def seated_users(account_id: str, subscription_id: str) -> list[User]:
    """AP20: all users of an account who sit on seats of a subscription."""
    found = Record.query(f"ACCOUNT#{account_id}", Record.SK.startswith("USER#"), consistent_read=True)
    everybody = (record.to_entity() for record in found)
    return [user for user in everybody if any(held.subscription_id == subscription_id for held in user.seats)]


def quotes(account_id: str) -> list[Quote]:
    """AP21: the open quotes of an account."""
    found = Record.query(f"ACCOUNT#{account_id}", Record.SK.startswith("QUOTE#"), consistent_read=True)
    return [record.to_entity() for record in found]


def _list_key(pk: str, list_sk: str) -> dict[str, Any]:
    account_id, _, id_ = list_sk.partition("#")
    parts = {"GSI2PK": pk, "GSI2SK": list_sk, "PK": f"ACCOUNT#{account_id}", "SK": f"SUB#{id_}#"}
    return {name: {"S": text} for name, text in parts.items()}


def _in_order(keys: list[tuple[str, str]]) -> list[Any]:
    found = {(record.PK, record.SK): record.to_entity() for record in Record.batch_get(keys, consistent_read=True)}
    return [found[key] for key in keys if key in found]


def _get(pk: str, sk: str) -> Any:
    try:
        return Record.get(pk, sk, consistent_read=True).to_entity()
    except Record.DoesNotExist:
        return None


def _known(found: T | None, sentence: str, code: str) -> T:
    if found is None:
        raise NotFound(sentence, code=code)
    return found


def _list(
    kind: type[Record], pk: str, prefix: str, limit: int, cursor: str | None, *, newest_first: bool = False
) -> Page:
    """One page of the records of a kind; records of other kinds may stand between them."""
    start = None
    if cursor:
        [sk] = _read(cursor, _Place)
        if not sk.startswith(prefix):
            raise _no_cursor()
        start = {"PK": {"S": pk}, "SK": {"S": sk}}
    found = Record.query(
        pk,
        Record.SK.startswith(prefix),
        filter_condition=Record.kind == kind,
        consistent_read=True,
        limit=limit,
        last_evaluated_key=start,
        scan_index_forward=not newest_first,
    )
    items = [record.to_entity() for record in found]
    after = found.last_evaluated_key
    return Page(items, _write((after["SK"]["S"],)) if after else None)


def _no_cursor() -> Invalid:
    return Invalid("This cursor was not given out here.", code="invalid_cursor")


def _write(position: tuple[Any, ...]) -> str:
    """A cursor: opaque to the caller, and worth nothing in another account's list."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def _read(cursor: str, place: Any) -> Any:
    """Where a list goes on; a cursor may have been made up, or belong to another list."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=place)
    except (ValueError, msgspec.DecodeError):
        raise _no_cursor() from None
