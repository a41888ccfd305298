"""Logistic recalibration: how probabilities would have to be stretched to fit what came true.

Reference: D. R. Cox, Two further applications of a model for binary regression, Biometrika 45, 1958; intervals by the
sandwich of K.-Y. Liang and S. L. Zeger, Biometrika 73, 1986, as answers of one conversation resemble each other.
"""

import numpy as np
from numpy.typing import NDArray

from ml_pipeline.models.scores import Flags, Numbers
from ml_pipeline.vocabulary.estimate import Estimate

CERTAIN = 1e-4
STEPS = 30
Z = 1.96


def calibration_slope(
    probability: Numbers, truth: Flags, weights: Numbers, clusters: NDArray[np.int64]
) -> Estimate | None:
    """Return the slope of the truth's log odds on the answer's, 1 where probabilities are right, below where too bold.

    None where no slope fits: one class only, or the answers part the classes wholly.

    >>> chance = np.random.default_rng(0).uniform(0.05, 0.95, 4000)
    >>> is_true = np.random.default_rng(1).random(4000) < chance
    >>> found = calibration_slope(chance, is_true, np.ones(4000), np.arange(4000))
    >>> found.low < 1 < found.high
    True
    """
    bounded = np.clip(probability, CERTAIN, 1 - CERTAIN)
    design = np.column_stack([np.ones(len(bounded)), np.log(bounded / (1 - bounded))])
    if truth.all() or not truth.any() or np.ptp(design[:, 1]) == 0:
        return None
    beta = np.array([0.0, 1.0])
    for _ in range(STEPS):
        fitted = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        score = design * (weights * (truth - fitted))[:, None]
        bread = np.linalg.pinv((design * (weights * fitted * (1 - fitted))[:, None]).T @ design)
        step = bread @ score.sum(axis=0)
        beta = beta + step
        if np.abs(step).max() < 1e-8:
            break
    else:
        return None
    meat = np.zeros((int(clusters.max()) + 1, 2))
    np.add.at(meat, clusters, score)
    error = float(np.sqrt((bread @ (meat.T @ meat) @ bread)[1, 1]))
    return Estimate(float(beta[1]), float(beta[1] - Z * error), float(beta[1] + Z * error))
