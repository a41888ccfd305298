"""Fisher's exact test for the share of conversations in which something holds.

Exact also for a label that is seen three times, where the two-proportion z-test raises false alarms.

Reference: R. A. Fisher, On the interpretation of chi-square from contingency tables, and the calculation of P, Journal
of the Royal Statistical Society 85(1), 1922.
"""

from collections.abc import Sequence

from scipy import stats

from ml_pipeline.drift.comparison import Comparison
from ml_pipeline.drift.psi import population_stability_index


def compare(reference: Sequence[bool], recent: Sequence[bool]) -> Comparison:
    """Compare shares of True, one value per conversation; the effect is the distance of the shares, in [0, 1].

    >>> compare([True] * 20 + [False] * 80, [True] * 50 + [False] * 50).effect
    0.3
    """
    counts_then, counts_now = _counts(reference), _counts(recent)
    share_then, share_now = counts_then[0] / len(reference), counts_now[0] / len(recent)
    result = stats.fisher_exact([counts_then, counts_now])
    return Comparison(
        test="fisher_exact",
        statistic=share_now - share_then,
        p_value=min(float(result.pvalue), 1.0),
        effect=abs(share_now - share_then),
        psi=population_stability_index(counts_then, counts_now),
        evidence={"reference_share": share_then, "recent_share": share_now},
    )


def _counts(values: Sequence[bool]) -> list[int]:
    positives = sum(values)
    return [positives, len(values) - positives]
