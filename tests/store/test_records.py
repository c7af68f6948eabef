"""What is written is what is read, under the keys that the templates name, and small."""

import enum
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.dynamodb_values import item_size
from shared.domain.money import DIGITS, Money
from shared.domain.periods import Period
from shared.store import records
from shared.store.attributes import instant
from shared.store.record import PARTS, RECORD_OF, Record, part, shard
from shared.store.records import SubscriptionRecord
from tests.store.examples import (
    EVERY_KIND,
    INVOICE,
    NOW,
    PENDING,
    SUBSCRIPTION,
    invoice,
    subscription,
    write,
)

# -- whatever the domain can say, the table can hold -------------------------------------------------------

IDS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
BY_TYPE = {
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    int: st.integers(-(10**15), 10**15),
    bool: st.booleans(),
    dict[str, str]: st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    date: DAYS,
    datetime: INSTANTS,
    Any: JSON,
    Money: st.builds(Money, st.integers(-(10**15), 10**15), st.sampled_from(sorted(DIGITS))),
    Period: st.builds(lambda start, days: Period(start, start + timedelta(days)), DAYS, st.integers(1, 400)),
    list[dict[str, Any]]: st.lists(st.dictionaries(st.text(max_size=5), JSON, max_size=3), max_size=3),
}
BY_NAME = {
    **dict.fromkeys(("id", "account_id", "subscription_id", "invoice_id", "price", "seat_type", "scope", "key"), IDS),
    "timezone": st.sampled_from(["America/New_York", "Asia/Tokyo", "UTC"]),
    "currency": st.sampled_from(["USD", "JPY", "KWD"]),
    "billed": st.integers(0, 1200),
    "payments": st.integers(1, 1200),
    "day": DAYS,
    "version": st.integers(0, 10**6),
    "n": st.integers(1, 99),
    "answer": st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    "expires_at": INSTANTS.map(lambda instant: instant.replace(microsecond=0)),  # DynamoDB counts seconds
}


def anything(entity):
    """Any entity of that class, its fields filled by their types."""
    hints = get_type_hints(entity)
    return st.builds(entity, **{
        f.name: _named(f.name, hints[f.name]) for f in fields(entity) if f.init
    })  # fmt: skip


def _named(name, hint):
    if name not in BY_NAME:
        return _typed(hint)
    optional = isinstance(hint, UnionType) and NoneType in get_args(hint) and name != "day"  # a part of its key
    return st.none() | BY_NAME[name] if optional else BY_NAME[name]


def _typed(hint):  # noqa: PLR0911 - a case for each kind of hint
    if hint in BY_TYPE:
        return BY_TYPE[hint]
    if isinstance(hint, UnionType):
        return st.one_of(st.none() if part is NoneType else _typed(part) for part in get_args(hint))
    if hasattr(hint, "_fields"):  # a NamedTuple
        return st.builds(hint, *map(_typed, get_type_hints(hint).values()))
    if get_origin(hint) is tuple:
        if get_args(hint)[-1] is not Ellipsis:
            return st.tuples(*map(_typed, get_args(hint)))
        return st.lists(_typed(get_args(hint)[0]), max_size=3).map(tuple)
    if isinstance(hint, enum.EnumType):
        return st.sampled_from(list(hint))
    if hasattr(hint, "_fields"):
        return st.builds(hint, **{name: _typed(each) for name, each in get_type_hints(hint).items()})
    assert is_dataclass(hint), f"nobody has said what {hint} may be"
    return anything(hint)


@pytest.mark.parametrize("entity", RECORD_OF, ids=lambda entity: entity.__name__)
@settings(max_examples=50)
@given(st.data())
def test_what_is_written_is_what_is_read(entity, data):
    written = data.draw(anything(entity))
    read = Record.from_raw_data(Record.of(written).serialize())
    assert type(read) is RECORD_OF[entity]
    assert read.to_entity() == written


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_what_is_stored_is_what_is_found(store, kind):
    entity = EVERY_KIND[kind]
    write(entity)
    found = Record.get(*Record.key_of(entity), consistent_read=True)
    assert Record.kind.serialize(type(found)) == kind
    version = {"version": 1} if hasattr(entity, "version") else {}
    assert found.to_entity() == replace(entity, **version)


def test_there_is_an_example_of_every_kind():
    assert {type(entity) for entity in EVERY_KIND.values()} == RECORD_OF.keys()


# -- keys --------------------------------------------------------------------------------------------------

