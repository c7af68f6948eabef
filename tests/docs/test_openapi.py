"""docs/openapi.json is what the code serves, and every example in it has just been played."""

import json
import re

import pytest
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


def test_every_route_but_those_without_a_token_has_an_example(written):
    paths = json.loads(written[0])["paths"]
    for path, item in paths.items():
        for method, operation in item.items():
            if operation.get("security") != []:
                assert re.search('"example": ', json.dumps(operation["responses"])), f"{method} {path}"


def test_it_is_served(written):
    served = World().call("GET", "/openapi.json")
    assert (served.status, served.json) == (200, json.loads(written[0]))
