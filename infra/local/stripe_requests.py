"""What Stripe's API accepts: its endpoints and their parameters, read from a form and checked.

``CALLS`` holds what a billing engine uses, in the words of Stripe's reference, and no more: a parameter that
is not listed is refused, as Stripe refuses one it does not know. To add an endpoint, add a row here and a
function to the ``ENDPOINTS`` of one of the modules that ``stripe_endpoints`` puts together.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

Kind = str | dict[str, Any]


class Parameters(NamedTuple):
    """The parameters of one endpoint, and those it cannot do without."""

    accepted: dict[str, Kind]
    required: tuple[str, ...] = ()


METADATA: Kind = {"map": "string"}
EXPAND: dict[str, Kind] = {"expand": {"list": "string"}}
PAGE: dict[str, Kind] = {"limit": "integer", "starting_after": "string", "ending_before": "string"}
CREATED: Kind = {
    "any": [{"object": {"gt": "integer", "gte": "integer", "lt": "integer", "lte": "integer"}}, "integer"]
}
OF_A_PAYMENT: dict[str, Kind] = {"created": CREATED, "charge": "string", "payment_intent": "string"}
FUTURE_USAGE: Kind = {"enum": ["off_session", "on_session"]}
TYPES: Kind = {"list": "string"}
METHOD_TYPE: Kind = {"enum": ["card", "sepa_debit", "us_bank_account"]}
ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")
CUSTOMER: dict[str, Kind] = {
    "address": {"object": dict.fromkeys(ADDRESS, "string")},
    "description": "string",
    "email": "string<=512",
    "metadata": METADATA,
    "name": "string<=256",
    "phone": "string<=20",
}
MANDATE: dict[str, Kind] = {
    "mandate_data": {
        "object": {
            "customer_acceptance": {
                "object": {
                    "accepted_at": "integer",
                    "online": {
                        "object": {"ip_address": "string", "user_agent": "string"},
                        "required": ["ip_address", "user_agent"],
                    },
                    "type": {"enum": ["offline", "online"]},
                },
                "required": ["type"],
            }
        },
        "required": ["customer_acceptance"],
    }
}
CONFIRMATION: dict[str, Kind] = {
    **MANDATE,
    "off_session": "boolean",
    "payment_method": "string",
    "payment_method_types": TYPES,
    "receipt_email": "string",
    "return_url": "string",
    "setup_future_usage": FUTURE_USAGE,
}

CALLS: dict[str, Parameters] = {
    "POST /v1/customers": Parameters({**CUSTOMER, "payment_method": "string"}),
    "GET /v1/customers/{customer}": Parameters({}),
    "POST /v1/customers/{customer}": Parameters(CUSTOMER),
    "GET /v1/customers/{customer}/payment_methods": Parameters({**PAGE, "type": METHOD_TYPE}),
    "POST /v1/payment_methods": Parameters(
        {"type": {"enum": ["card"]}, "card": {"object": {"token": "string"}}, "metadata": METADATA}, ("type", "card")
    ),
    "GET /v1/payment_methods/{payment_method}": Parameters({}),
    "POST /v1/payment_methods/{payment_method}/attach": Parameters({"customer": "string"}, ("customer",)),
    "POST /v1/payment_methods/{payment_method}/detach": Parameters({}),
    "POST /v1/setup_intents": Parameters(
        {
            **MANDATE,
            "confirm": "boolean",
            "customer": "string",
            "description": "string<=1000",
            "metadata": METADATA,
            "payment_method": "string",
            "payment_method_types": TYPES,
            "return_url": "string",
            "usage": FUTURE_USAGE,
        }
    ),
    "GET /v1/setup_intents/{intent}": Parameters({}),
    "POST /v1/setup_intents/{intent}/confirm": Parameters(
        {**MANDATE, "payment_method": "string", "return_url": "string"}
    ),
    "POST /v1/setup_intents/{intent}/cancel": Parameters(
        {"cancellation_reason": {"enum": ["abandoned", "duplicate", "requested_by_customer"]}}
    ),
    "POST /v1/payment_intents": Parameters(
        {
            **CONFIRMATION,
            "amount": "integer",
            "confirm": "boolean",
            "currency": "string",
            "customer": "string",
            "description": "string<=1000",
            "metadata": METADATA,
            "statement_descriptor": "string<=22",
            "statement_descriptor_suffix": "string<=22",
        },
        ("amount", "currency"),
    ),
    "GET /v1/payment_intents": Parameters({**PAGE, "created": CREATED, "customer": "string"}),
    "GET /v1/payment_intents/{intent}": Parameters({}),
    "POST /v1/payment_intents/{intent}/confirm": Parameters(CONFIRMATION),
    "POST /v1/payment_intents/{intent}/cancel": Parameters(
        {"cancellation_reason": {"enum": ["abandoned", "duplicate", "fraudulent", "requested_by_customer"]}}
    ),
    "GET /v1/charges": Parameters({**PAGE, "created": CREATED, "customer": "string", "payment_intent": "string"}),
    "GET /v1/charges/{charge}": Parameters({}),
    "POST /v1/refunds": Parameters(
        {
            "amount": "integer",
            "charge": "string",
            "metadata": METADATA,
            "payment_intent": "string",
            "reason": {"enum": ["duplicate", "fraudulent", "requested_by_customer"]},
        }
    ),
    "GET /v1/refunds": Parameters({**PAGE, **OF_A_PAYMENT}),
    "GET /v1/refunds/{refund}": Parameters({}),
    "GET /v1/disputes": Parameters({**PAGE, **OF_A_PAYMENT}),
    "GET /v1/balance_transactions": Parameters(
        {**PAGE, "created": CREATED, "currency": "string", "source": "string", "type": "string"}
    ),
    "GET /v1/events": Parameters({**PAGE, "created": CREATED, "type": "string", "types": TYPES}),
    "GET /v1/events/{id}": Parameters({}),
}
CALLS = {endpoint: Parameters({**accepted, **EXPAND}, required) for endpoint, (accepted, required) in CALLS.items()}

PATTERNS = {endpoint: re.compile(re.sub(r"\{\w+\}", "([^/]+)", endpoint)) for endpoint in CALLS}


class Refusal(Exception):  # a refusal is Stripe's answer, not an error of ours
    """An answer other than 200: the HTTP status and what stands in Stripe's ``error`` object."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error", **error: Any) -> None:
        super().__init__(message)
        self.status = status
        self.headers: dict[str, str] = {}
        self.error = {"message": message, "type": kind, **error}
        if code := error.get("code"):
            self.error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"