SHARD = shard("acme")
KEYS = {
    "account": {"PK": "ACCOUNT#acme", "SK": "ACCOUNT"},
    "seller_entity": {"PK": "SELLER", "SK": "ENTITY#us#"},
    "catalog": {"PK": "CATALOG", "SK": "CATALOG"},
    "price": {"PK": "CATALOG", "SK": "PRICE#sales-seat#"},
    "payment_method": {"PK": "ACCOUNT#acme", "SK": "METHOD#pm_1MqLiJLkdIwHu7ixUEgbFdYF"},
    "checkout": {
        "PK": "ACCOUNT#acme",
        "SK": "CHECKOUT#co_5ca58c7d1a0fb62a#",
        "GSI1PK": f"DUE#collection#{SHARD}",
        "GSI1SK": "2026-02-07T15:30:00.000000Z#acme#co_5ca58c7d1a0fb62a",
    },
    "subscription": {
        "PK": "ACCOUNT#acme",
        "SK": "SUB#sub_5ca58c7d1a0fb62aa#",
        "GSI1PK": f"DUE#rollover#{SHARD}",
        "GSI1SK": "2026-02-25T05:00:00.000000Z#acme#sub_5ca58c7d1a0fb62aa",
        "GSI2PK": f"SUBS#active#{SHARD}",
        "GSI2SK": "acme#sub_5ca58c7d1a0fb62aa",
    },
    "pending_invoice_item": {
        "PK": "ACCOUNT#acme",
        "SK": "SUB#sub_5ca58c7d1a0fb62aa#ITEM#sales-seat#2026-02-07",
    },
    "pending_removal": {"PK": "ACCOUNT#acme", "SK": "SUB#sub_5ca58c7d1a0fb62aa#CHANGE#sales"},
    "user": {"PK": "ACCOUNT#acme", "SK": "USER#ann#"},
    "quote": {"PK": "ACCOUNT#acme", "SK": "QUOTE#q-17#"},
    "invoice": {"PK": "ACCOUNT#acme", "SK": "INVOICE#sub_5ca58c7d1a0fb62aa-00001#"},
    "past_attempt": {"PK": "ACCOUNT#acme", "SK": "INVOICE#sub_5ca58c7d1a0fb62aa-00001#ATTEMPT#01"},
    "credit_note": {"PK": "ACCOUNT#acme", "SK": "INVOICE#sub_5ca58c7d1a0fb62aa-00001#CREDIT#01"},
    "refund": {
        "PK": "ACCOUNT#acme",
        "SK": "INVOICE#sub_5ca58c7d1a0fb62aa-00001#REFUND#01",
        "GSI1PK": f"DUE#collection#{SHARD}",
        "GSI1SK": "2026-02-07T15:30:00.000000Z#acme#sub_5ca58c7d1a0fb62aa-00001-R01",
    },
    "event": {"PK": "ACCOUNT#acme", "SK": "EVENT#2026-02-07T15:30:00.000000Z#000002-0123456789abcdef"},
    "idempotency": {"PK": "IDEMPOTENCY#acme#key-1", "SK": "IDEMPOTENCY"},
    "difference": {"PK": "DIFFERENCES", "SK": "DIFFERENCE#unknown_invoice#ch_3MmlLrLkdIwHu7ix0snN0B15#"},
    "contact": {"PK": f"CONTACTS#acme#{part('jane.doe')}", "SK": "CONTACT#jane.doe"},
    "contact_summary": {
        "PK": "ACCOUNT#acme",
        "SK": "CONTACTS",
        "GSI1PK": f"DUE#recount#{SHARD}",
        "GSI1SK": "2026-02-07T15:30:00.000000Z#acme#contacts",
    },
    "live_count": {"PK": "ACCOUNT#acme", "SK": "LIVE"},
    "daily_count": {"PK": "ACCOUNT#acme", "SK": "COUNT#2026-02-07"},
    "contact_import": {
        "PK": "ACCOUNT#acme",
        "SK": "IMPORT#imp_109354bc34760536#",
        "GSI1PK": f"DUE#import#{SHARD}",
        "GSI1SK": "2026-02-07T15:30:00.000000Z#acme#imp_109354bc34760536",
    },
}


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_kind_lies_under_its_keys(kind):
    entity = EVERY_KIND[kind]
    assert RECORD_OF[type(entity)].filled_keys(entity) == KEYS[kind]


def test_what_has_nothing_to_do_stands_in_no_due_index():
    ended = replace(SUBSCRIPTION, status=records.Status.EXPIRED)
    assert SubscriptionRecord.filled_keys(ended).keys() == {"PK", "SK", "GSI2PK", "GSI2SK"}


