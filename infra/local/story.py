"""A story: what happened, day by day, as a file (see docs/stories.md)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from infra.local.faults import HOW, WHERE
from infra.local.stripe_methods import BEHAVIOURS, TEST_METHODS
from infra.local.yaml_file import BadFile, YamlFile
from shared.domain.errors import Invalid
from shared.domain.periods import known_zone
from shared.edge.schemas import PutCatalog, PutSeller

METHODS = {means.behaviour: name for name, means in reversed(TEST_METHODS.items())}
"""The ways to pay of a story, and Stripe's test methods behind them."""
OUTSIDE = {
    "card": "becomes",
    "pay": "with",
    "settle": None,
    "fail": "code",
    "authenticate": None,
    "verify": None,
    "dispute": None,
    "win_dispute": None,
    "lose_dispute": None,
    "fail_refund": None,
    "lose_webhooks_until": None,
}
"""What payers, their banks and the line to us do in a story, and what may be said beside it."""
KINDS = ("call", "until", "stripe", "fault", "contacts", "publish")


class Part(Struct, forbid_unknown_fields=True, kw_only=True):
    """The base of all parts of a story."""


class StoryAccount(Part):
    """A customer; ``seller`` is the first unless named."""

    seller: str | None = None
    name: str | None = None
    currency: str | None = None
    payment_method: Literal[
        "card_ok", "card_declined", "card_3ds", "card_3ds_once",
        "ach_ok", "ach_fails", "ach_closed", "ach_no_account", "ach_not_authorized", "ach_pending",
        "ach_microdeposits", "sepa_ok", "sepa_fails", "sepa_insufficient_funds", "none",
    ] = "none"  # fmt: skip
    billing_contacts: list[str] = []
    contacts: int = 0
    users: list[str] = []


class Fault(Part):
    """The next calls of a kind fail."""

    where: str
    how: str
    times: int = 1


Count = Annotated[int, Meta(ge=0)]


class SetContacts(Part):
    """So many contacts that were not there before are set in bulk; or the oldest of them set back, or deleted."""

    account: str
    marketing: Count = 0
    non_marketing: Count = 0
    delete: Count = 0


class Expected(Part):
    """What a call must answer: its status, any part of its body, a refusal's code."""

    status: int | None = None
    code: str | None = None
    body: Any = None


class Step(Part):
    """One thing that happens; which, says the one of its ``KINDS``."""

    at: str | None = None
    call: str | UnsetType = UNSET
    until: str | UnsetType = UNSET
    stripe: dict[str, str] | UnsetType = UNSET
    fault: Fault | UnsetType = UNSET
    contacts: SetContacts | UnsetType = UNSET
    publish: str | PutCatalog | UnsetType = UNSET
    as_: str | None = field(name="as", default=None)
    key: str | None = None
    body: Any = None
    save: dict[str, str] = {}
    expect: Expected = field(default_factory=Expected)

    @property
    def account(self) -> str | None:
        """The account that it is about."""
        if isinstance(self.contacts, SetContacts):
            return self.contacts.account
        return account_in(str(self.call).partition(" ")[2])

    @property
    def kind(self) -> str:
        """Which of the kinds it is (checked when it was read: just one)."""
        return next(kind for kind in KINDS if getattr(self, kind) is not UNSET)


def account_in(path: str) -> str | None:
    """The account that a path of the API is about.

    >>> account_in("/accounts/acme/checkout")
    'acme'
    """
    found = re.match(r"/accounts/([^/?]+)", path.strip())
    return found[1] if found else None


class Outcome(Part):
    """What must have come out at the end; what is not named is not compared."""

    invoices: list[dict[str, Any]] | None = None
    events: list[dict[str, Any]] | None = None
    payments: list[dict[str, Any]] | None = None
    mails: list[dict[str, Any]] | None = None
    statuses: dict[str, str] | None = None
    counts: dict[str, int] | None = None


class Story(Part):
    """A whole story."""

    seller: dict[str, PutSeller]
    catalog: str | PutCatalog
    accounts: dict[str, StoryAccount]
    steps: list[Step]
    expect: Outcome = field(default_factory=Outcome)


