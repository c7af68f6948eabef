"""A page with one sentence: there is nothing here, or something went wrong."""

from __future__ import annotations

from shared.pages.frame import Html, fill, framed


def notice_page(sentence: str) -> Html:
    """A page that says one thing, and nothing of anybody."""
    return framed("Payment", fill("notice", sentence=sentence))
