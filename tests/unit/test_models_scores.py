import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from ml_pipeline.models.scores import Block, draws, estimate, figures, improvement, ranking


def block(truth: np.ndarray, clusters: np.ndarray | None = None, weights: np.ndarray | None = None) -> Block:
    rows = len(truth)
    columns = truth.reshape(rows, -1).astype(bool)
    return Block(
        tuple(f"label{place}" for place in range(columns.shape[1])),
        columns,
        np.ones(rows) if weights is None else weights,
        np.arange(rows) if clusters is None else clusters,
    )


def noisy(seed: int, rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.random(rows) < 0.2
    return truth, np.round(np.clip(generator.normal(0.3 + 0.2 * truth, 0.2), 0, 1), 2)  # rounded: many ties


def test_average_precision_and_auc_are_scikit_learn_s_with_ties_and_weights():
    truth, score = noisy(1)
    weights = np.random.default_rng(2).random(len(truth))
    rows = block(truth, weights=weights)

    precision, auc = ranking(rows.of(0), score, np.ones((1, len(truth))))

    assert precision[0] == pytest.approx(average_precision_score(truth, score, sample_weight=weights))
    assert auc[0] == pytest.approx(roc_auc_score(truth, score, sample_weight=weights))


def test_a_resample_is_the_metric_of_the_rows_drawn():
    truth, score = noisy(3)
    clusters = np.arange(len(truth)) // 8
    drawn = draws(clusters, resamples=3, seed=0)

    precision, auc = ranking(block(truth, clusters).of(0), score, drawn)

    for resample in range(1, 4):
        rows = np.repeat(np.arange(len(truth)), drawn[resample, clusters].astype(int))
        assert precision[resample] == pytest.approx(average_precision_score(truth[rows], score[rows]))
        assert auc[resample] == pytest.approx(roc_auc_score(truth[rows], score[rows]))


def test_the_first_draw_is_the_rows_as_they_are_and_clusters_are_drawn_whole():
    drawn = draws(np.array([0, 0, 1, 2]), resamples=50, seed=7)

    assert drawn.shape == (51, 3)
    assert (drawn[0] == 1).all()
    assert (drawn.sum(axis=1) == 3).all()
    assert (drawn == draws(np.array([0, 0, 1, 2]), resamples=50, seed=7)).all()


def test_log_loss_brier_and_f1_are_means_over_rows_and_labels():
    truth = np.tile([[True, False], [False, True]], (10, 1))
    answers = np.tile([[0.8, 0.4], [0.3, 0.9]], (10, 1))

    found = figures(block(truth), answers, np.array([0.5, 0.5]), np.ones((1, 20)))

    losses = -np.log([0.8, 0.6, 0.7, 0.9])
    assert found["log_loss"][0] == pytest.approx(losses.mean())
    assert found["brier"][0] == pytest.approx(np.mean([0.04, 0.16, 0.09, 0.01]))
    assert found["f1"][0] == pytest.approx(1.0)


def test_calibration_error_is_zero_where_shares_are_as_predicted_and_the_gap_where_not():
    truth = np.tile([True, False, False, False], 50)
    right, wrong = np.full(200, 0.25), np.full(200, 0.55)

    errors = [
        figures(block(truth), answers[:, None], np.array([0.5]), np.ones((1, 200)), ("ece",))["ece"][0]
        for answers in (right, wrong)
    ]

    assert errors == pytest.approx([0.0, 0.3])


def test_a_label_with_fewer_than_five_examples_is_left_out_of_the_means():
    rare, common = np.zeros(40, bool), np.arange(40) % 2 == 0
    rare[:4] = True
    truth = np.stack([rare, common], axis=1)
    answers = np.stack([~rare, common], axis=1).astype(float)  # wholly wrong about the rare one

    found = figures(block(truth), answers, np.array([0.5, 0.5]), np.ones((1, 40)))

    assert found["macro_ap"][0] == 1.0


def test_there_are_no_figures_when_no_label_can_be_scored():
    assert figures(block(np.zeros(30, bool)), np.zeros((30, 1)), np.array([0.5]), np.ones((1, 30))) == {}


def test_an_interval_holds_the_value_and_narrows_with_more_clusters():
    widths = []
    for rows in (200, 3_200):
        truth, score = noisy(5, rows)
        rows_drawn = draws(np.arange(rows), resamples=300, seed=1)
        found = estimate(ranking(block(truth).of(0), score, rows_drawn)[1])
        assert found.low <= found.value <= found.high
        widths.append(found.high - found.low)

    assert widths[1] < widths[0] / 2.5


def test_conversations_of_many_alike_turns_widen_the_interval():
    generator = np.random.default_rng(11)
    of_conversation = generator.random(50) < 0.4
    clusters = np.repeat(np.arange(50), 10)
    truth = of_conversation[clusters]
    score = np.clip(generator.normal(0.4 + 0.2 * truth, 0.3) + generator.normal(0, 0.3, 50)[clusters], 0, 1)

    honest = estimate(ranking(block(truth, clusters).of(0), score, draws(clusters, 300, 1))[1])
    naive = estimate(ranking(block(truth).of(0), score, draws(np.arange(500), 300, 1))[1])

    assert honest.high - honest.low > 1.5 * (naive.high - naive.low)


def test_an_improvement_is_positive_where_a_loss_falls_or_a_ranking_rises():
    low, high = np.array([0.2]), np.array([0.5])

    assert improvement("log_loss", low, high)[0] > 0
    assert improvement("macro_ap", high, low)[0] > 0
