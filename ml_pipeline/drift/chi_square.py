"""Pearson's chi-square test of homogeneity for category shares.

Categories expected fewer than five times in either sample are pooled first (Cochran's rule), by their totals over
both samples, which say nothing about the difference.

References: K. Pearson, On the criterion that a given system of deviations …, Philosophical Magazine 50, 1900;
W. G. Cochran, Some methods for strengthening the common chi-square tests, Biometrics 10(4), 1954.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy import stats

from ml_pipeline.drift.comparison import Comparison
from ml_pipeline.drift.psi import population_stability_index

MIN_EXPECTED = 5.0
REPORTED_CATEGORIES = 20
POOLED = "(rare)"


def compare(reference: Sequence[str], recent: Sequence[str]) -> Comparison:
    """Compare categories, one per conversation; the effect is the PSI over the categories that stayed apart.

    >>> compare(["web"] * 90 + ["api"] * 10, ["web"] * 60 + ["api"] * 40).p_value < 1e-5
    True
    """
    then, now = Counter(reference), Counter(recent)
    table = _pooled(then, now)
    names = sorted(table, key=lambda name: (-sum(table[name]), name))
    counts_then, counts_now = [table[name][0] for name in names], [table[name][1] for name in names]
    statistic, p_value = _test(counts_then, counts_now)
    psi = population_stability_index(counts_then, counts_now)
    shown = names[:REPORTED_CATEGORIES]
    return Comparison(
        test="chi_square",
        statistic=statistic,
        p_value=p_value,
        effect=psi,
        psi=psi,
        evidence={
            "reference_shares": {name: table[name][0] / len(reference) for name in shown},
            "recent_shares": {name: table[name][1] / len(recent) for name in shown},
            "categories": len(names),
        },
    )


def _pooled(then: Counter[str], now: Counter[str]) -> dict[str, tuple[int, int]]:
    smaller_share = min(then.total(), now.total()) / (then.total() + now.total())
    table: dict[str, tuple[int, int]] = {}
    rare = (0, 0)
    for name in then | now:
        pair = (then[name], now[name])
        if sum(pair) * smaller_share < MIN_EXPECTED:
            rare = (rare[0] + pair[0], rare[1] + pair[1])
        else:
            table[name] = pair
    if sum(rare):
        table[POOLED] = rare
    return table


def _test(counts_then: list[int], counts_now: list[int]) -> tuple[float, float]:
    if len(counts_then) < 2:
        return 0.0, 1.0
    result = stats.chi2_contingency(np.array([counts_then, counts_now]), correction=False)
    return float(result.statistic), float(result.pvalue)
