import msgspec
import numpy as np
import pytest

from benchmarks.learning_calls import FILE, read_calls
from benchmarks.learning_figures import best_in_hindsight, figures_of, is_harmful, losses
from benchmarks.learning_loops import FIRST, Loop, larger, play
from benchmarks.learning_versions import Versions
from ml_pipeline.settings import Settings

BLOCK = 1_000
ENDS = [FIRST + number * BLOCK for number in range(4)]
AT_ONCE = msgspec.structs.replace(Settings(), gate_share=0.05, rollout_steps=())
BLOCKS = [(0, 4), (4, 8)]
TRUTH = np.array([True, False, False, False, True, False, False, False])


def extra(mean: float, spread: float, calls: int = 1_000) -> np.ndarray:
    """Differences of loss with exactly this mean and standard deviation."""
    drawn = np.random.default_rng(0).normal(size=calls)
    return np.asarray(mean + spread * (drawn - drawn.mean()) / drawn.std(ddof=1))


@pytest.mark.parametrize(
    ("mean", "spread", "harms"),
    [(0.02, 0.1, True), (0.02, 0.5, False), (0.009, 0.001, False), (-0.05, 0.1, False)],
)
def test_a_promotion_harms_where_more_than_a_hundredth_nat_is_lost_and_surely(mean, spread, harms):
    ours = extra(mean, spread)

    assert is_harmful(ours, np.zeros_like(ours)) is harms


def test_the_bound_of_harm_is_one_sided_at_95_percent():
    calls = 1_000
    reach = 1.6464 / np.sqrt(calls)

    assert is_harmful(extra(0.02, 0.02 / reach * 0.999), np.zeros(calls))
    assert not is_harmful(extra(0.02, 0.02 / reach * 1.001), np.zeros(calls))


def test_hindsight_serves_in_each_block_who_lost_least_there():
    good_early = np.where(TRUTH, 0.9, 0.1) * 1.0
    good_early[4:] = 0.5
    good_late = np.full(8, 0.5)
    good_late[4:] = np.where(TRUTH[4:], 0.8, 0.2)

    served = best_in_hindsight([good_early, good_late], TRUTH, BLOCKS)

    assert served[:4].tolist() == good_early[:4].tolist()
    assert served[4:].tolist() == good_late[4:].tolist()


def test_hindsight_serves_nobody_who_learnt_from_the_block():
    first, taught_by_the_first_four = np.full(8, 0.5), np.where(TRUTH, 1.0, 0.0)
    taught_by_the_first_four[:4] = np.nan

    served = best_in_hindsight([first, taught_by_the_first_four], TRUTH, BLOCKS)

    assert served[:4].tolist() == [0.5] * 4
    assert served[4:].tolist() == TRUTH[4:].astype(float).tolist()


def test_a_block_is_ranked_by_itself_and_the_pool_across_blocks():
    truth = np.array([True, False, False, False, True, True, True, False])
    served = np.array([0.4, 0.1, 0.1, 0.1, 0.3, 0.3, 0.3, 0.2])
    served_lower_late = np.array([0.4, 0.3, 0.3, 0.3, 0.2, 0.2, 0.2, 0.1])

    assert figures_of(served, truth, BLOCKS)["auc"] == figures_of(served, truth, BLOCKS)["auc_of_a_block"] == 1
    found = figures_of(served_lower_late, truth, BLOCKS)

    assert found["auc_of_a_block"] == 1
    assert found["auc"] == (4 + 3 * 1) / 16


def test_a_loss_is_in_nats_and_never_infinite():
    assert losses(np.array([0.5, 1.0]), np.array([True, True])).tolist() == [np.log(2), 0.0]
    assert np.isfinite(losses(np.array([0.0]), np.array([True]))).all()


@pytest.fixture(scope="module")
def versions() -> Versions:
    if not FILE.exists():
        pytest.skip(f"no bank marketing data at {FILE}")
    return Versions(read_calls().first(FIRST + 3 * BLOCK))


@pytest.mark.parametrize(
    ("rule", "promoted_at"),
    [
        ("frozen", []),
        (larger(lambda truth, answers: 1.0), []),
        (lambda gate: (True, 0.0), [FIRST + 2 * BLOCK]),
    ],
)
def test_three_blocks_are_served_by_whom_the_rule_promotes(versions, rule, promoted_at):
    course = play(versions, "linear", Loop(rule, AT_ONCE), ENDS)

    assert [each.at for each in course.promotions] == promoted_at
    for promotion in course.promotions:
        served = slice(promotion.at, promotion.at + BLOCK)
        assert (course.served[served] == promotion.version.probabilities[served]).all()
    assert np.isnan(course.served[:FIRST]).all()
    assert not np.isnan(course.served[FIRST:]).any()


def test_a_candidate_never_learns_from_what_judges_it(versions):
    gates = []

    def rule(gate):
        gates.append(gate)
        return False, 0.0

    play(versions, "linear", Loop(rule, AT_ONCE), ENDS)

    assert gates
    assert not any(np.isnan(gate.ours).any() or np.isnan(gate.theirs).any() for gate in gates)
