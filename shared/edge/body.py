"""What all bodies have in common: unknown fields are refused, texts, numbers and lists have their bounds."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1, max_length=200)]
Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?!\s)$")]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Positive = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Amount = Annotated[str, Meta(pattern=r"^-?\d{1,15}(\.\d{1,3})?$")]


class Body(Struct, forbid_unknown_fields=True, kw_only=True):
    """The base of all bodies."""
