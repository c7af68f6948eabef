"""What a cold start imports: nothing heavy that its function does not need (bench/imports.py has the figures)."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEVER = {"pydantic", "aws_xray_sdk", "aws_lambda_powertools.utilities.batch"}
FOR_STRIPE = {"stripe", "requests", "boto3"}
"""Stripe's library and what it brings; boto3 reads its key."""
WITHOUT = {"accounts", "contacts", "imports", "recount", "rollover", "seats", "subscriptions"}
"""The functions that never speak to Stripe."""


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "functions").glob("[!_]*.py")))
def test_a_function_imports_nothing_heavy_that_it_does_not_need(name):
    code = f"import sys, functions.{name}; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    imported = set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())
    assert imported & (NEVER | FOR_STRIPE) == (set() if name in WITHOUT else FOR_STRIPE)
