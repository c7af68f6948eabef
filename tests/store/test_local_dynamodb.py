"""The DynamoDB in memory answers as DynamoDB does: compared with ministack call by call, and under threads."""

import contextlib
import itertools
import sys
import threading
from collections import Counter
from types import SimpleNamespace
from urllib.parse import urlsplit

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ministack.services import dynamodb as ministack
from pynamodb.attributes import (
    DiscriminatorAttribute,
    JSONAttribute,
    NumberAttribute,
    UnicodeAttribute,
    VersionAttribute,
)
from pynamodb.exceptions import PutError, TransactWriteError
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from infra.local.dynamodb import Change, DynamoDB, Refusal

DEFINITION = {
    "TableName": "billing",
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK", "GSI1PK", "GSI1SK", "GSI2PK")
    ]
    + [{"AttributeName": "GSI2SK", "AttributeType": "N"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": name,
            "KeySchema": [
                {"AttributeName": f"{name}PK", "KeyType": "HASH"},
                {"AttributeName": f"{name}SK", "KeyType": "RANGE"},
            ],
            "Projection": projection,
        }
        for name, projection in (
            ("GSI1", {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["kind"]}),
            ("GSI2", {"ProjectionType": "ALL"}),
        )
    ],
}
TABLE = {"TableName": "billing"}
SESSION = boto3.session.Session("x", "x", region_name="eu-central-1")
PLAIN = Config(retries={"total_max_attempts": 1}, parameter_validation=False)

_serialize = TypeSerializer().serialize


def raw(**attributes):
    """Attributes as DynamoDB JSON."""
    return {name: _serialize(value) for name, value in attributes.items()}


def values(**given):
    """ExpressionAttributeValues."""
    return {f":{name}": _serialize(value) for name, value in given.items()}


KEY = raw(PK="a", SK="1")


def client_of(register):
    made = SESSION.client("dynamodb", config=PLAIN)
    register(made)
    return made


@pytest.fixture
def db():
    db = DynamoDB()
    db.create_table(DEFINITION)
    return db


@pytest.fixture
def client(db):
    return client_of(db.attach)


def refused(call, *args, **kwargs):
    """The error that a call answers."""
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return SimpleNamespace(
        code=caught.value.response["Error"]["Code"],
        message=caught.value.response["Error"]["Message"],
        reasons=caught.value.response.get("CancellationReasons"),
        item=caught.value.response.get("Item"),
        status=caught.value.response["ResponseMetadata"]["HTTPStatusCode"],
    )


# 1. The same answers as ministack, for random operations


def ask_ministack(request, **_):
    headers = {k.lower(): v.decode() if isinstance(v, bytes) else v for k, v in request.headers.items()}
    called = ministack.handle_request(request.method, urlsplit(request.url).path, headers, request.body, {})
    with pytest.raises(StopIteration) as answer:  # a coroutine that waits for nothing needs no event loop
        called.send(None)
    status, answered, content = answer.value.value
    return AWSResponse(request.url, status, answered, SimpleNamespace(stream=lambda: [content]))


@pytest.fixture(scope="module")
def both():
    """Two clients: of this DynamoDB, and of ministack's."""
    theirs = client_of(lambda c: c.meta.events.register_first("before-send.dynamodb.*", ask_ministack))
    db = DynamoDB()
    return client_of(db.attach), theirs, itertools.count(), db


def outcome(client, operation, arguments):
    """What a call came to, without what may differ: texts of errors, order within sets."""
    try:
        answer = client._make_api_call(operation, arguments)
    except ClientError as error:
        reasons = error.response.get("CancellationReasons")
        shown = [(reason["Code"], plain(reason.get("Item"))) for reason in reasons] if reasons else None
        return error.response["Error"]["Code"], plain(error.response.get("Item")), shown
    answer.pop("ResponseMetadata")
    if not answer.get("Attributes", True):  # ministack answers {} where UPDATED_OLD finds nothing old
        del answer["Attributes"]
    for items in answer.get("Responses", {}).values() if operation == "BatchGetItem" else ():
        items.sort(key=repr)
    if operation == "Scan" and "IndexName" in arguments:  # in which order, DynamoDB does not say
        answer["Items"].sort(key=repr)
    return plain(answer)


def plain(value):
    if isinstance(value, dict):
        return {k: sorted(v) if k in ("SS", "NS") else plain(v) for k, v in sorted(value.items())}
    return [plain(v) for v in value] if isinstance(value, list) else value


