"""The packages and their layer, made by `sam build` as for AWS, but for a Python and a processor of this machine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from infra.local.deploy_stack import PYTHON, ROOT, Failed, running
from shared.edge import clock

UNCHECKED = (1).to_bytes(4, "little")
"""Byte code that says so is taken as it is (PEP 552); any other is looked up in its source at every cold start."""
_TELL = "import importlib.util, sys; print(sys.implementation.cache_tag, importlib.util.MAGIC_NUMBER.hex())"


def fetch() -> None:
    """Have at hand what the layer is made of; for a new lock this asks the network, and then no more."""
    with running(["make", "--silent", "wheels"], cwd=ROOT, env=_environment()) as process:
        said, _ = process.communicate()
    if process.returncode:
        raise Failed(f"What the layer is made of cannot be fetched:\n{said.decode()}")


def build(folder: Path) -> Path:
    """`sam build` packs the functions as for AWS, and their layer for the Python of this machine."""
    looked = {"lastVersionCheck": clock.now().timestamp()}  # else it asks the network for a newer version of itself
    (folder / "metadata.json").write_text(json.dumps(looked))
    packages = folder / "packages/build"
    command = [ROOT / ".venv-sam/bin/sam", "build", "--build-dir", packages]
    own = {"SAM_CLI_TELEMETRY": "0", "__SAM_CLI_APP_DIR": str(folder), "TMPDIR": str(folder)}
    with running(command, cwd=ROOT, env=_environment() | own) as process:
        said, _ = process.communicate()
    if process.returncode:
        raise Failed(f"sam build failed:\n{said.decode()}")
    if bare := without_byte_code(packages, PYTHON):
        raise Failed(f"{len(bare)} sources were packed without byte code, such as {bare[0].relative_to(packages)}")
    return packages


def without_byte_code(folder: Path, python: Path) -> list[Path]:
    """The sources below a folder that this Python would have to compile, or to compare with what was compiled."""
    tag, magic = subprocess.check_output([python, "-c", _TELL], text=True).split()  # noqa: S603 - our own command
    ready = bytes.fromhex(magic) + UNCHECKED
    return [source for source in sorted(folder.rglob("*.py")) if not _begins(_compiled(source, tag), ready)]


def _compiled(source: Path, tag: str) -> Path:
    return source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc"


def _begins(file: Path, expected: bytes) -> bool:
    return file.is_file() and file.read_bytes().startswith(expected)


def _environment() -> dict[str, str]:
    """What make is to be told: this machine's Python and processor in place of Lambda's."""
    version = subprocess.check_output([PYTHON, "-V"], text=True).split()[1]  # noqa: S603 - our own command
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return ours | {"LAMBDA_PYTHON": str(PYTHON), "LAMBDA_VERSION": version, "LAMBDA_PLATFORM": ""}
