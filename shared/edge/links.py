"""Links for payers, who have no token of ours: to the pay page of an invoice, to the update page of a subscription.

A link is signed, not stored: making one writes nothing, it works from a mail, and
taking its key away revokes it (decision 0009).
"""

from __future__ import annotations

import base64
import hmac
import os
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from shared.domain.errors import NotFound
from shared.domain.invoice import Invoice
from shared.domain.subscription import Subscription
from shared.edge.permissions import MODIFY

if TYPE_CHECKING:
    from shared.edge.api import Api

UPDATE_FOR = timedelta(days=30)
"""How long an update page can be opened; a pay page for good, because it is the receipt too."""
_SIGNATURE = 16  # bytes


class Kind(StrEnum):
    """What a link opens."""

    INVOICE = "invoice"  # its pay page
    METHOD = "method"  # the update page of a subscription


class Link(NamedTuple):
    """The invoice or subscription that a link is for, and the last day (UTC) on which it opens, if there is one."""

    kind: Kind
    account_id: str
    id: str
    last_day: date | None = None


def pay_page(api: Api, bill: Invoice) -> str | None:
    """The address of an invoice's pay page, while there is something to pay, for callers who may pay it."""
    if not bill.payable or not api.may(MODIFY):
        return None
    return api.address + path(Link(Kind.INVOICE, bill.account_id, bill.id))


def update_page(api: Api, subscription: Subscription) -> str | None:
    """The address of a subscription's update page, while it is charged, for callers who may change that."""
    if not subscription.charged or not api.may(MODIFY):
        return None
    last_day = api.now.date() + UPDATE_FOR
    return api.address + path(Link(Kind.METHOD, subscription.account_id, subscription.id, last_day))


def path(link: Link) -> str:
    """Where a link leads, below the API's address."""
    return f"/v1/pay/{write(link)}"


def write(link: Link) -> str:
    """The token of a link, signed by the first key."""
    facts = "/".join([link.kind, link.account_id, link.id, str(link.last_day or "")]).encode()
    return _text(facts + _signature(_keys()[0], facts))


def read(token: str, today: date) -> Link:
    """What a token is for, if one of the keys has signed it and its days are not over."""
    signed = _bytes(token)
    facts, signature = signed[:-_SIGNATURE], signed[-_SIGNATURE:]
    if not any(hmac.compare_digest(signature, _signature(key, facts)) for key in _keys()):
        raise NotFound("There is nothing at this address.")
    kind, account_id, id_, last_day = facts.decode().split("/")
    link = Link(Kind(kind), account_id, id_, date.fromisoformat(last_day) if last_day else None)
    if link.last_day and today > link.last_day:
        raise NotFound("This link has run out. Please ask for a new one.", code="link_expired")
    return link


def _keys() -> list[bytes]:
    """The secrets: the first one signs, all of them verify, so that they can be changed one after another."""
    from aws_lambda_powertools.utilities.parameters import get_parameter

    value: str = get_parameter(os.environ["LINK_KEYS_PARAMETER"], decrypt=True, max_age=300)
    return value.encode().split()


def _signature(key: bytes, facts: bytes) -> bytes:
    return hmac.digest(key, b"prorata link " + facts, "sha256")[:_SIGNATURE]


def _text(signed: bytes) -> str:
    return base64.urlsafe_b64encode(signed).decode().rstrip("=")


def _bytes(token: str) -> bytes:
    """What a token holds; nothing, if we would have written it in another way."""
    try:
        signed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return b""
    return signed if _text(signed) == token else b""
