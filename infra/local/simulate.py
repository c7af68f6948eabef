"""Playing a story through the real handlers, and telling what happened."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from infra.local.cloud import Cloud
from infra.local.contact_book import ContactBook
from infra.local.dynamodb_requests import Change
from infra.local.expectations import Expectations, Failure, Told, check_answer, dig, shown
from infra.local.faults import Armed
from infra.local.invocations import Call, Reply
from infra.local.outside import asked_to_authenticate, happen
from infra.local.story import METHODS, Fault, SetContacts, Step, StoryFile, account_in
from infra.local.stripe_methods import TEST_METHODS
from infra.local.yaml_file import YamlFile
from shared.domain.invoice import Invoice
from shared.store.record import Record
from shared.store.records import Entry

STAFF = "seller.admin"
CUSTOMER = "billing.view billing.modify users.edit"


class Simulation:
    """A story being played. ``tell`` hears of everything that happens, in order of time."""

    def __init__(self, story: StoryFile, tell: Callable[[Told], None], *, skip: bool = True) -> None:
        self.file = story
        self.story = story.story
        self.tell = tell
        self.failures: list[str] = []
        self.told: list[Told] = []
        self.saved: dict[str, str] = {}
        self._zones = {name: ZoneInfo(entity.timezone) for name, entity in self.story.seller.items()}
        self._first_zone = next(iter(self._zones.values()))
        self._issued: list[tuple[tuple[int, datetime, int], str, str]] = []
        self._calls = self._published = 0
        self._contacts = ContactBook(self._request)
        self._calling: list[Told] | None = None
        self._armed: dict[int, Armed] = {}  # by the number of the step
        self.cloud = Cloud(self._instant((0, "at"), self.story.steps[0].at or ""), skip=skip)
        self.cloud.on_commit(self._hear)

    def play(self, tick: Callable[[datetime], None] = lambda _: None) -> list[str]:
        """Play it to the end and answer what did not come out as expected, each with its line."""
        self._set_up()
        for number, step in enumerate(self.story.steps):
            for name in ("at", "until"):
                if isinstance(time := getattr(step, name), str):
                    self._move((number, name), time, tick)
            try:
                self._do(number, step)
            except Failure as failure:
                self.failures.append(str(self.file.file.error(("steps", number), str(failure))))
        self.cloud.settle()
        self._check_outcome()
        return self.failures

    # ---- the beginning

    def _set_up(self) -> None:
        for name in self.story.seller:
            self._publish(f"PUT /v1/sellers/{name}", self.file.file.data["seller"][name], ("seller", name))
        self._publish_catalog(("catalog",))
        first = next(iter(self.story.seller))
        for name, account in self.story.accounts.items():
            body = {
                "seller": account.seller or first,
                "name": account.name or name,
                "currency": account.currency,
                "billing_contacts": account.billing_contacts,
            }
            self._publish(f"PUT /v1/accounts/{name}", body, ("accounts", name))
            if account.payment_method != "none":
                self._save_method(name, METHODS[account.payment_method])
            self._contacts.set(SetContacts(account=name, marketing=account.contacts))
            for user in account.users:
                self._publish(f"PUT /v1/accounts/{name}/users/{user}", {}, ("accounts", name, "users"))

    def _save_method(self, account: str, method: str) -> None:
        """An account begins with a way to pay that can be charged, but for microdeposits nobody has looked at."""
        route = f"POST /v1/accounts/{account}/payment-method"
        body = {"payment_method": method, "payment_methods": [TEST_METHODS[method].type]}
        self._publish(route, body, ("accounts", account, "payment_method"))
        if asked_to_authenticate(self.cloud, account):
            happen(self.cloud, {"authenticate": account})

    def _publish_catalog(self, place: tuple[str | int, ...]) -> None:
        body, file, start = self.file.catalog(place)
        self._publish("PUT /v1/catalog", body, start, file)

    def _publish(
        self, route: str, body: Any, place: tuple[str | int, ...], file: YamlFile[Any] | None = None
    ) -> None:
        """Something the seller sets up; a refusal is a mistake in the file."""
        method, path = route.split(" ")
        self._published += 1
        reply = self._request(method, path, body, STAFF, f"set-up-{self._published}")
        if reply.status >= 300:
            pointer = [step for step in reply.json.get("pointer", "").split("/") if step]
            raise (file or self.file.file).error((*place, *pointer), reply.json.get("detail", reply.body))

    # ---- the steps

    def _do(self, number: int, step: Step) -> None:
        if step.kind == "call":
            self._call(number, step)
        elif isinstance(step.fault, Fault):
            self._armed[number] = self.cloud.faults.arm(step.fault.where, step.fault.how, step.fault.times)
        elif isinstance(step.contacts, SetContacts):
            self._contacts.set(step.contacts)
        elif isinstance(step.stripe, dict):
            self._outside(number, step.stripe)
        elif step.kind == "publish":
            self._publish_catalog(("steps", number, "publish"))

    def _call(self, number: int, step: Step) -> None:
        method, path = self._filled(str(step.call)).split()
        account = account_in(path)
        permissions = step.as_ or (CUSTOMER if account else STAFF)
        self._calling, self._calls = [], self._calls + 1
        key = step.key or f"step-{number + 1}"
        reply = self._request(method, f"/v1{path}", self._filled_in(step.body), permissions, key)
        heard, self._calling, self._calls = self._calling, None, self._calls + 1
        answer = reply.json if reply.body else None
        code = answer.get("code") if reply.status >= 400 and isinstance(answer, dict) else None
        self._tell("api.call", account, {"method": method, "path": path, "status": reply.status, "code": code})
        for told in heard:
            self._say(told)
        check_answer(step, reply.status, code, answer)
        for name, where in step.save.items():
            self.saved[name] = str(dig(answer, where))

    def _outside(self, number: int, said: dict[str, str]) -> None:
        if until := said.get("lose_webhooks_until"):
            self.cloud.deliveries.lost_until = self._instant((number, "stripe"), until)
            return
        happen(self.cloud, said)

    def _request(self, method: str, path: str, body: Any, permissions: str, key: str) -> Reply:
        account = account_in(path.removeprefix("/v1"))
        claims = {"sub": "story", "permissions": permissions} | ({"account": account} if account else {})
        text = json.dumps(body) if body is not None else None
        reply = self.cloud.request(Call(method, path, text, {"Idempotency-Key": key}, claims))
        self.cloud.deliveries.send(self.cloud.now)
        return reply

    def _move(self, place: tuple[int, str], time: str, tick: Callable[[datetime], None]) -> None:
        to = self._instant(place, time)
        if to < self.cloud.now:
            raise self.file.file.error(("steps", *place), f"{time} is before the step before: time does not go back.")
        self.cloud.advance(to, tick)

    def _instant(self, place: tuple[int, str], text: str) -> datetime:
        """A local time at a place of a step, in the zone of the step's account."""
        zone = self._zone(self.story.steps[place[0]].account)
        try:
            local = datetime.fromisoformat(text)
            return (local if local.tzinfo else local.replace(tzinfo=zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            reason = f"{text!r} is no time: write 2026-02-07T15:30 or 2026-02-07."
            raise self.file.file.error(("steps", *place), reason) from None

    def _zone(self, account: str | None) -> ZoneInfo:
        known = self.story.accounts.get(account or "")
        if known:
            return self._zones[known.seller] if known.seller else self._first_zone
        return self._later_zone(account) if account else self._first_zone

    def _later_zone(self, account: str) -> ZoneInfo:
        """The zone of an account that was made through the API."""
        from shared.store import queries

        found = queries.find_account(account)
        return queries.seller(found.seller).zone if found else self._first_zone

    def _filled(self, text: str) -> str:
        unknown = [name for name in re.findall(r"{(\w+)}", text) if name not in self.saved]
        if unknown:
            raise Failure(f"nothing was saved as {unknown[0]!r}")
        return re.sub(r"{(\w+)}", lambda found: self.saved[found[1]], text)

    def _filled_in(self, body: Any) -> Any:
        if isinstance(body, dict):
            return {key: self._filled_in(value) for key, value in body.items()}
        if isinstance(body, list):
            return [self._filled_in(value) for value in body]
        return self._filled(body) if isinstance(body, str) else body

    # ---- what happens

    def _hear(self, changes: list[Change]) -> None:
        """Take note of the events of a commit; an issued invoice is told with its lines."""
        written = [change.new for change in changes if change.new and change.new["kind"]["S"] in _HEARD]
        entities = [Record.from_raw_data(item).to_entity() for item in written]
        invoices = {entity.id: entity for entity in entities if isinstance(entity, Invoice)}
        for entry in entities:
            if isinstance(entry, Entry):
                for event in entry.events:
                    data = dict(event["data"])
                    if event["type"] == "invoice.issued":
                        self._issued.append((self._rank(entry.account_id), entry.account_id, data["invoice"]))
                        data = {"invoice": shown(invoices[data["invoice"]])}
                    self._tell(event["type"], entry.account_id, data)

    def _tell(self, type_: str, account: str | None, data: Told) -> None:
        now = self.cloud.now
        local = now.astimezone(self._zone(account)).replace(tzinfo=None)
        told = {
            "at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "local": local.isoformat(timespec="seconds"),
            "account": account,
            "type": type_,
            **data,
        }
        if self._calling is not None:
            self._calling.append(told)
        else:
            self._say(told)

    def _say(self, told: Told) -> None:
        self.told.append(told)
        self.tell(told)

    # ---- the end

    def _check_outcome(self) -> None:
        for number, armed in self._armed.items():
            if not armed.struck:
                reason = f"this fault struck nothing: no {armed.where} came after it"
                self.failures.append(str(self.file.file.error(("steps", number, "fault"), reason)))
        subscriptions = {saved: self._status(saved) for saved in self.story.expect.statuses or {}}
        invoices = [shown(self._invoice(*key)) | {"account": key[0]} for key in self._in_order()]
        self.failures += Expectations(self.file.file).check(self.story.expect, self.told, invoices, subscriptions)

    def _in_order(self) -> list[tuple[str, str]]:
        """The invoices as they were issued; of one instant, by the order of the accounts in the story."""
        return [(account, number) for _, account, number in sorted(self._issued, key=lambda issued: issued[0])]

    def _rank(self, account: str) -> tuple[int, datetime, int]:
        accounts = [*self.story.accounts]
        return self._calls, self.cloud.now, accounts.index(account) if account in accounts else len(accounts)

    def _invoice(self, account: str, number: str) -> Invoice:
        from shared.store import queries

        return queries.invoice(account, number)

    def _status(self, saved: str) -> str:
        """The status of a subscription by the name it was saved under, or by its id."""
        wanted = self.saved.get(saved, saved)
        kinds = (item for item in self.cloud.store.items("prorata") if item["kind"]["S"] == "subscription")
        return next((item["status"]["S"] for item in kinds if item["id"]["S"] == wanted), "no such subscription")


_HEARD = ("invoice", "event")
"""The kinds of records that are told of, among all that a commit writes."""
