"""The records of contacts: the contacts themselves, and how many there are.

They stand apart from ``records``, so that the functions which have nothing to
do with contacts need not load them.
"""

from __future__ import annotations

from typing import ClassVar

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute, VersionAttribute

from shared.domain.contacts import Contact
from shared.domain.counting import Counting, LiveCount
from shared.domain.recount import ContactSummary, DailyCount
from shared.store.attributes import DataAttribute, DateAttribute, InstantAttribute
from shared.store.record import RECORD_OF, Record


class ContactRecord(Record, discriminator="contact"):
    """A contact, in as few bytes as can be: its account and its id stand in its keys alone."""

    entity = Contact
    keys: ClassVar = {"PK": "CONTACTS#{account_id}#{part}", "SK": "CONTACT#{id}"}
    in_keys = ("account_id", "id")
    since = DateAttribute(null=True)
    until = DateAttribute(null=True)


class ContactSummaryRecord(Record, discriminator="contact_summary"):
    """An account's contacts as they were last counted; in the due index until they are counted next."""

    entity = ContactSummary
    keys: ClassVar = {
        "PK": "ACCOUNT#{account_id}",
        "SK": "CONTACTS",
        "GSI1PK": "DUE#recount#{shard}",
        "GSI1SK": "{due_at}#{account_id}#{id}",
    }
    version = VersionAttribute()
    account_id = UnicodeAttribute()
    timezone = UnicodeAttribute()
    counts_at = InstantAttribute()
    counted_on = DateAttribute(null=True)
    marketing = NumberAttribute(null=True)
    total = NumberAttribute(null=True)
    tier = NumberAttribute(null=True)
    warned = NumberAttribute(null=True)
    maximum = NumberAttribute(null=True)
    maximum_told = BooleanAttribute(null=True)
    progress: DataAttribute[Counting] = DataAttribute(Counting, null=True)
    busy_until = InstantAttribute(null=True)
    failures = NumberAttribute(null=True)
    error = UnicodeAttribute(null=True)


class LiveCountRecord(Record, discriminator="live_count"):
    """How many contacts there are now; added to, and never written as a whole."""

    entity = LiveCount
    keys: ClassVar = {"PK": "ACCOUNT#{account_id}", "SK": "LIVE"}
    in_keys = ("account_id",)
    marketing = NumberAttribute(null=True)
    total = NumberAttribute(null=True)
    peak = NumberAttribute(null=True)
    gained = NumberAttribute(null=True)
    made = NumberAttribute(null=True)


class DailyCountRecord(Record, discriminator="daily_count"):
    """How many contacts there were on a day: the chart."""

    entity = DailyCount
    keys: ClassVar = {"PK": "ACCOUNT#{account_id}", "SK": "COUNT#{day}"}
    account_id = UnicodeAttribute()
    day = DateAttribute()
    marketing = NumberAttribute()
    total = NumberAttribute()
    peak = NumberAttribute()
    tier = NumberAttribute(null=True)


RECORD_OF.update({cls.entity: cls for cls in Record.__subclasses__()})
