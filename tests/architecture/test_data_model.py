"""The page, the record classes, the queries and the template say the same of the table."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.local import template
from shared.store import contacts, imports, queries, records
from shared.store.import_records import ContactImportRecord
from shared.store.record import Record
from shared.store.records import Answer, AnswerRecord, DifferenceRecord, EventRecord
from tests.architecture.data_model import KEYS, PAGE, access, chart, filled, patterns

TABLE = template.read().table
KINDS = Record.__subclasses__()
AGAIN = "write it anew with: python -m tests.architecture.write_data_model"


def between(marker):
    return PAGE.read_text().partition(f"<!-- {marker} -->\n")[2].partition(f"<!-- /{marker} -->")[0]


def test_the_page_holds_the_chart_of_the_record_classes():
    assert between("chart") == chart(), AGAIN


def test_the_page_holds_the_access_patterns_of_the_queries():
    assert between("access") == access(), AGAIN
    assert PAGE.read_text() == filled(PAGE.read_text())


def test_the_page_names_every_kind_in_its_entity_chart():
    [mermaid] = re.findall(r"```mermaid\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    drawn = set(re.findall(r"\b[A-Z_]{4,}\b", mermaid))
    assert drawn == {Record.kind.serialize(kind).upper() for kind in KINDS}


# -- the template ------------------------------------------------------------------------------------------


def names(keys):
    return tuple(key["AttributeName"] for key in sorted(keys, key=lambda key: key["KeyType"]))


def keys_of(model):
    """The attributes that PynamoDB holds for the keys, hash first."""
    attributes = model.get_attributes() if hasattr(model, "get_attributes") else model._get_attributes()
    return tuple(
        next(name for name, attribute in attributes.items() if getattr(attribute, which))
        for which in ("is_hash_key", "is_range_key")
    )


def test_the_template_has_the_keys_of_the_records():
    assert names(TABLE["KeySchema"]) == keys_of(Record) == ("PK", "SK")
    assert {(each["AttributeName"], each["AttributeType"]) for each in TABLE["AttributeDefinitions"]} == {
        (key, "S") for key in KEYS
    }


def test_the_template_has_the_indexes_of_the_records():
    made = {index["IndexName"]: index for index in TABLE["GlobalSecondaryIndexes"]}
    assert made.keys() == {index.Meta.index_name for index in (Record.due, Record.lists)}
    for index in (Record.due, Record.lists):
        attributes = {name: attribute for name, attribute in vars(type(index)).items() if name in KEYS}
        [hash_key] = [name for name, attribute in attributes.items() if attribute.is_hash_key]
        [range_key] = [name for name, attribute in attributes.items() if attribute.is_range_key]
        projection = index.Meta.projection
        assert names(made[index.Meta.index_name]["KeySchema"]) == (hash_key, range_key)
        assert made[index.Meta.index_name]["Projection"] == {
            "ProjectionType": projection.projection_type,
            "NonKeyAttributes": projection.non_key_attributes,
        }


def test_what_expires_is_an_attribute_of_its_own():
    """Whatever has an attribute of that name is deleted; a checkout, which has one too, calls it something else."""
    attribute = TABLE["TimeToLiveSpecification"]["AttributeName"]
    having = [kind for kind in KINDS if attribute in {each.attr_name for each in kind.get_attributes().values()}]
    assert set(having) == {ContactImportRecord, AnswerRecord, DifferenceRecord}


def test_what_expires_says_so_in_seconds_since_1970_as_a_number():
    """DynamoDB passes over an attribute of any other type, and keeps the item for ever."""
    expires = datetime(2026, 2, 1, 15, 0, 0, tzinfo=UTC)
    stored = Record.of(Answer("acme", "key", "digest", {}, expires)).serialize()
    assert stored[TABLE["TimeToLiveSpecification"]["AttributeName"]] == {"N": "1769958000"}


def test_the_stream_tells_what_was_written():
    """It publishes events, which are written once: there is no image of them before."""
    assert "published by the table's stream" in EventRecord.__doc__
    assert EventRecord.written_once
    assert TABLE["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}


def test_the_name_of_a_table_is_the_same_everywhere():
    assert Record.Meta.table_name == template.TABLE_NAME


# -- the keys ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=Record.kind.serialize)
def test_a_kind_has_keys_in_pairs_and_a_sentence(kind):
    assert {"PK", "SK"} <= kind.keys.keys() <= set(KEYS)
    assert ("GSI1PK" in kind.keys) == ("GSI1SK" in kind.keys)
    assert ("GSI2PK" in kind.keys) == ("GSI2SK" in kind.keys)
    assert kind.__doc__.partition("\n")[0].endswith("."), "the sentence that says what it is"


def test_no_two_kinds_lie_under_the_same_key():
    """Each name in a key stands for any id, and an id holds no ``#``."""

    def pattern(kind):
        return tuple(re.sub(r"{\w+(:\d+)?}", "{}", kind.keys[key]) for key in ("PK", "SK"))

    assert len({pattern(kind) for kind in KINDS}) == len(KINDS)


def test_a_name_that_may_be_followed_by_another_ends_with_a_hash():
    """``begins_with("SUB#1")`` also finds ``SUB#10``."""
    templates = [kind.keys["SK"] for kind in KINDS]
    for short in templates:
        longer = [long for long in templates if long != short and long.startswith(short.rstrip("#")) and "{" in short]
        assert not longer or short.endswith("#"), f"{short} begins like {longer}"


def test_the_instants_of_the_due_index_come_first_and_say_whose_they_are():
    due = {kind.keys["GSI1SK"] for kind in KINDS if "GSI1SK" in kind.keys}
    assert due == {"{due_at}#{account_id}#{id}"}, "queries.due reads it apart"


# -- the access patterns -----------------------------------------------------------------------------------


def test_the_access_patterns_are_numbered_without_a_gap():
    numbers = [number for number, _, _ in patterns()]
    assert sorted(set(numbers)) == list(range(1, max(numbers) + 1))
    assert numbers == sorted(numbers), "in the order of the file, the functions of one pattern side by side"


def test_every_access_pattern_has_a_test_that_bears_its_number():
    folder = Path(__file__).parents[1] / "store"
    tests = "".join((folder / name).read_text() for name in ("test_queries.py", "test_contacts.py"))
    tested = {int(number) for number in re.findall(r"def test_ap(\d+)_", tests)}
    assert tested == {number for number, _, _ in patterns()}
    for _, name, _ in patterns():
        assert re.search(rf"(queries|contacts|imports)\.{name}\b", tests), f"no test calls {name}"


def test_the_table_is_read_in_three_modules():
    """Every query stands in queries.py, contacts.py or imports.py; others get what they need from there."""
    root = Path(records.__file__).parents[2]
    reading = re.compile(r"\b\w*Record\w*\.(query|get|scan|batch_get|due\.query|lists\.query)\(")
    readers = [path for folder in ("functions", "shared") for path in (root / folder).rglob("*.py")
               if reading.search(path.read_text())]  # fmt: skip
    assert sorted(readers) == [Path(module.__file__) for module in (contacts, imports, queries)]
