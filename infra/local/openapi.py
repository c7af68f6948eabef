"""The API's description in OpenAPI: made from the routes, the permissions and the shapes of bodies and answers.

Every example in it is a real exchange: the requests are sent to the local run
and the answers written down.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from aws_lambda_powertools.event_handler import Response

from infra.local import template
from infra.local.cloud import Cloud
from infra.local.invocations import Call
from shared.domain.changes import Changes
from shared.edge import answers, links
from shared.edge.api import Served
from shared.edge.permissions import PERMISSIONS, STAFF, UNSIGNED
from shared.store import queries, table

ROOT = Path(__file__).parents[2]
FILES = (ROOT / "docs" / "openapi.json", ROOT / "shared" / "edge" / "openapi.json")
"""The page for readers, and the same file for the function that serves it."""
_REF = "#/components/schemas/{name}"
_SEAT = {
    "product": "sales", "kind": "seat", "seat_type": "sales", "interval": "month", "amount": "100.00",
    "name": "Sales Hub seat",
}  # fmt: skip
_USD_100 = {"amount": "100.00", "currency": "USD"}
_ITEMS = {"items": [{"price": "sales-seat", "quantity": 5}, {"price": "contacts-starter", "quantity": 3000}]}
_TIERS = {
    "product": "marketing", "kind": "contacts", "interval": "month", "included_contacts": 1000,
    "sends_per_contact": 5, "tiers": {"step": 1000, "amount": "45.00"}, "name": "Marketing contacts",
}  # fmt: skip
_PRICES = {"sales-seat": _SEAT, "contacts-starter": _TIERS}
_PRODUCTS = {"sales": {"name": "Sales Hub"}, "marketing": {"name": "Marketing Hub"}}
_JANE = "/v1/accounts/acme/contacts/jane.doe"
_IMPORTS = "/v1/accounts/acme/contacts/imports"
_GIVEN = {"subscription": "{subscription}", "seat_type": "sales"}
_MOVES = {"assign": ["ann"], "unassign": ["bob"]}

EXAMPLES: list[tuple[str, Any]] = [
    ("PUT /v1/sellers/us", {"timezone": "America/New_York", "currency": "USD", "name": "Hub, Inc."}),
    ("GET /v1/sellers/us", None),
    ("PUT /v1/catalog", {"products": _PRODUCTS, "prices": _PRICES}),
    ("GET /v1/catalog", None),
    ("PUT /v1/accounts/acme", {"seller": "us", "name": "Acme", "billing_contacts": ["bill@acme.test"]}),
    ("POST /v1/accounts/acme/payment-method", {"payment_method": "pm_card_visa"}),
    ("POST /v1/accounts/acme/checkout/preview", _ITEMS),
    ("POST /v1/accounts/acme/checkout", _ITEMS),
    ("GET /v1/accounts/acme/checkout/{checkout}", None),
    ("GET /v1/accounts/acme", None),
    ("GET /v1/accounts/acme/subscriptions", None),
    ("GET /v1/accounts/acme/subscriptions/{subscription}", None),
    ("GET /v1/subscriptions", None),
    ("POST /v1/accounts/acme/subscriptions/{subscription}/seats/sales/preview", {"quantity": 1}),
    ("POST /v1/accounts/acme/subscriptions/{subscription}/seats/sales", {"quantity": 1}),
    ("PUT /v1/accounts/acme/users/ann", {}),
    ("POST /v1/accounts/acme/users/bob/preview", {"seats": [_GIVEN]}),
    ("PUT /v1/accounts/acme/users/bob", {"seats": [_GIVEN]}),
    ("GET /v1/accounts/acme/users", None),
    ("POST /v1/accounts/acme/subscriptions/{subscription}/seats/sales/assignments/preview", _MOVES),
    ("POST /v1/accounts/acme/subscriptions/{subscription}/seats/sales/assignments", _MOVES),
    ("DELETE /v1/accounts/acme/subscriptions/{subscription}/seats/sales/users/ann", None),
    ("PUT /v1/accounts/acme/subscriptions/{subscription}/seats/sales/users/ann", {"buy": 1}),
    ("PUT /v1/accounts/acme/quotes/q-17", {"dated": "2026-06-01"}),
    ("DELETE /v1/accounts/acme/quotes/q-17", None),
    ("POST /v1/accounts/acme/subscriptions/{subscription}/seats/sales/removal/preview", {"quantity": 2}),
    ("PUT /v1/accounts/acme/subscriptions/{subscription}/seats/sales/removal", {"quantity": 2}),
    ("GET /v1/accounts/acme/subscriptions/{subscription}/seats", None),
    ("DELETE /v1/accounts/acme/subscriptions/{subscription}/seats/sales/removal", None),
    ("DELETE /v1/accounts/acme/users/bob", None),
    ("GET /v1/accounts/acme/invoices", None),
    ("GET /v1/accounts/acme/invoices/{invoice}", None),
    ("POST /v1/accounts/acme/invoices/{invoice}/refunds", {"amount": _USD_100, "reason": "requested_by_customer"}),
    ("GET /v1/accounts/acme/invoices/{invoice}/refunds", None),
    (f"PUT {_JANE}", {"marketing": True}),
    ("POST /v1/accounts/acme/contacts/batch", {"marketing": ["john.roe"], "non_marketing": ["jane.doe"]}),
    (f"GET {_JANE}", None),
    (f"DELETE {_JANE}", None),
    (f"POST {_IMPORTS}", {"bytes": 48}),
    (f"DELETE {_IMPORTS}/{{file}}", None),
    (f"POST {_IMPORTS}/{{file}}/start", {"dry_run": True}),
    (f"GET {_IMPORTS}/{{file}}", None),
    ("GET /v1/accounts/acme/contact-imports", None),
    ("PUT /v1/accounts/acme/usage/maximum", {"maximum": 2500}),
    ("POST /v1/accounts/acme/usage/maximum/request", {"maximum": 5000}),
    ("POST /v1/accounts/acme/tier-reduction/preview", {"contacts": 900}),
    ("PUT /v1/accounts/acme/tier-reduction", {"contacts": 900}),
    ("GET /v1/accounts/acme/usage", None),
    ("DELETE /v1/accounts/acme/tier-reduction", None),
    ("GET /v1/accounts/acme/events", None),
    ("POST /v1/pay/{token}", None),
    ("POST /v1/accounts/acme/invoices/{declined}/pay", None),
    ("POST /v1/accounts/acme/invoices/{declined}/write-off", None),
    ("POST /v1/accounts/acme/subscriptions/{subscription}/release", None),
    ("POST /v1/accounts/acme/subscriptions/{subscription}/cancel/preview", {"when": "now"}),
    ("POST /v1/accounts/acme/subscriptions/{subscription}/cancel", {"when": "now", "understood": True}),
]
"""What is sent to make the examples, in this order; names in braces come from the checkout's answer."""


