"""Playing one run again, and telling of each of its calls."""

import json

import click

from tests.faults.chance import Chance, play
from tests.faults.runs import theatre
from tests.faults.sameness import digest
from tests.faults.scripts import SCRIPTS
from tests.faults.stage import one_shard
from tests.faults.ways import kinds_at


def script(name, faults):
    """A script with its faults; whether it comes right. A ``ValueError`` names a fault that strikes nothing."""
    plan = dict(_fault(fault) for fault in faults)
    with one_shard():
        theatre().begin(SCRIPTS[name])
        fine = _told(lambda: theatre().run(SCRIPTS[name], plan))
    for number, how in plan.items():
        where = theatre().stage.trace[number - 1] if number <= len(theatre().stage.trace) else None
        if where is None or how not in kinds_at(where, SCRIPTS[name].meanwhile):
            raise ValueError(f"{number}:{how} strikes nothing: call {number} goes to {where or 'nowhere'}.")
    return fine


def _fault(text):
    number, _, how = text.partition(":")
    if not number.isdecimal() or not how:
        raise ValueError(f"A fault is a call's number and a way to fail, as in 12:answer_lost, not {text!r}.")
    return int(number), how


def random(words):
    """A run by chance, by the words that name it; whether it comes right."""
    chance = Chance.read(words)
    with one_shard():
        theatre().begin(chance.script)
        return _told(lambda: play(theatre(), chance))


def _told(do):
    """Do it with every call and every commit told, and once more in silence: the two must be the same."""
    stage = theatre().stage
    tellers = {"number": stage.number, "hear": stage.watch.hear}

    def number(where):
        how = tellers["number"](where)
        click.echo(f"{stage.calls:>6}  {stage.now:%m-%d %H:%M:%S}  {where:<14} {how or ''}".rstrip())
        return how

    def hear(changes):
        for change in changes:
            if change.new and change.new["kind"]["S"] == "event":
                for event in json.loads(change.new["events"]["S"]):
                    click.echo(f"{'':>24}{event['type']} {json.dumps(event['data'])}")
        tellers["hear"](changes)

    stage.number, stage.watch.hear = number, hear
    do()
    stage.number, stage.watch.hear = tellers["number"], tellers["hear"]
    first, violations = digest(stage), list(stage.watch.violations)
    do()
    for violation in violations:
        click.secho(f"{violation.name}: {violation.what}", fg="red")
    same = digest(stage) == first
    click.echo(f"\n{'The same' if same else 'NOT the same'} when played once more: {first.hex()[:16]}")
    return same and not violations
