"""What `make proof` has to come to, and the sentences that say what it has not."""

from collections.abc import Iterator, Mapping

from tests.faults.mutants import MUTANTS
from tests.faults.runs import Tally

LEAST_SCENARIOS = 100_000
LEAST_INVOICES = 30_000
MOST_CALLS = {0.0: 1.00, 0.05: 1.05}
"""The calls of Stripe that a paid invoice may cost, by how many of all calls are struck."""


def complaints(systematic: Tally, by_chance: Tally, calm: Mapping[float, Tally], mutants: Tally) -> Iterator[str]:
    """Everything that keeps it from being a proof."""
    if systematic.scenarios < LEAST_SCENARIOS:
        yield f"{systematic.scenarios:,} systematic scenarios are under {LEAST_SCENARIOS:,}."
    if by_chance.invoices < LEAST_INVOICES:
        yield f"{by_chance.invoices:,} invoices by chance are under {LEAST_INVOICES:,}."
    if wrong := sum((systematic, by_chance, *calm.values()), Tally()).wrong.total():
        yield f"Runs that went wrong: {wrong:,}."
    if mutants.caught < len(MUTANTS):
        yield f"{len(MUTANTS) - mutants.caught} of {len(MUTANTS)} wrong designs were not caught."
    for rate, tally in calm.items():
        if tally.calls_per_paid > MOST_CALLS[rate]:
            calls, most = f"{tally.calls_per_paid:.4f}", f"{MOST_CALLS[rate]:.2f}"
            yield f"With faults at {rate:.0%} of the calls a paid invoice costs {calls} calls of Stripe, over {most}."