def document() -> dict[str, Any]:
    """The whole description, OpenAPI 3.1."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    served = sorted(_served(), key=lambda each: each.route.split(" ")[::-1])
    told = [shape for each in served for shape in (each.body, each.answer) if shape not in (None, Response[str])]
    shapes = [*told, answers.Problem]
    references, components = msgspec.json.schema_components(shapes, ref_template=_REF)
    reference = dict(zip(map(repr, shapes), references, strict=True))
    examples = _examples()
    paths: dict[str, Any] = {}
    for each in served:
        method, path = each.route.split(" ")
        paths.setdefault(path, {})[method.lower()] = _operation(each, reference, examples.get(each.route))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Prorata",
            "version": project["version"],
            "description": project["description"],
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def text() -> str:
    """The description as it lies in the files."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _served() -> Iterator[Served]:
    for function in template.read().functions.values():
        module = importlib.import_module(function.handler.rpartition(".")[0])
        if hasattr(module, "api"):
            yield from module.api.served({"answers": answers})


def _operation(each: Served, reference: dict[str, Any], example: tuple[Any, Any] | None) -> dict[str, Any]:
    method, path = each.route.split(" ")
    summary, _, more = _plain(inspect.getdoc(each.handle) or "").partition("\n")
    needs = PERMISSIONS.get(each.route)
    operation: dict[str, Any] = {
        "operationId": each.handle.__name__,
        "tags": [each.handle.__module__.rpartition(".")[2]],
        "summary": summary.rstrip("."),
        "description": f"{more.strip()}\n\nNeeds `{needs}`.".strip() if needs else more.strip(),
        "parameters": [_in_path(name) for name in re.findall(r"{(\w+)}", path)]
        + [_QUERY[name] for name in each.query],
    }
    if each.route in UNSIGNED:
        operation["security"] = []
        operation["parameters"] += _SIGNATURE if each.route == _WEBHOOK else []
    if method == "POST" and not path.endswith("/preview") and each.route != _WEBHOOK:
        operation["parameters"].append(_KEY)
    body = _EVENT if each.route == _WEBHOOK else reference.get(repr(each.body))
    if body:
        content: dict[str, Any] = {"schema": body}
        if example:
            content["example"] = example[0]
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    if each.answer == Response[str]:
        operation["responses"] = {
            str(each.status): _page("A page."),
            "default": _page("A page that says what is wrong."),
        }
        return operation
    answer: dict[str, Any] = {"schema": reference[repr(each.answer)]} if each.answer else {}
    if example:
        answer["example"] = example[1]
    problem = {"application/problem+json": {"schema": reference[repr(answers.Problem)]}}
    operation["responses"] = {
        str(each.status): {
            "description": "Done." if method != "GET" else "Found.",
            "content": {"application/json": answer},
        },
        "default": {"description": "Refused: see `code` and `detail`.", "content": problem},
    }
    return operation


