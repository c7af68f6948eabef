"""What every record of the table is: its keys from templates, its place in the two indexes, and back to an entity."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable
from dataclasses import MISSING, fields
from datetime import datetime
from functools import cache
from typing import Any, ClassVar

from pynamodb.attributes import DiscriminatorAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection
from pynamodb.models import Model

from shared.store.attributes import instant

SHARDS = 16
PARTS = 8
"""Into so many partitions an account's contacts are divided, for good: a partition takes 1,000 writes a second."""


def shard(account_id: str) -> str:
    """Spread accounts evenly over the shards of an index, always the same way."""
    return f"{zlib.crc32(account_id.encode()) % SHARDS:02d}"


def part(contact_id: str) -> str:
    """Spread the contacts of an account evenly over its parts, always the same way."""
    return str(zlib.crc32(contact_id.encode()) % PARTS)


class Due(GlobalSecondaryIndex["Record"]):
    """Work by the instant it falls due, spread over the shards."""

    class Meta:
        """PynamoDB's settings."""

        index_name = "GSI1"
        projection = IncludeProjection(["kind"])  # without it the discriminator filter hides every row

    GSI1PK = UnicodeAttribute(hash_key=True)
    GSI1SK = UnicodeAttribute(range_key=True)


class Lists(GlobalSecondaryIndex["Record"]):
    """The seller's lists over all accounts, spread over the shards."""

    class Meta:
        """PynamoDB's settings."""

        index_name = "GSI2"
        projection = IncludeProjection(["kind"])

    GSI2PK = UnicodeAttribute(hash_key=True)
    GSI2SK = UnicodeAttribute(range_key=True)


class Record(Model):
    """Every record of the table. Read and write through this class: it owns the one connection."""

    class Meta:
        """PynamoDB's settings."""

        table_name = os.environ.get("TABLE_NAME", "prorata")
        region = os.environ.get("AWS_REGION", "eu-central-1")
        connect_timeout_seconds = 1
        read_timeout_seconds = 3
        max_pool_connections = 200  # one for each thread of the worker that has most, made when it is needed

    PK = UnicodeAttribute(hash_key=True)
    SK = UnicodeAttribute(range_key=True)
    GSI1PK = UnicodeAttribute(null=True)
    GSI1SK = UnicodeAttribute(null=True)
    GSI2PK = UnicodeAttribute(null=True)
    GSI2SK = UnicodeAttribute(null=True)
    kind = DiscriminatorAttribute()
    due = Due()
    lists = Lists()

    entity: ClassVar[type]
    keys: ClassVar[dict[str, str]]
    written_once: ClassVar[bool] = False  # never changed, so a second write of it means a race
    in_keys: ClassVar[
        tuple[str, ...]
    ] = ()  # fields that stand in the keys alone: small items, of which there are many

    @classmethod
    def of(cls, entity: Any) -> Record:
        """The record that stores ``entity``, with its keys filled in from the templates.

        What equals the entity's default is left out: a smaller item costs less.
        """
        record_class = RECORD_OF[type(entity)]
        values = {
            _attribute(f.name): getattr(entity, f.name)
            for f in fields(entity)
            if f.name not in record_class.in_keys
            if f.default is MISSING or getattr(entity, f.name) != f.default
        }
        values |= record_class.filled_keys(entity)
        return record_class(**values)

    @classmethod
    def key_of(cls, entity: Any) -> tuple[str, str]:
        """The primary key under which ``entity`` lies."""
        keys = RECORD_OF[type(entity)].filled_keys(entity)
        return keys["PK"], keys["SK"]

    def to_entity(self) -> Any:
        """The entity that this record stores."""
        stored = (f for f in fields(self.entity) if f.name not in self.in_keys)
        values = ((f, getattr(self, _attribute(f.name))) for f in stored)
        found = {f.name: value for f, value in values if value is not None or f.default is MISSING}
        return self.entity(**found, **self._read_from_keys())

    def _read_from_keys(self) -> dict[str, str]:
        """The fields that stand in the keys alone."""
        if not self.in_keys:
            return {}
        text, template = f"{self.PK} {self.SK}", "{PK} {SK}".format(**self.keys)
        found = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^#]+)", template), text)
        assert found, f"{text} is no {template}"
        return {name: found[name] for name in self.in_keys}

    @classmethod
    def filled_keys(cls, entity: Any) -> dict[str, str]:
        """The keys of ``entity`` from the templates; an index that has no value for it is left out."""
        filled = {key: _fill(template, entity) for key, template in cls.keys.items()}
        for index in (Due.Meta.index_name, Lists.Meta.index_name):
            if filled.get(f"{index}SK") is None:
                filled.pop(f"{index}PK", None)
        return {key: text for key, text in filled.items() if text is not None}


def _attribute(field: str) -> str:
    """The attribute of a field; ``kind`` is taken by the kind of record."""
    return "price_kind" if field == "kind" else field


def _fill(template: str, entity: Any) -> str | None:
    """A key from its template; ``None`` where the entity has no value for it, so an index skips the item."""
    parts: dict[str, Any] = {}
    for name in _names(template):
        value = _COMPUTED[name](entity) if name in _COMPUTED else getattr(entity, name)
        if value is None:
            return None
        parts[name] = instant(value) if isinstance(value, datetime) else value
    return template.format(**parts)


_COMPUTED: dict[str, Callable[[Any], str]] = {
    "shard": lambda entity: shard(entity.account_id),
    "part": lambda entity: part(entity.id),
}
"""What templates are filled with beside the entity's own fields."""


@cache
def _names(template: str) -> list[str]:
    """What a template is filled with."""
    return re.findall(r"{(\w+)", template)


RECORD_OF: dict[type, type[Record]] = {}
"""Which kind of record stores an entity; ``records`` fills it."""
