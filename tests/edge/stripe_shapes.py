"""What Stripe publishes of its API, as a checker: for what a call sends and for what an answer holds.

``data/stripe_api.json`` holds the facts. It does not say which fields may be null, so a field that is not
required may be; and a reference to an object it does not describe is any object.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from infra.local.stripe import InProcess
from infra.local.stripe_requests import decode

API = json.loads((Path(__file__).parent / "data" / "stripe_api.json").read_text())
CALLS, OBJECTS = API["calls"], API["objects"]
SCALARS = {"string": str, "integer": int, "boolean": bool, "number": (int, float)}


def check_request(method, path, params):
    """Hold a request to the reference; ``params`` is a mapping or, as it goes over the wire, a form."""
    sent = decode(params) if isinstance(params, str) else params
    call = CALLS[endpoint(method, path)]
    missing = set(call["required"]) - set(sent)
    assert not missing, f"{method} {path}: required and not sent: {sorted(missing)}"
    _fits(sent, {"object": call["params"]}, f"{method} {path}", wire=True)


def check_answer(method, path, answer):
    """Hold the body of an answer, decoded, to what the call returns, or to the shape of an error."""
    if "error" in answer:
        assert answer.keys() == {"error"}
        _fits(answer["error"], "ref:api_errors", f"{method} {path}: error")
        return
    returns = CALLS[endpoint(method, path)]["returns"]
    if isinstance(returns, dict) and "list" in returns:
        assert answer.keys() == {"object", "url", "has_more", "data"}
        assert (answer["object"], answer["url"], type(answer["has_more"])) == ("list", path, bool)
        answer = answer["data"]
    _fits(answer, returns, f"{method} {path}")


def check_event(event):
    """Hold an event to the reference, and the object in it."""
    _fits(event, "ref:event", event["type"])
    thing = event["data"]["object"]
    _fits(thing, f"ref:{thing['object']}", f"{event['type']}: {thing['id']}")


def endpoint(method, path):
    """The name of a call in the reference."""
    for name in CALLS:
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", name), f"{method.upper()} {path}"):
            return name
    raise AssertionError(f"Stripe has no {method} {path}")


def _fits(value, kind, at, *, wire=False):
    """Assert that a value is of a kind; ``wire`` also lets strings stand for integers and booleans."""
    if isinstance(kind, str):
        _fits_name(value, kind, at, wire)
        return
    if "any" in kind:
        assert any(_is(value, one, at, wire) for one in kind["any"]), f"{at}: {value!r} is none of {kind}"
    elif "enum" in kind:
        assert value in kind["enum"], f"{at}: {value!r} is none of {kind['enum']}"
    elif "list" in kind:
        if wire and isinstance(value, Mapping) and all(key.isdecimal() for key in value):
            value = list(value.values())
        assert isinstance(value, list | tuple), f"{at}: {value!r} is no list"
        for number, one in enumerate(value):
            _fits(one, kind["list"], f"{at}[{number}]", wire=wire)
    elif "map" in kind:
        assert isinstance(value, Mapping), f"{at}: {value!r} is no map"
        for key, one in value.items():
            _fits(one, kind["map"], f"{at}.{key}", wire=wire)
    else:
        _fits_object(value, kind["object"], kind.get("required", ()), at, wire)


def _fits_name(value, kind, at, wire):
    name, _, limit = kind.partition("<=")
    if name == "object":
        assert isinstance(value, Mapping), f"{at}: {value!r} is no object"
    elif name.startswith("ref:"):
        described = OBJECTS.get(name.removeprefix("ref:"), {"fields": None, "required": ()})
        _fits_object(value, described["fields"], described["required"], at, wire)
    elif wire and name == "integer" and isinstance(value, str):
        assert re.fullmatch(r"-?\d+", value), f"{at}: {value!r} is no integer"
    elif wire and name == "boolean" and isinstance(value, str):
        assert value in ("true", "false"), f"{at}: {value!r} is no boolean"
    else:
        assert isinstance(value, SCALARS[name]), f"{at}: {value!r} is no {name}"
        assert not (isinstance(value, bool) and name in ("integer", "number")), f"{at}: {value!r} is no {name}"
        assert not limit or len(value) <= int(limit), f"{at}: longer than {limit}"


def _fits_object(value, fields, required, at, wire):
    assert isinstance(value, Mapping), f"{at}: {value!r} is no object"
    if fields is None:
        return
    unknown = set(value) - set(fields)
    assert not unknown, f"{at}: unknown: {sorted(unknown)}"
    for name in required:
        assert value.get(name) is not None, f"{at}: required and missing: {name}"
    for name, one in value.items():
        if one is not None:
            _fits(one, fields[name], f"{at}.{name}", wire=wire)


def _is(value, kind, at, wire):
    try:
        _fits(value, kind, at, wire=wire)
    except AssertionError:
        return False
    return True


class Checked(InProcess):
    """A transport that holds every answer to the reference, and every request that Stripe did not refuse."""

    def request(self, method, url, headers, post_data=None, *, _usage=None):
        body, status, answered = super().request(method, url, headers, post_data, _usage=_usage)
        parts = urlsplit(url)
        check_answer(method, parts.path, json.loads(body))
        if status not in (400, 401, 404):
            check_request(method, parts.path, post_data or parts.query)
        return body, status, answered
