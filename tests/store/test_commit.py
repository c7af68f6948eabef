"""A commit is all or nothing, and whoever decided on what is no longer so decides again."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local import aws
from shared.domain.changes import Changes
from shared.store import queries, table
from shared.store.record import Record
from shared.store.records import EventRecord
from shared.store.table import Once, Stale
from tests.store.examples import (
    ACME,
    CREDIT_NOTE,
    DIFFERENCE,
    ENTRY,
    INVOICE,
    METHOD,
    NOW,
    PAST_ATTEMPT,
    PENDING,
    PRICE,
    SUBSCRIPTION,
    happened,
    subscription,
    write,
)

ADDED = happened("seats.added", quantity=1)
GROWN = replace(SUBSCRIPTION, items=(replace(SUBSCRIPTION.items[0], quantity=2),))


def contents():
    """Everything that lies in the table."""
    return sorted(({**record.serialize()} for record in Record.scan(consistent_read=True)), key=str)


def entries(account="acme"):
    """The commits of an account that had events, in their order."""
    found = Record.query(f"ACCOUNT#{account}", Record.SK.startswith("EVENT#"), consistent_read=True)
    return [record.to_entity() for record in found if isinstance(record, EventRecord)]


# -- all or nothing ----------------------------------------------------------------------------------------


def test_entities_events_and_the_answer_are_written_together(store):
    table.commit(Changes(put=(SUBSCRIPTION, PENDING), events=(ADDED,)), NOW, Once("acme", "key", "digest", 6))
    assert queries.book("acme", SUBSCRIPTION.id) == (replace(SUBSCRIPTION, version=1), (PENDING,), ())
    assert [(entry.at, entry.events) for entry in entries()] == [
        (NOW, [{"type": "seats.added", "data": {"quantity": 1}}])
    ]
    assert queries.answered("acme", "key", NOW).answer == 6
    assert len(contents()) == 4


@pytest.mark.parametrize(
    "bad",
    [
        {"put": (replace(ACME, version=7),)},
        {"put": (SUBSCRIPTION,)},
        {"put": (PRICE,)},
        {"delete": (replace(PENDING, price="nothing"),)},
        {"check": (replace(SUBSCRIPTION, version=2),)},
        {"check": (replace(SUBSCRIPTION, id="sub_none", version=1),)},
    ],
    ids=["a version that is none", "new but there already", "written once", "gone", "changed", "never there"],
)
def test_if_one_part_cannot_be_nothing_is_written(store, bad):
    write(SUBSCRIPTION, PRICE)
    before = contents()
    good = Changes(put=(METHOD, INVOICE), events=(ADDED,))
    with pytest.raises(Stale):
        table.commit(good + Changes(**bad), NOW, Once("acme", "key", "digest", {}))
    assert contents() == before


def test_what_is_deleted_is_gone_in_the_same_moment(store):
    write(SUBSCRIPTION, PENDING)
    table.commit(Changes(put=(replace(GROWN, version=1),), delete=(PENDING,)), NOW)
    assert queries.book("acme", SUBSCRIPTION.id) == (replace(GROWN, version=2), (), ())


def test_nothing_at_all_or_more_than_a_transaction_holds_is_a_mistake_of_ours(store):
    with pytest.raises(AssertionError):
        table.commit(Changes(), NOW)
    with pytest.raises(AssertionError):
        write(*(subscription(number) for number in range(101)))
    write(*(subscription(number) for number in range(100)))
    assert len(contents()) == 100


def test_events_are_of_one_account(store):
    with pytest.raises(ValueError, match="too many values"):
        table.commit(Changes(put=(ACME,), events=(ADDED, happened("seats.added", "globex"))), NOW)


# -- versions ----------------------------------------------------------------------------------------------


def test_each_commit_moves_the_version_by_one(store):
    for version in range(3):
        write(replace(SUBSCRIPTION, version=version))
    assert queries.book("acme", SUBSCRIPTION.id).subscription.version == 3


def test_of_two_who_decided_on_the_same_version_one_decides_again(store):
    write(SUBSCRIPTION)
    [first, second] = [queries.book("acme", SUBSCRIPTION.id).subscription for _ in range(2)]
    write(replace(first, seq=2))
    with pytest.raises(Stale) as caught:
        write(replace(second, seq=3))
    assert (caught.value.code, str(caught.value)) == (
        "busy",
        "Others are changing the same things right now. Please try again.",
    )
    assert queries.book("acme", SUBSCRIPTION.id).subscription.seq == 2


def test_what_was_only_read_must_still_hold(store):
    write(SUBSCRIPTION, ACME)
    read = replace(SUBSCRIPTION, version=1)
    table.commit(Changes(put=(replace(ACME, version=1, name="Acme Ltd"),), check=(read,)), NOW)
    assert queries.account("acme").name == "Acme Ltd"
    assert queries.book("acme", SUBSCRIPTION.id).subscription.version == 1, "checking changes nothing"
    write(replace(GROWN, version=1))
    with pytest.raises(Stale):
        table.commit(Changes(put=(replace(ACME, version=2, name="Acme Inc."),), check=(read,)), NOW)
    assert queries.account("acme").name == "Acme Ltd"


@pytest.mark.parametrize(
    "once", [PRICE, PAST_ATTEMPT, CREDIT_NOTE, ENTRY], ids=["a price", "a past attempt", "a credit note", "an event"]
)
def test_what_is_written_once_is_never_written_again(store, once):
    write(once)
    before = contents()
    with pytest.raises(Stale):
        write(once)
    assert contents() == before


def test_a_transaction_that_met_another_one_decides_again(local):
    """Nobody's emulator answers a TransactionConflict, so it is put in."""
    reason = [{"Code": "None"}, {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}]
    body = {"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "CancellationReasons": reason}
    local.fault = lambda where, call: aws.response(400, body) if where == "store.commit" else call()
    with pytest.raises(Stale):
        table.commit(Changes(put=(SUBSCRIPTION,), events=(ADDED,)), NOW)
    local.fault = None
    write(SUBSCRIPTION)


def test_any_other_failure_is_no_race_and_goes_up_as_it_is(local):
    reason = [{"Code": "ValidationError", "Message": "Item size has exceeded the maximum allowed size"}]
    body = {"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "CancellationReasons": reason}
    local.fault = lambda where, call: aws.response(400, body) if where == "store.commit" else call()
    with pytest.raises(table.TransactWriteError):
        write(SUBSCRIPTION)


# -- the answer of a request -------------------------------------------------------------------------------


def test_a_request_is_answered_once(store):
    once = Once("acme", "key", "digest", {"total": 6})
    table.commit(Changes(put=(SUBSCRIPTION,)), NOW, once)
    with pytest.raises(Stale):
        table.commit(Changes(put=(ACME,)), NOW + timedelta(days=7) - timedelta(seconds=1), once)
    assert queries.find_account("acme") is None


def test_an_answer_that_has_expired_is_in_nobodys_way(store):
    """DynamoDB may take days to delete what has expired."""
    table.commit(Changes(put=(SUBSCRIPTION,)), NOW, Once("acme", "key", "digest", {"total": 6}))
    week_later = NOW + timedelta(days=7)
    table.commit(Changes(put=(ACME,)), week_later, Once("acme", "key", "another", {"total": 7}))
    assert queries.answered("acme", "key", week_later).answer == {"total": 7}
    with pytest.raises(Stale):
        table.commit(Changes(put=(replace(ACME, version=1),)), week_later, Once("acme", "key", "third", {}))


def test_a_difference_is_told_once_until_it_expires(store):
    table.commit(Changes(put=(DIFFERENCE,), events=(DIFFERENCE.event,)), NOW)
    for days, told in ((0, False), (29, False), (30, True), (31, False)):
        now = NOW + timedelta(days=days)
        again = Changes(put=(replace(DIFFERENCE, expires_at=now + timedelta(days=30)),), events=(DIFFERENCE.event,))
        if told:
            table.commit(again, now)
        else:
            with pytest.raises(Stale):
                table.commit(again, now)
    assert [entry.at for entry, _ in queries.events("acme").items] == [NOW + timedelta(days=30), NOW]


def test_other_keys_and_other_scopes_are_other_answers(store):
    for scope, key in (("acme", "key"), ("acme", "key2"), ("globex", "key"), ("seller", "key")):
        table.commit(Changes(), NOW, Once(scope, key, "digest", f"{scope} {key}"))
    assert queries.answered("globex", "key", NOW).answer == "globex key"


# -- the ids of events -------------------------------------------------------------------------------------


def test_whoever_decides_the_same_gives_its_event_the_same_id():
    decided = Changes(put=(replace(SUBSCRIPTION, version=6),), events=(ADDED,))
    ids = {table._entry(decided, now, None).id for now in (NOW, NOW + timedelta(days=1))}
    assert len(ids) == 1, "it does not hang on the time"
    other_version = Changes(put=(replace(SUBSCRIPTION, version=7),), events=(ADDED,))
    other_thing = Changes(put=(subscription(2, version=6),), events=(ADDED,))
    ids |= {table._entry(other, NOW, None).id for other in (other_version, other_thing)}
    assert len(ids) == 3


def test_of_a_request_the_id_follows_from_its_key():
    decided = Changes(put=(replace(SUBSCRIPTION, version=6),), events=(ADDED,))
    other_version = Changes(put=(replace(SUBSCRIPTION, version=7),), events=(ADDED,))
    first, again = (table._entry(each, NOW, Once("acme", "key", "d", {})).id for each in (decided, other_version))
    assert first.rpartition("-")[2] == again.rpartition("-")[2]
    assert table._entry(decided, NOW, Once("acme", "key2", "d", {})).id != first


@settings(max_examples=30)
@given(st.lists(st.integers(0, 999_999), min_size=2, max_size=5, unique=True).map(sorted))
def test_what_happens_to_one_thing_in_one_instant_keeps_its_order(versions):
    made = [
        table._entry(Changes(put=(replace(SUBSCRIPTION, version=version),), events=(ADDED,)), NOW, None).id
        for version in versions
    ]
    assert made == sorted(made)


def test_the_events_of_one_commit_keep_their_order(store):
    kinds = ["payment.succeeded", "invoice.paid", "checkout.completed"]
    table.commit(Changes(put=(SUBSCRIPTION,), events=tuple(map(happened, kinds))), NOW)
    [entry] = entries()
    assert [event.type for event in table.events_of(entry)] == kinds
    assert all(event.account_id == "acme" for event in table.events_of(entry))
