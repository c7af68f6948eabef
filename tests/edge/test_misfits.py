"""Whatever is sent as a body: what is said of it are words, and never those of the library that found it."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.edge import misfit, schemas, seat_schemas
from shared.edge.body import Body

SCHEMAS = sorted(
    {it for module in (schemas, seat_schemas) for it in vars(module).values() if isinstance(it, type)}
    & set(Body.__subclasses__()),
    key=lambda schema: schema.__name__,
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


def bodies(schema):
    """Objects that bear the names of a schema's fields, and anything in them."""
    name = st.sampled_from([*schema.__struct_fields__, "price", "amount", "unknown"])
    return st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(name, inner), max_leaves=12)


def said(schema, body):
    """What is said of a body that does not fit."""
    try:
        msgspec.json.decode(json.dumps(body), type=schema)
    except msgspec.ValidationError as error:
        return misfit.of(error).sentence
    return "It fits."


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
@given(data=st.data())
def test_whatever_does_not_fit_is_told_in_words(schema, data):
    sentence = said(schema, data.draw(bodies(schema)))
    assert sentence.endswith(".")
    assert not any(words in sentence for words in ("Expected", "regex", "something else"))
