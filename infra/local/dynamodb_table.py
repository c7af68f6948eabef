"""One DynamoDB table in memory: its items by key, and itself and its secondary indexes kept sorted.

A partition of an index is a sorted list of places, ``(sort key, PK, SK)``; a query is two bisections of it.
Items are replaced, never changed in place, so whoever holds one holds a snapshot.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from infra.local.dynamodb_values import (
    Item,
    Value,
    canonical,
    invalid,
    item_size,
    kind,
    order,
    wrong,
)

Key = tuple[Any, Any]  # partition and sort key of the table; "" where there is no sort key
Place = tuple[Any, Any, Any]  # sort key of the index, then the key: no two items share one

ITEM_LIMIT = 400 * 1024
HASH_LIMIT, RANGE_LIMIT = 2048, 1024


class Entry(NamedTuple):
    """What an index holds of one item."""

    partition: Any
    place: Place
    item: Item
    size: int

    def units(self) -> int:
        """The write units of storing it: one for each started KB."""
        return -(-self.size // 1024)


class Index:
    """The table itself, or one of its secondary indexes: what it projects of each item, kept sorted."""

    def __init__(self, definition: Mapping[str, Any], table_keys: list[str]) -> None:
        keys = {key["KeyType"]: key["AttributeName"] for key in definition["KeySchema"]}
        self.hash, self.range = keys["HASH"], keys.get("RANGE")
        self.keys = [self.hash, self.range] if self.range else [self.hash]
        self.entries: dict[Key, Entry] = {}
        self.partitions: dict[Any, list[Place]] = {}
        projection = definition.get("Projection", {})
        self.projected: frozenset[str] | None = None  # None: everything
        if projection.get("ProjectionType", "ALL") != "ALL":
            self.projected = frozenset((*table_keys, *self.keys, *projection.get("NonKeyAttributes", ())))

    def write(self, key: Key, item: Item | None, size: int) -> int:
        """Hold ``item`` of ``size`` bytes under ``key``, or None for nothing; answers the write units."""
        old, new = self.entries.get(key), self._entry(key, item, size)
        if old and new and old[:2] == new[:2]:
            self.entries[key] = new
            return max(old.units(), new.units()) if old.item != new.item else 0
        if old:
            self._take_out(key, old)
        if new:
            self.entries[key] = new
            insort(self.partitions.setdefault(new.partition, []), new.place)
        return sum(entry.units() for entry in (old, new) if entry)

    def _entry(self, key: Key, item: Item | None, size: int) -> Entry | None:
        """An item without the index's keys is not in the index: it is sparse."""
        if item is None or any(name not in item for name in self.keys):
            return None
        if self.projected is not None:
            item = {name: value for name, value in item.items() if name in self.projected}
            size = item_size(item)
        sort = order(item[self.range]) if self.range else ""
        return Entry(order(item[self.hash]), (sort, *key), item, size)

    def _take_out(self, key: Key, entry: Entry) -> None:
        places = self.partitions[entry.partition]
        del places[bisect_left(places, entry.place)], self.entries[key]
        if not places:
            del self.partitions[entry.partition]

    def state(self) -> Any:
        """What it holds, to come back to."""
        return dict(self.entries), {partition: list(places) for partition, places in self.partitions.items()}

    def restore(self, state: Any) -> None:
        """Come back to what it held then."""
        entries, partitions = state
        self.entries = dict(entries)
        self.partitions = {partition: list(places) for partition, places in partitions.items()}

    def query(
        self, partition: Any, test: tuple[str, list[Any]] | None, after: Place | None, *, forward: bool
    ) -> Iterator[Entry]:
        """The entries of a partition whose sort key passes ``test``, in order, from behind ``after``."""
        places = self.partitions.get(partition, [])
        low, high = _span(places, *test) if test else (0, len(places))
        if after is not None and forward:
            low = max(low, bisect_right(places, after))
        elif after is not None:
            high = min(high, bisect_left(places, after))
        for position in range(low, high) if forward else range(high - 1, low - 1, -1):
            yield self.entries[places[position][1:]]

    def scan(self, after: tuple[Any, Place] | None) -> Iterator[Entry]:
        """All entries, partition by partition, from behind a partition and a place in it."""
        for partition in sorted(self.partitions):
            if after is None or partition > after[0]:
                yield from self.query(partition, None, None, forward=True)
            elif partition == after[0]:
                yield from self.query(partition, None, after[1], forward=True)


def _span(places: list[Place], test: str, operands: list[Any]) -> tuple[int, int]:
    """Where the places that pass a test on the sort key begin and end."""
    first, value, sort = operands[0], operands[-1], itemgetter(0)
    if test == "begins_with":
        return (
            bisect_left(places, first, key=sort),
            bisect_right(places, first, key=lambda place: place[0][: len(first)]),
        )
    low = 0 if test in ("<", "<=") else (bisect_right if test == ">" else bisect_left)(places, first, key=sort)
    high = (
        len(places)
        if test in (">", ">=")
        else (bisect_left if test == "<" else bisect_right)(places, value, key=sort)
    )
    return low, high


