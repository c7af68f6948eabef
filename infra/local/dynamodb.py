"""DynamoDB in this process: botocore's requests answered from memory, with no server and no socket.

PynamoDB and boto3 talk to it as to AWS. Every request is carried out under one lock, so a transaction is
atomic and every reading sees all that was written before. What AWS does and this does not: secondary indexes
never lag, nothing expires by its time to live, nothing is throttled or conflicts with another transaction;
``fault`` is where such things are made to happen.

``dynamodb_requests`` reads and decides for one request, ``dynamodb_table`` keeps items and indexes in order,
``dynamodb_expressions`` parses, ``dynamodb_operators`` evaluates, ``dynamodb_values`` knows the data types.
"""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from infra.local import aws
from infra.local.dynamodb_expressions import Expressions
from infra.local.dynamodb_operators import project
from infra.local.dynamodb_requests import (
    Action,
    Body,
    Change,
    Units,
    Write,
    all_or_nothing,
    conflict,
    key_tests,
    page,
    read,
    read_units,
    refuse_doubles,
    start,
)
from infra.local.dynamodb_table import Index, Place, Table
from infra.local.dynamodb_values import Item, Refusal, invalid, wrong

__all__ = ["Change", "DynamoDB", "Refusal"]

TRANSACTION_LIMIT, BATCH_GET_LIMIT, BATCH_WRITE_LIMIT = 100, 100, 25
TOKEN_SECONDS = 600

OPERATIONS = {  # the method, and where a fault may be injected
    "GetItem": ("_get_item", "store.get"),
    "BatchGetItem": ("_batch_get_item", "store.get"),
    "TransactGetItems": ("_transact_get_items", "store.get"),
    "Query": ("_query", "store.query"),
    "Scan": ("_scan", "store.query"),
    "PutItem": ("_put_item", "store.commit"),
    "UpdateItem": ("_update_item", "store.commit"),
    "DeleteItem": ("_delete_item", "store.commit"),
    "BatchWriteItem": ("_batch_write_item", "store.commit"),
    "TransactWriteItems": ("_transact_write_items", "store.commit"),
    "CreateTable": ("_create_table", ""),
    "DescribeTable": ("_describe_table", ""),
    "UpdateTimeToLive": ("_update_time_to_live", ""),
    "DescribeTimeToLive": ("_describe_time_to_live", ""),
}


class Conflicted(Exception):
    """Raised by a ``fault``: another transaction is at work on the same item."""


