"""Running scripts: as they are, with one fault at one call, with two."""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from tests.faults.acts import BOUGHT
from tests.faults.sameness import future
from tests.faults.scripts import Script
from tests.faults.stage import Stage, State
from tests.faults.ways import kinds_at, telling_kinds_at

REACH = 6
"""How many calls after the first fault a second one may come."""

Plan = dict[int, str]


def words(plan: Plan) -> str:
    """A plan as the command line has it: ``13:answer_lost 17:crash_before``."""
    return " ".join(f"{number}:{how}" for number, how in sorted(plan.items()))


class Run(NamedTuple):
    """What came of a run: what was wrong, and where its calls went, with the states between them."""

    script: Script
    plan: Plan
    violations: tuple[Any, ...]
    first: int  # how many calls were made before those that ``trace`` tells of
    trace: list[str]
    marks: list[State]

    def before(self, number: int) -> State:
        """The last state before a call."""
        return self.marks[bisect_left(self.marks, number, key=lambda mark: mark.calls) - 1]


class Theatre:
    """The stage of this process, and how each script begins."""

    def __init__(self) -> None:
        self.stage = Stage(BOUGHT)
        self.empty = self.stage.state()
        self.begun: dict[str, State] = {}
        self.known: dict[str, set[bytes]] = {}  # futures that end well, by script

    def begin(self, script: Script) -> State:
        """The state in which a script starts; what happens in it is still to come."""
        if script.name not in self.begun:
            stage = self.stage
            stage.restore(self.empty)
            stage.script, stage.plan = script, {}
            script.begin(stage)
            stage.advance(max(script.starts, stage.now))
            stage.calls = 0
            stage.watch.old = frozenset(stage.watch.promised)
            stage.deliveries.lost_until = None if script.webhooks else datetime.max.replace(tzinfo=stage.now.tzinfo)
            for after, act in script.steps:
                stage.later(after, lambda act=act: act(stage))
            assert not stage.watch.violations, stage.watch.violations
            self.begun[script.name] = stage.state()
        return self.begun[script.name]

    def run(self, script: Script, plan: Plan, start: State | None = None, *, keep: bool = False) -> Run:
        """Play a script to its end with the faults of a plan, from the beginning or from a state before them."""
        start = start or self.begin(script)
        stage, marks = self.stage, [start]
        stage.restore(start)
        stage.script, stage.plan, stage.trace = script, plan, []

        def mark() -> bool:
            marks.append(stage.state())
            return True

        if stage.play(script.starts + script.lasts, mark if keep else lambda: True):
            stage.watch.end()
        return Run(script, plan, tuple(stage.watch.violations), start.calls, stage.trace, marks)

    def check(self, script: Script, plan: Plan, start: State) -> Run:
        """The same, but only until it goes on as a run before it did that came to a good end."""
        known, last = self.known.setdefault(script.name, set()), max(plan)
        stage, passed, at = self.stage, set(), None
        stage.restore(start)
        stage.script, stage.plan, stage.trace = script, plan, []

        def new() -> bool:
            nonlocal at
            if stage.calls < last or stage.now == at:  # within an instant hardly two runs meet
                return True
            at = stage.now
            passed.add(future(stage))
            return not passed & known

        if stage.play(script.starts + script.lasts, new):
            stage.watch.end()
        if not stage.watch.violations:
            known |= passed
        return Run(script, plan, tuple(stage.watch.violations), start.calls, stage.trace, [])

    def singles(self, script: Script) -> Iterator[tuple[Plan, State]]:
        """Every fault at every call, each with the state to start from."""
        base = self.run(script, {}, keep=True)
        for number, where in enumerate(base.trace, 1):
            for how in kinds_at(where, script.meanwhile):
                yield {number: how}, base.before(number)

    def seconds(self, script: Script, first: Plan, start: State) -> Iterator[tuple[Plan, State]]:
        """Every second fault within reach of a first one."""
        base = self.run(script, first, start, keep=True)
        [struck] = first
        if not base.violations:
            for number in range(struck + 1, min(struck + REACH, base.first + len(base.trace)) + 1):
                for how in telling_kinds_at(base.trace[number - base.first - 1]):
                    yield first | {number: how}, base.before(number)
