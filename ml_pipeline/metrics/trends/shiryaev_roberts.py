from collections.abc import Sequence

import numpy as np

from ml_pipeline.metrics.trends.recursive_residuals import Values

SIZES = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)
"""Shifts that are looked for, in standard deviations of a day."""


def first_alarm(scores: Values, budget: Sequence[float]) -> int | None:
    """Return the first day by which a shift of the scores is proven, else None.

    ``budget``: how many false alarms each day may cost. With independent standard normal scores, and starting anew
    after each alarm, no more than their sum are expected: for each size, the statistic minus what was budgeted is a
    martingale, so that E[alarms] <= sum(budget), for any length. Scores that are nan are passed over.

    The Shiryaev-Roberts procedure, averaged over sizes: Pollak (1985), Optimal detection of a change in distribution;
    as an e-detector: Shin, Ramdas and Rinaldo (2022), E-detectors.

    >>> first_alarm([0.3, -0.4, 0.1, 2.8, 3.0, 3.0, 3.0], [0.001] * 7)
    5
    """
    sizes = np.array(SIZES)
    evidence = np.zeros(len(sizes))
    for day, (score, spent) in enumerate(zip(scores, budget, strict=True)):
        if np.isnan(score):
            continue
        evidence = (evidence + spent) * np.exp(sizes * score - sizes**2 / 2)
        if evidence.mean() >= 1:
            return day
    return None
