"""What `make build` packs for Lambda: code and byte code, and the layer for its Python and its processor."""

import os
import re
import socket
import subprocess
import sys

import pytest

from infra.local import template
from infra.local.deploy_packages import UNCHECKED, without_byte_code
from tests.architecture.test_layers import DEPLOYED, ROOT

RESOURCES = template.load()["Resources"]
FUNCTIONS = template.load()["Globals"]["Function"]
VERSION = FUNCTIONS["Runtime"].removeprefix("python")
CACHED = f"cpython-{VERSION.replace('.', '')}"
LEFT_OUT = f"No python{VERSION} here: packed without byte code"
MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}
"""What Linux calls a processor of Lambda's."""
ELF_MACHINE = {"aarch64": 183, "x86_64": 62}


def make(target, *settings, **environment):
    """Call one of our rules and hear what it says; of this environment it gets what it needs to find its programs."""
    own = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = ["make", "--silent", target, *settings]
    run = subprocess.run(command, cwd=ROOT, env=own | environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def packed(folder, *settings):
    """What the rule of one function puts into a folder, and what it says."""
    said = make("build-SeatsFunction", *settings, ARTIFACTS_DIR=str(folder))
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}, said


# ---- a function

SOURCES = {str(path.relative_to(ROOT)) for path in DEPLOYED}
BESIDE = {"shared/edge/openapi.json"} | {
    str(path.relative_to(ROOT))
    for path in (ROOT / "shared/pages").iterdir()
    if path.suffix in (".html", ".css", ".js")
}


def test_a_package_holds_the_code_and_nothing_else(tmp_path):
    files, said = packed(tmp_path, "LAMBDA_PYTHON=")
    assert LEFT_OUT in said
    assert files.keys() == SOURCES | BESIDE


def test_a_package_holds_byte_code_for_the_python_of_the_template(tmp_path):
    """Where there is none of that version, for the one that there is: the rule is the same."""
    tag, (files, said) = CACHED, packed(tmp_path)
    if LEFT_OUT in said:
        tag, (files, _) = sys.implementation.cache_tag, packed(tmp_path, f"LAMBDA_PYTHON={sys.executable}")
    compiled = {name: path.read_bytes() for name, path in files.items() if name.endswith(".pyc")}
    assert files.keys() - compiled.keys() == SOURCES | BESIDE
    assert compiled.keys() == {cached(source, tag) for source in SOURCES}
    for source in SOURCES:
        code = compiled[cached(source, tag)]
        assert code[4:8] == UNCHECKED, source
        assert f"/var/task/{source}".encode() in code, "tracebacks name the file as it lies on Lambda"


def cached(source, tag):
    folder, _, name = source.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.{tag}.pyc"


def test_a_source_without_byte_code_of_its_own_is_found(tmp_path):
    files, _ = packed(tmp_path, f"LAMBDA_PYTHON={sys.executable}")
    tag = sys.implementation.cache_tag
    assert without_byte_code(tmp_path, sys.executable) == []
    files[cached("functions/seats.py", tag)].unlink()
    checked = files[cached("shared/domain/money.py", tag)]
    checked.write_bytes(checked.read_bytes()[:4] + (3).to_bytes(4, "little") + checked.read_bytes()[8:])
    others = files[cached("shared/edge/api.py", tag)]
    others.write_bytes(b"\0" + others.read_bytes()[1:])
    bare = [str(path.relative_to(tmp_path)) for path in without_byte_code(tmp_path, sys.executable)]
    assert bare == ["functions/seats.py", "shared/domain/money.py", "shared/edge/api.py"]


# ---- the layer


def said_by_make(name):
    [said] = re.findall(rf"^{name} \?= (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return said


def test_functions_layer_and_wheels_are_for_one_python_and_one_processor():
    [processor] = FUNCTIONS["Architectures"]
    layer = RESOURCES["DependenciesLayer"]
    assert layer["Properties"]["CompatibleRuntimes"] == [FUNCTIONS["Runtime"]]
    assert layer["Properties"]["CompatibleArchitectures"] == [processor]
    assert layer["Metadata"] == {"BuildMethod": "makefile", "BuildArchitecture": processor}
    assert said_by_make("LAMBDA_VERSION") == VERSION
    assert said_by_make("LAMBDA_PLATFORM") == f"manylinux2014_{MACHINE[processor]}"
    for resource in RESOURCES.values():
        if resource["Type"] == "AWS::Serverless::Function":
            assert not {"Runtime", "Architectures", "Layers", "CodeUri"} & resource["Properties"].keys()


def test_the_layer_is_built_without_a_network_for_the_processor_of_the_template(tmp_path):
    """Its wheels are fetched before, if they are not at hand already; then nobody knocks at the index any more."""
    make("wheels", **{name: value for name, value in os.environ.items() if not name.startswith("MAKE")})
    with socket.create_server(("127.0.0.1", 0)) as index:
        address = f"http://127.0.0.1:{index.getsockname()[1]}"
        settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": address, "PIP_TIMEOUT": "1", "PIP_RETRIES": "0"}
        make("build-DependenciesLayer", "LAMBDA_PYTHON=", ARTIFACTS_DIR=str(tmp_path), **settings)
        index.setblocking(False)
        with pytest.raises(BlockingIOError):
            index.accept()
    [processor] = FUNCTIONS["Architectures"]
    libraries = sorted((tmp_path / "python").rglob("*.so"))
    assert {path.parent.name for path in libraries} >= {"msgspec"}
    for path in libraries:
        assert path.name.endswith(f".{CACHED}-{MACHINE[processor]}-linux-gnu.so")
        head = path.read_bytes()[:20]
        assert (head[:4], int.from_bytes(head[18:20], "little")) == (b"\x7fELF", ELF_MACHINE[MACHINE[processor]])
    lock = (ROOT / "infra/dependencies/requirements.txt").read_text()
    locked = re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE)
    packed = {path.name.rpartition(".dist-info")[0] for path in (tmp_path / "python").glob("*.dist-info")}
    assert packed == {f"{name.replace('-', '_')}-{version}" for name, version in locked}
