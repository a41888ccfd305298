from collections.abc import Sequence

import numpy as np

from ml_pipeline.metrics.trends.recursive_residuals import Floats, Values

DELAY = 14
"""Days. What is newer says nothing of how days follow each other, or a change of level would pass for it."""
EXPECTED, WORTH = 0.2, 14
"""The correlation of neighbouring days taken for granted at first, and as how many days it counts."""
MOST = 0.8


def innovations(residuals: Values, follows: Sequence[bool]) -> Floats:
    """Return what is new in each residual beside the one of the day before; nan stays nan.

    ``follows``: whether the day before is the one that stands before. A day passes part of how it was on to the next,
    by the correlation of neighbours seen so far, which is never taken for negative.

    An autoregression of the first order, filtered as in Alwan and Roberts (1988): Time-series modeling for statistical
    process control.

    >>> innovations([1.0, 1.0, 0.0], [False, True, False]).round(2).tolist()
    [1.0, 0.8, 0.0]
    """
    known = np.nan_to_num(np.asarray(residuals, dtype=float))
    before = np.concatenate([[0.0], known[:-1]]) * np.asarray(follows, dtype=float)
    together, alone = _delayed(known * before), _delayed(before**2)
    pairs = _delayed((before != 0).astype(float))
    correlation = np.divide(together, alone, out=np.zeros_like(alone), where=alone > 0)
    passed_on = (pairs * correlation + WORTH * EXPECTED) / (pairs + WORTH)
    new: Floats = np.asarray(residuals) - np.clip(passed_on, 0, MOST) * before
    return new


def _delayed(values: Floats) -> Floats:
    """Return of each day the sum of what came at least ``DELAY`` days before it."""
    return np.concatenate([np.zeros(DELAY), np.cumsum(values)])[: len(values)]
