"""Those who call a deployed stack's API, with signed tokens: a customer's people and the seller's staff."""

from __future__ import annotations

from itertools import count
from typing import Any

from infra.local.deploy_issuer import Issuer
from infra.local.deploy_stack import Failed, Stack
from infra.local.invocations import Reply
from infra.local.simulate import CUSTOMER, STAFF
from shared.edge import clock


class Callers:
    """They ask over HTTP, each request with an idempotency key of its own, and expect to be served."""

    def __init__(self, stack: Stack, issuer: Issuer) -> None:
        self.stack = stack
        self.issuer = issuer
        self._keys = count(1)

    def token(self, account: str, permissions: str) -> str:
        """What the issuer signs for somebody of an account."""
        return self.issuer.sign(clock.now(), sub="someone", account=account, permissions=permissions)

    def staff(self, method: str, path: str, body: Any = None) -> Any:
        """What the seller's staff are answered."""
        token = self.issuer.sign(clock.now(), sub="staff", permissions=STAFF)
        headers = {"Idempotency-Key": f"request-{next(self._keys)}"}
        return expect(self.stack.call(method, path, body, token=token, headers=headers), 200, 201).json

    def customer(self, account: str, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        """What a customer's billing admin is answered, about the account itself."""
        headers = {"Idempotency-Key": key or f"request-{next(self._keys)}"}
        token = self.token(account, CUSTOMER)
        reply = self.stack.call(method, f"/v1/accounts/{account}/{path}", body, token=token, headers=headers)
        return expect(reply, 200, 201).json


def expect(reply: Reply, *statuses: int) -> Reply:
    """The reply, if it bears one of these statuses."""
    if reply.status not in statuses:
        raise Failed(f"It was answered {reply.status}: {reply.body[:500]}")
    return reply


def contains(text: str, expected: str) -> None:
    """Fail unless the one is somewhere in the other."""
    if expected not in text:
        raise Failed(f"{expected!r} is not in {text[:500]}")


def same(found: Any, expected: Any) -> None:
    """Fail unless both are equal."""
    if found != expected:
        raise Failed(f"It is {found}, not {expected}")
