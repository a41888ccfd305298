from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Values = Sequence[float] | Floats

DIFFUSE = 1e10
"""Variance of what nothing is known of, in units of the noise."""


def recursive_residuals(values: Values, design: Floats, weights: Values) -> Floats:
    """Return how far each value lies from what the values before it foretell, in units of one common noise.

    The model is ``values = design @ unknown + noise``, the variance of a value that of the noise over its weight. If it
    holds and the noise is normal, the residuals are independent and vary as the noise does, whatever the unknown is. A
    value that nothing before it foretells (a weekday never seen) has none: nan.

    Brown, Durbin and Evans (1975): Techniques for testing the constancy of regression relationships over time.

    >>> recursive_residuals([5.0, 7.0, 6.0], np.ones((3, 1)), [1, 1, 1]).round(3).tolist()
    [nan, 1.414, 0.0]
    """
    if not len(values):
        return np.empty(0)
    unknown = np.zeros(design.shape[1])
    covariance = DIFFUSE * np.eye(design.shape[1])
    residuals = np.full(len(values), np.nan)
    for day, (row, value, weight) in enumerate(zip(design, np.asarray(values) - values[0], weights, strict=True)):
        gain = covariance @ row
        variance = row @ gain + 1 / weight
        surprise = value - row @ unknown
        if variance < DIFFUSE / 1000:
            residuals[day] = surprise / np.sqrt(variance)
        unknown = unknown + gain * (surprise / variance)
        covariance = covariance - np.outer(gain, gain) / variance
    return residuals