def test_what_has_nothing_to_do_any_more_leaves_the_due_index(store):
    write(SUBSCRIPTION)
    [waiting] = Record.due.query(f"DUE#rollover#{SHARD}")
    assert waiting.SK == "SUB#sub_5ca58c7d1a0fb62aa#"
    write(replace(SUBSCRIPTION, status=records.Status.EXPIRED, version=1))
    assert list(Record.due.query(f"DUE#rollover#{SHARD}")) == []


@given(IDS)
def test_an_account_is_always_in_the_same_of_sixteen_shards(account):
    assert shard(account) == shard(account)
    assert shard(account) in {f"{number:02}" for number in range(16)}


def test_accounts_are_spread_evenly_over_the_shards():
    shards = [shard(f"account-{number}") for number in range(16_000)]
    assert all(800 < shards.count(f"{number:02}") < 1200 for number in range(16))


def test_the_contacts_of_an_account_are_spread_evenly_over_its_parts():
    parts = [part(f"contact-{number}") for number in range(8000)]
    assert all(800 < parts.count(str(number)) < 1200 for number in range(PARTS))
    assert [part(name) for name in ("jane", "john.roe", "contact-1")] == ["2", "1", "6"], "for good: they lie there"


def test_a_later_instant_sorts_later_whatever_its_zone_was():
    early = datetime.fromisoformat("2026-02-25T00:00:00+01:00")
    late = datetime.fromisoformat("2026-02-24T19:30:00-05:00")
    assert early < late
    assert instant(early) < instant(late)


# -- sizes -------------------------------------------------------------------------------------------------


def size_of(entity):
    """What DynamoDB counts for an item, in bytes; each further KB costs a write unit."""
    return item_size(Record.of(entity).serialize())


def test_a_usual_item_costs_one_write_unit():
    paid = replace(INVOICE, lines=INVOICE.lines[:2])
    waiting = replace(paid, status=records.InvoiceStatus.OPEN, paid_at=None, due_at=NOW)
    sizes = {
        "a subscription of a plan and five seats": size_of(SUBSCRIPTION),
        "its invoice of two lines, to be collected": size_of(waiting),
        "its invoice of two lines, paid": size_of(paid),
        "a pending item": size_of(PENDING),
        "an account": size_of(EVERY_KIND["account"]),
        "an event": size_of(EVERY_KIND["event"]),
    }
    assert {what: size for what, size in sizes.items() if size > 1024} == {}, sizes


def test_a_contact_is_small_enough_for_a_million_to_be_counted_with_15_000_read_units():
    """At 8 KB a unit, eventually consistent: 122 bytes each, with ids as long as UUIDs and set to leave."""
    long = replace(EVERY_KIND["contact"], account_id="a-customer-of-ours", id="0" * 36)
    assert size_of(long) <= 122


def test_a_subscription_with_four_items_costs_one_write_unit():
    """A seat is bought for 9 write units; the order of the columns is kept for ever."""
    items = tuple(replace(SUBSCRIPTION.items[1], price=f"sales-seat-committed-{n}") for n in range(3))
    assigned = (("core", 25), ("sales", 10), ("service", 10))
    more = {"assigned": assigned, "invoiced_on": SUBSCRIPTION.anchor, "billed": 12, "seq": 12, "version": 99}
    full = replace(SUBSCRIPTION, items=(SUBSCRIPTION.items[0], *items), **more)
    stored = Record.of(full).serialize()
    assert item_size(stored) <= 1024
    assert stored["items"]["S"].startswith(
        '[["sales-professional","sales","plan","Sales Hub Professional","USD 89000",1,"professional","sales",3,2000],'
    )
    assert (
        Record.of(replace(SUBSCRIPTION, items=(replace(SUBSCRIPTION.items[0], edition=None, minimum=5),)))
        .serialize()["items"]["S"]
        .endswith('"USD 89000",1,null,"sales",3,2000,5]]')
    )


def test_the_largest_subscription_and_invoice_are_far_from_the_largest_item():
    item = replace(SUBSCRIPTION.items[0], name="x" * 200, price="p" * 64, product="p" * 64, edition="e" * 200)
    assert size_of(subscription(1, items=(item,) * 20)) < 40_000
    line = replace(INVOICE.lines[0], description="x" * 220, price="p" * 64)
    assert size_of(invoice(1, lines=(line,) * 100)) < 80_000
