"""docs/openapi.json is what the code serves, and every example in it has just been played."""

import json
import re

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from infra.local import openapi, template
from tests.world import World


@pytest.fixture(scope="module")
def written():
    return [file.read_text(encoding="utf-8") for file in openapi.FILES]


def test_the_description_is_the_one_made_from_the_code(written):
    made = openapi.text()
    assert written == [made, made], "python -m infra.local openapi writes it anew"


def test_the_description_is_openapi_3_1(written):
    description = json.loads(written[0])
    assert description["openapi"].startswith("3.1")
    validate(description)


def test_it_tells_of_every_route_of_the_template_and_of_no_other(written):
    told = {f"{method.upper()} {path}" for path, item in json.loads(written[0])["paths"].items() for method in item}
    assert told == {f"{route.method} {route.path}" for route in template.read().routes}


def operations(description):
    for path, item in description["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def contents(operation):
    """What is said of the bodies that are sent and that come back."""
    for said in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from said.get("content", {}).values()


def strict(schema):
    """The same schema, which takes no property that it does not tell of; an event has those of its type besides."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = "properties" in schema and schema.get("title") not in ("Event", "StripeEvent")
    return {name: strict(each) for name, each in schema.items()} | ({"additionalProperties": False} if closed else {})


def test_every_route_has_an_example_but_the_description_itself_and_pages(written):
    without = {
        route
        for route, operation in operations(json.loads(written[0]))
        if not any("example" in content for content in contents(operation))
    }
    assert without == {"GET /v1/openapi.json", "GET /v1/pay/{token}"}


def test_every_body_that_is_sent_has_an_example_and_every_example_is_as_its_schema_says(written):
    description = json.loads(written[0])
    components = strict(description["components"])
    for route, operation in operations(description):
        if "requestBody" in operation:
            assert "example" in operation["requestBody"]["content"]["application/json"], route
        for content in contents(operation):
            if "example" in content:
                schema = strict(content["schema"]) | {"components": components}
                wrong = [error.message for error in OAS31Validator(schema).iter_errors(content["example"])]
                assert wrong == [], route


def test_what_stripe_sends_is_told(written):
    operation = json.loads(written[0])["paths"]["/v1/stripe/webhook"]["post"]
    [signature] = operation["parameters"]
    assert (signature["name"], signature["in"], signature["required"]) == ("Stripe-Signature", "header", True)
    world = World().sells()
    world.subscribed()
    for message in world.cloud.stripe.webhooks():
        assert re.search(signature["schema"]["pattern"], message.headers["Stripe-Signature"])
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert OAS31Validator(schema).is_valid(json.loads(message.body))


def test_it_is_served(written):
    served = World().call("GET", "/openapi.json")
    assert (served.status, served.json) == (200, json.loads(written[0]))
