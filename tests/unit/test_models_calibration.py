import numpy as np
import pytest
from sklearn.metrics import f1_score

from ml_pipeline.models.calibration import best_threshold, fit_sigmoid, sigmoid


def scored(slope: float, level: float, rows: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    scores = generator.normal(size=rows)
    return scores, generator.random(rows) < sigmoid(slope * scores + level)


def test_calibration_finds_the_line_that_made_the_outcomes():
    scores, truth = scored(slope=0.5, level=-2.0)

    found = fit_sigmoid(scores, truth, np.ones(len(scores)))

    assert (found.a, found.b) == pytest.approx((-0.5, 2.0), abs=0.08)


def test_scores_that_point_the_wrong_way_give_everyone_the_share_of_positives():
    scores, truth = scored(slope=-0.5, level=-1.0)

    found = fit_sigmoid(scores, truth, np.ones(len(scores)))

    assert found.a == 0.0
    assert sigmoid(np.array([-found.b]))[0] == pytest.approx(truth.mean(), abs=0.001)


def test_with_too_few_positives_only_the_level_is_fitted():
    scores, truth = np.linspace(-1, 1, 100), np.zeros(100, bool)
    truth[:3] = True

    found = fit_sigmoid(scores, truth, np.ones(100))

    assert found.a == -1.0
    assert sigmoid(scores - found.b).mean() == pytest.approx(0.03, abs=0.02)


def test_no_positive_at_all_gives_a_small_probability_not_zero():
    found = fit_sigmoid(np.zeros(50), np.zeros(50, bool), np.ones(50))

    assert 0 < sigmoid(np.array([-found.b]))[0] < 0.05


def test_weights_count_conversations_not_turns():
    scores, truth = scored(slope=1.0, level=0.0, rows=400)
    repeated = np.repeat(np.arange(400), 5)

    once = fit_sigmoid(scores, truth, np.ones(400))
    weighted = fit_sigmoid(scores[repeated], truth[repeated], np.full(2_000, 0.2))

    assert (weighted.a, weighted.b) == pytest.approx((once.a, once.b), abs=1e-4)


def test_the_threshold_is_where_f1_is_best():
    generator = np.random.default_rng(4)
    truth = generator.random(500) < 0.15
    probability = np.clip(generator.normal(0.2 + 0.2 * truth, 0.15), 0, 1).round(2).astype(np.float64)

    threshold = best_threshold(probability, truth, np.ones(500), share=0.9)

    best = max(f1_score(truth, probability >= value) for value in np.unique(probability))
    assert f1_score(truth, probability >= threshold) == pytest.approx(best)


def test_with_too_few_positives_as_many_rows_are_called_as_the_share_says():
    probability = np.random.default_rng(0).random(60)

    threshold = best_threshold(probability, probability > np.sort(probability)[-4], np.ones(60), share=0.1)

    assert (probability >= threshold).sum() == 6


def test_extreme_scores_do_not_overflow():
    with np.errstate(over="raise"):
        assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]