pks, sks = st.sampled_from(["a", "b"]), st.sampled_from(["s", "s#1", "s#2", "t", "é"])
keys = st.builds(lambda pk, sk: raw(PK=pk, SK=sk), pks, sks)
numbers = st.sampled_from(["0", "1", "-3", "2.50", "1E+2", "123456789.01"])  # ministack adds with 28 digits only
attributes = st.fixed_dictionaries(
    {},
    optional={
        "n": numbers.map(lambda n: {"N": n}),
        "s": st.sampled_from(["", "x", "xy", "é"]).map(lambda s: {"S": s}),
        "kind": st.sampled_from([{"S": "invoice"}, {"S": "event"}]),
        "tags": st.sets(st.sampled_from("pqr"), min_size=1).map(lambda tags: {"SS": sorted(tags)}),
        "li": st.lists(numbers.map(lambda n: {"N": n}), max_size=3).map(lambda li: {"L": li}),
        "m": st.sampled_from([{"M": {}}, {"M": {"x": {"S": "deep"}, "y": {"L": [{"BOOL": True}]}}}]),
        "GSI1PK": st.sampled_from([{"S": "g"}, {"S": "h"}]),
        "GSI1SK": st.sampled_from([{"S": "1"}, {"S": "2"}, {"S": "10"}]),
        "GSI2PK": st.just({"S": "all"}),
        "GSI2SK": numbers.map(lambda n: {"N": n}),
    },
)
items = st.builds(lambda key, rest: key | rest, keys, attributes)

CONDITIONS = [
    ("attribute_not_exists(PK)", {}),
    ("attribute_exists(PK) AND n >= :c", values(c=1)),
    ("n = :c", values(c=1)),
    ("n <> :c", values(c=1)),
    ("NOT (n BETWEEN :c AND :d) OR attribute_type(s, :t)", values(c=-5, d=2, t="S")),
    ("n IN (:c, :d)", values(c=100, d=0)),
    ("contains(tags, :t) OR contains(s, :t) OR contains(li, :one)", values(t="x", one=1)),
    ("begins_with(s, :t) AND size(s) < :c", values(t="x", c=2)),
    ("m.x = :t OR m.y[0] = :yes", values(t="deep", yes=True)),
    ("li[1] = :c or (size(li) > :c and not attribute_exists(n))", values(c=1)),
    ("n > :t", values(t="a string")),
    ("undefined = :nowhere AND n = :c", values(c=1)),
    ("n = :c AND", values(c=1)),
    ("status = :c", values(c=1)),  # a reserved word
]
UPDATES = [
    ("SET n = :u", values(u=7)),
    ("SET n = n + :u, s = :text", values(u=1, text="z")),  # refused where there is no n
    ("SET n = if_not_exists(n, :u) - :u ADD tags :q", values(u=2, q={"q"})),
    ("ADD n :u REMOVE s", values(u=3)),
    ("DELETE tags :q", values(q={"q", "p"})),
    ("SET m.x = :text, m.z = :text REMOVE m.y", values(text="new")),
    ("SET li = list_append(if_not_exists(li, :none), :more)", values(none=[], more=["end"])),
    ("SET s = kind, kind = :text", values(text="was in kind")),
    ("SET GSI1PK = :text, GSI1SK = :text REMOVE GSI2PK", values(text="g")),
    ("REMOVE GSI1SK SET GSI2PK = :text, GSI2SK = :u", values(text="all", u=5)),
    ("SET GSI2SK = :text", values(text="no number")),
    ("SET s = :u", values(u=1, never="used")),
    ("DELETE n :q", values(q={"q"})),
]
conditions = st.one_of(st.none(), st.sampled_from(CONDITIONS))


def conditional(arguments, condition, *, shown):
    """Arguments with a condition; its values are merged with those of an update."""
    if condition is None:
        return arguments
    text, given = condition
    merged = arguments.get("ExpressionAttributeValues", {}) | given
    shown_on_failure = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"} if shown else {}
    more = {"ExpressionAttributeValues": merged} if merged else {}
    return arguments | {"ConditionExpression": text} | more | shown_on_failure


def update_of(key, update):
    return {"Key": key, "UpdateExpression": update[0], "ExpressionAttributeValues": update[1]}


# In a transaction ministack applies an update before it looks at its key attributes, and checks unused values
# only in part; so only updates that are well formed are drawn there.
puts = st.builds(
    lambda item, c, s: ("Put", conditional({"Item": item}, c, shown=s)), items, conditions, st.booleans()
)
deletes = st.builds(
    lambda key, c, s: ("Delete", conditional({"Key": key}, c, shown=s)), keys, conditions, st.booleans()
)
updates = st.builds(
    lambda key, u, c, s: ("Update", conditional(update_of(key, u), c, shown=s)),
    keys,
    st.sampled_from(UPDATES),
    conditions,
    st.booleans(),
)
good_updates = st.builds(
    lambda key, u, c, s: ("Update", conditional(update_of(key, u), c, shown=s)),
    keys,
    st.sampled_from(UPDATES[:10]),
    st.one_of(st.none(), st.sampled_from(CONDITIONS[:10])),
    st.booleans(),
)
checks = st.builds(
    lambda key, c, s: ("ConditionCheck", conditional({"Key": key}, c, shown=s)),
    keys,
    st.sampled_from(CONDITIONS),
    st.booleans(),
)
RETURNED = {"Put": ["NONE", "ALL_OLD"], "Delete": ["NONE", "ALL_OLD"]}
RETURNED["Update"] = [*RETURNED["Put"], "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"]


