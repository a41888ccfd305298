"""Twenty fixed rounds of the chamber; ``make torture`` plays 300 others."""

from collections.abc import Iterator

import pytest

from tests.torture.chamber import play
from tests.torture.checker import violations
from tests.torture.plan import FAULTS, KILLS, draw
from tests.torture.stand import Stand, stand

SEEDS = range(20)


@pytest.fixture(scope="module")
def server() -> Iterator[Stand]:
    """A server of the chamber's own: it is killed, which the tests that share one would not survive."""
    with stand() as started:
        yield started


def test_the_fixed_rounds_bring_every_fault():
    plans = [draw(seed) for seed in SEEDS]

    assert {plan.fault for plan in plans} == set(FAULTS)
    assert {act.name for plan in plans for act in plan.acts} >= set(KILLS)
    assert {agent.kind for plan in plans for agent in plan.agents} == {"loop", "threads", "fork"}
    assert {plan.is_database_up for plan in plans} == {True, False}


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{seed} {draw(seed).fault}")
def test_no_rule_is_broken_when(server, seed):
    seen = play(server, draw(seed))

    assert violations(seen) == []
    assert len([offer for offer in seen.offers if offer.told]) > 20
