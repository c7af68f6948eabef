"""docs/rules.md names places that exist and proofs that bear the rule's number, and forgets none."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STORIES = ROOT / "tests" / "scenarios" / "stories"
ROWS = re.findall(
    r"^\| ([RFD]\d+) \| .+? \| (.+?) \| (.+?) \|$", (ROOT / "docs" / "rules.md").read_text(), re.MULTILINE
)


def names_of(path):
    """Every function, class and constant of a module, methods as ``Class.method``."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
            found |= {f"{node.name}.{inner.name}" for inner in ast.walk(node) if isinstance(inner, ast.FunctionDef)}
    return found


@pytest.mark.parametrize(("rule", "code", "proof"), ROWS, ids=[row[0] for row in ROWS])
def test_a_rule_stands_where_the_page_says_and_is_proven_by_what_bears_its_number(rule, code, proof):
    for place in re.findall(r"`(.+?)`", code):
        path, _, name = place.partition("::")
        assert name in names_of(ROOT / path), place
    proofs = re.findall(r"`(.+?)`", proof)
    assert proofs
    for place in proofs:
        path, _, name = place.partition("::")
        if path.endswith(".yaml"):
            comment = (STORIES / path).read_text().split("\nseller:")[0]
            assert re.search(rf"\b{rule}\b", comment), f"the comment of {path} does not name {rule}"
        else:
            assert name in names_of(ROOT / "tests" / path), place
            assert rule.lower() in name.split("_"), f"{name} does not bear {rule}"


def test_every_rule_that_a_test_or_a_story_bears_stands_on_the_page():
    tests = (name for path in (ROOT / "tests").rglob("test_*.py") for name in names_of(path))
    born = {word.upper() for name in tests for word in name.split("_") if re.fullmatch(r"[rfd]\d+", word)}
    leads = (path.read_text().partition(":")[0] for path in STORIES.glob("*.yaml"))
    told = {rule for lead in leads for rule in re.findall(r"\b[RFD]\d+", lead)}
    assert born | told <= {rule for rule, _, _ in ROWS}