@st.composite
def writes(draw):
    verb, arguments = draw(st.one_of(puts, updates, deletes))
    return f"{verb}Item", arguments | {"ReturnValues": draw(st.sampled_from(RETURNED[verb]))}


@st.composite
def transactions(draw):
    actions = draw(st.lists(st.one_of(puts, good_updates, deletes, checks), min_size=1, max_size=4))
    return "TransactWriteItems", {"TransactItems": [{verb: arguments} for verb, arguments in actions]}


@st.composite
def batches(draw):
    wanted = st.one_of(
        items.map(lambda item: {"PutRequest": {"Item": item}}), keys.map(lambda key: {"DeleteRequest": {"Key": key}})
    )
    return "BatchWriteItem", {"RequestItems": {"billing": draw(st.lists(wanted, min_size=1, max_size=4))}}


@st.composite
def reads(draw):
    get = {"Key": draw(keys)}
    if draw(st.booleans()):
        get["ProjectionExpression"] = "#n, m.x, li[1], nowhere"
        get["ExpressionAttributeNames"] = {"#n": "n"}
    several = draw(st.lists(keys, min_size=1, max_size=3))
    return draw(
        st.sampled_from(
            [
                ("GetItem", get),
                ("BatchGetItem", {"RequestItems": {"billing": {"Keys": several}}}),
                ("TransactGetItems", {"TransactItems": [{"Get": {"Key": key}} for key in several]}),
            ]
        )
    )


SORTED_BY = [
    ("", {}),
    (" AND {} = :low", {}),
    (" AND {} < :low", {}),
    (" AND {} <= :low", {}),
    (" AND {} > :low", {}),
    (" AND {} >= :low", {}),
    (" AND {} BETWEEN :low AND :high", {}),
    (" AND begins_with({}, :low)", {}),
]


@st.composite
def queries(draw):
    index, pk, low, high = draw(
        st.sampled_from(
            [
                (None, "a", {"S": "s"}, {"S": "s#2"}),
                (None, "b", {"S": "s#1"}, {"S": "é"}),
                ("GSI1", "g", {"S": "1"}, {"S": "2"}),
                ("GSI2", "all", {"N": "1.0"}, {"N": "90"}),
            ]
        )
    )
    test = draw(st.sampled_from(SORTED_BY))[0]
    given = {":pk": {"S": pk}}
    given |= {":low": low} if ":low" in test else {}
    given |= {":high": high} if ":high" in test else {}
    asked = {
        "KeyConditionExpression": f"{index or ''}PK = :pk" + test.format(f"{index or ''}SK"),
        "ExpressionAttributeValues": given,
        "ScanIndexForward": draw(st.booleans()),
    }
    asked |= {"IndexName": index} if index else {}
    asked |= {"Limit": draw(st.integers(1, 3))} if draw(st.booleans()) else {}
    # ministack filters a query of an index by the whole item, DynamoDB by what the index projects; and it parses
    # a filter only when there is something to filter.
    if index != "GSI1" and draw(st.booleans()):
        text, more = draw(st.sampled_from(CONDITIONS[:12]))
        asked |= {"FilterExpression": text, "ExpressionAttributeValues": given | more}
    if draw(st.booleans()):
        asked["Select"] = "COUNT"
    return "Query", asked


scans = st.sampled_from([{}, {"Limit": 2}, {"IndexName": "GSI1"}, {"IndexName": "GSI2"}]).map(lambda a: ("Scan", a))
operations = st.lists(
    st.one_of(writes(), writes(), transactions(), batches(), reads(), queries(), queries(), scans),
    min_size=5,
    max_size=25,
)


def named(arguments, table):
    """The same arguments for another table."""
    if isinstance(arguments, dict):
        return {table if k == "billing" else k: named(v, table) for k, v in arguments.items()}
    return [named(v, table) for v in arguments] if isinstance(arguments, list) else arguments


def addressed(operation, arguments, table):
    if operation.startswith("Transact"):
        actions = [
            {verb: body | {"TableName": table} for verb, body in a.items()} for a in arguments["TransactItems"]
        ]
        return {"TransactItems": actions}
    return named(arguments, table) | ({} if operation.startswith("Batch") else {"TableName": table})


