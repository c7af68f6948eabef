"""`python -m infra.local catalog`: a catalogue is checked before it is published."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.world import World

ROOT = Path(__file__).parents[2]


def check(*arguments):
    command = [sys.executable, "-m", "infra.local", "catalog", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_sample_catalogue_is_ready():
    done = check("infra/catalog/hub.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ready to be published" in done.stdout


def test_what_it_prints_can_be_published():
    body = json.loads(check("infra/catalog/hub.yaml", "--json").stdout)
    published = World().staff("PUT", "/catalog", body).json
    assert list(published["prices"]) == list(body["prices"])


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("prices:\n  a: {product: p, kind: seat, interval: month, amount: '1.00'}", 2, "a seat needs a seat_type"),
        ("prices:\n  a:\n    product: p\n    kind: throne\n", 4, "Invalid enum value 'throne'"),
        ("prices:\n  a:\n    product: p\n    kind: plan\n    amount: '1.2345'\n", 5, "matching regex"),
        ("prices:\n  a: {product: p, kind: plan, price: 1}", 2, "unknown field `price`"),
        ("prices: {}\nprices: {}", 2, "'prices' stands here twice"),
        ("prices: [", 1, "This is not YAML"),
        ("", 1, "The file is empty"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(tmp_path, text, line, reason):
    file = tmp_path / "catalog.yaml"
    file.write_text(text)
    done = check(str(file))
    assert done.returncode == 2
    assert f"{file}:{line}: " in done.stderr
    assert reason in done.stderr