class Table:
    """A table with its indexes; the table itself is the index without a name."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self.definition = definition
        self.name: str = definition["TableName"]
        self.types = {a["AttributeName"]: a["AttributeType"] for a in definition["AttributeDefinitions"]}
        self.base = Index(definition, [])
        self.indexes = {
            index["IndexName"]: Index(index, self.base.keys)
            for index in definition.get("GlobalSecondaryIndexes") or ()
        }
        self.time_to_live: Mapping[str, Any] = definition.get("TimeToLiveSpecification") or {"Enabled": False}

    def index(self, name: str | None) -> Index:
        """The index of this name, the table itself for None."""
        if name is not None and name not in self.indexes:
            raise invalid(f"The table does not have the specified index: {name}")
        return self.indexes[name] if name is not None else self.base

    def get(self, key: Key) -> Item | None:
        """The item under a key."""
        entry = self.base.entries.get(key)
        return entry.item if entry else None

    def size(self, key: Key) -> int:
        """The bytes of the item under a key, 0 for none."""
        entry = self.base.entries.get(key)
        return entry.size if entry else 0

    def write(self, key: Key, item: Item | None) -> dict[str | None, int]:
        """Put or (None) delete an item; answers the write units of the table (None) and of each index."""
        size = item_size(item) if item else 0
        units: dict[str | None, int] = {None: max(1, -(-max(self.size(key), size) // 1024))}
        self.base.write(key, item, size)
        for name, index in self.indexes.items():
            if spent := index.write(key, item, size):
                units[name] = spent
        return units

    def refresh(self, key: Key) -> None:
        """Bring the indexes up to an item that they had lagged behind."""
        for index in self.indexes.values():
            index.write(key, self.get(key), self.size(key))

    def key(self, attributes: Mapping[str, Value], *, exact: bool = True) -> Key:
        """The key that the attributes name; ``exact`` where there may be no others."""
        names = self.base.keys
        if exact and len(attributes) != len(names):
            raise invalid("The provided key element does not match the schema")
        found = [self._key_part(name, attributes.get(name), exact=exact) for name in names]
        return found[0], found[1] if len(found) > 1 else ""

    def _key_part(self, name: str, value: Value | None, *, exact: bool) -> Any:
        if value is None:
            if exact:
                raise invalid("The provided key element does not match the schema")
            raise wrong(f"Missing the key {name} in the item")
        if kind(value) != self.types[name]:
            if exact:
                raise invalid("The provided key element does not match the schema")
            raise wrong(f"Type mismatch for key {name} expected: {self.types[name]} actual: {kind(value)}")
        return self.ordered(name, value)

    def ordered(self, name: str, value: Value) -> Any:
        """What a key attribute is sorted by, refused if it is empty or too long."""
        content = order(canonical(value))
        if content in ("", b""):
            raise invalid(
                "One or more parameter values are not valid. The AttributeValue for a key attribute "
                f"cannot contain an empty string value. Key: {name}"
            )
        limit = HASH_LIMIT if name == self.base.hash else RANGE_LIMIT
        if name in self.base.keys and kind(value) == "S" and len(content.encode()) > limit:
            raise wrong(f"Size of the key {name} has exceeded the size limit of {limit} bytes")
        return content

    def checked(self, item: Mapping[str, Value]) -> Item:
        """An item in canonical form, if this table may hold it."""
        clean = {name: canonical(value) for name, value in item.items()}
        for index_name, index in self.indexes.items():
            for name in index.keys:
                self._check_index_key(index_name, name, clean.get(name))
        if item_size(clean) > ITEM_LIMIT:
            raise invalid("Item size has exceeded the maximum allowed size")
        return clean

    def _check_index_key(self, index: str, name: str, value: Value | None) -> None:
        if value is None:
            return
        if kind(value) != self.types[name]:
            raise wrong(
                f"Type mismatch for Index Key {name} Expected: {self.types[name]} "
                f"Actual: {kind(value)} IndexName: {index}"
            )
        if value.get("S") == "" or value.get("B") == "":
            raise invalid(
                "One or more parameter values are not valid. The AttributeValue for a key attribute "
                "cannot contain an empty string value. "
                f"IndexName: {index}, IndexKey: {name}"
            )

    def key_attributes(self, item: Item, index: Index | None = None) -> Item:
        """The attributes of an item that are keys of the table, and of an index."""
        return {name: item[name] for name in (*self.base.keys, *(index.keys if index else ()))}

    def description(self) -> dict[str, Any]:
        """What DescribeTable answers."""
        shown = ("TableName", "KeySchema", "AttributeDefinitions")
        indexes = [
            {key: index[key] for key in ("IndexName", "KeySchema", "Projection")} | {"IndexStatus": "ACTIVE"}
            for index in self.definition.get("GlobalSecondaryIndexes") or ()
        ]
        return {
            **{key: self.definition[key] for key in shown},
            "TableStatus": "ACTIVE",
            "TableArn": f"arn:aws:dynamodb:local:000000000000:table/{self.name}",
            "ItemCount": len(self.base.entries),
            "TableSizeBytes": sum(entry.size for entry in self.base.entries.values()),
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
        }
