"""What every record of the table is: its keys from templates, its place in the two indexes, and back to an entity."""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import MISSING, fields
from datetime import datetime
from functools import cache
from typing import Any, ClassVar

from pynamodb.attributes import DiscriminatorAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection
from pynamodb.models import Model

from shared.store.attributes import instant

SHARDS = 16


def shard(account_id: str) -> str:
    """Spread accounts evenly over the shards of an index, always the same way."""
    return f"{zlib.crc32(account_id.encode()) % SHARDS:02d}"


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
        max_pool_connections = 25  # one for each thread of a worker

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

    @classmethod
    def of(cls, entity: Any) -> Record:
        """The record that stores ``entity``, with its keys filled in from the templates.

        What equals the entity's default is left out: a smaller item costs less.
        """
        record_class = RECORD_OF[type(entity)]
        values = {
            _attribute(f.name): getattr(entity, f.name)
            for f in fields(entity)
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
        values = ((f, getattr(self, _attribute(f.name))) for f in fields(self.entity))
        return self.entity(**{f.name: value for f, value in values if value is not None or f.default is MISSING})

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
        value = shard(entity.account_id) if name == "shard" else getattr(entity, name)
        if value is None:
            return None
        parts[name] = instant(value) if isinstance(value, datetime) else value
    return template.format(**parts)


@cache
def _names(template: str) -> list[str]:
    """What a template is filled with."""
    return re.findall(r"{(\w+)", template)


RECORD_OF: dict[type, type[Record]] = {}
"""Which kind of record stores an entity; ``records`` fills it."""