def route(method: str, path: str) -> tuple[str, str]:
    """The endpoint as the reference names it, and the id in the path ("" where it has none)."""
    for endpoint, pattern in PATTERNS.items():
        if found := pattern.fullmatch(f"{method.upper()} {path}"):
            return endpoint, "".join(found.groups())
    raise Refusal(404, f"Unrecognized request URL ({method.upper()}: {path}).")


def decode(form: str) -> dict[str, Any]:
    """The nested parameters of a form, all still strings, lists as maps of their positions.

    >>> decode("metadata[invoice]=sub-1&payment_method_types[0]=card&expand[]=customer")
    {'metadata': {'invoice': 'sub-1'}, 'payment_method_types': {'0': 'card'}, 'expand': {'0': 'customer'}}
    """
    params: dict[str, Any] = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        first, *rest = re.split(r"\]?\[", name.removesuffix("]"))
        node, key = params, first
        for inner in rest:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise Refusal(400, f"Invalid hash: {name}", param=first)
            key = inner or str(len(node))
        node[key] = value
    return params


def check(params: Mapping[str, Any], accepted: Mapping[str, Kind], inside: str = "") -> dict[str, Any]:
    """The parameters as what they are (integers, booleans, lists), or the refusal of the first wrong one."""
    checked = {}
    for name, value in params.items():
        param = f"{inside}[{name}]" if inside else name
        if name not in accepted:
            raise Refusal(400, f"Received unknown parameter: {param}", code="parameter_unknown", param=param)
        checked[name] = _read(value, accepted[name], param)
    return checked


def check_call(endpoint: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The checked parameters of a call to ``endpoint``."""
    accepted, required = CALLS[endpoint]
    checked = check(params, accepted)
    _expect(checked, required)
    return checked


def _expect(params: Mapping[str, Any], required: Iterable[str], inside: str = "") -> None:
    for name in required:
        if name not in params:
            param = f"{inside}[{name}]" if inside else name
            raise Refusal(400, f"Missing required param: {param}.", code="parameter_missing", param=param)


def _read(value: Any, kind: Kind, param: str) -> Any:
    if isinstance(kind, str):
        return _read_scalar(value, kind, param)
    shape, inner = next(iter(kind.items()))
    if shape == "any":  # either an object or one scalar
        return _read(value, inner[0] if isinstance(value, dict) else inner[-1], param)
    if shape == "enum":
        if value not in inner:
            raise Refusal(400, f"Invalid {param}: must be one of {', '.join(inner)}", param=param)
        return value
    if not isinstance(value, dict):
        raise Refusal(400, f"Invalid {'array' if shape == 'list' else 'hash'}", param=param)
    if shape == "object":
        checked = check(value, inner, param)
        _expect(checked, kind.get("required", ()), param)
        return checked
    if shape == "map":
        return _read_metadata(value, param)
    return [_read(value[at], inner, f"{param}[{at}]") for at in sorted(value, key=_position)]


def _position(key: str) -> int:
    return int(key) if key.isdecimal() else -1


def _read_scalar(value: Any, kind: str, param: str) -> str | int | bool:
    kind, _, longest = kind.partition("<=")
    if not isinstance(value, str):
        raise Refusal(400, f"Invalid {kind}: {param}", param=param)
    if value == "":
        sentence = f"You passed an empty string for '{param}'. You should remove it from your request."
        raise Refusal(400, sentence, code="parameter_invalid_empty", param=param)
    if kind == "integer":
        return _read_integer(value, param)
    if kind == "boolean":
        if value not in ("true", "false"):
            raise Refusal(400, f"Invalid boolean: {value}", param=param)
        return value == "true"
    if longest and len(value) > int(longest):
        raise Refusal(400, f"Invalid string: {param}; must be at most {longest} characters", param=param)
    return value


def _read_integer(value: str, param: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise Refusal(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=param)
    return int(value)


def _read_metadata(value: dict[str, Any], param: str) -> dict[str, str]:
    """Up to 50 keys of 40 characters, values of 500; an empty value takes the key away."""
    if len(value) > 50:
        raise Refusal(400, "Metadata can have up to 50 keys.", param=param)
    for key, text in value.items():
        if not isinstance(text, str) or len(key) > 40 or len(text) > 500:
            sentence = "Metadata keys can have up to 40 characters, values are strings of up to 500."
            raise Refusal(400, sentence, param=f"{param}[{key}]")
    return value
