"""Faults on purpose: every script comes right without any, with one at any call, and by chance."""

import re
import shlex
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.faults import runs
from tests.faults.__main__ import SEEDS
from tests.faults.chance import Chance, play
from tests.faults.explore import Theatre, words
from tests.faults.invariants import Violation
from tests.faults.mutants import MUTANTS, catches
from tests.faults.runs import Tally, asked, told
from tests.faults.sameness import digest
from tests.faults.scripts import SCRIPTS
from tests.faults.stage import one_shard
from tests.faults.verdict import LEAST_INVOICES, LEAST_SCENARIOS, complaints
from tests.faults.ways import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "proof.md"

SAMPLE = 20
"""So many of the single faults of a script are played here, about; ``make proof`` plays all."""


@pytest.fixture(scope="module")
def theatre():
    with one_shard():
        yield Theatre()


@pytest.fixture(params=SCRIPTS, ids=lambda name: name.replace(" ", "-"))
def script(request):
    return SCRIPTS[request.param]


def test_a_script_comes_right_by_itself(theatre, script):
    assert theatre.run(script, {}).violations == ()


def test_a_script_comes_right_with_a_fault_at_a_call(theatre, script):
    plans = list(theatre.singles(script))
    sample = plans[:: len(plans) // SAMPLE]
    runs = [theatre.check(script, plan, start) for plan, start in sample]
    wrong = [told(run.violations[0], f'"{script.name}" {words(run.plan)}') for run in runs if run.violations]
    assert wrong == []


def test_two_faults_within_reach_of_each_other_do_no_harm_either(theatre):
    script = SCRIPTS["renewal"]
    firsts = list(theatre.singles(script))[::20]
    plans = [second for plan, start in firsts for second in list(theatre.seconds(script, plan, start))[::20]]
    runs = [theatre.check(script, plan, start) for plan, start in plans]
    assert len(runs) > 10
    assert [run.violations for run in runs if run.violations] == []


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.15])
def test_many_customers_and_faults_by_chance_come_right_in_the_end(theatre, rate):
    dice = play(theatre, Chance(seed=1, rate=rate, customers=4, days=35))
    assert theatre.stage.watch.violations == []
    assert (dice.struck > 0) == (rate > 0)
    assert len(theatre.stage.watch.succeeded) > 20


def test_without_faults_stripe_is_asked_once_for_each_paid_invoice(theatre):
    play(theatre, Chance(seed=1, rate=0.0, customers=4, days=35, moods=False))
    assert asked(theatre.stage) == len(theatre.stage.watch.succeeded) > 20


def test_the_table_and_stripe_are_compared_after_every_step(theatre):
    script = SCRIPTS["refunded in two parts"]
    theatre.run(script, {})
    watch = theatre.stage.watch
    watch.covered("acme")
    assert watch.violations == []
    [checkout, renewal] = watch.promised
    watch.arrived[*renewal, "3"] = 1
    watch.covered("acme")
    del watch.arrived[*renewal, "3"], watch.succeeded[checkout]
    watch.covered("acme")
    watch.settled.clear()
    watch.succeeded.clear()
    watch.covered("acme")
    assert watch.violations == [
        Violation("agree", "acme: Counter({'usd': 50001}) is paid back, Counter({'usd': 50000}) was sent"),
        Violation("agree", "acme: Counter({'usd': 100000}) is paid, Counter({'usd': 50000}) was taken"),
        Violation("agree", "acme: Counter({'usd': 50000}) goes back of Counter()"),
    ]


def test_a_call_that_never_arrives_at_stripe_was_asked_all_the_same(theatre):
    script = SCRIPTS["renewal"]
    theatre.run(script, {})
    charge = theatre.stage.trace.index("stripe.create") + 1
    asked_for = {}
    for how in ("request_lost", "crash_before"):
        theatre.run(script, {charge: how})
        asked_for[how] = asked(theatre.stage)
    theatre.run(script, {})
    once = asked(theatre.stage)
    assert asked_for == {"request_lost": once + 1, "crash_before": once}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_wrong_design_is_caught(theatre, mutant):
    caught = catches(theatre, mutant)
    assert caught
    assert caught.violations[0].name in mutant.caught_by


# -- the suite itself --------------------------------------------------------------------------------------


def test_a_run_plays_again_to_the_same_bytes(theatre):
    script, plan = SCRIPTS["declined once"], {13: "answer_lost", 16: "index_lag"}
    digests = set()
    for _ in range(2):
        theatre.run(script, plan)
        digests.add(digest(theatre.stage))
    theatre.run(script, {})
    assert digest(theatre.stage) not in digests
    assert len(digests) == 1


def test_a_run_that_goes_wrong_names_the_command_that_plays_it_to_the_same_bytes(theatre):
    run = theatre.run(SCRIPTS["declined once"], {13: "answer_lost"})
    _, _, command = told(Violation("paid once", "twice"), f'"{run.script.name}" {words(run.plan)}').partition(
        "python "
    )
    assert command == '-m tests.faults replay "declined once" 13:answer_lost'
    done = subprocess.run([sys.executable, *shlex.split(command)], check=True, capture_output=True, text=True)
    assert done.stdout.endswith(f"The same when played once more: {digest(theatre.stage).hex()[:16]}\n")


