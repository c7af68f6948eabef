"""Long runs by chance: many subscriptions, people who do things, banks that decline, and faults at a rate.

A run follows from its seed alone: the same seed gives the same calls, the same faults and the same bytes.
"""

import random  # noqa: TID251 - of a seed, so always the same
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from tests.faults import acts
from tests.faults.acts import BOUGHT, DAY, HOUR
from tests.faults.scripts import Script
from tests.faults.ways import kinds_at

RARE = {"outage": 0.02, "stripe_down": 0.02, "held_for_days": 0.1, "redriven": 0.1}
"""How often a fault that costs days is taken when it is drawn; else another is drawn in its place."""
DEEPEST = 2
"""A rival's rival has no rival."""
MOODS = {"declines": 0.02, "saves": 0.01, "buys_seat": 0.02, "pays_by_hand": 0.01}
"""What happens to a customer on a day, and how likely it is."""
LAST = 40 * DAY
"""At the end nothing goes wrong any more and every card is good: then everything must come right."""


class Chance(NamedTuple):
    """What a run by chance is made of."""

    seed: int
    rate: float = 0.05  # of the calls that are struck
    customers: int = 20
    days: int = 140
    moods: bool = True  # whether banks decline and people do things

    @classmethod
    def read(cls, words):
        """A run by the words that name it.

        >>> Chance.read(["7", "0.15", "calm", "customers=2"])
        Chance(seed=7, rate=0.15, customers=2, days=140, moods=False)
        """
        seed, *others = words
        rates = [float(each) for each in others if each[0].isdigit()]
        sizes = {name: int(size) for name, _, size in (each.partition("=") for each in others) if size}
        return cls(int(seed), *rates, moods="calm" not in others, **sizes)

    @property
    def words(self):
        """What it is called on the command line.

        >>> Chance(7, 0.15, customers=2, moods=False).words
        'random 7 0.15 customers=2 calm'
        """
        usual = Chance(0)
        sizes = [
            f"{name}={getattr(self, name)}"
            for name in ("customers", "days")
            if getattr(self, name) != getattr(usual, name)
        ]
        return " ".join(["random", str(self.seed), str(self.rate), *sizes, *([] if self.moods else ["calm"])])

    @property
    def script(self):
        """The world of it: most customers pay by the week, every third by the month."""
        lasts = self.days * DAY + LAST + HOUR
        return Script(repr(self), self._begin, BOUGHT, lasts=lasts, ends=("paid",), most_calls=10**6)

    def _begin(self, stage):
        acts.sells(stage, {"weekly": {"interval": "week"}, "monthly": {"interval": "month"}})
        dice = random.Random(f"people {self.seed}")
        for number in range(self.customers):
            name = f"c{number:02}"
            acts.account(stage, name)
            acts.buys(stage, name, "monthly" if number % 3 == 2 else "weekly")
            for day in range(2, self.days) if self.moods else ():
                for mood, likely in MOODS.items():
                    if dice.random() < likely:
                        at = day * DAY + dice.randrange(86_400) * timedelta(seconds=1)
                        stage.later(at, partial(_ACTS[mood], stage, name, dice.randint(1, 12)))
            stage.later((self.days + 2) * DAY, partial(_ACTS["recovers"], stage, name, 0))


def _declines(stage, name, days):
    acts.becomes("card_declined" if days % 6 else "card_lost", name)(stage)
    stage.later(days * DAY, partial(acts.becomes("card_ok", name), stage))


_ACTS = {
    "declines": _declines,
    "saves": lambda stage, name, _: acts.saves(stage, name=name),
    "recovers": lambda stage, name, _: acts.saves(stage, name=name),
    "buys_seat": lambda stage, name, _: acts.buys_seat(stage, name),
    "pays_by_hand": lambda stage, name, _: acts.pays_by_hand(stage, name),
}


class Dice:
    """Draws a fault for a call by chance."""

    def __init__(self, chance, stage):
        self._dice = random.Random(f"faults {chance.seed}")
        self._rate = chance.rate
        self._stage = stage
        self.struck = 0

    def __call__(self, where):
        """How a call to a place fails, mostly not at all."""
        if self._dice.random() >= self._rate:
            return None
        kinds = [kind for kind in kinds_at(where) if kind != "rival" or self._stage.depth < DEEPEST]
        kind = self._dice.choice(kinds)
        if self._dice.random() >= RARE.get(kind, 1):
            kind = self._dice.choice([each for each in kinds if each not in RARE])
        self.struck += 1
        return kind


def play(theatre, chance):
    """Play a run by chance to its end; answers its dice, after which the stage holds what came of it."""
    stage, script = theatre.stage, chance.script
    stage.restore(theatre.begin(script))
    stage.script, stage.plan, stage.trace = script, {}, None
    dice = stage.draw = Dice(chance, stage)
    fine = stage.play(script.starts + chance.days * DAY)
    stage.draw = None
    if fine and stage.play(script.starts + script.lasts):
        stage.watch.end()
    return dice
