import numpy as np
from scipy.stats import norm, t

from ml_pipeline.metrics.trends.recursive_residuals import Floats, Values

SURE = 3.0
"""No single day counts for more standard deviations than this, however far out it lies."""


def self_starting_scores(residuals: Values, size: float) -> Floats:
    """Return residuals as standard normal scores, each in the spread of those before it; nan stays nan.

    Independent normal residuals of any variance become independent standard normal scores, cut off at ``SURE``: no
    period of learning is needed. Residuals below a billionth of ``size``, the values' own size, are rounding: 0.

    Quesenberry (1991): SPC Q charts for start-up processes and short or long runs.

    >>> self_starting_scores([1.0, -1.0, 0.5, 30.0], size=1).round(2).tolist()
    [nan, -0.67, 0.43, 3.0]
    """
    scores = np.full(len(residuals), np.nan)
    known = np.flatnonzero(~np.isnan(residuals))
    told = np.asarray(residuals)[known]
    told = np.where(np.abs(told) > 1e-9 * size, told, 0.0)
    spread = np.sqrt(np.cumsum(told**2)[:-1] / np.arange(1, len(told)))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(np.abs(told[1:]) / spread, posinf=np.inf)  # nothing over nothing is no surprise
    tail = t.sf(ratio, np.arange(1, len(told)))
    scores[known[1:]] = np.copysign(np.minimum(norm.isf(tail), SURE), told[1:])
    return scores
