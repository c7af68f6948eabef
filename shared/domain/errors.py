"""The ways in which billing says no.

Each refusal carries a stable ``code`` for programs and a sentence for people.
Which HTTP status a family maps to is decided at the edge, not here.
"""

from __future__ import annotations


class BillingError(Exception):
    """A refusal. Its families below say what kind; ``code`` says which one, ``path`` where in the input."""

    code = "billing_error"

    def __init__(self, sentence: str, *, code: str | None = None, path: tuple[str, ...] = ()) -> None:
        super().__init__(sentence)
        self.code = code or self.code
        self.path = path


class NotFound(BillingError):
    """There is no such thing, or none that the caller may know of."""

    code = "not_found"


class Forbidden(BillingError):
    """The caller may not do this."""

    code = "forbidden"


class Conflict(BillingError):
    """The request is well formed, but the present state does not allow it."""

    code = "conflict"


class Invalid(BillingError):
    """The request can never be carried out as it stands."""

    code = "invalid"
