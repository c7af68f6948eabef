"""What `make build` packs for Lambda: the code, its description, byte code for Lambda's Python, and nothing else."""

import os
import subprocess

import pytest

from infra.local import template
from tests.architecture.test_layers import DEPLOYED, ROOT

VERSION = template.load()["Globals"]["Function"]["Runtime"].removeprefix("python")
CACHED = f"cpython-{VERSION.replace('.', '')}"
LEFT_OUT = f"No python{VERSION} here: packed without byte code"
UNCHECKED = (1).to_bytes(4, "little")  # PEP 552: the source is not looked at


def packed(folder, *settings):
    """What the rule of one function puts into a folder, and what it says."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    run = subprocess.run(
        ["make", "--silent", "build-SeatsFunction", *settings],
        cwd=ROOT,
        env=environment | {"ARTIFACTS_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}, run.stdout


SOURCES = {str(path.relative_to(ROOT)) for path in DEPLOYED}


def test_a_package_holds_the_code_and_nothing_else(tmp_path):
    files, said = packed(tmp_path, "LAMBDA_PYTHON=")
    assert LEFT_OUT in said
    assert files.keys() == SOURCES | {"shared/edge/openapi.json"}


def test_a_package_holds_byte_code_for_the_python_of_the_template(tmp_path):
    files, said = packed(tmp_path)
    if LEFT_OUT in said:
        pytest.skip(said.strip())
    compiled = {name: path.read_bytes() for name, path in files.items() if name.endswith(".pyc")}
    assert files.keys() - compiled.keys() == SOURCES | {"shared/edge/openapi.json"}
    assert compiled.keys() == {cached(source) for source in SOURCES}
    for source in SOURCES:
        code = compiled[cached(source)]
        assert code[4:8] == UNCHECKED, source
        assert f"/var/task/{source}".encode() in code, "tracebacks name the file as it lies on Lambda"


def cached(source):
    folder, _, name = source.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.{CACHED}.pyc"
