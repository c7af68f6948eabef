"""What single DynamoDB requests read and write: keys and pages to read, actions that decide what to write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from infra.local.dynamodb_expressions import Expressions
from infra.local.dynamodb_operators import project
from infra.local.dynamodb_table import Entry, Index, Key, Place, Table
from infra.local.dynamodb_values import Item, Refusal, Value, invalid, kind, order, wrong

Body = dict[str, Any]
Units = Counter[tuple[str, str | None]]  # what a request costs: by table, and index or None

PAGE = 1024 * 1024  # bytes that a Query or Scan reads at most


class Change(NamedTuple):
    """What a request did to one item, as the table's stream tells it; all as DynamoDB JSON."""

    table: str
    key: Item
    old: Item | None
    new: Item | None


class Write(NamedTuple):
    """What a request wants one item to be; ``old`` is what it is."""

    table: Table
    key: Key
    old: Item | None
    new: Item | None


class Action:
    """One write that a request asks for, checked as far as it can be without looking at the item."""

    def __init__(self, table: Table, verb: str, body: Body) -> None:
        self.table, self.verb, self.body, self.asked = table, verb, body, Expressions(body)
        self.item: Item = {}
        if verb == "Put":
            self.key = table.key(body["Item"], exact=False)
            self.item = table.checked(body["Item"])
        else:
            self.key = table.key(body["Key"])
        for path in self.asked.targets():
            if path[0] in table.base.keys:
                raise wrong(f"Cannot update attribute {path[0]}. This attribute is part of the key")
        self.place = (table.name, self.key)

    def decide(self) -> Write:
        """What becomes of the item as it is now; refused if the condition does not hold."""
        old = self.table.get(self.key)
        if not self.asked.holds(old or {}):
            show = old and self.body.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            shown = {"Item": old} if show else {}
            raise Refusal("ConditionalCheckFailedException", "The conditional request failed", **shown)
        return Write(self.table, self.key, old, self._outcome(old))

    def _outcome(self, old: Item | None) -> Item | None:
        if self.verb == "Put":
            return self.item
        if self.verb == "Update":
            return self.table.checked(self.asked.update(old or self.body["Key"]))
        return None if self.verb == "Delete" else old


def all_or_nothing(actions: list[Action]) -> list[Write]:
    """The writes of a transaction, or a refusal that says for each action what was wrong with it."""
    writes, reasons = [], []
    for action in actions:
        try:
            writes.append(action.decide())
            reasons.append({"Code": "None"})
        except Refusal as refusal:
            code = refusal.code.removesuffix("Exception").replace("Validation", "ValidationError")
            reasons.append({"Code": code, "Message": refusal.message, **refusal.fields})
    if len(writes) < len(actions):
        codes = ", ".join(reason["Code"] for reason in reasons)
        raise Refusal(
            "TransactionCanceledException",
            f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
            CancellationReasons=reasons,
        )
    return writes


def conflict(operation: str) -> Refusal:
    """Another transaction is at work on the same item; how DynamoDB says so depends on what was asked."""
    message = "Transaction is ongoing for the item"
    if operation != "TransactWriteItems":
        return Refusal("TransactionConflictException", message)
    reasons = [{"Code": "TransactionConflict", "Message": message}]
    return Refusal("TransactionCanceledException", message, CancellationReasons=reasons)


def refuse_doubles(places: list[tuple[str, Key]], message: str) -> None:
    """No item may be named twice in a batch or transaction."""
    if len(set(places)) < len(places):
        raise invalid(message)


def read(table: Table, keys: list[Item], asked: Expressions, factor: float) -> tuple[list[Item | None], Units]:
    """The items under these keys (None for none), as far as they are asked for, and what that costs."""
    places = [table.key(key) for key in keys]
    found, paths = [table.get(place) for place in places], asked.projection()
    if paths is not None:
        found = [item and project(item, paths) for item in found]
    return found, read_units(((table, place) for place in places), factor)


def read_units(places: Iterable[tuple[Table, Key]], factor: float = 2) -> Units:
    """One unit for each started 4 KB of each item: half if eventually consistent, twice in a transaction."""
    units = Units()
    for table, key in places:
        units[table.name, None] += max(1, -(-table.size(key) // 4096)) * factor  # type: ignore[assignment]
    return units


def key_tests(
    table: Table, index: Index, tests: list[tuple[str, str, list[Value]]]
) -> tuple[Any, tuple[str, list[Any]] | None]:
    """The partition that a query names, and its test on the sort key."""
    found: dict[str, tuple[str, list[Any]]] = {}
    for name, test, values in tests:
        if name not in index.keys or name in found:
            raise invalid(f"Query key condition not supported: {name}")
        if any(kind(value) != table.types[name] for value in values):
            raise wrong("Condition parameter type does not match schema type")
        found[name] = test, [table.ordered(name, value) for value in values]
    if index.hash not in found or found[index.hash][0] != "=":
        raise invalid(f"Query condition missed key schema element: {index.hash}")
    for test, bounds in found.values():
        if test == "begins_with" and isinstance(bounds[0], Decimal):
            raise invalid("Incorrect operand type for operator or function; operator or function: begins_with")
        if test == "between" and bounds[0] > bounds[1]:
            raise invalid("The BETWEEN operator requires upper bound to be greater than or equal to lower bound")
    return found[index.hash][1][0], found.get(index.range or "")


def start(table: Table, index: Index, request: Body) -> tuple[Any, Place] | None:
    """Where a page goes on: the partition and the place of the last item of the page before."""
    last = request.get("ExclusiveStartKey")
    if last is None:
        return None
    if last.keys() != {*table.base.keys, *index.keys}:
        raise invalid("The provided starting key is invalid")
    sort = order(last[index.range]) if index.range else ""
    return order(last[index.hash]), (sort, *table.key(table.key_attributes(last)))


def page(
    request: Body, table: Table, index: Index, asked: Expressions, entries: Iterator[Entry]
) -> tuple[Body, Units]:
    """One page of a Query or Scan: at most ``Limit`` items and 1 MB are read, before any filter."""
    limit, bytes_read, more = request.get("Limit"), 0, False
    if limit is not None and limit < 1:
        raise invalid("1 validation error detected: Value at 'Limit' must be greater than or equal to 1")
    seen: list[Entry] = []
    for entry in entries:
        if more := bool(seen) and bytes_read + entry.size > PAGE:
            break
        seen.append(entry)
        bytes_read += entry.size
        if more := len(seen) == limit:  # DynamoDB does not look whether anything follows
            break
    found = [entry.item for entry in seen if asked.holds(entry.item, "FilterExpression")]
    answer: Body = {"Count": len(found), "ScannedCount": len(seen)}
    if request.get("Select") != "COUNT":
        paths = asked.projection()
        answer["Items"] = found if paths is None else [project(item, paths) for item in found]
    if more:
        answer["LastEvaluatedKey"] = table.key_attributes(seen[-1].item, index)
    factor = 1 if request.get("ConsistentRead") else 0.5
    spent = max(1, -(-bytes_read // 4096)) * factor
    return answer, Units({(table.name, request.get("IndexName")): spent})
