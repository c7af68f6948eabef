"""One Stripe account in memory: its objects and events, and what every call does with them in the same way.

``stripe_endpoints`` holds the calls themselves. Whoever uses an account from several threads holds a lock.
"""

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import takewhile
from typing import Any, TypeVar

from infra.local import stripe_objects as objects
from infra.local.stripe_methods import BEHAVIOURS, DEBITS, TEST_METHODS, Behaviour, Decline, Means
from infra.local.stripe_objects import Object
from infra.local.stripe_requests import ADDRESS, Refusal

Thing = TypeVar("Thing")

OUTSIDE: Object = {"id": None, "idempotency_key": None}  # the "request" of an event that no API call made
COMPARE = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


class Account:
    """What Stripe knows of one seller; ``outbox`` holds the events that no webhook has told yet."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.request = OUTSIDE
        self.customers: dict[str, Object] = {}
        self.payment_methods: dict[str, Object] = {}
        self.payment_intents: dict[str, Object] = {}
        self.setup_intents: dict[str, Object] = {}
        self.charges: dict[str, Object] = {}
        self.refunds: dict[str, Object] = {}
        self.disputes: dict[str, Object] = {}
        self.balance_transactions: dict[str, Object] = {}
        self.events: dict[str, Object] = {}
        self.outbox: list[Object] = []
        self.means: dict[str, Means] = {}  # by payment method
        self.mandates: dict[str, str] = {}  # by payment method: its payer agreed to be debited
        self.proven: set[str] = set()  # payment methods whose payer did what was asked once
        self.due: dict[str, datetime] = {}  # when an object goes on by itself
        self._spent: set[str] = set()  # payment methods that served once, or were detached: never again
        self._made: Counter[str] = Counter()

    def next_id(self, prefix: str) -> str:
        """The same id for the same call in every run: ``pi_`` and 24 letters and digits."""
        self._made[prefix] += 1
        return prefix + objects.base62(f"{prefix}{self._made[prefix]}", 24)

    def created(self) -> int:
        """The calendar's time as Stripe writes it, in seconds since 1970."""
        return int(self.now().timestamp())

    def emit(self, kind: str, thing: Object, before: Object | None = None) -> None:
        """Write down that ``kind`` happened: the object as it is now and, if it was changed, as it was."""
        data = {"object": objects.copied(thing)} | ({"previous_attributes": before} if before is not None else {})
        event = objects.event(self.next_id("evt_"), self.created(), kind, data, self.request)
        self.events[event["id"]] = event
        self.outbox.append(event)

    def find(self, thing_id: str) -> Object | None:
        """Whatever has that id."""
        kinds = (self.customers, self.payment_methods, self.payment_intents, self.setup_intents)
        money = (self.charges, self.refunds, self.disputes, self.balance_transactions)
        return next((things[thing_id] for things in (*kinds, *money) if thing_id in things), None)

    def later(self, thing: Object, delay: timedelta) -> None:
        """The object goes on by itself then, unless somebody is sooner."""
        self.due[thing["id"]] = self.now() + delay

    # -- payment methods -----------------------------------------------------------------------------------

    def new_method(self, means: Means) -> Object:
        """A payment method that belongs to nobody yet."""
        method = objects.payment_method(self.next_id("pm_"), self.created(), means)
        self.payment_methods[method["id"]] = method
        self.means[method["id"]] = means
        return method

    def usable_method(
        self, method_id: str, customer: str | None, types: Sequence[str] = (*DEBITS, "card"), status: int = 400
    ) -> Object:
        """The payment method, if this customer may use it; a test id makes a new one."""
        if method_id in TEST_METHODS:
            method = self.new_method(TEST_METHODS[method_id])
        else:
            method = known(self.payment_methods, method_id, "PaymentMethod", "payment_method", status)
        if method["customer"] not in (None, customer):
            sentence = (
                f"The payment method {method_id} belongs to a different Customer."
                if customer
                else f"The payment method {method_id} belongs to a Customer: include it as `customer`."
            )
            raise Refusal(400, sentence, param="payment_method")
        if method_id in self._spent:
            sentence = "The provided PaymentMethod was used or detached before. It may not be used again."
            raise Refusal(400, sentence, param="payment_method")
        if method["type"] not in types:
            sentence = f"The PaymentMethod provided ({method['type']}) is none of {', '.join(types)}."
            code = "payment_intent_incompatible_payment_method"
            raise Refusal(400, sentence, code=code, param="payment_method")
        return method

    def attach(self, method: Object, customer: str) -> None:
        """The method belongs to the customer from now on, unless the bank refuses."""
        if method["customer"] == customer:
            return
        if decline := self.refusal_to_save(method):
            raise Refusal(402, **payment_error(decline))
        method["customer"] = customer
        self.emit("payment_method.attached", method)

    def detach(self, method: Object) -> None:
        """The method belongs to nobody any more, and nobody can use it again."""
        before = {"customer": method["customer"]}
        method["customer"] = None
        self._spent.add(method["id"])
        self.emit("payment_method.detached", method, before)

    def spend(self, method: Object) -> None:
        """A method that belongs to nobody serves once."""
        if method["customer"] is None:
            self._spent.add(method["id"])

    def refusal_to_save(self, method: Object) -> Decline | None:
        """Why its bank lets nobody save this method, if so."""
        return None if self.means[method["id"]].attaches else self.behaviour(method).decline

    def behaviour(self, method: Object) -> Behaviour:
        """What becomes of a payment with this method."""
        return BEHAVIOURS[self.means[method["id"]].behaviour]

    def asks(self, method: Object, *, off_session: bool) -> str | None:
        """What the payer must do before this method pays, if anything."""
        asks = self.behaviour(method).asks
        done = method["id"] in self.proven and (
            asks == "microdeposits" or (asks == "authentication_once" and off_session)
        )
        return None if done else asks