def test_a_run_from_a_state_in_between_ends_as_one_from_the_beginning(theatre):
    script = SCRIPTS["declined once"]
    plan, start = next((plan, start) for plan, start in theatre.singles(script) if min(plan) == 30)
    assert start.calls > 0
    theatre.run(script, plan, start)
    first = digest(theatre.stage)
    theatre.run(script, plan)
    assert digest(theatre.stage) == first


def test_a_run_that_is_cut_short_is_judged_as_the_whole_one(theatre):
    script = SCRIPTS["renewal without webhooks"]._replace(name="judged")
    plans = [(plan, start) for plan, start in theatre.singles(script) if {*plan.values()} <= {"outage", "rival"}]
    with next(mutant for mutant in MUTANTS if mutant.name == "no 24-hour rule").applied():
        judged = [bool(theatre.check(script, plan, start).violations) for plan, start in plans]
        assert judged == [bool(theatre.run(script, plan, start).violations) for plan, start in plans]
    assert True in judged
    assert False in judged


def test_a_run_by_chance_names_the_command_that_plays_it_to_the_same_bytes(theatre):
    chance = Chance(3, rate=0.1, customers=2, days=20)
    play(theatre, chance)
    _, _, command = told(Violation("paid once", "twice"), chance.words).partition("python ")
    assert command == "-m tests.faults replay random 3 0.1 customers=2 days=20"
    done = subprocess.run([sys.executable, *shlex.split(command)], check=True, capture_output=True, text=True)
    assert done.stdout.endswith(f"The same when played once more: {digest(theatre.stage).hex()[:16]}\n")


def test_only_what_was_played_counts_as_simulated(theatre):
    with patch.object(runs, "theatre", lambda: theatre):
        tally = runs.singles(("refunded in two parts", 0, 10**6))
    whole = SCRIPTS["refunded in two parts"].lasts * tally.scenarios
    assert tally.invoices < tally.scenarios
    assert timedelta(0) < tally.simulated < whole / 2


GOOD = {
    "systematic": Tally(scenarios=LEAST_SCENARIOS),
    "by_chance": Tally(invoices=LEAST_INVOICES),
    "calm": {0.0: Tally(paid=100, stripe_calls=100), 0.05: Tally(paid=100, stripe_calls=105)},
    "mutants": Tally(caught=len(MUTANTS)),
}


@pytest.mark.parametrize(
    ("part", "tally", "says"),
    [
        ("systematic", Tally(scenarios=99_999), "99,999 systematic scenarios are under 100,000."),
        ("systematic", Tally(scenarios=LEAST_SCENARIOS, wrong=Counter(stuck=2)), "Runs that went wrong: 2."),
        ("by_chance", Tally(invoices=29_999), "29,999 invoices by chance are under 30,000."),
        ("by_chance", Tally(invoices=LEAST_INVOICES, wrong=Counter(stuck=1)), "Runs that went wrong: 1."),
        ("calm", {0.0: Tally(paid=100, stripe_calls=101)},
         "With faults at 0% of the calls a paid invoice costs 1.0100 calls of Stripe, over 1.00."),
        ("calm", {0.05: Tally(paid=100, stripe_calls=106)},
         "With faults at 5% of the calls a paid invoice costs 1.0600 calls of Stripe, over 1.05."),
        ("mutants", Tally(caught=len(MUTANTS) - 1), f"1 of {len(MUTANTS)} wrong designs were not caught."),
    ],
)  # fmt: skip
def test_a_proof_that_lacks_something_says_so(part, tally, says):
    assert list(complaints(**GOOD)) == []
    assert list(complaints(**GOOD | {part: tally})) == [says]


def test_chance_plays_again_to_the_same_bytes(theatre):
    digests = []
    for seed in (3, 3, 4):
        play(theatre, Chance(seed, rate=0.1, customers=2, days=20))
        digests.append(digest(theatre.stage))
    assert digests[0] == digests[1] != digests[2]


def test_every_place_where_calls_go_can_be_struck(theatre):
    seen = {where for script in SCRIPTS.values() for where in theatre.run(script, {}).trace}
    assert seen <= KINDS.keys()


def test_the_page_tells_of_every_script_every_way_to_fail_and_every_wrong_design():
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    played, caught = page.split("## Tests of the tests")
    assert {f"*{name}*" for name in SCRIPTS} <= set(re.findall(r"\*[^*]+\*", played))
    assert {kind for kinds in KINDS.values() for kind in kinds} <= set(re.findall(r"`(\w+)`", played))
    for mutant in MUTANTS:
        assert f"| {mutant.name} | {mutant.what} | {mutant.script}" in caught


def test_the_page_tells_what_is_played_in_pairs_and_by_chance():
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    told = page.partition("So are played")[2].partition("The other scripts")[0]
    parts = dict(zip((1, 2, 3, 17), re.split("with every (?:second|third|seventeenth)", told), strict=True))
    named = {name: every for every, part in parts.items() for name in re.findall(r"\*([^*]+)\*", part)}
    assert named == {name: script.in_pairs for name, script in SCRIPTS.items() if script.in_pairs}
    assert f"By chance: {len(SEEDS)} runs" in page
