"""Bounds of a mean that hold at every look: asymptotic confidence sequences.

Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas: Time-uniform central limit theory and asymptotic confidence sequences
(Annals of Statistics, 2024), the one-sided bound of their appendix: a normal mixture over the true mean.
"""

import math

import numpy as np

from ml_pipeline.models.rollouts.evidence import Numbers

TIGHTEST_AT = 1_000
"""Observations at which the bound is as near as it can be; it is nearly so from a third to three times as many."""


def radius(observations: Numbers, variance: Numbers, alpha: float) -> Numbers:
    """Return how far the mean of so many observations lies at most above its expectation, at any time; one-sided.

    ``variance``: of one observation, as estimated by then. Infinite where there is none.

    >>> float(radius(np.array([1000.0]), np.array([1.0]), 0.025)[0].round(3))
    0.096
    """
    pace = (-2 * math.log(2 * alpha) + math.log(1 - 2 * math.log(2 * alpha))) / TIGHTEST_AT
    seen = np.maximum(observations, 1)
    stretch = seen * pace + 1
    bound = np.sqrt(2 * variance * stretch / (seen**2 * pace) * np.log1p(np.sqrt(stretch) / (2 * alpha)))
    return np.where(observations > 0, bound, np.inf)
