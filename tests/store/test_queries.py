"""Every access pattern by its number: what it finds, what it leaves out, how its list goes on."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from shared.domain.catalog import Kind, Product, SeatType
from shared.domain.changes import Changes
from shared.domain.errors import Invalid, NotFound
from shared.domain.invoice import InvoiceStatus
from shared.domain.refund import RefundStatus
from shared.domain.subscription import Status
from shared.domain.user import HeldSeat, User
from shared.store import queries, table
from shared.store.queries import Due
from shared.store.record import shard
from shared.store.table import Once
from tests.store.examples import (
    ACME,
    CHECKOUT,
    CREDIT_NOTE,
    HEAD,
    INVOICE,
    METHOD,
    NOW,
    PAST_ATTEMPT,
    PENDING,
    PRICE,
    QUOTE,
    REFUND,
    REMOVAL,
    SELLER,
    SUBSCRIPTION,
    USER,
    happened,
    invoice,
    subscription,
    write,
)

pytestmark = pytest.mark.usefixtures("store")


def refused(error, call, *args):
    with pytest.raises(error) as caught:
        call(*args)
    return caught.value.code


def walk(query, *args, limit):
    """All pages of a list, by its cursors."""
    pages, cursor = [], None
    while True:
        page = query(*args, limit, cursor)
        pages.append(page.items)
        cursor = page.cursor
        if cursor is None:
            return pages


def ids(pages):
    return [item.id for page in pages for item in page]


def test_ap1_an_account():
    write(ACME)
    assert queries.account("acme") == replace(ACME, version=1)
    assert queries.find_account("nobody") is None
    assert refused(NotFound, queries.account, "nobody") == "unknown_account"


def test_ap2_a_subscription_with_all_that_waits_for_its_next_invoice():
    other = replace(PENDING, day=PENDING.day + timedelta(days=1), quantity=2)
    write(SUBSCRIPTION, PENDING, other)
    write(subscription("5ca58c7d1a0fb62aa0"), replace(PENDING, subscription_id="sub_5ca58c7d1a0fb62aa0"))
    book = queries.book("acme", SUBSCRIPTION.id)
    assert book.subscription == replace(SUBSCRIPTION, version=1)
    assert book.pending == (PENDING, other), "and nothing of a subscription whose id begins alike"
    assert refused(NotFound, queries.book, "acme", "sub_5ca58c7d1a0fb62a") == "unknown_subscription"
    assert refused(NotFound, queries.book, "globex", SUBSCRIPTION.id) == "unknown_subscription"


def test_ap3_the_subscriptions_of_an_account_page_by_page():
    write(*(subscription(number) for number in range(7)), replace(PENDING, subscription_id="sub_3"))
    write(subscription(8, "globex"))
    pages = walk(queries.subscriptions, "acme", limit=3)
    assert ids(pages) == [f"sub_{number}" for number in range(7)]
    assert [len(page) for page in pages[:2]] == [3, 3], "what lies between them does not count"
    assert queries.subscriptions("nobody").items == []


def test_ap3_the_subscriptions_that_will_still_be_billed():
    write(*(subscription(number) for number in range(3)), subscription(3, status=Status.EXPIRED))
    write(subscription(4, status=Status.CANCELED), subscription(5, status=Status.PAST_DUE))
    alive = queries.alive_subscriptions("acme")
    assert [each.id for each in alive] == ["sub_0", "sub_1", "sub_2", "sub_5"]


def test_ap3_more_subscriptions_than_fit_on_a_page_are_all_found(monkeypatch):
    monkeypatch.setattr(queries.subscriptions, "__defaults__", (2, None))
    write(*(subscription(number) for number in range(5)))
    assert len(queries.alive_subscriptions("acme")) == 5


def test_ap4_the_invoices_of_an_account_in_the_order_of_their_numbers():
    write(*(invoice(number) for number in (3, 1, 2, 10)), replace(PAST_ATTEMPT, invoice_id="sub_1-00001"))
    write(invoice(4, "globex"))
    pages = walk(queries.invoices, "acme", limit=2)
    assert ids(pages) == ["sub_1-00001", "sub_1-00002", "sub_1-00003", "sub_1-00010"]


def test_ap4_what_may_still_be_collected_of_an_account_the_oldest_first():
    owed = [invoice(number, status=InvoiceStatus.OPEN) for number in (1, 2)]
    write(
        replace(owed[0], date=date(2026, 5, 1)), owed[1], invoice(3), invoice(4, "globex", status=InvoiceStatus.OPEN)
    )
    assert [each.id for each in queries.unsettled_invoices("acme")] == ["sub_1-00002", "sub_1-00001"]


def test_ap5_an_invoice():
    write(INVOICE, PAST_ATTEMPT)
    assert queries.invoice("acme", INVOICE.id) == replace(INVOICE, version=1)
    assert queries.find_invoice("acme", INVOICE.id[:-1]) is None
    assert refused(NotFound, queries.invoice, "acme", INVOICE.id[:-1]) == "unknown_invoice"
    assert refused(NotFound, queries.invoice, "globex", INVOICE.id) == "unknown_invoice"


def test_ap6_what_is_sold_at_present():
    assert queries.catalog() == queries.Catalog()
    old = replace(PRICE, id="sales-seat-2025", name="As it was")
    write(PRICE, old)
    names = {"sales-seat": "Sales Hub seat", "sales-seat-2025": "As it is called now"}
    write(replace(HEAD, prices=tuple(names), names=names, legacy=("sales-seat-2025",)))
    sold = queries.catalog()
    now = replace(old, name="As it is called now", legacy=True)
    assert sold.prices == (PRICE, now), "names, and what is for those who have it only, stand on the head"
    assert (sold.products, sold.seat_types, sold.version) == (
        (Product("sales", "Sales Hub", ("professional",)),),
        (SeatType("sales", "Sales"),),
        1,
    )
    write(replace(HEAD, version=1))
    assert queries.catalog().prices == (PRICE,), "a warm function sees that another one was published"


def test_ap7_every_price_there_ever_was():
    addon = replace(PRICE, id="onboarding", kind=Kind.ADDON, interval=None, seat_type=None)
    write(PRICE, addon)
    write(HEAD)
    assert queries.published_prices() == {"sales-seat": PRICE, "onboarding": addon}


def test_ap8_a_seller_entity():
    write(SELLER, replace(SELLER, id="us2", name="Hub Two"))
    assert queries.seller("us") == replace(SELLER, version=1)
    assert queries.find_seller("u") is None
    assert refused(NotFound, queries.seller, "eu") == "unknown_seller"


# -- what is due -------------------------------------------------------------------------------------------

MIDNIGHT = datetime(2026, 2, 25, 5, tzinfo=UTC)  # when the example's second period begins


def due(kind="rollover", now=MIDNIGHT, limit=100):
    return [item.id for item in queries.due(kind, now, limit)]


def test_ap9_what_falls_due_and_what_is_late():
    late = subscription("late", anchor=SUBSCRIPTION.anchor - timedelta(days=365))
    later = subscription("later", retry_at=MIDNIGHT + timedelta(microseconds=1))
    ended = subscription("ended", status=Status.EXPIRED)
    write(SUBSCRIPTION, late, later, ended)
    assert list(queries.due("rollover", MIDNIGHT, 100)) == [
        Due("subscription", "acme", "sub_late"),
        Due("subscription", "acme", SUBSCRIPTION.id),
    ], "the oldest first, and nothing before its time"
    assert due(now=MIDNIGHT - timedelta(microseconds=1)) == ["sub_late"]
    assert due(now=MIDNIGHT + timedelta(days=400)) == ["sub_late", SUBSCRIPTION.id, "sub_later"]


def test_ap9_invoices_checkouts_and_refunds_wait_for_their_instant_side_by_side():
    write(replace(CHECKOUT, expires_at=NOW), invoice(1, status=InvoiceStatus.OPEN, due_at=NOW), invoice(2))
    write(REFUND, replace(REFUND, n=2, status=RefundStatus.SUCCEEDED, due_at=None))
    assert set(queries.due("collection", NOW, 100)) == {
        Due("checkout", "acme", CHECKOUT.id),
        Due("invoice", "acme", "sub_1-00001"),
        Due("refund", "acme", REFUND.id),
    }
    assert due("rollover") == []


def test_ap9_the_limit_is_of_each_shard_and_takes_the_oldest():
    accounts = [f"account-{number}" for number in range(40)]
    write(*(subscription(number, account) for number, account in enumerate(accounts)))
    write(*(subscription(f"old-{number}", account, anchor=SUBSCRIPTION.anchor - timedelta(days=28))
            for number, account in enumerate(accounts)))  # fmt: skip
    shards = {shard(account) for account in accounts}
    found = due(limit=1)
    assert len(found) == len(shards)
    assert all(id_.startswith("sub_old-") for id_ in found)
    assert len(due(limit=1000)) == 80


# -- the rest ----------------------------------------------------------------------------------------------


def test_ap10_a_checkout():
    write(CHECKOUT)
    assert queries.checkout("acme", CHECKOUT.id) == replace(CHECKOUT, version=1)
    assert refused(NotFound, queries.checkout, "globex", CHECKOUT.id) == "unknown_checkout"


def test_ap11_a_saved_way_to_pay():
    write(METHOD)
    assert queries.payment_method("acme", METHOD.id) == METHOD
    assert queries.payment_method("acme", "pm_other") is None


def test_ap12_what_the_same_request_was_answered_for_a_week():
    table.commit(Changes(), NOW, Once("acme", "key", "digest", {"total": 6}))
    for days, seconds, known in ((0, 0, True), (7, -1, True), (7, 0, False), (30, 0, False)):
        answer = queries.answered("acme", "key", NOW + timedelta(days=days, seconds=seconds))
        assert (answer is not None) == known
    found = queries.answered("acme", "key", NOW)
    assert (found.request, found.answer) == ("digest", {"total": 6})
    assert queries.answered("globex", "key", NOW) is None


def test_ap13_what_happened_the_newest_first():
    for minute, kinds in enumerate((("a.opened", "a.paid"), ("b.opened",), ("c.opened",))):
        put = (replace(SUBSCRIPTION, version=minute),)
        table.commit(Changes(put=put, events=tuple(map(happened, kinds))), NOW + timedelta(minutes=minute))
    table.commit(Changes(put=(replace(ACME, id="globex"),), events=(happened("d.opened", "globex"),)), NOW)
    pages = walk(queries.events, "acme", limit=2)
    assert [[event.type for _, event in page] for page in pages if page] == [
        ["c.opened", "b.opened"],
        ["a.paid", "a.opened"],
    ], "the limit counts commits"
    assert [entry.at for entry, _ in pages[0]] == [NOW + timedelta(minutes=2), NOW + timedelta(minutes=1)]


@pytest.mark.parametrize("limit", [1, 3, 7, 50])
def test_ap14_the_subscriptions_of_one_status_over_all_accounts(limit):
    names = [f"account-{number}" for number in range(9)]
    write(*(subscription(number, name) for name in names for number in range(2)))
    write(subscription(7, "account-3", status=Status.PAST_DUE))
    pages = walk(queries.subscriptions_by_status, Status.ACTIVE, limit=limit)
    found = [(item.account_id, item.id) for page in pages for item in page]
    assert sorted(found) == [(name, f"sub_{number}") for name in names for number in range(2)]
    assert all(len(page) == limit for page in pages[:-1])
    assert [shard(name) for name, _ in found] == sorted(shard(name) for name, _ in found), "shard by shard"
    [late] = queries.subscriptions_by_status(Status.PAST_DUE).items
    assert (late.account_id, late.id) == ("account-3", "sub_7")


def test_ap14_a_status_that_changes_moves_the_subscription_to_the_other_list():
    write(SUBSCRIPTION)
    write(replace(SUBSCRIPTION, status=Status.PAST_DUE, version=1))
    assert queries.subscriptions_by_status(Status.ACTIVE).items == []
    assert [item.id for item in queries.subscriptions_by_status(Status.PAST_DUE).items] == [SUBSCRIPTION.id]


def test_ap15_a_refund():
    write(INVOICE, CREDIT_NOTE, REFUND)
    assert queries.refund("acme", f"{INVOICE.id}-R01") == replace(REFUND, version=1)
    for account, number in (("globex", f"{INVOICE.id}-R01"), ("acme", f"{INVOICE.id}-R02"), ("acme", INVOICE.id)):
        assert refused(NotFound, queries.refund, account, number) == "unknown_refund"
        assert queries.find_refund(account, number) is None


def test_ap16_the_credit_notes_of_an_invoice_each_with_its_refund():
    pairs = [(replace(CREDIT_NOTE, n=n), replace(REFUND, n=n)) for n in (2, 1, 10)]
    write(INVOICE, PAST_ATTEMPT, *(entity for pair in pairs for entity in pair))
    write(*(replace(entity, invoice_id=f"{INVOICE.id}0") for entity in pairs[0]))
    found = queries.refunds("acme", INVOICE.id)
    assert found == [(note, replace(payout, version=1)) for note, payout in (pairs[1], pairs[0], pairs[2])]
    assert queries.refunds("globex", INVOICE.id) == []


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_ap17_every_account_is_in_one_segment(limit):
    names = {f"account-{number}" for number in range(20)}
    for name in sorted(names):
        write(replace(ACME, id=name), subscription(1, name), invoice(1, name))
    found = [name for number in range(4) for name in scanned(number, 4, limit)]
    assert sorted(found) == sorted(names)


def scanned(number, of, limit):
    """The accounts of a segment, to its last page."""
    accounts, after = queries.segment(number, of, None, limit)
    while after:
        more, after = queries.segment(number, of, after, limit)
        accounts += more
    return accounts


def test_ap18_all_of_an_account_that_must_agree():
    write(ACME, CHECKOUT, SUBSCRIPTION, PENDING, INVOICE, PAST_ATTEMPT, REFUND, METHOD, invoice(1, "globex"))
    found = queries.holdings("acme")
    assert found == [replace(thing, version=1) for thing in (CHECKOUT, INVOICE, REFUND, SUBSCRIPTION)]
    assert queries.holdings("nobody") == []


def test_a_cursor_is_good_in_its_own_list_only():
    write(*(subscription(number) for number in range(3)))
    cursor = queries.subscriptions("acme", limit=1).cursor
    assert cursor
    assert refused(Invalid, queries.invoices, "acme", 1, cursor) == "invalid_cursor"
    assert refused(Invalid, queries.subscriptions_by_status, Status.ACTIVE, 1, cursor) == "invalid_cursor"
    assert queries.subscriptions("globex", 1, cursor).items == [], "in another account's list it finds nothing"


def test_ap2_a_removal_that_waits_for_the_next_term_is_loaded_with_its_subscription():
    write(SUBSCRIPTION, PENDING, REMOVAL)
    assert queries.book("acme", SUBSCRIPTION.id) == (replace(SUBSCRIPTION, version=1), (PENDING,), (REMOVAL,))


def test_ap19_some_users_by_their_ids():
    write(USER, replace(USER, id="ann2"), replace(USER, account_id="globex"))
    assert queries.some_users("acme", ["ann", "nobody", "ann"]) == {"ann": replace(USER, version=1)}
    assert queries.some_users("acme", []) == {}


def test_ap20_the_users_of_an_account_and_who_of_them_sits_on_seats_of_a_subscription():
    bob, cid = (User("acme", "bob", active=False), User("acme", "cid", seats=(HeldSeat("sales", "sub_2"),)))
    write(USER, bob, cid, SUBSCRIPTION, replace(USER, account_id="globex"))
    assert ids(walk(queries.users, "acme", limit=2)) == ["ann", "bob", "cid"]
    assert queries.seated_users("acme", SUBSCRIPTION.id) == [replace(USER, version=1)]


def test_ap21_the_open_quotes_of_an_account():
    write(QUOTE, replace(QUOTE, id="q-18"), replace(QUOTE, account_id="globex"))
    assert [quote.id for quote in queries.quotes("acme")] == ["q-17", "q-18"]
