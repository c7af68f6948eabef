"""The record of an import of contacts, for the functions that import."""

from __future__ import annotations

from typing import ClassVar

from pynamodb.attributes import BooleanAttribute, NumberAttribute, TTLAttribute, UnicodeAttribute, VersionAttribute

from shared.domain.contact_import import ContactImport, ImportStatus, Outcome, Page, Tally
from shared.domain.contact_rows import Layout
from shared.store.attributes import DataAttribute, InstantAttribute, WordAttribute
from shared.store.record import RECORD_OF, Record


class ContactImportRecord(Record, discriminator="contact_import"):
    """A CSV file of contacts, and how far it is imported; in the due index while it is under way."""

    entity = ContactImport
    keys: ClassVar = {
        "PK": "ACCOUNT#{account_id}",
        "SK": "IMPORT#{id}#",
        "GSI1PK": "DUE#import#{shard}",
        "GSI1SK": "{due_at}#{account_id}#{id}",
    }
    version = VersionAttribute()
    account_id = UnicodeAttribute()
    id = UnicodeAttribute()
    created_at = InstantAttribute()
    expires_at = TTLAttribute()
    status = WordAttribute(ImportStatus, null=True)
    size = NumberAttribute(null=True)
    etag = UnicodeAttribute(null=True)
    layout: DataAttribute[Layout] = DataAttribute(Layout, null=True)
    offset = NumberAttribute(null=True)
    lines = NumberAttribute(null=True)
    page: DataAttribute[Page] = DataAttribute(Page, null=True)
    tally: DataAttribute[Tally] = DataAttribute(Tally, null=True)
    reports = NumberAttribute(null=True)
    error = UnicodeAttribute(null=True)
    outcome: DataAttribute[Outcome] = DataAttribute(Outcome, null=True)
    due_at = InstantAttribute(null=True)
    lease = NumberAttribute(null=True)
    tries = NumberAttribute(null=True)
    drafted = NumberAttribute(null=True)
    counts_at = InstantAttribute(null=True)
    doubtful = BooleanAttribute(null=True)
    stopping = BooleanAttribute(null=True)


RECORD_OF[ContactImport] = ContactImportRecord
