"""docs/api.md tells of every route and every refusal there is."""

import re
from pathlib import Path

from shared.edge.permissions import PERMISSIONS, UNSIGNED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()


def test_every_route_stands_on_the_page_with_what_it_needs():
    rows = re.findall(r"^\| `(\w+ \S+)` \| .+ \| (.+) \|$", PAGE, re.MULTILINE)
    shown = {route.replace(" ", " /v1", 1): needs for route, needs in rows}
    unsigned = {
        "GET /v1/openapi.json": "nothing",
        "GET /v1/pay/{token}": "our signature",
        "POST /v1/pay/{token}": "our signature",
        "POST /v1/stripe/webhook": "Stripe's signature",
    }
    assert set(unsigned) == UNSIGNED
    assert shown == PERMISSIONS | unsigned


def test_every_code_of_a_refusal_stands_on_the_page():
    sources = [path.read_text() for folder in ("functions", "shared") for path in (ROOT / folder).rglob("*.py")]
    raised = set(re.findall(r'code="([a-z_]+)"', "\n".join(sources)))
    unseen = {"internal_error"}  # a mistake of ours, no refusal
    assert raised - unseen <= set(re.findall(r"`([a-z_]+)`", PAGE))