class StoryFile:
    """A story with its catalogues read and checked, and the lines of the file for what goes wrong later."""

    def __init__(self, path: Path) -> None:
        self.file = YamlFile(path, Story)
        self.story = self.file.value
        if not self.story.seller:
            raise self.file.error(("seller",), "A story needs a seller entity.")
        if not self.story.steps or self.story.steps[0].at is None:
            raise self.file.error(("steps", 0), "The first step needs `at`: when the story begins.")
        for name, entity in self.story.seller.items():
            self._check_zone(name, entity)
        for number, step in enumerate(self.story.steps):
            self._check_step(number, step)
        for name, account in self.story.accounts.items():
            if account.seller not in (None, *self.story.seller):
                raise self.file.error(("accounts", name, "seller"), f"There is no seller {account.seller!r}.")

    def catalog(self, place: tuple[str | int, ...]) -> tuple[Any, YamlFile[Any], Any]:
        """The catalogue at a place of the story as the body to publish, the file it stands in and where in it."""
        wanted = self.file.data
        for step in place:
            wanted = wanted[step]
        if not isinstance(wanted, str):
            return wanted, self.file, place
        path = self.file.path.parent / wanted
        if not path.exists():
            raise self.file.error(place, f"There is no file {path}.")
        file = YamlFile(path, PutCatalog)
        return file.data, file, ()

    def _check_zone(self, name: str, entity: PutSeller) -> None:
        try:
            known_zone(entity.timezone)
        except Invalid as error:
            raise self.file.error(("seller", name, "timezone"), str(error)) from None

    def _check_step(self, number: int, step: Step) -> None:
        place = ("steps", number)
        kinds = [kind for kind in KINDS if getattr(step, kind) is not UNSET]
        if len(kinds) != 1:
            raise self.file.error(place, f"A step is just one of: {', '.join(KINDS)}.")
        if isinstance(step.fault, Fault):
            for name, value, known in (("where", step.fault.where, WHERE), ("how", step.fault.how, HOW)):
                if value not in known:
                    reason = f"There is no fault {name} {value!r}: there are {', '.join(known)}."
                    raise self.file.error((*place, "fault", name), reason)
            if step.fault.times < 1:
                raise self.file.error((*place, "fault", "times"), "A fault happens at least once.")
        if isinstance(step.contacts, SetContacts) and step.contacts.account not in self.story.accounts:
            raise self.file.error((*place, "contacts"), f"There is no account {step.contacts.account!r}.")
        if isinstance(step.stripe, dict):
            self._check_stripe(place, step.stripe)
        if step.kind == "call":
            self._check_call(number, step)

    def _check_call(self, number: int, step: Step) -> None:
        place = ("steps", number, "call")
        if not re.fullmatch(r"[A-Z]+ +/\S*", str(step.call)):
            raise self.file.error(place, "A call is a method and a path: POST /accounts/acme/checkout")
        made = {before.account for before in self.story.steps[: number + 1] if str(before.call).startswith("PUT ")}
        refused = step.expect.code is not None or (step.expect.status or 0) >= 400
        if not refused and step.account not in (None, *self.story.accounts, *made) and "{" not in str(step.account):
            raise self.file.error(place, f"There is no account {step.account!r}.")

    def _check_stripe(self, place: tuple[str | int, ...], said: dict[str, str]) -> None:
        place = (*place, "stripe")
        does = [name for name in said if name in OUTSIDE]
        if len(does) != 1 or not set(said) <= {does[0], OUTSIDE[does[0]]}:
            known = ", ".join(f"{name} ({beside})" if beside else name for name, beside in OUTSIDE.items())
            raise self.file.error(place, f"The outside does one of, with what may be said beside it: {known}.")
        if does == ["card"] and said.get("becomes") not in BEHAVIOURS:
            raise self.file.error(place, f"A card becomes one of: {', '.join(BEHAVIOURS)}.")
        if said.get("with", "card_ok") not in METHODS:
            raise self.file.error(place, f"A payer pays with one of: {', '.join(sorted(METHODS))}.")
        if does[0] != "lose_webhooks_until" and said[does[0]] not in self.story.accounts:
            raise self.file.error(place, f"There is no account {said[does[0]]!r}.")


__all__ = ["METHODS", "OUTSIDE", "BadFile", "Outcome", "Step", "Story", "StoryFile"]