def payment_error(decline: Decline, method_type: str = "card") -> dict[str, Any]:
    """What a refusal says of a decline."""
    reason = {"decline_code": decline.decline_code} if decline.decline_code else {}
    kind = "card_error" if method_type == "card" else "invalid_request_error"
    return {"message": decline.message, "kind": kind, "code": decline.code, **reason}


def known(things: Mapping[str, Thing], thing_id: str, name: str, param: str, status: int = 400) -> Thing:
    """The object of that id, or Stripe's ``resource_missing``: 404 for an id in the path, 400 elsewhere."""
    if thing_id not in things:
        raise Refusal(status, f"No such {name}: '{thing_id}'", code="resource_missing", param=param)
    return things[thing_id]


def fill(thing: Object, params: Mapping[str, Any], leave: Sequence[str] = ()) -> None:
    """Set what the parameters name; metadata is merged, and an empty value takes its key away."""
    for name, value in params.items():
        if name == "metadata":
            merged = {**thing["metadata"], **value}
            thing["metadata"] = {key: text for key, text in merged.items() if text}
        elif name == "address":
            thing["address"] = {**dict.fromkeys(ADDRESS), **value}
        elif name not in leave:
            thing[name] = value


def one_of(kind: str, names: Iterable[str]) -> bool:
    """Whether a type of event is among those named; a name may hold wildcards, as in ``payment_intent.*``."""
    return any(fnmatchcase(kind, name) for name in names)


def expanded(account: Account, thing: Object, paths: Sequence[str]) -> Object:
    """The object with others in the place of their ids, where the paths say so: ``data.source``."""
    if not paths:
        return thing
    shown = objects.copied(thing)
    for path in paths:
        within = [shown]
        for name in path.split("."):
            within = [inner for node in within for inner in _expand(account, node, name)]
    return shown


def _expand(account: Account, node: Object, name: str) -> list[Object]:
    value = node.get(name)
    if isinstance(value, str) and (found := account.find(value)):
        value = node[name] = objects.copied(found)
    if name not in node or isinstance(value, str | int):
        raise Refusal(400, f"This property cannot be expanded ({name}).", param="expand")
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def page(things: Iterable[Object], params: Mapping[str, Any], url: str) -> Object:
    """One page of a list, newest first: 10 or ``limit``, after or before an object of it."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise Refusal(400, "Invalid limit: from 1 to 100.", code="parameter_invalid_integer", param="limit")
    if "starting_after" in params and "ending_before" in params:
        sentence = "You may only specify one of these parameters: starting_after, ending_before."
        raise Refusal(400, sentence, code="parameters_exclusive", param="starting_after")
    newest_first = [thing for thing in things if _created_within(thing["created"], params.get("created", {}))]
    newest_first.reverse()
    if "ending_before" in params:  # the page just before it: counted backwards from there
        rest = _after(newest_first[::-1], params["ending_before"], "ending_before")
        data = rest[:limit][::-1]
    else:
        rest = _after(newest_first, params.get("starting_after"), "starting_after")
        data = rest[:limit]
    return {"object": "list", "url": url, "has_more": len(rest) > limit, "data": data}


def _after(things: list[Object], thing_id: str | None, param: str) -> list[Object]:
    if thing_id is None:
        return things
    passed = len(list(takewhile(lambda thing: thing["id"] != thing_id, things)))
    if passed == len(things):
        raise Refusal(400, f"No such object: '{thing_id}'", code="resource_missing", param=param)
    return things[passed + 1 :]


def _created_within(created: int, bounds: int | Mapping[str, int]) -> bool:
    if isinstance(bounds, int):
        return created == bounds
    return all(COMPARE[name](created, bound) for name, bound in bounds.items())
