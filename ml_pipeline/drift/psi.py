"""Population stability index: how far two distributions are apart, as credit scoring measures it.

Below .1 is read as stable, .1 to .25 as a moderate change, above as a large one. It is an effect size, not a test: two
samples of n and m rows of the same distribution over b bins have an expected index of (b - 1)(1/n + 1/m).

References: E. M. Lewis, An Introduction to Credit Scoring, 1994; B. Yurdakul and J. Naranjo, Statistical properties of
the population stability index, Journal of Risk Model Validation 14(4), 2020.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BINS = 10
EMPTY_BIN_ROWS = 0.5
"""Rows added to every bin: an empty bin would make the index infinite whatever its weight."""


def population_stability_index(reference_counts: Sequence[float], recent_counts: Sequence[float]) -> float:
    """Return the index over bins counted in both samples, in [0, inf); 0 where either sample is empty.

    >>> round(population_stability_index([500, 500], [300, 700]), 3)
    0.169
    """
    if not sum(reference_counts) or not sum(recent_counts):
        return 0.0
    reference = _shares(reference_counts)
    recent = _shares(recent_counts)
    return float(((recent - reference) * np.log(recent / reference)).sum())


def decile_edges(reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inner edges of the reference's deciles, fewer than nine where values are tied.

    Where the smallest value fills a bin alone, what falls below it gets a bin of its own.

    >>> decile_edges(np.array([5.0] * 20)).round(6).tolist()
    [5.0, 5.0]
    """
    inner = np.linspace(0, 1, BINS + 1)[1:-1]
    edges = np.unique(np.quantile(reference, inner, method="inverted_cdf"))
    if edges[0] == reference.min():
        edges = np.concatenate([[np.nextafter(edges[0], -np.inf)], edges])
    return edges


def bin_counts(edges: NDArray[np.float64], values: NDArray[np.float64]) -> list[int]:
    """Count values per bin; a bin holds what lies above its lower edge and up to its upper one."""
    return [int(n) for n in np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)]


def _shares(counts: Sequence[float]) -> NDArray[np.float64]:
    smoothed = np.asarray(counts, dtype=float) + EMPTY_BIN_ROWS
    return np.asarray(smoothed / smoothed.sum())
