import pytest

from ml_pipeline.drift.comparison import Comparison
from ml_pipeline.drift.detectors import CATEGORY, LOSS, NUMBER, SHARE, TEXT
from ml_pipeline.drift.domain_classifier import Text
from ml_pipeline.drift.psi import population_stability_index
from ml_pipeline.drift.subjects import (
    DATA,
    LABEL,
    PERFORMANCE,
    PREDICTION,
    Observations,
    Subject,
    feature_observations,
)
from ml_pipeline.drift.verdicts import BUDGET, Check, judge, significant_subjects

WORDS = Subject(DATA, NUMBER, "current_words")


def only(reference: Observations, recent: Observations) -> Check:
    (check,) = judge(reference, recent)
    return check


def spread(low: float, high: float, n: int = 200) -> list[float]:
    return [low + (high - low) * i / n for i in range(n)]


def with_p(p_value: float) -> Comparison:
    return Comparison("test", statistic=1, p_value=p_value, effect=1, psi=1)


def test_the_budgets_of_all_kinds_sum_to_one_alarm_in_twenty_windows():
    assert sum(BUDGET.values()) == pytest.approx(0.05)


def test_more_checks_of_a_kind_ask_for_smaller_p_values():
    subjects = [Subject(DATA, NUMBER, f"f{n}") for n in range(10)]
    alone = {subjects[0]: with_p(0.02)}
    among_ten = alone | {subject: with_p(0.9) for subject in subjects[1:]}

    assert significant_subjects(alone) == {subjects[0]}
    assert significant_subjects(among_ten) == set()


def test_a_kind_does_not_pay_for_the_checks_of_another():
    performance = Subject(PERFORMANCE, LOSS, task="conversion", version="caller")
    data = {Subject(DATA, NUMBER, f"f{n}"): with_p(0.9) for n in range(100)}

    assert significant_subjects({performance: with_p(0.005)} | data) == {performance}


def test_a_certain_but_small_difference_is_recorded_and_not_raised():
    check = only({WORDS: spread(0, 1, 20_000)}, {WORDS: spread(0.05, 1.05, 20_000)})

    assert check.comparison is not None
    assert check.comparison.p_value < 1e-6
    assert check.comparison.psi < 0.1
    assert (check.has_drifted, check.severity) == (False, "none")


def test_a_subject_that_only_one_window_knows_is_named():
    check = only({WORDS: spread(0, 1)}, {})

    assert (check.comparison, check.has_drifted, check.recent) == (None, False, 0)
    assert check.headline == "Not enough data on current_words: 0 conversations in the recent window, 100 are needed."


def test_a_longer_message_is_said_in_words():
    check = only({WORDS: spread(5, 15, 400)}, {WORDS: spread(9, 19, 400)})

    assert check.severity == "critical"
    assert check.headline == (
        "Customers' messages are 40 % longer than in the reference: 14 words on average instead of 9.99."
    )


def test_a_changed_spread_at_the_same_mean_is_said_so():
    check = only({WORDS: spread(9, 11)}, {WORDS: spread(0, 20)})

    assert check.headline == "current_words varies otherwise than in the reference, at about the same mean: 9.95 words."


def test_a_new_category_is_named_with_its_share():
    subject = Subject(DATA, CATEGORY, "language")

    check = only({subject: ["en"] * 200}, {subject: ["en"] * 120 + ["es"] * 80})

    assert check.severity == "critical"
    assert check.headline in (
        "language is es in 40 % of conversations, 0 % in the reference.",
        "language is en in 60 % of conversations, 100 % in the reference.",
    )


def test_a_word_that_one_customer_said_is_never_quoted():
    subject = Subject(DATA, TEXT, "current")
    then = [Text(str(n), "how much is it") for n in range(400)]
    now = [Text(f"x{n}", f"any discount for zebra{'' if n else 'secret'}") for n in range(400)]

    check = only({subject: then}, {subject: now})

    assert check.has_drifted
    assert check.headline.startswith("The words of a customer's message have changed: ")
    assert "“discount” in 100 % of conversations instead of 0 %" in check.headline
    assert "zebrasecret" not in str(check)


def test_a_label_that_grew_is_said_as_shares_of_conversations():
    subject = Subject(LABEL, SHARE, task="objection", label="price")

    check = only({subject: [n % 5 == 0 for n in range(400)]}, {subject: [n % 2 == 0 for n in range(400)]})

    assert check.headline == "price of objection holds in 50 % of conversations, 20 % in the reference."


def test_losses_that_shrank_are_no_drift():
    subject = Subject(PERFORMANCE, LOSS, task="objection", mode="detect", version="caller")

    worse = only({subject: spread(0.2, 0.6)}, {subject: spread(0.5, 0.9)})
    better = only({subject: spread(0.5, 0.9)}, {subject: spread(0.2, 0.6)})

    assert worse.headline == "Answers on objection by the agent itself got worse: 75 % more loss than in the reference."
    assert not better.has_drifted


def test_a_version_that_answers_otherwise_is_named():
    subject = Subject(PREDICTION, NUMBER, "", "conversion", "anticipate", "conversion.anticipate/3", "sold")

    check = only({subject: spread(0.2, 0.4)}, {subject: spread(0.5, 0.7)})

    assert check.headline == (
        "The mean answer on sold of conversion by conversion.anticipate/3 is 60 %, 30 % in the reference."
    )


def test_features_are_those_of_the_last_turn_given_one_per_conversation():
    rows = [
        {"conversation_id": "a", "turn": 0, "role": "assistant", "content": "Hello.", "context": {"phase": "closing"}},
        {"conversation_id": "a", "turn": 1, "role": "user", "content": "How much?", "context": {"phase": "closing"}},
        {"conversation_id": "b", "turn": 0, "role": "user", "content": "Hi you there", "context": {"phase": None}},
    ]

    observations = feature_observations(rows)

    assert observations[Subject(DATA, NUMBER, "current_words")] == [2.0, 3.0]
    assert observations[Subject(DATA, CATEGORY, "phase")] == ["closing", ""]
    assert observations[Subject(DATA, TEXT, "previous")] == [Text("a", "Hello."), Text("b", "")]


def test_an_index_over_nothing_is_zero():
    assert population_stability_index([0, 0], [3, 4]) == 0


def test_the_index_agrees_with_a_figure_made_by_hand():
    # (.7 - .5) ln(.7 / .5) + (.3 - .5) ln(.3 / .5), with half a row added to each of 100,000
    assert population_stability_index([50_000, 50_000], [70_000, 30_000]) == pytest.approx(0.16946, abs=1e-4)
