"""Many runs on every core, counted, and what to say of those that went wrong."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from multiprocessing import get_context
from typing import Any

from infra.local.stripe_desk import WHERE
from tests.faults.chance import Chance, play
from tests.faults.explore import Run, Theatre, words
from tests.faults.mutants import MUTANTS, catches
from tests.faults.scripts import SCRIPTS
from tests.faults.stage import State, one_shard

MOST_TOLD = 20
_OF_PAYMENTS = {where for endpoint, where in WHERE.items() if "/v1/payment_intents" in endpoint}


@dataclass
class Tally:
    """What was run: how many scenarios and faults, how long by the calendar, and what was wrong."""

    scenarios: int = 0
    faults: int = 0
    invoices: int = 0
    paid: int = 0
    stripe_calls: int = 0  # that make, confirm, cancel or ask for payments
    caught: int = 0
    simulated: timedelta = timedelta()
    wrong: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __add__(self, other: "Tally") -> "Tally":
        names = ("scenarios", "faults", "invoices", "paid", "stripe_calls", "caught", "simulated", "wrong", "notes")
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        return Tally(**sums, told=(self.told + other.told)[:MOST_TOLD])

    @property
    def calls_per_paid(self) -> float:
        """How often Stripe was asked for each invoice that was paid."""
        return self.stripe_calls / max(self.paid, 1)

    def line(self) -> str:
        """In a line."""
        wrong = ", ".join(f"{name} {count}" for name, count in self.wrong.items()) or "nothing"
        return f"{self.scenarios:>8,} scenarios {self.faults:>8,} faults {self.invoices:>8,} invoices  wrong: {wrong}"

    def row(self, name: str) -> str:
        """As a row of a table."""
        years = self.simulated.days / 365
        figures = (f"{self.scenarios:,}", f"{self.faults:,}", f"{self.invoices:,}", f"{years:,.0f} years")
        return f"| {name} | {' | '.join(figures)} | {self.wrong.total()} |"

    def fails(self, violations: Iterable[Any], replay: str) -> None:
        """Note what was wrong first, with the command that plays it again."""
        for violation in list(violations)[:1]:
            self.wrong[violation.name] += 1
            self.told.append(told(violation, replay))


def told(violation: Any, replay: str) -> str:
    """A failure, with the command that plays it again."""
    return f"{violation.name}: {violation.what}\n  .venv/bin/python -m tests.faults replay {replay}"


class Stopwatch:
    """How long something takes."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def minutes(self) -> float:
        """Since it was made."""
        return (time.monotonic() - self._began) / 60


# -- in a process of its own -------------------------------------------------------------------------------


@cache
def theatre() -> Theatre:
    """The stage of this process."""
    return Theatre()


def singles(task: tuple[str, int, int]) -> Tally:
    """The single faults of a script from one number to another."""
    name, first, end = task
    mine, tally = theatre(), Tally()
    for plan, start in list(mine.singles(SCRIPTS[name]))[first:end]:
        tally += _counted(mine, mine.check(SCRIPTS[name], plan, start), start)
    return tally


def pairs(task: tuple[str, int, int]) -> Tally:
    """The first faults of a script from one number to another, each with every second one within reach."""
    name, first, end = task
    mine, tally = theatre(), Tally()
    for single, start in list(mine.singles(SCRIPTS[name]))[:: SCRIPTS[name].in_pairs][first:end]:
        for plan, later in mine.seconds(SCRIPTS[name], single, start):
            tally += _counted(mine, mine.check(SCRIPTS[name], plan, later), later)
    return tally


def _counted(mine: Theatre, run: Run, start: State) -> Tally:
    """What was played of a run: not what came before the state that it started from."""
    stage = mine.stage
    tally = Tally(scenarios=1, faults=len(run.plan), invoices=len(stage.watch.promised) - start.issued)
    tally.simulated = stage.now - start.now
    tally.fails(run.violations, f'"{run.script.name}" {words(run.plan)}')
    return tally


def by_chance(chance: Chance) -> Tally:
    """A run by chance."""
    mine = theatre()
    dice = play(mine, chance)
    stage = mine.stage
    tally = Tally(scenarios=1, faults=dice.struck, invoices=len(stage.watch.promised.keys() - stage.watch.old))
    tally.paid, tally.stripe_calls = len(stage.watch.succeeded), asked(stage)
    tally.simulated = (stage.now - chance.script.starts) * chance.customers
    tally.fails(stage.watch.violations, chance.words)
    return tally


def asked(stage: Any) -> int:
    """How often Stripe was asked to make, confirm, cancel, tell or list payments, and be it in vain."""
    return sum(count for where, count in stage.asked.items() if where in _OF_PAYMENTS)


def caught(name: str) -> Tally:
    """Whether a wrong design is caught, and by what."""
    [mutant] = [each for each in MUTANTS if each.name == name]
    run = catches(theatre(), mutant)
    by = run.violations[0].name if run else "nothing"
    tally = Tally(caught=by in mutant.caught_by)
    scripts = " and ".join((mutant.script, *mutant.also))
    tally.notes = [f"| {mutant.name} | {mutant.what} | {scripts}{_with(run)} | {by} |"]
    if not tally.caught:
        tally.wrong["not caught"] += 1
    return tally


def _with(run: Run | None) -> str:
    how = ", ".join(run.plan.values()) if run else ""
    return f", {how}" if how else ""


# -- on all cores ------------------------------------------------------------------------------------------


def slices(names: Iterable[str], size: int, *, in_pairs: bool = False) -> Iterator[tuple[str, int, int]]:
    """The single faults of scripts, or the first ones of pairs, in slices for workers to take."""
    with one_shard():
        for name in names:
            count = len(list(theatre().singles(SCRIPTS[name]))[:: SCRIPTS[name].in_pairs if in_pairs else 1])
            yield from ((name, first, first + size) for first in range(0, count, size))


def on_all_cores(work: Callable[[Any], Tally], tasks: Iterable[Any]) -> Iterator[Tally]:
    """Do the tasks, on each core some of them, and answer the tallies as they come."""
    with get_context("spawn").Pool(len(os.sched_getaffinity(0)), _enter) as pool:
        yield from pool.imap_unordered(work, tasks)


_for_good = ExitStack()


def _enter() -> None:
    _for_good.enter_context(one_shard())
