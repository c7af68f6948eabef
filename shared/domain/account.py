"""Who sells, who buys, and what the buyer pays with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.domain.errors import Conflict
from shared.domain.money import digits_of
from shared.domain.periods import known_zone
from shared.domain.subscription import LeavesFirst


class AfterRetries(StrEnum):
    """What becomes of a subscription whose last automatic retry was declined (D17)."""

    LEAVE_UNPAID = "leave_unpaid"
    CANCEL = "cancel"


class UpdatePolicy(StrEnum):
    """When contacts set as non-marketing stop counting (F8, F13): sellers have changed it over time."""

    MONTHLY = "monthly"  # on the day of a monthly renewal; on the 1st of each month where the commitment is longer
    RENEWAL = "renewal"  # on the renewal of the commitment


class SeatsInvoiced(StrEnum):
    """When seats that are bought within a period are invoiced (D20)."""

    NEXT_INVOICE = "next_invoice"
    AT_ONCE = "at_once"  # where the next invoice is more than a quarter away


class Dunning(NamedTuple):
    """What is done about a declined charge (D17): tried again after so many days each, and then."""

    retry_days: tuple[int, ...] = ()
    then: AfterRetries = AfterRetries.LEAVE_UNPAID
    newer: bool = False  # another way to pay was saved since the charge began: that one is charged at once (F28)


@dataclass(frozen=True, slots=True)
class SellerEntity:
    """The company of the seller that an account buys from: its zone decides which day it is (R51).

    ``retry_days`` is the dunning schedule: after the n-th decline the charge is
    tried again so many days later, and after the last one ``after_retries`` says
    what becomes of the subscription (D17). A lower contact tier must be asked
    for ``tier_notice_days`` business days before the renewal (F11).
    """

    id: str
    name: str
    timezone: str
    currency: str
    address: str = ""
    billing_mailbox: str = ""  # R11: whom a customer asks about a bill
    retry_days: tuple[int, ...] = (3, 5, 7)
    after_retries: AfterRetries = AfterRetries.LEAVE_UNPAID
    seats_leave_first: LeavesFirst = LeavesFirst.NEWEST  # D4
    seats_invoiced: SeatsInvoiced = SeatsInvoiced.NEXT_INVOICE
    contacts_update: UpdatePolicy = UpdatePolicy.MONTHLY
    tier_notice_days: int = 5
    version: int = 0

    def __post_init__(self) -> None:
        known_zone(self.timezone)
        digits_of(self.currency)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that its days are counted in."""
        return ZoneInfo(self.timezone)

    @property
    def dunning(self) -> Dunning:
        """What it does about a declined charge."""
        return Dunning(self.retry_days, self.after_retries)


@dataclass(frozen=True, slots=True)
class Account:
    """A customer of the seller. Its seller entity and currency stay what they were when it was made."""

    id: str
    seller: str
    name: str
    currency: str
    billing_contacts: tuple[str, ...] = ()
    customer: str | None = None  # at Stripe
    customer_asked_at: datetime | None = None  # when that customer was first asked for
    payment_method: str | None = None  # the id of the PaymentMethod that is charged
    payment_method_type: str = "card"
    marketing_contacts: bool = True  # R41: older accounts may not have them
    version: int = 0

    def __post_init__(self) -> None:
        digits_of(self.currency)


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """A saved way to pay: Stripe's id and what a person recognises it by, never a number."""

    account_id: str
    id: str
    type: str
    brand: str | None = None
    last4: str | None = None
    expires: str | None = None  # "2030-04"
    saved_at: datetime | None = None
    customer: str | None = None  # whose it is at Stripe: of one that paid once, nobody's


def check_seller_change(before: SellerEntity | None, after: SellerEntity) -> None:
    """A seller entity keeps its zone and currency: the days and the bills of its accounts hang on them."""
    if before and (before.timezone, before.currency) != (after.timezone, after.currency):
        sentence = f"A seller entity keeps its timezone ({before.timezone}) and currency ({before.currency})."
        raise Conflict(sentence, code="seller_fixed")


def check_change(before: Account | None, after: Account) -> None:
    """An account keeps its seller entity and its currency: what it has bought hangs on them."""
    if before is None:
        return
    for name, old, new in (("seller", before.seller, after.seller), ("currency", before.currency, after.currency)):
        if old != new:
            raise Conflict(f"The {name} of an account cannot change; it is {old}.", code="account_fixed")
