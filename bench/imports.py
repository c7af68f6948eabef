"""What importing each function costs in CPU, as a ratio to ``import boto3`` in the same run (cold start).

With byte code, as packages carry it: the first round writes it and does not
count. The others go through all in turn, so that a busy moment meets all alike.
``--instructions`` has valgrind count those instead: slow, and the same however
busy the machine is.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from statistics import quantiles

ROOT = Path(__file__).parents[1]
BASE = "import boto3"
FUNCTIONS = ["accounts", "seats", "subscriptions", "contacts", "imports", "rollover", "recount"]
CHARGING = ["reconcile", "pay", "invoices", "refunds", "checkout", "charges", "stripe_webhook"]
MEASURED = {
    BASE: "boto3",
    "the libraries alone": (  # what a function of the API cannot do without: the floor
        "pynamodb.models, msgspec, aws_lambda_powertools.metrics, aws_lambda_powertools.event_handler"
    ),
    **{f"functions.{name}": f"functions.{name}" for name in FUNCTIONS + CHARGING},
}
ROUNDS = 15
VALGRIND = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]


def run(modules: str, *before: str) -> str:
    """Import something in a fresh interpreter; what was said of it on stderr."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AWS_DEFAULT_REGION": "eu-central-1", "PYTHONHASHSEED": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [*before, sys.executable, "-c", f"import {modules}"]
    return subprocess.run(command, check=True, env=environment, stderr=subprocess.PIPE, text=True).stderr


def cpu(modules: str) -> float:
    """The CPU seconds of a fresh interpreter that imports something."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(modules)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def instructions(modules: str) -> int:
    """The same in instructions."""
    run(modules)
    [count] = re.findall(r"I +refs: +([\d,]+)", run(modules, *VALGRIND))
    return int(count.replace(",", ""))


def main() -> None:
    """Print a line for each function: the least it took, its ratio, and where half of the rounds' ratios lie."""
    if "--instructions" in sys.argv:
        counts = {name: instructions(modules) for name, modules in MEASURED.items()}
        for name, count in counts.items():
            print(f"{name:<28} {count / 1e6:>7,.0f} million   {count / counts[BASE]:.2f} x")
        return
    rounds = [{name: cpu(modules) for name, modules in MEASURED.items()} for _ in range(ROUNDS + 1)][1:]
    least = {name: min(each[name] for each in rounds) for name in MEASURED}
    for name, seconds in least.items():
        low, _, high = quantiles((each[name] / each[BASE] for each in rounds), n=4)
        print(f"{name:<28} {seconds:.3f} s   {seconds / least[BASE]:.2f} x   ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
