"""What importing each function costs in CPU, as a ratio to ``import boto3`` in the same run (cold start).

With byte code, as packages carry it: the first round writes it and does not
count. The others go through all in turn, so that a busy moment meets all alike.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BASE = "boto3"
LIBRARIES = "pynamodb.models, msgspec, aws_lambda_powertools.metrics, aws_lambda_powertools.event_handler"
"""What a function of the API cannot do without: the floor."""
API = ["accounts", "seats", "subscriptions", "invoices", "rollover"]
CHARGING = ["checkout", "charges", "pay", "refunds", "stripe_webhook"]
ROUNDS = 15


def cpu(modules: str) -> float:
    """The CPU seconds of a fresh interpreter that imports something."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AWS_DEFAULT_REGION": "eu-central-1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", f"import {modules}"], check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a line for each function: its least CPU seconds, and their ratio."""
    functions = {f"functions.{name}": f"functions.{name}" for name in API + CHARGING}
    measured = {"import boto3": BASE, "the libraries alone": LIBRARIES} | functions
    rounds = [{name: cpu(modules) for name, modules in measured.items()} for _ in range(ROUNDS + 1)][1:]
    least = {name: min(each[name] for each in rounds) for name in measured}
    for name, seconds in least.items():
        print(f"{name:<28} {seconds:.3f} s   {seconds / least['import boto3']:.2f} x")


if __name__ == "__main__":
    main()
