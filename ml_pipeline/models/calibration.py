"""From scores to probabilities and decisions, on rows that trained nothing: Platt's sigmoid, F1's threshold."""

import numpy as np

from ml_pipeline.models.scores import Flags, Numbers
from ml_pipeline.online.predicting.bundle import Sigmoid

MIN_POSITIVES = 5
"""With fewer examples of either class a slope is noise: only the level is fitted."""


def fit_sigmoid(scores: Numbers, truth: Flags, weights: Numbers) -> Sigmoid:
    """Return the calibration of ``scores`` with Platt's smoothed targets.

    A slope that would turn the scores over is not believed: they know nothing here, and every row gets the share of
    positives.
    """
    targets = _smoothed(truth, weights)
    if min(int(truth.sum()), int((~truth).sum())) < MIN_POSITIVES:
        return Sigmoid(-1.0, -_level(scores, targets, weights))
    slope, level = _line(scores, targets, weights)
    if slope <= 0:
        return Sigmoid(0.0, -_level(np.zeros_like(scores), targets, weights))
    return Sigmoid(-slope, -level)


def _smoothed(truth: Flags, weights: Numbers) -> Numbers:
    positives, negatives = float(weights[truth].sum()), float(weights[~truth].sum())
    return np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))


def _line(scores: Numbers, targets: Numbers, weights: Numbers) -> tuple[float, float]:
    """Return slope and level of the logistic line nearest to ``targets``."""
    from scipy.optimize import minimize

    def loss(line: Numbers) -> tuple[float, Numbers]:
        z = line[0] * scores + line[1]
        gap = weights * (sigmoid(z) - targets)
        return float(weights @ (np.logaddexp(0, z) - targets * z)), np.array([gap @ scores, gap.sum()])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS")
    return float(found.x[0]), float(found.x[1])


def _level(scores: Numbers, targets: Numbers, weights: Numbers) -> float:
    """Return what to add to ``scores`` so that the mean probability is the mean target."""
    from scipy.optimize import brentq

    wanted = float(weights @ targets)
    return float(brentq(lambda level: float(weights @ sigmoid(scores + level)) - wanted, -60.0, 60.0))


def sigmoid(z: Numbers) -> Numbers:
    """Return 1 / (1 + exp(-z)), without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -z)))


def best_threshold(probability: Numbers, truth: Flags, weights: Numbers, share: float) -> float:
    """Return the probability from which calling a row positive gives the best F1.

    With too few positives to see that, the one from which as many rows are called as ``share`` says there are.
    """
    order = np.argsort(-probability, kind="stable")
    ranked, weight = probability[order], weights[order]
    called = np.cumsum(weight)
    if int(truth.sum()) < MIN_POSITIVES:
        return _between(ranked, int(np.searchsorted(called, share * called[-1])))
    found = np.cumsum(weight * truth[order])
    f1 = 2 * found / (called + found[-1])
    step_ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    return _between(ranked, int(step_ends[np.argmax(f1[step_ends])]))


def _between(ranked: Numbers, last: int) -> float:
    # Halfway to the next lower probability, so that a row does not fall off its own threshold by rounding.
    below = ranked[last + 1] if last + 1 < len(ranked) else 0.0
    return float((ranked[last] + below) / 2)