def _page(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/html": {"schema": {"type": "string"}}}}


def _plain(docstring: str) -> str:
    """A docstring for people outside: without the numbers of our rules, and with Markdown's backquotes."""
    bare = re.sub(r"^R\d+( to R\d+)?: (\w)", lambda found: found[2].upper(), docstring)
    return re.sub(r" \((?:[RDC]\d+|DESIGN \d+)(?:, [RDC]\d+)*\)", "", bare).replace("``", "`")


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


_QUERY: dict[str, dict[str, Any]] = {
    "limit": {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
    "cursor": {"name": "cursor", "in": "query", "schema": {"type": "string"}},
    "setup_intent": {"name": "setup_intent", "in": "query", "schema": {"type": "string"}},
    "status": {"name": "status", "in": "query", "schema": {"type": "string", "default": "active"}},
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "maxLength": 255},
    "description": "The same request with the same key has one effect and gets the first answer again, for a week.",
}


_WEBHOOK = "POST /v1/stripe/webhook"
_SIGNATURE = [
    {
        "name": "Stripe-Signature",
        "in": "header",
        "required": True,
        "schema": {"type": "string", "pattern": "^t=[0-9]+(,v[01]=[0-9a-f]{64})+$"},
        "description": "When it was sent, and that with the body signed with the webhook's secret.",
    }
]
_EVENT = {
    "title": "StripeEvent",
    "description": "An event as Stripe sends it, in the API version that is pinned; more may stand in it.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "description": "What happened: `payment_intent.succeeded`, for instance."},
        "created": {"type": "integer", "description": "When, in seconds since 1970."},
        "data": {
            "type": "object",
            "properties": {"object": {"type": "object", "description": "What it happened to, as it was just then."}},
            "required": ["object"],
        },
    },
    "required": ["type", "created", "data"],
}


def _examples() -> dict[str, tuple[Any, Any]]:
    """What was sent and answered, by route."""
    cloud = Cloud(datetime(2026, 1, 25, 15, tzinfo=UTC))
    claims = {"sub": "example", "account": "acme", "permissions": STAFF}
    names: dict[str, str] = {}
    found: dict[str, tuple[Any, Any]] = {}
    for number, (line, body) in enumerate(EXAMPLES):
        method, path = re.sub(r"{(\w+)}", lambda match: names[match[1]], line).split(" ")
        if "/seats" in path and method == "POST":
            cloud.advance(datetime(2026, 2, 7, 20, 30, tzinfo=UTC))
        if line.endswith("/events"):
            _decline_and_park(cloud, names)
        sent = json.dumps(body).replace("{subscription}", names.get("subscription", "")) if body is not None else None
        reply = cloud.request(Call(method, path, sent, {"Idempotency-Key": f"example-{number}"}, claims))
        assert reply.status < 300, f"{line}: {reply.body}"
        found[_route(cloud, method, path)] = (json.loads(sent) if sent else body, reply.json)
        if line == f"POST {_IMPORTS}":
            names["file"] = reply.json["id"]
            cloud.files.put(reply.json["upload"], b"contact,marketing\njim.poe,true\njane.doe,perhaps\n")
        if line.endswith("/start"):
            cloud.settle()  # what is queued is worked off
        if line == "POST /v1/accounts/acme/checkout":
            names["checkout"], names["subscription"] = reply.json["id"], reply.json["subscriptions"][0]["id"]
            names["invoice"] = reply.json["invoice"]["id"]
            found[_WEBHOOK] = _told(cloud)
    return found


def _told(cloud: Cloud) -> tuple[Any, Any]:
    """What Stripe says of a payment, and what it is answered."""
    [message] = [each for each in cloud.stripe.webhooks() if each.type == "payment_intent.succeeded"]
    reply = cloud.request(Call("POST", "/v1/stripe/webhook", message.body.decode(), message.headers, None))
    assert reply.status == 200, reply.body
    return json.loads(message.body), reply.json


def _decline_and_park(cloud: Cloud, names: dict[str, str]) -> None:
    """The renewal is declined, and the one after it would be billed twice, had nobody looked."""
    subscription = queries.book("acme", names["subscription"]).subscription
    cloud.stripe.becomes(str(subscription.payment_method), "card_declined")
    cloud.advance(datetime(2026, 2, 25, 15, tzinfo=UTC))
    names["declined"] = f"{subscription.id}-00001"
    names["token"] = links.write(links.Link(links.Kind.INVOICE, "acme", names["declined"]))
    renewed = queries.book("acme", subscription.id).subscription
    table.commit(Changes(put=(replace(renewed, parked=True),)), cloud.now)


def _route(cloud: Cloud, method: str, path: str) -> str:
    for route in cloud.template.routes:
        if route.method == method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", route.path), path):
            return f"{route.method} {route.path}"
    raise AssertionError(f"{method} {path} is no route")


def write() -> None:
    """Write the files anew."""
    for file in FILES:
        file.write_text(text(), encoding="utf-8")
