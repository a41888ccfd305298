import math

import numpy as np
import pytest

from ml_pipeline.models.evaluation import Duel, Opponent, fight
from ml_pipeline.models.gate import GateRules, judge
from ml_pipeline.models.training_set import TrainingSet
from ml_pipeline.vocabulary.tasks import CONVERSION
from ml_pipeline.vocabulary.verdicts import GateVerdict

RULES = GateRules(alpha=0.05, min_positives=50)


def duel(name: str = "prior", gain: float = 0.1, spread: float = 0.02, **fields: object) -> Duel:
    resampled = np.random.default_rng(0).normal(gain, spread, 2_000)
    values = {"rows": 800, "positives": 80, "clusters": 75, "ours": 0.4, "theirs": 0.4 - gain}
    return Duel(name, **(values | {"gain": np.append(gain, resampled)} | fields))  # type: ignore[arg-type]


def silent(name: str = "caller", rows: int = 0) -> Duel:
    return Duel(name, rows, 0, 0, math.nan, math.nan, np.zeros(0))


def test_a_candidate_surely_better_than_everyone_is_promoted():
    found = judge("macro_ap", 80, [duel("prior"), duel("rule", gain=0.06)], RULES)

    assert found.verdict is GateVerdict.PROMOTE
    assert found.gains["rule"].low == pytest.approx(0.06 - 1.645 * 0.02, abs=0.003)
    assert "over rule it gains +0.060" in found.reason


def test_being_better_than_all_but_one_is_not_enough():
    found = judge("macro_ap", 80, [duel("prior"), duel("caller", gain=0.02)], RULES)

    assert found.verdict is GateVerdict.HOLD
    assert "caller" in found.reason


def test_a_larger_figure_alone_does_not_promote():
    found = judge("macro_ap", 80, [duel(gain=0.03, spread=0.03)], RULES)

    assert found.verdict is GateVerdict.HOLD
    assert found.gains["prior"].value > 0


def test_too_few_examples_decide_nothing_and_say_how_many_are_missing():
    found = judge("macro_ap", 31, [duel()], RULES)

    assert found.verdict is GateVerdict.NOT_ENOUGH_DATA
    assert found.needed == 19
    assert "19 more" in found.reason


def test_an_opponent_that_never_answered_is_named_and_not_counted():
    found = judge("macro_ap", 80, [duel(), silent()], RULES)

    assert found.verdict is GateVerdict.PROMOTE
    assert "caller answered none of these rows" in found.reason
    assert "caller" not in found.gains


def test_a_champion_that_answered_too_few_of_the_rows_cannot_be_replaced():
    found = judge("macro_ap", 80, [duel("objection.detect/1", positives=20)], RULES)

    assert found.verdict is GateVerdict.NOT_ENOUGH_DATA
    assert found.needed == 30


def test_a_handful_of_customers_is_not_enough_however_much_they_said():
    found = judge("macro_ap", 80, [duel(clusters=3)], RULES)

    assert found.verdict is GateVerdict.NOT_ENOUGH_DATA
    assert "3 customers" in found.reason


def test_a_gate_block_without_a_scorable_label_says_so():
    found = judge("macro_ap", 80, [silent("prior"), silent("rule")], RULES)

    assert found.verdict is GateVerdict.NOT_ENOUGH_DATA
    assert "no label has five examples" in found.reason


def conversations(truth: np.ndarray, turns: int) -> TrainingSet:
    from pandas import DataFrame

    names = [f"c{place}" for place in range(len(truth)) for _ in range(turns)]
    rows = DataFrame({"conversation_id": names, "customer_group": names, "weight": 1 / turns})
    return TrainingSet(CONVERSION, rows, np.repeat(truth, turns)[:, None])


def test_equal_models_scored_per_turn_are_promoted_no_more_often_than_the_gate_allows():
    """Turns of a conversation share their errors: an interval over turns would promote several times as often."""
    generator = np.random.default_rng(3)
    gates, turns, promoted = 200, 8, 0

    def answers(truth: np.ndarray) -> np.ndarray:
        shared = np.repeat(generator.normal(0, 0.8, len(truth)), turns)
        score = -0.4 + 0.8 * np.repeat(truth, turns) + shared + generator.normal(0, 0.4, turns * len(truth))
        return (1 / (1 + np.exp(-score)))[:, None]

    for _ in range(gates):
        rows = conversations(truth := generator.random(150) < 0.45, turns)
        found = judge("log_loss", 60, [fight(rows, answers(truth), Opponent("twin", answers(truth)), 400)], RULES)
        promoted += found.verdict is GateVerdict.PROMOTE

    assert promoted <= 0.05 * gates + 3 * math.sqrt(0.05 * 0.95 * gates)


def test_only_rows_that_the_opponent_answered_are_compared():
    truth = np.arange(120) % 2 == 0
    rows = conversations(truth, 1)
    answers = np.full((120, 1), np.nan)
    answers[60:, 0] = 0.5

    found = fight(rows, np.where(truth, 0.8, 0.2)[:, None], Opponent("caller", answers), 100)

    assert (found.rows, found.positives, found.clusters) == (60, 30, 60)
    assert found.theirs == pytest.approx(math.log(2))
    assert found.gain[0] == pytest.approx(math.log(2) + math.log(0.8))
