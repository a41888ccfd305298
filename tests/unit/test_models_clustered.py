import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from ml_pipeline.models.clustered import (
    Score,
    auc,
    average_precision,
    brier,
    calibration_error,
    detections,
    figures,
    improvement,
    log_loss,
    seen_by,
)
from ml_pipeline.models.scores import Block

METRICS = {
    "auc": auc,
    "average precision": average_precision,
    "log loss": log_loss,
    "brier": brier,
    "ece": calibration_error,
    "f1": lambda truth, answer: detections(truth, answer >= 0.5)["f1"],
    "precision": lambda truth, answer: detections(truth, answer >= 0.5)["precision"],
    "recall": lambda truth, answer: detections(truth, answer >= 0.5)["recall"],
}


def noisy(seed: int, rows: int = 600) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.random(rows) < 0.2
    # Rounded: many ties.
    return truth, np.round(np.clip(generator.normal(0.3 + 0.2 * truth, 0.2), 0.01, 0.99), 2)


def block(truth: np.ndarray, clusters: np.ndarray, weights: np.ndarray | None = None) -> Block:
    return Block(("label",), truth[:, None], np.ones(len(truth)) if weights is None else weights, clusters)


def test_values_are_scikit_learn_s_with_ties_and_weights():
    truth, answer = noisy(1)
    weights = np.random.default_rng(2).random(len(truth))
    rows = seen_by(block(truth, np.arange(len(truth)), weights), 0)

    assert auc(rows, answer).value == pytest.approx(roc_auc_score(truth, answer, sample_weight=weights))
    assert average_precision(rows, answer).value == pytest.approx(
        average_precision_score(truth, answer, sample_weight=weights)
    )
    assert detections(rows, answer >= 0.5)["f1"].value == pytest.approx(
        f1_score(truth, answer >= 0.5, sample_weight=weights)
    )


def test_log_loss_and_brier_are_means_over_rows_and_labels():
    truth = np.tile([[True, False], [False, True]], (10, 1))
    answers = np.tile([[0.8, 0.4], [0.3, 0.9]], (10, 1))

    found = figures(Block(("one", "other"), truth, np.ones(20), np.arange(20)), answers, np.array([0.5, 0.5]))

    assert found["log_loss"].value == pytest.approx(-np.log([0.8, 0.6, 0.7, 0.9]).mean())
    assert found["brier"].value == pytest.approx(np.mean([0.04, 0.16, 0.09, 0.01]))
    assert found["f1"].value == 1.0


def test_calibration_error_is_zero_where_shares_are_as_predicted_and_the_gap_where_not():
    rows = seen_by(block(np.tile([True, False, False, False], 50), np.arange(200)), 0)

    errors = [calibration_error(rows, np.full(200, answer)).value for answer in (0.25, 0.55)]

    assert errors == pytest.approx([0.0, 0.3])


@pytest.mark.parametrize("name", METRICS)
def test_a_pull_is_what_the_figure_gains_as_its_cluster_counts_a_little_more(name):
    truth, answer = noisy(3)
    clusters, weights = np.arange(600) // 5, np.random.default_rng(4).random(600) + 0.1
    found = METRICS[name](seen_by(block(truth, clusters, weights), 0), answer)

    for cluster in (0, 17, 60):
        more = np.where(clusters == cluster, weights * (1 + 1e-6), weights)
        moved = METRICS[name](seen_by(block(truth, clusters, more), 0), answer).value
        assert found.pulls[cluster] == pytest.approx((moved - found.value) / 1e-6, rel=1e-3, abs=1e-7)
    assert found.pulls.sum() == pytest.approx(0, abs=1e-12)


def delong_error(truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the standard error of the difference of two AUC as DeLong, DeLong and Clarke-Pearson (1988) have it."""
    placed = [np.sign(answer[truth][:, None] - answer[~truth][None]) / 2 + 0.5 for answer in (ours, theirs)]
    of_positives, of_negatives = ([each.mean(axis=axis) for each in placed] for axis in (1, 0))
    variance = sum(np.var(one - two, ddof=1) / len(one) for one, two in (of_positives, of_negatives))
    return float(np.sqrt(variance))


def test_with_one_row_a_customer_the_error_of_an_auc_is_delong_s():
    truth, ours = noisy(5, 2_000)
    theirs = np.clip(ours + np.random.default_rng(6).normal(0, 0.1, 2_000), 0, 1)
    rows = seen_by(block(truth, np.arange(2_000)), 0)

    assert (auc(rows, ours) - auc(rows, theirs)).error == pytest.approx(delong_error(truth, ours, theirs), rel=2e-3)


def test_alike_turns_of_a_conversation_widen_the_error():
    generator = np.random.default_rng(11)
    clusters = np.repeat(np.arange(50), 10)
    truth = (generator.random(50) < 0.4)[clusters]
    answer = np.clip(generator.normal(0.4 + 0.2 * truth, 0.3) + generator.normal(0, 0.3, 50)[clusters], 0, 1)

    honest, naive = (auc(seen_by(block(truth, each), 0), answer).error for each in (clusters, np.arange(500)))

    assert honest > 1.5 * naive


def test_a_bound_reaches_further_where_a_few_customers_make_up_most_of_the_error():
    even, lopsided = Score(0.0, np.tile([1.0, -1.0], 100)), Score(0.0, np.append(np.zeros(198), [10.0, -10.0]))

    assert even.error == pytest.approx(lopsided.error)
    assert lopsided.at_least(0.01) < 1.5 * even.at_least(0.01)


def test_a_label_with_fewer_than_five_examples_is_left_out_of_the_means():
    rare, common = np.zeros(40, bool), np.arange(40) % 2 == 0
    rare[:4] = True
    truth = np.stack([rare, common], axis=1)
    rows = Block(("rare", "common"), truth, np.ones(40), np.arange(40))

    found = figures(rows, np.stack([~rare, common], axis=1).astype(float), np.array([0.5, 0.5]))

    assert found["macro_ap"].value == 1.0


def test_there_are_no_figures_when_no_label_can_be_scored():
    assert figures(block(np.zeros(30, bool), np.arange(30)), np.zeros((30, 1)), np.array([0.5])) == {}


def test_an_improvement_is_positive_where_a_loss_falls_or_a_ranking_rises():
    low, high = Score(0.2, np.zeros(3)), Score(0.5, np.zeros(3))

    assert improvement("log_loss", low, high).value > 0
    assert improvement("macro_ap", high, low).value > 0
