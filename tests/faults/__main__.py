"""The fault suite by hand: ``python -m tests.faults proof | single | pairs | random | mutants | replay``."""

import sys
from collections.abc import Callable, Iterable
from typing import Any

import click

from tests.faults import replays, runs
from tests.faults.chance import Chance
from tests.faults.mutants import MUTANTS
from tests.faults.runs import Stopwatch, Tally
from tests.faults.scripts import SCRIPTS
from tests.faults.verdict import complaints

IN_PAIRS = [name for name, script in SCRIPTS.items() if script.in_pairs]
SEEDS = range(84)
RATES = (0.05, 0.05, 0.05, 0.15)
"""Of the calls that a run by chance has struck, by turns."""
CALM = {"without faults": 0.0, "with faults at 5 % of the calls": 0.05}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Faults on purpose at every call that Prorata makes, and what must hold all the same."""


@main.command()
@click.argument("scripts", nargs=-1)
def single(scripts: tuple[str, ...]) -> None:
    """Every fault at every call."""
    _end(_singles(list(scripts or SCRIPTS)))


@main.command()
@click.argument("scripts", nargs=-1)
def pairs(scripts: tuple[str, ...]) -> None:
    """Every two faults within reach of each other."""
    if others := set(scripts) - set(IN_PAIRS):
        raise click.BadParameter(f"Not played in pairs: {', '.join(sorted(others))}.")
    _end(_pairs(list(scripts or IN_PAIRS)))


@main.command("random")
@click.argument("seeds", nargs=-1, type=int)
@click.option("--rate", default=None, type=float, help="How many of the calls are struck.")
def by_chance(seeds: tuple[int, ...], rate: float | None) -> None:
    """Many customers, and faults by chance."""
    _end(_random([Chance(seed, _rate(seed) if rate is None else rate) for seed in seeds or SEEDS]))


@main.command()
def mutants() -> None:
    """Wrong designs, each of which must be caught."""
    _end(_mutants())


@main.command()
@click.argument("what")
@click.argument("how", nargs=-1)
def replay(what: str, how: tuple[str, ...]) -> None:
    """Play a run again, call by call: a script and its faults (13:crash_before), or by chance.

    By chance: random SEED [RATE] [calm] [customers=N] [days=N].
    """
    if what == "random":
        sys.exit(not replays.random(how))
    if what not in SCRIPTS:
        raise click.BadParameter(f"There is no script {what!r}. There are: {', '.join(SCRIPTS)}.")
    try:
        sys.exit(not replays.script(what, how))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@main.command()
def proof() -> None:
    """All of it, and the figures for docs/measured.md."""
    watch = Stopwatch()
    done = {
        "every fault at every call": _singles(list(SCRIPTS)),
        "every two within reach": _pairs(IN_PAIRS),
        "by chance": _random([Chance(seed, _rate(seed)) for seed in SEEDS]),
    }
    calls = {name: _calm(name, rate) for name, rate in CALM.items()}
    wrong = _mutants()
    _figures(done, calls, wrong, watch)
    singles, twos, by_chance = done.values()
    lacks = list(complaints(singles + twos, by_chance, {CALM[name]: each for name, each in calls.items()}, wrong))
    for sentence in lacks:
        click.secho(sentence, fg="red", err=True)
    sys.exit(bool(lacks))


def _rate(seed: int) -> float:
    return RATES[seed % len(RATES)]


def _singles(names: list[str]) -> Tally:
    return _done("single", runs.singles, list(runs.slices(names, 40)))


def _pairs(names: list[str]) -> Tally:
    return _done("pairs", runs.pairs, list(runs.slices(names, 4, in_pairs=True)))


def _random(chances: list[Chance]) -> Tally:
    return _done("random", runs.by_chance, chances)


def _calm(name: str, rate: float) -> Tally:
    """Good cards only: how often Stripe is asked for a payment."""
    return _done(name, runs.by_chance, [Chance(seed, rate, moods=False) for seed in range(8)])


def _mutants() -> Tally:
    total = _done("mutants", runs.caught, [mutant.name for mutant in MUTANTS])
    for line in sorted(total.notes):
        click.echo(line)
    return total


def _done(label: str, work: Callable[[Any], Tally], tasks: list[Any]) -> Tally:
    """What came of the tasks, with a progress bar while they are being done."""
    total, watch = Tally(), Stopwatch()
    tallies = runs.on_all_cores(work, tasks)
    with click.progressbar(tallies, length=len(tasks), label=f"{label:<16}", file=sys.stderr) as bar:
        for tally in _told(label, bar, len(tasks)):
            total += tally
    for each in total.told:
        click.secho(each, fg="red")
    click.echo(f"{label:<16} {total.line()}  {watch.minutes:.1f} min")
    return total


def _told(label: str, tallies: Iterable[Tally], length: int) -> Iterable[Tally]:
    """A line for every twentieth of it, where nobody sees a bar."""
    for number, tally in enumerate(tallies, 1):
        yield tally
        if not sys.stderr.isatty() and number * 20 // length > (number - 1) * 20 // length:
            click.echo(f"{label:<16} {number * 100 // length:>3} %", err=True)


def _figures(done: dict[str, Tally], calls: dict[str, Tally], wrong: Tally, watch: Stopwatch) -> None:
    """The tables as docs/measured.md has them."""
    click.echo("\n| scenarios | | faults | invoices | simulated | wrong |\n|---|---|---|---|---|---|")
    for name, tally in (*done.items(), ("**together**", sum(done.values(), Tally()))):
        click.echo(tally.row(name))
    total = sum((*done.values(), *calls.values()), wrong)
    years = total.simulated.days / 365
    click.echo(f"\n{watch.minutes:.0f} minutes; {years / watch.minutes:,.0f} simulated years a minute.")
    for name, tally in calls.items():
        click.echo(f"Stripe calls for each paid invoice {name}: {tally.calls_per_paid:.3f}")
    click.echo(f"Wrong designs caught: {wrong.caught} of {len(MUTANTS)}")


def _end(total: Tally) -> None:
    sys.exit(bool(total.wrong))


if __name__ == "__main__":
    main()