class DynamoDB:
    """The tables, and the hook that answers for them.

    ``on_commit`` is called once for each write request that changed something, inside the lock and therefore
    in the order of the commits; it should note the changes and return. ``fault`` is called around each call,
    outside the lock, with the place (store.get, store.query, store.commit) and the call itself: it may raise
    before or after calling, answer something else, or raise a Refusal to have DynamoDB answer an error.
    """

    def __init__(self) -> None:
        self.on_commit: Callable[[list[Change]], None] | None = None
        self.fault: Callable[[str, Callable[[], AWSResponse]], AWSResponse] | None = None
        self.clock: Callable[[], float] = time.monotonic  # in seconds; how long a ClientRequestToken is known
        self.calls: Counter[str] = Counter()  # by operation
        self.units: Counter[str] = Counter()  # capacity spent, by the same places as faults
        self._tables: dict[str, Table] = {}
        self._tokens: dict[str, tuple[float, int]] = {}  # when it was used, and for what; the oldest first
        self._lock = threading.RLock()

    # what the local run and the tests call

    def attach(self, session_or_client: Any) -> None:
        """Route every DynamoDB call of a boto3 session (its later clients) or of a client to this one."""
        events = getattr(session_or_client, "meta", session_or_client).events
        events.register_first("before-send.dynamodb.*", self.answer, unique_id=f"dynamodb-{id(self)}")

    def answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """Answer one request of botocore."""
        operation = aws.operation(request)
        where = OPERATIONS.get(operation, ("", ""))[1]
        if self.fault is None or not where:
            return self._carry_out(operation, request.body)
        try:
            return self.fault(where, lambda: self._carry_out(operation, request.body))
        except Conflicted:
            return aws.response(400, conflict(operation).body())
        except Refusal as refusal:
            return aws.response(400, refusal.body())

    def create_table(self, definition: Body) -> None:
        """Make a table from the properties of an ``AWS::DynamoDB::Table``."""
        with self._lock:
            if definition["TableName"] in self._tables:
                raise Refusal("ResourceInUseException", f"Table already exists: {definition['TableName']}")
            self._tables[definition["TableName"]] = Table(definition)

    def items(self, table: str) -> list[Item]:
        """All items of a table by key, as DynamoDB JSON: a snapshot, not to be changed."""
        with self._lock:
            entries = self._table(table).base.entries
            return [entries[key].item for key in sorted(entries)]

    def index(self, table: str, index: str | None, partition: Any) -> list[Place]:
        """The (sort key, PK, SK) of everything in one partition, in order."""
        with self._lock:
            return [*self._table(table).index(index).partitions.get(partition, ())]

    def first(self, table: str, index: str | None, partition: Any) -> Any:
        """The smallest sort key of a partition, None if it is empty; costs nothing."""
        with self._lock:
            places = self._table(table).index(index).partitions.get(partition)
            return places[0][0] if places else None

    def partitions(self, table: str, index: str | None) -> list[Any]:
        """The partition keys that hold something."""
        with self._lock:
            return sorted(self._table(table).index(index).partitions)

    def table(self, name: str) -> Table:
        """A table itself, with its indexes."""
        return self._table(name)

    # carrying out a request

    def _carry_out(self, operation: str, content: bytes | str) -> AWSResponse:
        method, where = OPERATIONS.get(operation, ("_unknown", ""))
        request = json.loads(content)
        try:
            with self._lock:
                self.calls[operation] += 1
                answer, units = getattr(self, method)(request)
                self.units[where] += sum(units.values())
            return aws.response(200, answer | _consumed(request, units, operation))
        except Refusal as refusal:
            return aws.response(400, refusal.body())

    def _table(self, name: str) -> Table:
        if name not in self._tables:
            raise Refusal("ResourceNotFoundException", "Requested resource not found")
        return self._tables[name]

    def _unknown(self, _: Body) -> tuple[Body, Units]:
        raise Refusal("UnknownOperationException", f"Understood are {', '.join(OPERATIONS)}")

    # reading

    def _get_item(self, request: Body) -> tuple[Body, Units]:
        table, asked = self._table(request["TableName"]), Expressions(request)
        [found], units = read(table, [request["Key"]], asked, 1 if request.get("ConsistentRead") else 0.5)
        return ({"Item": found} if found is not None else {}), units

    def _batch_get_item(self, request: Body) -> tuple[Body, Units]:
        batches = request["RequestItems"]
        if sum(len(batch["Keys"]) for batch in batches.values()) > BATCH_GET_LIMIT:
            raise invalid("Too many items requested for the BatchGetItem call")
        responses, units = {}, Units()
        for name, batch in batches.items():
            table = self._table(name)
            refuse_doubles(
                [(name, table.key(key)) for key in batch["Keys"]],
                "Provided list of item keys contains duplicates",
            )
            found, spent = read(table, batch["Keys"], Expressions(batch), 1 if batch.get("ConsistentRead") else 0.5)
            responses[name] = [item for item in found if item is not None]
            units += spent
        return {"Responses": responses, "UnprocessedKeys": {}}, units

    def _transact_get_items(self, request: Body) -> tuple[Body, Units]:
        gets = [action["Get"] for action in request["TransactItems"]]
        if len(gets) > TRANSACTION_LIMIT:
            raise invalid("Member must have length less than or equal to 100")
        tables = [self._table(get["TableName"]) for get in gets]
        keys = [(table.name, table.key(get["Key"])) for table, get in zip(tables, gets, strict=True)]
        refuse_doubles(keys, "Transaction request cannot include multiple operations on one item")
        responses, units = [], Units()
        for table, get in zip(tables, gets, strict=True):
            [found], spent = read(table, [get["Key"]], Expressions(get), 2)
            responses.append({"Item": found} if found else {})
            units += spent
        return {"Responses": responses}, units

    def _query(self, request: Body) -> tuple[Body, Units]:
        table, index, asked = self._sought(request)
        partition, test = key_tests(table, index, asked.keys())
        after = start(table, index, request)
        if after and after[0] != partition:
            raise invalid("The provided starting key is outside query boundaries based on provided conditions")
        forward = request.get("ScanIndexForward", True)
        entries = index.query(partition, test, after[1] if after else None, forward=forward)
        return page(request, table, index, asked, entries)

    def _scan(self, request: Body) -> tuple[Body, Units]:
        table, index, asked = self._sought(request)
        segment, segments = request.get("Segment", 0), request.get("TotalSegments", 1)
        if segment >= segments or ("Segment" in request) != ("TotalSegments" in request):
            raise invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments")
        entries = index.scan(start(table, index, request))
        mine = (e for e in entries if zlib.crc32(str(e.partition).encode()) % segments == segment)
        return page(request, table, index, asked, mine if segments > 1 else entries)

    def _sought(self, request: Body) -> tuple[Table, Index, Expressions]:
        table, asked = self._table(request["TableName"]), Expressions(request)
        index = table.index(request.get("IndexName"))
        if index is not table.base and request.get("ConsistentRead"):
            raise invalid("Consistent reads are not supported on global secondary indexes")
        if index.projected is not None:
            wanted = {path[0] for path in asked.projection() or ()}
            if request.get("Select") == "ALL_ATTRIBUTES" or not wanted <= index.projected:
                raise wrong(f"Global secondary index {request['IndexName']} does not project all that is asked for")
        return table, index, asked

    # writing

    def _put_item(self, request: Body) -> tuple[Body, Units]:
        return self._write("Put", request)

    def _delete_item(self, request: Body) -> tuple[Body, Units]:
        return self._write("Delete", request)

    def _update_item(self, request: Body) -> tuple[Body, Units]:
        return self._write("Update", request)

    def _write(self, verb: str, request: Body) -> tuple[Body, Units]:
        wanted = request.get("ReturnValues", "NONE")
        if verb != "Update" and wanted not in ("NONE", "ALL_OLD"):
            raise invalid("Return values set to invalid value")
        action = Action(self._table(request["TableName"]), verb, request)
        write = action.decide()
        units = self._commit([write])
        shown = {"OLD": write.old, "NEW": write.new}.get(wanted[-3:])
        if shown and wanted.startswith("UPDATED"):
            shown = project(shown, action.asked.targets())
        return ({"Attributes": shown} if shown else {}), units

    def _batch_write_item(self, request: Body) -> tuple[Body, Units]:
        actions = []
        for name, requests in request["RequestItems"].items():
            for wanted in requests:
                [(verb, body)] = wanted.items()
                actions.append(Action(self._table(name), verb.removesuffix("Request"), body))
        if len(actions) > BATCH_WRITE_LIMIT:
            raise invalid("Too many items requested for the BatchWriteItem call")
        refuse_doubles([action.place for action in actions], "Provided list of item keys contains duplicates")
        return {"UnprocessedItems": {}}, self._commit([action.decide() for action in actions])

    def _transact_write_items(self, request: Body) -> tuple[Body, Units]:
        if not 1 <= len(request["TransactItems"]) <= TRANSACTION_LIMIT:
            raise invalid("1 validation error detected: transactItems must have 1 to 100 members")
        members = [next(iter(member.items())) for member in request["TransactItems"]]
        actions = [Action(self._table(body["TableName"]), verb, body) for verb, body in members]
        refuse_doubles(
            [action.place for action in actions],
            "Transaction request cannot include multiple operations on one item",
        )
        token, purpose = request.get("ClientRequestToken"), hash(json.dumps(members, sort_keys=True))
        if self._was_done(token, purpose):
            return {}, read_units((action.table, action.key) for action in actions)
        units = self._commit(all_or_nothing(actions), transaction=True)
        if token:
            self._tokens[token] = self.clock(), purpose
        return {}, units

    def _was_done(self, token: str | None, purpose: int) -> bool:
        """Whether this very transaction was carried out under this token in the last ten minutes."""
        while self._tokens and next(iter(self._tokens.values()))[0] <= self.clock() - TOKEN_SECONDS:
            del self._tokens[next(iter(self._tokens))]
        if token not in self._tokens:
            return False
        if self._tokens[token][1] != purpose:
            raise Refusal(
                "IdempotentParameterMismatchException",
                "Request token already in use for another request with a different payload",
            )
        return True

    def _commit(self, writes: list[Write], *, transaction: bool = False) -> Units:
        """Write all of it, tell the stream, answer what it cost: twice on the table in a transaction."""
        units = Units()
        for table, key, _, new in writes:
            for index, spent in table.write(key, new).items():
                units[table.name, index] += spent * (2 if transaction and index is None else 1)
        changes = [
            Change(table.name, table.key_attributes(new or old or {}), old, new)
            for table, _, old, new in writes
            if old != new
        ]
        if changes and self.on_commit:
            self.on_commit(changes)
        return units

    # tables

    def _create_table(self, request: Body) -> tuple[Body, Units]:
        self.create_table(request)
        return {"TableDescription": self._table(request["TableName"]).description()}, Units()

    def _describe_table(self, request: Body) -> tuple[Body, Units]:
        return {"Table": self._table(request["TableName"]).description()}, Units()

    def _update_time_to_live(self, request: Body) -> tuple[Body, Units]:
        self._table(request["TableName"]).time_to_live = request["TimeToLiveSpecification"]
        return {"TimeToLiveSpecification": request["TimeToLiveSpecification"]}, Units()

    def _describe_time_to_live(self, request: Body) -> tuple[Body, Units]:
        stated = self._table(request["TableName"]).time_to_live
        shown = {"AttributeName": stated["AttributeName"]} if "AttributeName" in stated else {}
        status = "ENABLED" if stated["Enabled"] else "DISABLED"
        return {"TimeToLiveDescription": {"TimeToLiveStatus": status, **shown}}, Units()


def _consumed(request: Body, units: Units, operation: str) -> Body:
    """The ConsumedCapacity that the request asked for."""
    mode = request.get("ReturnConsumedCapacity", "NONE")
    if mode == "NONE":
        return {}
    reports = []
    for name in sorted({table for table, _ in units}):
        each = {index: float(spent) for (table, index), spent in units.items() if table == name}
        report: Body = {"TableName": name, "CapacityUnits": sum(each.values())}
        if mode == "INDEXES":
            report["Table"] = {"CapacityUnits": each.pop(None, 0.0)}
            report["GlobalSecondaryIndexes"] = {index: {"CapacityUnits": spent} for index, spent in each.items()}
        reports.append(report)
    several = operation.startswith(("Batch", "Transact"))
    return {"ConsumedCapacity": reports if several else reports[0]}
