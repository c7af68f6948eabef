"""HTTP at the edge: who asks, when, what for, and how a refusal reads on the wire."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar, cast, get_type_hints

import msgspec
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from shared.domain.changes import Changes
from shared.domain.errors import BillingError, Conflict, Forbidden, Invalid, NotFound
from shared.domain.money import Money
from shared.edge import clock, misfit
from shared.edge.body import Body
from shared.edge.permissions import PERMISSIONS, STAFF, UNSIGNED, allowed
from shared.edge.telemetry import logger, metrics, record
from shared.store import queries, table
from shared.store.records import Answer

T = TypeVar("T")
LARGEST_BODY = 64 * 1024
ATTEMPTS = 10
SELLER = "*"
"""The scope of idempotency keys of requests that concern no account: no account has that id."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Malformed(BillingError):
    """The body cannot even be read."""

    code = "malformed_json"


class TooLarge(BillingError):
    """The body is larger than any request needs."""

    code = "body_too_large"


class Unavailable(BillingError):
    """Something that is needed does not answer; nothing was lost, the same request may be sent again."""

    code = "unavailable"


STATUS: dict[type[BillingError], int] = {
    Malformed: 400,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    Invalid: 422,
    Unavailable: 503,
}


class Decision(NamedTuple, Generic[T]):
    """What a request changes, and what it is answered once that is committed."""

    changes: Changes
    answer: T


class Served(NamedTuple):
    """A route as it is served: its handler, and the shapes of the body and of the answer where it has them."""

    route: str
    status: int
    query: tuple[str, ...]
    handle: Callable[..., Any]
    body: Any
    answer: Any


