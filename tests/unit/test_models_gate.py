from dataclasses import replace

import numpy as np
import pytest

from ml_pipeline.errors import TrainingError
from ml_pipeline.models.gate import Answers, Artifact, GateRules, judge
from ml_pipeline.models.gate.budget import allow
from ml_pipeline.models.scores import Block
from ml_pipeline.vocabulary.verdicts import GateVerdict

RULES = GateRules("log_loss", 0.05)
PROMOTE, HOLD, NOT_ENOUGH_DATA = GateVerdict.PROMOTE, GateVerdict.HOLD, GateVerdict.NOT_ENOUGH_DATA
ROWS = 1_000


def sigmoid(z: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-z)))


def block(rows: int = ROWS, share: float = 0.3, turns: int = 1, seed: int = 0) -> Block:
    truth = np.repeat(np.random.default_rng(seed).random(rows // turns) < share, turns)
    return Block(
        ("sold",), truth[:, None], np.full(rows, 1 / turns), np.arange(rows) // turns, np.full(rows, 1 / turns)
    )


def answers(rows: Block, strength: float, name: str = "champion", seed: int = 1, **fields: object) -> Answers:
    """Return calibrated answers; the stronger, the more they know."""
    truth = rows.truth[:, 0]
    score = np.random.default_rng(seed).normal(size=len(truth)) + strength * truth
    share = truth.mean()
    logit = strength * score - strength**2 / 2 + np.log(share / (1 - share))
    return Answers(name, sigmoid(logit)[:, None], **fields)  # type: ignore[arg-type]


def test_a_candidate_surely_better_than_the_champion_is_promoted():
    rows = block()

    found = judge(rows, answers(rows, 1.8), opponents=[answers(rows, 0.8)], rules=RULES)

    assert found.verdict is PROMOTE
    assert found.reason.startswith("surely better: log_loss")
    assert 0 < found.gains["champion"].low < found.gains["champion"].value
    assert found.alpha == RULES.alpha
    assert {check.name for check in found.checks} == {"auc", "brier", "ece", "profit"}


def test_a_larger_figure_alone_does_not_promote():
    rows = block(250)

    found = judge(rows, answers(rows, 1.05, seed=7), opponents=[answers(rows, 1.0, seed=8)], rules=RULES)

    assert found.gains["champion"].value > 0 > found.gains["champion"].low
    assert found.verdict is HOLD
    assert "not sure enough" in found.reason


def test_being_better_than_all_but_one_is_not_enough():
    rows = block()
    weak, twin = answers(rows, 0.2, "prior"), answers(rows, 1.8, "caller")

    found = judge(rows, answers(rows, 1.8), opponents=[weak, twin], rules=RULES)

    assert found.verdict is HOLD
    assert "over caller it gains +0.0000" in found.reason


def test_a_champion_is_never_beaten_by_itself():
    rows = block()
    itself = answers(rows, 1.0)

    found = judge(rows, replace(itself, name="candidate"), opponents=[itself], rules=RULES)

    assert found.verdict is HOLD
    assert (found.gains["champion"].value, found.gains["champion"].low) == (0, 0)


def test_a_minimum_gain_asks_more_of_the_measured_improvement_and_nothing_of_its_bound():
    rows = block()
    candidate, champion = answers(rows, 1.8), answers(rows, 0.8)
    free = judge(rows, candidate, opponents=[champion], rules=RULES).gains["champion"]
    between, above = (free.value + free.low) / 2, free.value + 0.001

    reached, missed = (
        judge(rows, candidate, opponents=[champion], rules=replace(RULES, min_gain=least)) for least in (between, above)
    )

    assert reached.verdict is PROMOTE
    assert missed.verdict is HOLD
    assert "is asked for" in missed.reason


def test_nothing_is_promoted_on_a_budget_that_is_spent():
    rows = block()

    found = judge(rows, answers(rows, 3.0), opponents=[answers(rows, 0.1)], rules=replace(RULES, alpha=0.0))

    assert found.verdict is HOLD
    assert "earlier gates spent the whole error budget" in found.reason


def test_too_few_examples_decide_nothing_spend_nothing_and_say_how_many_are_missing():
    rows = block(100)
    missing = RULES.min_positives - rows.examples()

    found = judge(rows, answers(rows, 1.8), opponents=[answers(rows, 0.1)], rules=RULES)

    assert (found.verdict, found.needed, found.alpha) == (NOT_ENOUGH_DATA, missing, 0)
    assert f"{missing} more" in found.reason


def test_a_conversation_is_one_example_however_many_turns_it_has():
    assert block(800, turns=8).examples() == block(800, turns=8).truth[::8].sum()


def test_an_opponent_that_never_answered_is_named_and_not_counted():
    rows = block()
    silent = Answers("caller", np.full(rows.truth.shape, np.nan))

    found = judge(rows, answers(rows, 1.8), opponents=[answers(rows, 0.4), silent], rules=RULES)

    assert found.verdict is PROMOTE
    assert "caller answered none of these rows" in found.reason
    assert "caller" not in found.gains


def test_a_champion_that_answered_too_few_of_the_rows_cannot_be_replaced():
    rows = block()
    champion = answers(rows, 0.4)
    champion.probabilities[100:] = np.nan

    found = judge(rows, answers(rows, 1.8), opponents=[champion], rules=RULES)

    assert found.verdict is NOT_ENOUGH_DATA
    assert found.needed > 0


def test_a_handful_of_customers_is_not_enough_however_much_they_said():
    rows = replace(block(), clusters=np.arange(ROWS) % 3, cases=None)

    found = judge(rows, answers(rows, 1.8), opponents=[answers(rows, 0.4)], rules=RULES)

    assert found.verdict is NOT_ENOUGH_DATA
    assert "3 customers" in found.reason


def test_a_block_without_a_scorable_label_says_so():
    rows = replace(block(), truth=np.ones((ROWS, 2), dtype=bool), labels=("a", "b"))
    told = Answers("candidate", np.full((ROWS, 2), 0.5))

    found = judge(rows, told, opponents=[told], rules=RULES)

    assert found.verdict is NOT_ENOUGH_DATA
    assert "no label has five examples" in found.reason


def test_better_log_loss_does_not_excuse_a_ranking_that_may_be_worse():
    rows = block(4_000)
    champion = answers(rows, 1.0, seed=3)
    flat = Answers("champion", np.clip(champion.probabilities**0.2, 0, 1))  # ranks as well, badly calibrated
    candidate = answers(rows, 0.7, seed=4)

    found = judge(rows, candidate, opponents=[flat], rules=RULES)

    assert found.gains["champion"].low > 0
    assert found.verdict is HOLD
    assert "auc against champion" in found.reason


def test_worse_calibration_than_the_champion_s_holds_a_candidate_back_but_not_against_a_baseline():
    rows = block(4_000)
    better = answers(rows, 2.5)
    bent = Answers("candidate", sigmoid(0.6 * np.log(better.probabilities / (1 - better.probabilities)) + 0.2))

    against_champion = judge(rows, bent, opponents=[answers(rows, 0.5)], rules=RULES)
    against_baseline = judge(rows, bent, opponents=[answers(rows, 0.5, is_baseline=True)], rules=RULES)

    assert [check.name for check in against_champion.checks if not check.holds] == ["ece"]
    assert against_champion.verdict is HOLD
    assert against_baseline.verdict is PROMOTE


def test_a_better_ranking_does_not_excuse_a_worse_brier_score():
    rows = block(2_000)
    better = answers(rows, 1.6)
    inflated = replace(better, probabilities=better.probabilities**0.25)
    rules = GateRules("macro_ap", 0.05, guards=("brier",))

    honest, spoilt = (judge(rows, one, opponents=[answers(rows, 1.0)], rules=rules) for one in (better, inflated))

    assert honest.verdict is PROMOTE
    assert spoilt.gains == honest.gains
    assert spoilt.verdict is HOLD
    assert "brier against champion" in spoilt.reason


def test_less_profit_at_the_stakes_of_the_task_holds_a_candidate_back():
    rows = block(2_000, share=0.2)
    timid = answers(rows, 1.8)
    timid = replace(timid, probabilities=np.minimum(timid.probabilities, 0.09))  # nobody is ever called
    champion = Answers("champion", np.full(rows.truth.shape, 0.99))

    found = judge(rows, timid, opponents=[champion], rules=replace(RULES, guards=("profit",)))

    (profit,) = found.checks
    assert profit.bound == 0
    assert profit.limit == pytest.approx(rows.truth.mean() - 0.1)
    assert found.verdict is HOLD


def test_a_candidate_surely_worse_in_one_language_is_held_back_though_better_overall():
    rows = block(3_000)
    languages = np.where(np.arange(3_000) % 4 == 0, "es", "en")
    better, champion = answers(rows, 2.2), answers(rows, 0.8)
    spoilt = better.probabilities.copy()
    spoilt[languages == "es"] = 1 - spoilt[languages == "es"]
    rules = replace(RULES, guards=())

    even = judge(rows, better, opponents=[champion], rules=rules, slices={"language": languages})
    worse = judge(
        rows, replace(better, probabilities=spoilt), opponents=[champion], rules=rules, slices={"language": languages}
    )

    assert even.verdict is PROMOTE
    assert [place.name for place in even.slices] == ["language=en", "language=es"]
    assert worse.verdict is HOLD
    assert "surely worse than champion in language=es" in worse.reason


def test_many_slices_do_not_find_an_equal_candidate_worse_in_one_of_them():
    generator, worse, gates = np.random.default_rng(8), 0, 200
    for number in range(gates):
        rows = block(1_000, seed=number)
        slices = {f"d{place}": generator.choice(["a", "b", "c"], 1_000) for place in range(7)}
        found = judge(
            rows,
            answers(rows, 1.0, seed=1_000 + number),
            opponents=[answers(rows, 1.0, seed=5_000 + number)],
            rules=replace(RULES, guards=()),
            slices=slices,
        )
        worse += any(place.is_worse for place in found.slices)

    assert worse <= 0.05 * gates + 3 * np.sqrt(0.05 * 0.95 * gates)


def test_who_falls_below_the_champion_under_typos_is_held_back_and_who_merely_falls_further_is_not():
    rows = block(3_000)
    champion = replace(answers(rows, 0.8), stressed={"typos": answers(rows, 0.7, seed=2).probabilities})
    strong = answers(rows, 2.2)
    slipping = replace(strong, stressed={"typos": answers(rows, 1.2, seed=3).probabilities})
    fragile = replace(strong, stressed={"typos": 1 - strong.probabilities})

    further, below = (judge(rows, one, opponents=[champion], rules=RULES) for one in (slipping, fragile))

    assert further.verdict is PROMOTE
    assert below.verdict is HOLD
    assert "surely worse than champion in typos" in below.reason


@pytest.mark.parametrize(
    ("artifact", "told"),
    [
        (Artifact(9.0, 1_000), "answer_ms is 9 where 5 is the limit"),
        (Artifact(1.0, 3_000_000), "bundle_bytes is 3e+06 where 2e+06 is the limit"),
        (Artifact(1.0, 1_000, {"email": 2}), "personal terms of kind email is 2 where 0 is the limit"),
        (Artifact(0.0, 0, refusal="a Forest has no exporter"), "a Forest has no exporter"),
    ],
)
def test_what_the_agent_could_not_carry_is_held_back(artifact, told):
    rows = block()
    rules = replace(RULES, max_answer_ms=5.0, max_bundle_bytes=2e6)

    found = judge(rows, answers(rows, 1.8), opponents=[answers(rows, 0.4)], rules=rules, artifact=artifact)

    assert found.verdict is HOLD
    assert told in found.reason


@pytest.mark.parametrize(
    ("probabilities", "told"),
    [
        (np.full((ROWS, 1), np.nan), "unanswered"),
        (np.full((ROWS, 1), 1.2), "outside of"),
        (np.full((ROWS, 1), -np.inf), "outside of"),
        (np.full((ROWS, 2), 0.5), "where the gate block has"),
    ],
)
def test_answers_that_are_no_probabilities_of_these_rows_are_refused(probabilities, told):
    rows = block()

    with pytest.raises(TrainingError, match=told):
        judge(rows, Answers("candidate", probabilities), opponents=[answers(rows, 0.4)], rules=RULES)


def test_equal_models_scored_per_turn_are_promoted_no_more_often_than_the_gate_allows():
    """Turns of a conversation share their errors: a bound over turns would promote several times as often."""
    generator, gates, turns, promoted = np.random.default_rng(3), 400, 8, 0

    def told(name: str, rows: Block) -> Answers:
        shared = np.repeat(generator.normal(0, 0.8, rows.cluster_count), turns)
        score = -0.4 + 0.8 * rows.truth[:, 0] + shared + generator.normal(0, 0.4, len(shared))
        return Answers(name, sigmoid(score)[:, None])

    for number in range(gates):
        rows = block(1_600, share=0.45, turns=turns, seed=number)
        rules = replace(RULES, guards=())
        found = judge(rows, told("candidate", rows), opponents=[told("twin", rows)], rules=rules)
        promoted += found.verdict is PROMOTE

    assert promoted <= 0.05 * gates + 3 * np.sqrt(0.05 * 0.95 * gates)


def test_a_task_s_gates_share_the_budget_evenly_and_any_26_in_a_row_stay_within_it():
    spent: list[float] = []
    for _ in range(60):
        spent.insert(0, allow(0.10, 26, spent).alpha)

    assert set(spent) == {0.10 / 26}
    assert max(sum(spent[start : start + 26]) for start in range(35)) <= 0.10 + 1e-9
    assert allow(0.10, 26, spent).number == 61
    assert allow(0.10, 26, spent).spent == pytest.approx(0.10 * 25 / 26)


def test_what_earlier_gates_spent_too_much_later_ones_lack():
    assert allow(0.10, 26, [0.05, 0.05]).alpha == 0
