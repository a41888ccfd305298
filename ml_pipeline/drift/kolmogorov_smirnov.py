"""Two-sample Kolmogorov-Smirnov test for the distribution of numbers.

Ties, as in counts, make it conservative, never liberal.

References: N. Smirnov, Table for estimating the goodness of fit of empirical distributions, Annals of Mathematical
Statistics 19(2), 1948; G. E. Noether, Note on the Kolmogorov statistic in the discrete case, Metrika 7, 1963.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from ml_pipeline.drift.comparison import Comparison
from ml_pipeline.drift.psi import bin_counts, decile_edges, population_stability_index


def compare(reference: Sequence[float], recent: Sequence[float]) -> Comparison:
    """Compare numbers, one per conversation; the effect is the PSI over the reference's deciles.

    >>> compare([1.0, 2.0, 3.0, 4.0] * 50, [1.0, 2.0, 3.0, 4.0] * 50).p_value
    1.0
    """
    then = np.asarray(reference, dtype=float)
    now = np.asarray(recent, dtype=float)
    result = stats.ks_2samp(then, now, method="asymp")
    edges = decile_edges(then)
    counts_then, counts_now = bin_counts(edges, then), bin_counts(edges, now)
    psi = population_stability_index(counts_then, counts_now)
    return Comparison(
        test="kolmogorov_smirnov",
        statistic=float(result.statistic),
        p_value=float(result.pvalue),
        effect=psi,
        psi=psi,
        evidence={
            "reference_mean": float(then.mean()),
            "recent_mean": float(now.mean()),
            "edges": edges.tolist(),
            "reference_counts": counts_then,
            "recent_counts": counts_now,
        },
    )
