"""docs/operations.md names every alarm and every difference there is, and commands that AWS's client takes."""

import ast
import re
import shlex
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from infra.local import template
from shared.domain.difference import Differs
from shared.domain.invoice import MISMATCH

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations.md").read_text()
DOCUMENT = template.load()
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).replace("\\\n", " ")
AWS = sorted(set(re.findall(r"\baws ([a-z0-9]+) ([a-z-]+)([^\n|;]*)", SHELL)))
ANYWHERE = {"query", "output", "region", "profile", "cli-binary-format", "no-cli-pager"}
"""Options of the client itself."""
NAMED = {"MISMATCH": MISMATCH}


def table_below(heading):
    """The first words of the rows of the table below a heading."""
    part = re.split(r"^## ", PAGE.partition(f"## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^\| `([a-z_]+)` \|", part, re.MULTILINE)


# ---- alarms


def codes_of(path):
    """The codes of the alarms that a module raises.

    Of every function that raises one, or hands it to ``alarm`` or ``_alarm``: what it
    writes behind ``"code"`` or ``code =``, and the words that it calls them with.
    """
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef):
            continue
        nodes = list(ast.walk(function))
        calls = [node for node in nodes if isinstance(node, ast.Call) and called(node) in {"alarm", "_alarm"}]
        yield from (word for call in calls for word in map(constant, call.args) if word)
        if "alarm.raised" in map(constant, nodes):
            for node in nodes:
                if isinstance(node, ast.Dict):
                    yield from (
                        constant(value)
                        for key, value in zip(node.keys, node.values, strict=True)
                        if key and constant(key) == "code" and constant(value)
                    )
                elif isinstance(node, ast.Assign) and [getattr(each, "id", "") for each in node.targets] == ["code"]:
                    yield constant(node.value)


def constant(node):
    """The text of a literal, or of a name for one."""
    if isinstance(node, ast.Name):
        return NAMED.get(node.id)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def called(call):
    """The name of what is called."""
    return getattr(call.func, "attr", getattr(call.func, "id", None))


def test_every_alarm_stands_on_the_page_and_no_other():
    deployed = [path for folder in ("functions", "shared") for path in (ROOT / folder).rglob("*.py")]
    raised = {code for path in deployed for code in codes_of(path)}
    assert {"renewal_failed", "payment_mismatch", "unreadable"} <= raised, "the search finds what it is for"
    assert sorted(table_below("Alarms")) == sorted(raised)


def test_every_difference_stands_on_the_page_and_no_other():
    assert sorted(table_below("Reconciliation")) == sorted(Differs)


# ---- queues and sweeps


def test_every_queue_of_dead_letters_is_watched_and_explained():
    kept = {name for name in DOCUMENT["Resources"] if name.endswith("DeadLetters")}
    assert len(kept) == 6
    assert set(re.search(r"for queue in (.*?);", SHELL)[1].split()) == kept
    assert set(re.findall(r"^\| `(\w+DeadLetters)` \|", PAGE, re.MULTILINE)) == kept


def test_every_sweep_is_watched_and_can_be_run_by_hand():
    sweeps = {name for name in DOCUMENT["Resources"] if name.endswith("SweepFunction")}
    assert set(re.findall(r"`(\w+SweepFunction)`", PAGE.partition("## Late runs")[0])) == sweeps
    assert set(re.findall(r"physical (\w+SweepFunction)", SHELL)) == sweeps


# ---- commands


def test_every_part_of_the_stack_that_the_page_names_is_there():
    named = set(re.findall(r"\$\(physical (\w+)\)", SHELL))
    assert named
    assert named <= DOCUMENT["Resources"].keys()
    assert set(re.findall(r"\b(\w+)=(?:ENABLED|DISABLED)", SHELL)) <= DOCUMENT["Parameters"].keys()


@pytest.mark.parametrize(("service", "operation", "arguments"), AWS, ids=[" ".join(each[:2]) for each in AWS])
def test_a_command_is_one_of_the_client_with_options_that_it_knows(service, operation, arguments):
    options = {word.removeprefix("--").partition("=")[0] for word in re.findall(r"(?<=\s)--[a-z-]+", arguments)}
    client = botocore.session.get_session().create_client(service, region_name="eu-central-1")
    if operation == "wait":
        assert xform_name(shlex.split(arguments)[0].replace("-", "_")) in client.waiter_names
        return
    operations = {xform_name(name, "-"): name for name in client.meta.service_model.operation_names}
    assert operation in operations
    members = client.meta.service_model.operation_model(operations[operation]).input_shape.members
    known = {xform_name(name, "-") for name in members} | {f"no-{xform_name(name, '-')}" for name in members}
    assert options <= known | ANYWHERE
