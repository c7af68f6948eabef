"""Who may import whom, how long a file may get, and that the checks which say so are switched on."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DEPLOYED = sorted(path for folder in ("functions", "shared") for path in (ROOT / folder).rglob("*.py"))
OURS = [*DEPLOYED, *sorted((ROOT / "infra").rglob("*.py"))]
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 350, 45
LONGER = {
    "shared/edge/answers.py": 700,  # all shapes of answers are looked up in one place
    "shared/store/records.py": 460,  # all kinds of records stand in one module: PynamoDB forgets the others
    "shared/store/queries.py": 400,  # all ways of reading the table stand in one place, by their numbers
}


def where(path):
    return str(path.relative_to(ROOT))


# -- layers ------------------------------------------------------------------------------------------------


def contracts(folder):
    """What import-linter says of the code under a folder."""
    command, wide = [BIN / "lint-imports", "--no-cache"], os.environ | {"COLUMNS": "200"}
    run = subprocess.run(command, cwd=folder, env=wide, capture_output=True, text=True, check=False)
    broken = re.findall(r"^(.+) BROKEN$", run.stdout, flags=re.MULTILINE)
    assert (run.returncode == 0) == (not broken), run.stdout + run.stderr
    return [name.strip() for name in broken]


def test_nobody_imports_what_is_not_theirs_to_import():
    assert contracts(ROOT) == []


LAYERS = "Functions use the edge, the edge uses the store, all use the domain, never the other way round"
INDEPENDENT = "No function imports another"
PURE = "The domain knows no AWS, no Stripe and no HTTP"
NO_STAND_INS = "Nothing that is deployed imports what stands in for AWS"


def test_an_import_that_is_not_allowed_is_found(tmp_path):
    """Each contract is broken once, in a copy, to see that it would be noticed."""
    for folder in ("functions", "shared", "infra"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for path, line in (
        ("shared/store/table.py", "from shared.edge import clock"),
        ("functions/seats.py", "from functions import invoices"),
        ("shared/domain/money.py", "import boto3"),
        ("shared/edge/api.py", "from infra.local import template"),
    ):
        with (tmp_path / path).open("a") as file:
            file.write(f"\n{line}\n")
    assert contracts(tmp_path) == [LAYERS, INDEPENDENT, PURE, NO_STAND_INS]


# -- clock, chance, ids ------------------------------------------------------------------------------------


def ruff(code, path):
    """The rules that ruff says a piece of code breaks, if it stood there."""
    command = [BIN / "ruff", "check", "--no-cache", "--output-format=concise", "--stdin-filename", path, "-"]
    run = subprocess.run(command, cwd=ROOT, input=code, capture_output=True, text=True, check=False)
    return re.findall(rf"^{re.escape(path)}:\d+:\d+: (\w+) ", run.stdout, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "code",
    [
        "from datetime import UTC, datetime\nnow = datetime.now(UTC)\n",
        "import datetime\nnow = datetime.datetime.utcnow()\n",
        "from datetime import date\ntoday = date.today()\n",
        "import time\nnow = time.time()\n",
        "import time\ntime.sleep(1)\n",
        "import uuid\nid_ = uuid.uuid4()\n",
        "from uuid import uuid4\nid_ = uuid4()\n",
        "import random\ndice = random.randint(1, 6)\n",
    ],
    ids=lambda code: code.splitlines()[-1],
)
def test_nobody_asks_the_machine_for_time_ids_or_chance(code):
    for path in ("shared/domain/seats.py", "shared/edge/collect.py", "functions/seats.py"):
        assert "TID251" in ruff(code, path), path
    assert "TID251" not in ruff(code, "shared/edge/clock.py"), "the one place that does"


# -- size and first sentences ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [path for path in OURS if path.read_text()], ids=where)
def test_a_file_begins_with_a_sentence_and_ends_before_it_is_too_long(path):
    text = path.read_text()
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert re.match(r".+[.!?]( |$)", docstring.partition("\n")[0]), "say on the first line what it is about"
    assert len(text.splitlines()) <= LONGER.get(where(path), MOST_LINES), "look for a split"


def test_a_function_that_is_deployed_fits_on_a_screen():
    long = [
        f"{where(path)}: {node.name}, {node.end_lineno - node.lineno + 1} lines"
        for path in DEPLOYED
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= MOST_LINES_OF_A_FUNCTION
    ]
    assert long == []


def test_every_function_of_a_lambda_is_short_because_it_decides_nothing():
    """A function loads, the domain decides, the store commits."""
    lines = {
        f"{path.name}: {node.name}": node.end_lineno - node.lineno + 1
        for path in sorted((ROOT / "functions").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert {name: count for name, count in lines.items() if count > 35} == {}