@settings(
    max_examples=120, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(operations)
def test_random_operations_are_answered_as_ministack_answers_them(both, drawn):
    ours, theirs, numbered, db = both
    table = f"billing-{next(numbered)}"
    for client in (ours, theirs):
        client.create_table(**DEFINITION | {"TableName": table})
    for operation, given_arguments in drawn:
        arguments = addressed(operation, given_arguments, table)
        while arguments:
            answer, expected = outcome(ours, operation, arguments), outcome(theirs, operation, arguments)
            assert answer == expected, (operation, arguments)
            last = answer.get("LastEvaluatedKey") if isinstance(answer, dict) else None
            arguments = arguments | {"ExclusiveStartKey": last} if last else None
    theirs.delete_table(TableName=table)
    check_the_indexes(db, table)


def check_the_indexes(db, table):
    """The indexes hold exactly the items that have their keys, in order."""
    for index in ("GSI1", "GSI2"):
        pk, sk = f"{index}PK", f"{index}SK"
        members = [item for item in db.items(table) if pk in item and sk in item]
        found = [place for partition in db.partitions(table, index) for place in db.index(table, index, partition)]
        assert len(found) == len(members)
        assert {(p, s) for _, p, s in found} == {(item["PK"]["S"], item["SK"]["S"]) for item in members}
        for partition in db.partitions(table, index):
            places = db.index(table, index, partition)
            assert places == sorted(places)
            assert db.first(table, index, partition) == places[0][0]


# 2. Threads


def in_threads(work, count=8):
    """Run ``work(number)`` in threads side by side; raises what they raised."""
    failures, together = [], threading.Barrier(count)

    def run(number):
        together.wait()
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - told to the main thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that a thread is interrupted in the middle of a request, too
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(usual)
    assert failures == []


def test_eight_threads_lose_no_update_of_a_conditional_counter(db, client):
    client.put_item(**TABLE, Item=raw(PK="a", SK="counter", n=0))
    lost = Counter()

    def count(number):
        done = 0
        while done < 20:
            before = int(client.get_item(**TABLE, Key=raw(PK="a", SK="counter"))["Item"]["n"]["N"])
            try:
                client.put_item(
                    **TABLE,
                    Item=raw(PK="a", SK="counter", n=before + 1),
                    ConditionExpression="n = :before",
                    ExpressionAttributeValues=values(before=before),
                )
                done += 1
            except client.exceptions.ConditionalCheckFailedException:
                lost[number] += 1

    in_threads(count)
    [item] = db.items("billing")
    assert item["n"] == {"N": "160"}
    assert db.calls["PutItem"] == 1 + 160 + sum(lost.values())


def test_transactions_side_by_side_are_all_or_nothing(db, client):
    """Eight threads move money between four accounts; the sum never changes, not even to a reader."""
    accounts = [raw(PK="a", SK=str(n)) for n in range(4)]
    for account in accounts:
        client.put_item(**TABLE, Item=account | raw(n=100))

    def move(number):
        for step in range(15):
            giver, taker = accounts[(number + step) % 4], accounts[(number + step + 1 + step % 3) % 4]
            actions = [("SET n = n - :x", giver), ("SET n = n + :x", taker)]
            with contextlib.suppress(client.exceptions.TransactionCanceledException):
                client.transact_write_items(
                    TransactItems=[
                        {
                            "Update": TABLE
                            | {
                                "Key": key,
                                "UpdateExpression": text,
                                "ConditionExpression": "n >= :x",
                                "ExpressionAttributeValues": values(x=7 * number + step),
                            }
                        }
                        for text, key in actions
                    ]
                )
            found = client.query(**TABLE, **query("PK = :pk", pk="a"))["Items"]
            assert sum(int(item["n"]["N"]) for item in found) == 400

    in_threads(move)
    assert sum(int(item["n"]["N"]) for item in db.items("billing")) == 400


def query(text, **given):
    return {"KeyConditionExpression": text, "ExpressionAttributeValues": values(**given)}


# 3. What the local run relies on


def test_a_page_ends_at_one_megabyte_and_the_next_one_goes_on(client):
    for n in range(5):
        client.put_item(**TABLE, Item=raw(PK="a", SK=str(n), text="x" * 300_000))
    pages = [*client.get_paginator("query").paginate(**TABLE, **query("PK = :pk", pk="a"), Select="COUNT")]
    assert [page["Count"] for page in pages] == [3, 2]


def test_segments_of_a_scan_are_disjoint_and_complete(client):
    for n in range(30):
        client.put_item(**TABLE, Item=raw(PK=str(n), SK="x"))
    found = [
        [
            item["PK"]["S"]
            for page in client.get_paginator("scan").paginate(**TABLE, Segment=segment, TotalSegments=4, Limit=2)
            for item in page["Items"]
        ]
        for segment in range(4)
    ]
    assert sorted(itertools.chain(*found), key=int) == [str(n) for n in range(30)]
    assert all(found)


def test_an_index_is_sparse_and_shows_only_what_it_projects(db, client):
    client.put_item(**TABLE, Item=raw(PK="a", SK="1", GSI1PK="due", GSI1SK="2026", kind="invoice", amount=5))
    client.put_item(**TABLE, Item=raw(PK="a", SK="2", GSI1PK="due", kind="event"))
    due = query("GSI1PK = :pk", pk="due") | {"IndexName": "GSI1"}
    [found] = client.query(**TABLE, **due)["Items"]
    assert found == raw(PK="a", SK="1", GSI1PK="due", GSI1SK="2026", kind="invoice")
    hidden = {"FilterExpression": "amount = :five"}
    hidden["ExpressionAttributeValues"] = due["ExpressionAttributeValues"] | values(five=5)
    assert client.query(**TABLE, **due | hidden)["Count"] == 0, "a filter sees what the index projects"
    assert refused(client.query, **TABLE, **due, ProjectionExpression="amount").code == "ValidationException"
    assert db.index("billing", "GSI1", "due") == [("2026", "a", "1")]
    assert (db.first("billing", "GSI1", "due"), db.first("billing", "GSI1", "elsewhere")) == ("2026", None)
    client.update_item(**TABLE, Key=raw(PK="a", SK="1"), UpdateExpression="REMOVE GSI1PK")
    assert db.partitions("billing", "GSI1") == []


def test_a_client_request_token_is_honoured_for_ten_minutes(db, client):
    now = [0.0]
    db.clock = lambda: now[0]
    client.put_item(**TABLE, Item=raw(PK="a", SK="1", n=0))

    def add(amount):
        update = update_of(raw(PK="a", SK="1"), ("ADD n :x", values(x=amount)))
        client.transact_write_items(TransactItems=[{"Update": TABLE | update}], ClientRequestToken="token")
        return int(db.items("billing")[0]["n"]["N"])

    assert [add(1), add(1)] == [1, 1], "the second is the first again"
    assert refused(add, 2).code == "IdempotentParameterMismatchException"
    now[0] = 599
    assert add(1) == 1
    now[0] = 600
    assert add(1) == 2


def test_a_token_of_a_transaction_that_failed_may_be_used_again(db, client):
    check = {"ConditionCheck": TABLE | {"Key": raw(PK="a", SK="1"), "ConditionExpression": "attribute_exists(PK)"}}
    put = {"Put": TABLE | {"Item": raw(PK="a", SK="2")}}
    both_of_them = {"TransactItems": [check, put], "ClientRequestToken": "token"}
    assert refused(client.transact_write_items, **both_of_them).code == "TransactionCanceledException"
    client.put_item(**TABLE, Item=raw(PK="a", SK="1"))
    client.transact_write_items(**both_of_them)
    assert len(db.items("billing")) == 2


def test_the_stream_tells_changes_request_by_request_and_leaves_out_what_changed_nothing(db, client):
    told = []
    db.on_commit = told.append
    one, two = raw(PK="a", SK="1"), raw(PK="a", SK="2")
    client.put_item(**TABLE, Item=one | raw(n=1))
    client.put_item(**TABLE, Item=one | {"n": {"N": "1.0"}})
    client.delete_item(**TABLE, Key=two)
    refused(client.put_item, **TABLE, Item=one, ConditionExpression="attribute_not_exists(PK)")
    client.transact_write_items(
        TransactItems=[
            {"Put": TABLE | {"Item": two}},
            {"Update": TABLE | update_of(one, ("SET n = :x", values(x=2)))},
        ]
    )
    client.batch_write_item(RequestItems={"billing": [{"DeleteRequest": {"Key": key}} for key in (one, two)]})
    assert told == [
        [Change("billing", one, None, one | raw(n=1))],
        [Change("billing", two, None, two), Change("billing", one, one | raw(n=1), one | raw(n=2))],
        [Change("billing", one, one | raw(n=2), None), Change("billing", two, two, None)],
    ]


def test_an_update_counts_in_the_item_as_it_was_and_leaves_the_old_image_alone(db, client):
    told = []
    client.put_item(**TABLE, Item=KEY | raw(li=["a", "b", "c", "d"], m={"x": 1}))
    db.on_commit = told.extend
    text = "REMOVE li[0], li[2] SET li[1] = :new, li[9] = :end, m.x = m.x + :one, m.y = m.x"
    client.update_item(**TABLE, **update_of(KEY, (text, values(new="B", end="e", one=1))))
    assert db.items("billing") == [KEY | raw(li=["B", "d", "e"], m={"x": 2, "y": 1})]
    assert [change.old for change in told] == [KEY | raw(li=["a", "b", "c", "d"], m={"x": 1})]


def test_faults_come_before_after_or_instead_of_a_call(db, client):
    calls = []

    def lose_the_answer(where, call):
        calls.append(where)
        call()
        raise ReadTimeoutError(endpoint_url="local")

    def conflict(where, _):
        calls.append(where)
        reasons = [{"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}]
        raise Refusal("TransactionCanceledException", "cancelled", CancellationReasons=reasons)

    put = {"TransactItems": [{"Put": TABLE | {"Item": raw(PK="a", SK="1")}}]}
    db.fault = conflict
    assert refused(client.transact_write_items, **put).reasons[0]["Code"] == "TransactionConflict"
    assert db.items("billing") == []
    db.fault = lose_the_answer
    with pytest.raises(ReadTimeoutError):
        client.transact_write_items(**put)
    with pytest.raises(ReadTimeoutError):
        client.get_item(**TABLE, Key=raw(PK="a", SK="1"))
    db.fault = lambda _, call: call()
    assert client.query(**TABLE, **query("PK = :pk", pk="a"))["Count"] == 1, "written, although the answer was lost"
    assert calls == ["store.commit", "store.commit", "store.get"]
    assert db.calls == {"TransactWriteItems": 1, "GetItem": 1, "Query": 1}


def test_capacity_follows_the_published_rules(db, client):
    def used(call, **arguments):
        report = call(**arguments, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
        report = report[0] if isinstance(report, list) else report
        secondary = {name: used["CapacityUnits"] for name, used in report["GlobalSecondaryIndexes"].items()}
        assert report["CapacityUnits"] == report["Table"]["CapacityUnits"] + sum(secondary.values())
        return report["Table"]["CapacityUnits"], secondary

    key = raw(PK="a", SK="1")
    item = key | raw(GSI1PK="due", GSI1SK="1", kind="invoice", text="x" * 5000)
    transaction = {"TransactItems": [{"Put": TABLE | {"Item": item | raw(GSI1SK="2")}}]}
    assert used(client.put_item, **TABLE, Item=item) == (5, {"GSI1": 1})
    assert used(client.put_item, **TABLE, Item=item | raw(text="y" * 5000)) == (5, {})
    assert used(client.put_item, **TABLE, Item=item | raw(kind="event")) == (5, {"GSI1": 1})
    assert used(client.transact_write_items, **transaction) == (10, {"GSI1": 2})
    assert used(client.get_item, **TABLE, Key=key) == (1, {})
    assert used(client.get_item, **TABLE, Key=key, ConsistentRead=True) == (2, {})
    assert used(client.transact_get_items, TransactItems=[{"Get": TABLE | {"Key": key}}]) == (4, {})
    assert used(client.query, **TABLE, **query("PK = :pk", pk="a")) == (1, {})
    due = query("GSI1PK = :pk", pk="due") | {"IndexName": "GSI1"}
    assert used(client.query, **TABLE, **due) == (0, {"GSI1": 0.5})
    assert used(client.delete_item, **TABLE, Key=key) == (5, {"GSI1": 1})
    assert used(client.delete_item, **TABLE, Key=key) == (1, {})
    assert db.units == {"store.commit": 6 + 5 + 6 + 12 + 6 + 1, "store.get": 7, "store.query": 1.5}


class Due(GlobalSecondaryIndex):
    class Meta:
        index_name = "GSI1"
        projection = IncludeProjection(["kind"])

    GSI1PK = UnicodeAttribute(hash_key=True)
    GSI1SK = UnicodeAttribute(range_key=True)


class Record(Model):
    class Meta:
        table_name = "records"
        billing_mode = "PAY_PER_REQUEST"
        region = "eu-central-1"
        aws_access_key_id = aws_secret_access_key = "x"

    PK = UnicodeAttribute(hash_key=True)
    SK = UnicodeAttribute(range_key=True)
    GSI1PK = UnicodeAttribute(null=True)
    GSI1SK = UnicodeAttribute(null=True)
    kind = DiscriminatorAttribute()
    version = VersionAttribute()
    due = Due()


class Invoice(Record, discriminator="invoice"):
    amount = NumberAttribute()
    lines = JSONAttribute(default=list)


class Event(Record, discriminator="event"):
    pass


def test_pynamodb_models_make_the_round_trip(db):
    connection = Record._get_connection().connection
    db.attach(connection.client)
    Record.create_table(wait=True)
    invoice = Invoice("a", "INVOICE#1", GSI1PK="due", GSI1SK="2026-11-25", amount=24000, lines=[{"q": 6}])
    invoice.save()
    with TransactWrite(connection=connection) as transaction:
        transaction.save(Event("a", "EVENT#1"))
        transaction.update(invoice, actions=[Invoice.amount.set(Invoice.amount + 1)])
    found = [*Record.query("a", Record.SK.startswith("INVOICE#"), consistent_read=True)]
    assert [(type(i), i.amount, i.lines, i.version) for i in found] == [(Invoice, 24001, [{"q": 6}], 2)]
    assert [(type(i), i.SK) for i in Record.query("a")] == [(Event, "EVENT#1"), (Invoice, "INVOICE#1")]
    assert [i.SK for i in Record.due.query("due", Record.GSI1SK <= "2026-12")] == ["INVOICE#1"]
    assert [i.SK for i in Event.query("a")] == ["EVENT#1"]

    mine, yours = Record.get("a", "INVOICE#1"), Record.get("a", "INVOICE#1")
    mine.save()
    with pytest.raises(PutError) as stale:
        yours.save()
    assert stale.value.cause_response_code == "ConditionalCheckFailedException"
    transaction = TransactWrite(connection=connection)
    transaction.save(yours)
    transaction.save(Event("a", "EVENT#2"))
    with pytest.raises(TransactWriteError) as stale:
        transaction._commit()
    assert [reason and reason.code for reason in stale.value.cancellation_reasons] == ["ConditionalCheckFailed", None]
    assert [item["SK"]["S"] for item in db.items("records")] == ["EVENT#1", "INVOICE#1"]


def test_attaching_to_a_session_and_its_client_answers_once(db):
    session = boto3.session.Session("x", "x", region_name="eu-central-1")
    db.attach(session)
    client = session.client("dynamodb")
    db.attach(client)
    client.put_item(**TABLE, Item=raw(PK="a", SK="1"))
    assert db.calls == {"PutItem": 1}


def test_a_table_is_described_and_its_time_to_live_kept(client):
    assert client.describe_table(**TABLE)["Table"]["TableStatus"] == "ACTIVE"
    stated = {"Enabled": True, "AttributeName": "expires_at"}
    client.update_time_to_live(**TABLE, TimeToLiveSpecification=stated)
    described = client.describe_time_to_live(**TABLE)["TimeToLiveDescription"]
    assert described == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


# 4. The shapes of errors


def test_a_failed_condition_answers_the_item_when_asked(client):
    item = raw(PK="a", SK="1", n=1)
    client.put_item(**TABLE, Item=item)
    absent = {"Item": item, "ConditionExpression": "attribute_not_exists(PK)"}
    error = refused(client.put_item, **TABLE, **absent)
    assert (error.code, error.status) == ("ConditionalCheckFailedException", 400)
    assert (error.message, error.item) == ("The conditional request failed", None)
    assert refused(client.put_item, **TABLE, **absent, ReturnValuesOnConditionCheckFailure="ALL_OLD").item == item


def test_a_cancelled_transaction_says_what_was_wrong_with_each_action(db, client):
    one, two, three = (raw(PK="a", SK=sk) for sk in "123")
    client.put_item(**TABLE, Item=one)
    shown = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    error = refused(
        client.transact_write_items,
        TransactItems=[
            {"Put": TABLE | {"Item": one, "ConditionExpression": "attribute_not_exists(PK)"} | shown},
            {"Put": TABLE | {"Item": two}},
            {"Update": TABLE | update_of(three, ("SET n = n + :x", values(x=1)))},
        ],
    )
    assert error.code == "TransactionCanceledException"
    assert error.message.endswith("[ConditionalCheckFailed, None, ValidationError]")
    assert [reason["Code"] for reason in error.reasons] == ["ConditionalCheckFailed", "None", "ValidationError"]
    assert error.reasons[0]["Item"] == one
    assert db.items("billing") == [one], "nothing of it is written"


def test_a_table_that_is_not_there(client):
    error = refused(client.get_item, TableName="elsewhere", Key=raw(PK="a", SK="1"))
    assert (error.code, error.message) == ("ResourceNotFoundException", "Requested resource not found")
    assert refused(client.create_table, **DEFINITION).code == "ResourceInUseException"
    assert refused(client.list_tables).code == "UnknownOperationException"


BIG = raw(PK="a", SK="1", text="x" * 400 * 1024)
INVALID = {
    "an item over 400 KB": ("put_item", {"Item": BIG}),
    "an empty key": ("put_item", {"Item": raw(PK="a", SK="")}),
    "an empty key of an index": ("put_item", {"Item": KEY | raw(GSI1PK="", GSI1SK="1")}),
    "a key that is too long": ("put_item", {"Item": raw(PK="a", SK="x" * 1025)}),
    "a missing key": ("put_item", {"Item": raw(PK="a")}),
    "a key of another type": ("get_item", {"Key": raw(PK="a", SK=1)}),
    "a key with too much in it": ("get_item", {"Key": KEY | raw(n=1)}),
    "a number of 39 digits": ("put_item", {"Item": KEY | {"n": {"N": "1" * 39}}}),
    "a number that is too large": ("put_item", {"Item": KEY | {"n": {"N": "1E126"}}}),
    "a number that is none": ("put_item", {"Item": KEY | {"n": {"N": "NaN"}}}),
    "an empty set": ("put_item", {"Item": KEY | {"tags": {"SS": []}}}),
    "a set with doubles": ("put_item", {"Item": KEY | {"tags": {"NS": ["1", "1.0"]}}}),
    "an undefined name": ("put_item", {"Item": KEY, "ConditionExpression": "attribute_exists(#x)"}),
    "an undefined value": ("put_item", {"Item": KEY, "ConditionExpression": "n = :x"}),
    "an unused name": (
        "put_item",
        {"Item": KEY, "ConditionExpression": "n = n", "ExpressionAttributeNames": {"#x": "x"}},
    ),
    "an unused value": ("put_item", {"Item": KEY, "ExpressionAttributeValues": values(x=1)}),
    "a reserved word": ("get_item", {"Key": KEY, "ProjectionExpression": "status"}),
    "an expression with a strange sign": ("put_item", {"Item": KEY, "ConditionExpression": "n ! n"}),
    "an empty expression": ("put_item", {"Item": KEY, "ConditionExpression": " "}),
    "an unknown function": ("put_item", {"Item": KEY, "ConditionExpression": "exists(n)"}),
    "paths that overlap": ("get_item", {"Key": KEY, "ProjectionExpression": "m.x, m"}),
    "a consistent reading of an index": (
        "query",
        query("GSI1PK = :x", x="g") | {"IndexName": "GSI1", "ConsistentRead": True},
    ),
    "an unknown index": ("query", query("GSI9PK = :x", x="g") | {"IndexName": "GSI9"}),
    "no partition": ("query", query("SK = :x", x="1")),
    "a condition on something else": ("query", query("PK = :x AND n = :n", x="a", n=1)),
    "a start that is no key": ("query", query("PK = :x", x="a") | {"ExclusiveStartKey": raw(PK="a")}),
    "bounds the wrong way round": ("query", query("PK = :x AND SK BETWEEN :b AND :a", x="a", b="b", a="a")),
    "a limit of nothing": ("scan", {"Limit": 0}),
    "a segment beyond the last": ("scan", {"Segment": 2, "TotalSegments": 2}),
    "an update of the key": ("update_item", update_of(KEY, ("SET PK = :x", values(x="b")))),
    "one path twice": ("update_item", update_of(KEY, ("SET n = :x, n = :x", values(x=1)))),
    "a path into nothing": ("update_item", update_of(KEY, ("SET m.x = :x", values(x=1)))),
    "a removal from nothing": ("update_item", {"Key": KEY, "UpdateExpression": "REMOVE m.x"}),
    "a parameter of former times": ("get_item", {"Key": KEY, "AttributesToGet": ["n"]}),
}


@pytest.mark.parametrize(("operation", "arguments"), INVALID.values(), ids=INVALID.keys())
def test_what_is_not_valid_is_refused(db, client, operation, arguments):
    error = refused(getattr(client, operation), **TABLE, **arguments)
    assert (error.code, error.status) == ("ValidationException", 400)
    assert error.message
    assert db.items("billing") == []


def test_two_writes_of_one_item_are_refused_in_a_batch_and_in_a_transaction(client):
    put = {"Put": TABLE | {"Item": KEY}}
    delete = {"Delete": TABLE | {"Key": KEY}}
    assert refused(client.transact_write_items, TransactItems=[put, delete]).code == "ValidationException"
    batch = {"billing": [{"PutRequest": {"Item": KEY}}, {"DeleteRequest": {"Key": KEY}}]}
    assert refused(client.batch_write_item, RequestItems=batch).code == "ValidationException"


def test_more_than_a_request_may_hold_is_refused(client):
    several = [raw(PK="a", SK=str(n)) for n in range(101)]
    puts_of = [{"Put": TABLE | {"Item": item}} for item in several]
    assert refused(client.transact_write_items, TransactItems=puts_of).code == "ValidationException"
    client.transact_write_items(TransactItems=puts_of[:100])
    batch = {"billing": [{"PutRequest": {"Item": item}} for item in several[:26]]}
    assert refused(client.batch_write_item, RequestItems=batch).code == "ValidationException"
    keys_of = {"billing": {"Keys": several}}
    assert refused(client.batch_get_item, RequestItems=keys_of).code == "ValidationException"


def test_numbers_keep_their_38_digits_and_lose_what_says_nothing(db, client):
    digits = "12345678901234567890123456789012345678"
    given = {"a": digits, "b": "1.500", "c": "-0", "d": "1E+3", "e": "0.0010", "f": "1" + "0" * 40}
    client.put_item(**TABLE, Item=KEY | {name: {"N": text} for name, text in given.items()})
    [item] = db.items("billing")
    assert [item[name]["N"] for name in "abcdef"] == [digits, "1.5", "0", "1000", "0.001", "1" + "0" * 40]
    client.update_item(**TABLE, **update_of(KEY, ("ADD a :x", values(x=1))))
    assert db.items("billing")[0]["a"]["N"] == "12345678901234567890123456789012345679"
    assert refused(client.update_item, **TABLE, **update_of(KEY, ("SET f = f + :x", values(x=1)))).code == (
        "ValidationException"
    ), "41 digits"
