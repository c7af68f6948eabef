"""The contacts of a story's accounts, set in bulk by its ``contacts`` steps through the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from infra.local.expectations import Failure
from infra.local.invocations import Reply
from infra.local.story import SetContacts
from shared.domain.contacts import MOST_AT_ONCE


class ContactBook:
    """Who there is: contacts are named in the order in which they came, and leave in it."""

    def __init__(self, request: Callable[[str, str, Any, str, str], Reply]) -> None:
        self._request = request
        self._known: dict[str, list[str]] = {}
        self._made = self._sent = 0

    def set(self, wanted: SetContacts) -> None:
        """Set new ones as marketing contacts; the oldest as non-marketing, or delete them."""
        known = self._known.setdefault(wanted.account, [])
        fewer = max(wanted.non_marketing, wanted.delete)
        if fewer > len(known):
            raise Failure(f"{wanted.account} has {len(known)} contacts, not {fewer}")
        new = [f"contact-{self._made + n + 1:06}" for n in range(wanted.marketing)]
        self._made += len(new)
        known += new
        for name, named in (
            ("marketing", new),
            ("non_marketing", known[: wanted.non_marketing]),
            ("delete", known[: wanted.delete]),
        ):
            for start in range(0, len(named), MOST_AT_ONCE):
                self._send(wanted.account, {name: named[start : start + MOST_AT_ONCE]})
        del known[: wanted.delete]

    def _send(self, account: str, body: dict[str, list[str]]) -> None:
        self._sent += 1
        path = f"/v1/accounts/{account}/contacts/batch"
        reply = self._request("POST", path, body, "contacts.edit", f"contacts-{self._sent}")
        if reply.status >= 300:
            raise Failure(f"refused with {reply.status}: {reply.body}")
