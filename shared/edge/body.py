"""What all bodies have in common: unknown fields are refused, texts, numbers and lists have their bounds."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?!\s)$"
AMOUNT = r"^-?\d{1,15}(\.\d{1,3})?$"
MAILBOX = r"^[^@\s]+@[^@\s]+(?!\s)$"
MAILBOX_OR_NONE = r"^([^@\s]+@[^@\s]+)?(?!\s)$"

Text = Annotated[str, Meta(min_length=1, max_length=200)]
Id = Annotated[str, Meta(pattern=ID)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Positive = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Amount = Annotated[str, Meta(pattern=AMOUNT)]
Mailbox = Annotated[str, Meta(pattern=MAILBOX, max_length=254)]
MailboxOrNone = Annotated[str, Meta(pattern=MAILBOX_OR_NONE, max_length=254)]


class Body(Struct, forbid_unknown_fields=True, kw_only=True):
    """The base of all bodies."""
