"""What importing each function costs in CPU, as a ratio to ``import boto3`` in the same run (cold start)."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FUNCTIONS = ["accounts", "seats", "subscriptions", "invoices", "rollover", "checkout", "charges", "stripe_webhook"]
ROUNDS = 7


def cpu(module: str) -> float:
    """The least CPU seconds of several fresh interpreters that import a module."""
    seconds = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "AWS_DEFAULT_REGION": "eu-central-1"}
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds)


def main() -> None:
    """Print a line for each function."""
    base = cpu("boto3")
    print(f"{'import boto3':<28} {base:.3f} s")
    for name in FUNCTIONS:
        seconds = cpu(f"functions.{name}")
        print(f"functions.{name:<18} {seconds:.3f} s   {seconds / base:.2f} x")


if __name__ == "__main__":
    main()
