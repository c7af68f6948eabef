"""What all pages have in common: their frame, how facts are put into them, and what their browser may do."""

from __future__ import annotations

import os
from base64 import b64encode
from datetime import date
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template

STRIPE_JS = "https://js.stripe.com/dahlia/stripe.js"
"""Stripe's script of the release that we speak; it must come from Stripe itself (PCI DSS)."""
_FOLDER = Path(__file__).parent


class Html(str):
    """Text that is HTML already; any other text is escaped when it is put into a page."""

    __slots__ = ()


def fill(name: str, **facts: str) -> Html:
    """A template with facts put in."""
    safe = {key: fact if isinstance(fact, Html) else escape(fact) for key, fact in facts.items()}
    return Html(Template(_file(f"{name}.html")).substitute(safe))


def joined(parts: list[Html]) -> Html:
    """Pieces one after another."""
    return Html("".join(parts))


def framed(title: str, content: Html) -> Html:
    """A whole page."""
    return fill("frame", title=title, style=Html(_file("page.css")), content=content)


def element(button: str, **data: str | None) -> Html:
    """Where Stripe's Payment Element stands; ``data`` is what our script must know.

    A saved ``method`` that its payer must confirm has a button of its own.
    """
    facts = joined([Html(f' data-{name}="{escape(fact)}"') for name, fact in data.items() if fact is not None])
    again = fill("again") if data.get("method") else Html()
    script = Html(_file("page.js"))
    return fill("element", button=button, facts=facts, again=again, stripe_js=stripe_js(), script=script)


def day(on: date) -> str:
    """A day as people write it.

    >>> day(date(2026, 2, 7))
    '7 February 2026'
    """
    return f"{on.day} {on:%B %Y}"


def stripe_js() -> str:
    """Where Stripe's script is; the local run has one of its own."""
    return os.environ.get("STRIPE_JS") or STRIPE_JS


def headers() -> dict[str, str]:
    """What a browser may do with a page: what Stripe's Payment Element needs, and nothing else.

    Our own script is named by its digest. Stripe's puts styles on what it adds to the page.
    """
    script = b64encode(sha256(_file("page.js").encode()).digest()).decode()
    local = "" if stripe_js().startswith("https:") else " 'self'"
    policy = {
        "default-src": "'none'",
        "script-src": f"'sha256-{script}' https://js.stripe.com https://*.js.stripe.com{local}",
        "connect-src": "'self' https://api.stripe.com",
        "frame-src": "https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {sources}" for name, sources in policy.items()),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


@cache
def _file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
