"""Mann-Whitney U test, one-sided, for losses that have grown.

A test on ranks keeps its level on losses, whose few large values break a test on means.

Reference: H. B. Mann and D. R. Whitney, On a test of whether one of two random variables is stochastically larger than
the other, Annals of Mathematical Statistics 18(1), 1947.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from ml_pipeline.drift.comparison import Comparison
from ml_pipeline.drift.psi import bin_counts, decile_edges, population_stability_index

SMALLEST_LOSS = 1e-6
"""A reference without any loss has no share to grow by."""


def compare(reference: Sequence[float], recent: Sequence[float]) -> Comparison:
    """Compare losses, one per conversation, each >= 0; the effect is by which share their mean grew, -.1 for 10 % less.

    >>> round(compare([0.5, 0.6, 0.7] * 40, [0.55, 0.66, 0.77] * 40).effect, 3)
    0.1
    """
    then = np.asarray(reference, dtype=float)
    now = np.asarray(recent, dtype=float)
    result = stats.mannwhitneyu(now, then, alternative="greater", method="asymptotic")
    edges = decile_edges(then)
    return Comparison(
        test="mann_whitney",
        statistic=float(result.statistic),
        p_value=float(np.nan_to_num(result.pvalue, nan=1.0)),
        effect=float(now.mean() / max(then.mean(), SMALLEST_LOSS)) - 1,
        psi=population_stability_index(bin_counts(edges, then), bin_counts(edges, now)),
        evidence={"reference_mean": float(then.mean()), "recent_mean": float(now.mean())},
    )