class Api(APIGatewayHttpResolver):
    """The routes of one function. Each handler may rely on its caller being allowed to call it."""

    def __init__(self, tell: Callable[[BillingError, int], Response[str]] | None = None) -> None:
        """``tell`` writes a refusal and its status for those who cannot read RFC 9457."""
        super().__init__(serializer=lambda answer: msgspec.json.encode(answer).decode())
        self._served: list[tuple[str, int, tuple[str, ...], Callable[..., Any], Any]] = []
        self._tell = tell or problem
        self.exception_handler(BillingError)(self._refused)
        self.exception_handler([PynamoDBException, BotoCoreError, ClientError])(self._unavailable)
        self.exception_handler(Exception)(self._unexpected)
        self.not_found(self._no_route)

    def serve(
        self, route: str, *, status: int = 200, query: tuple[str, ...] = ()
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Serve a route of the permission table: ``@api.serve("GET /v1/accounts/{account}")``.

        The handler gets the parts of the path by name, and the body, checked, if
        it has a parameter ``body``. ``query`` names what may be asked for beside.
        """
        method, path = route.split(" ")
        needs = None if route in UNSIGNED else PERMISSIONS[route]

        def register(handle: Callable[..., Any]) -> Callable[..., Any]:
            schema = handle.__globals__.get(str(handle.__annotations__.get("body")))

            @functools.wraps(handle)
            def guarded(**parts: Any) -> Any:
                self._check(needs, parts)
                if schema:
                    parts["body"] = self.body(schema)
                elif needs and self.text:
                    self.body(Body)  # there is nothing to ask for
                answer = handle(**parts)
                return answer if isinstance(answer, Response) else (answer, status)

            self.route(re.sub(r"{(\w+)}", r"<\1>", path), method)(guarded)
            self._served.append((route, status, query, handle, schema))
            return handle

        return register

    def served(self, names: dict[str, Any]) -> list[Served]:
        """All routes of this function with the shapes of their answers, which ``names`` knows."""
        hints = (get_type_hints(handle, {**handle.__globals__, **names}) for *_, handle, _ in self._served)
        return [Served(*each, hint["return"]) for each, hint in zip(self._served, hints, strict=True)]

    @property
    def now(self) -> datetime:
        """When the request arrived. Time is part of the input, never asked of the machine.

        API Gateway counts milliseconds; ``sam local start-api`` counts seconds.
        """
        epoch = self.current_event["requestContext"]["timeEpoch"]
        return datetime.fromtimestamp(epoch / 1000 if epoch > 10**11 else epoch, UTC)

    @property
    def address(self) -> str:
        """Where the API is, as people outside write it."""
        return os.environ.get("PUBLIC_URL") or f"https://{self.current_event['requestContext']['domainName']}"

    def body(self, schema: type[T]) -> T:
        """The body of the request, checked against ``schema``; no body is an empty one."""
        text, largest = self.text or "{}", getattr(schema, "LARGEST", LARGEST_BODY)
        if len(text.encode()) > largest:
            raise TooLarge(f"The body is larger than {largest // 1024} KB.")
        try:
            return msgspec.json.decode(text, type=schema)
        except msgspec.ValidationError as error:
            found = misfit.of(error)
            raise Invalid(found.sentence, code="invalid_body", path=found.path) from None
        except msgspec.DecodeError as error:
            raise Malformed(f"The body is not JSON: {error}.") from None

    @property
    def text(self) -> str:
        """The body as it was sent."""
        try:
            return self.current_event.decoded_body or ""
        except ValueError:
            raise Malformed("The body is not JSON: it is no text in UTF-8.") from None

    def listing(self) -> tuple[int, str | None]:
        """The ``limit`` (at most 100) and ``cursor`` of a list."""
        asked = self.current_event.get_query_string_value("limit", str(queries.MOST_LISTED)) or ""
        if not re.fullmatch("[1-9][0-9]{0,2}", asked) or int(asked) > queries.MOST_LISTED:
            raise Invalid(f"The limit is a number from 1 to {queries.MOST_LISTED}.", code="invalid_limit")
        return int(asked), self.current_event.get_query_string_value("cursor")

    @staticmethod
    def expect(shown: str | None, amount: Money) -> None:
        """Refuse a price that is not the one the caller was shown."""
        if shown is not None and Money.parse(shown, amount.currency) != amount:
            raise Conflict(f"The price is {amount}, not {shown}. Nothing was bought.", code="price_changed")

    def request_id(self, prefix: str, scope: str) -> str:
        """An id for what this request makes: the same however often the request is decided."""
        seed = f"{scope}/{self.key()}/{self.now.isoformat()}"
        return f"{prefix}_{hashlib.sha256(seed.encode()).hexdigest()[:16]}"

    def once(self, scope: str, decide: Callable[[], Decision[T]], *, look_first: bool = True) -> T:
        """Decide and commit, at most once per Idempotency-Key; give the first answer again after that.

        A POST must bear a key. Whoever loses a race decides again on what is there then.
        A decision of which nobody but the table hears need not ``look_first``: the commit
        of one that was answered before fails, and then its answer is looked for.
        """
        key = self.key() if self.current_event.http_method == "POST" else self._header("idempotency-key")
        for attempt in range(ATTEMPTS):
            if attempt:
                clock.pause(attempt - 1)
            looked = look_first or attempt > 0
            if looked and (earlier := self._answered(scope, key)):
                return cast("T", earlier.answer)
            try:
                changes, answer = decide()
                once = table.Once(scope, key, self._digest, answer) if key else None
                if once or changes.put or changes.delete:
                    table.commit(changes, self.now, once)
            except table.Stale:
                continue
            except BillingError:
                if not looked and (earlier := self._answered(scope, key)):
                    return cast("T", earlier.answer)
                raise
            record(changes.events)
            return answer
        raise table.Stale("Others are changing the same things right now. Please try again.")

    def _answered(self, scope: str, key: str | None) -> Answer | None:
        """What the same request was answered before; another one with its key is refused."""
        earlier = queries.answered(scope, key, self.now) if key else None
        if earlier and earlier.request != self._digest:
            raise Invalid("This Idempotency-Key was used for another request.", code="idempotency_key_reused")
        return earlier

    @property
    def _digest(self) -> str:
        event = self.current_event
        request = f"{event.http_method} {event.path}\n{self.text}"
        return hashlib.sha256(request.encode()).hexdigest()

    def key(self) -> str:
        """The Idempotency-Key, which every POST bears."""
        key = self._header("idempotency-key")
        if not key:
            raise Invalid("The Idempotency-Key header is missing.", code="idempotency_key_missing")
        return key

    def _header(self, name: str) -> str | None:
        value = self.current_event.headers.get(name)
        if value and (len(value) > 255 or not value.isprintable()):
            raise Invalid("An Idempotency-Key has at most 255 printable characters.", code="invalid_idempotency_key")
        return value

    @property
    def caller(self) -> str:
        """Who asks, as the token names them."""
        return str(self.current_event["requestContext"]["authorizer"]["jwt"]["claims"].get("sub", ""))

    def may(self, permission: str) -> bool:
        """Whether the caller has a permission beyond the one that the route needs."""
        claims = self.current_event["requestContext"]["authorizer"]["jwt"]["claims"]
        return allowed(permission, frozenset(str(claims.get("permissions", "")).split()))

    def _check(self, needs: str | None, parts: dict[str, str]) -> None:
        """Whether the caller may: the account comes from the token, unless the seller's staff asks."""
        if needs is None:
            return
        for part in parts.values():
            if not _ID.fullmatch(part):
                raise NotFound(f"There is no {part[:80]!r}.")
        claims = self.current_event["requestContext"]["authorizer"]["jwt"]["claims"]
        permissions = frozenset(str(claims.get("permissions", "")).split())
        account = parts.get("account")
        if account and STAFF not in permissions and claims.get("account") != account:
            raise Forbidden("This account is not yours.", code="foreign_account")
        if not allowed(needs, permissions):
            named = "the permissions" if "+" in needs else "the permission"
            raise Forbidden(f"This needs {named} {needs}.", code="permission_missing")

    def _refused(self, error: BillingError) -> Response[str]:
        status = next((status for family, status in STATUS.items() if isinstance(error, family)), 500)
        logger.info("refused", code=error.code, status=status)
        told = self._tell(error, status)
        if isinstance(error, (table.Stale, Unavailable)):
            told.headers["Retry-After"] = "1"
        return told

    def _unavailable(self, error: Exception) -> Response[str]:
        logger.error("unavailable", error=type(error).__name__, reason=str(error)[:300])
        return self._refused(Unavailable("This cannot be done right now. Please send the same request again."))

    def _unexpected(self, error: Exception) -> Response[str]:
        logger.exception("unexpected", error=type(error).__name__)
        sentence = "Something went wrong on our side. Please send the same request again."
        return self._refused(BillingError(sentence, code="internal_error"))

    def _no_route(self, _: Exception) -> Response[str]:
        return self._refused(NotFound("There is nothing at this address."))


def entry_point(api: Api) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """The Lambda handler of an API: logs and metrics around its routes."""

    @logger.inject_lambda_context
    @metrics.log_metrics
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        return api.resolve(event, context)

    return handler


def problem(error: BillingError, status: int) -> Response[str]:
    """A refusal as RFC 9457 has it: a stable code for programs, a sentence for people."""
    body: dict[str, Any] = {
        "type": f"/problems/{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": status,
        "detail": str(error),
        "code": error.code,
    }
    if error.path:
        body["pointer"] = "/" + "/".join(error.path)
    return Response(status, "application/problem+json", json.dumps(body, ensure_ascii=False))
