"""Counts as columns that a linear model can weigh beside words."""

from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from ml_pipeline.models.scores import Numbers


class ScaledCounts(StandardScaler):  # type: ignore[misc]  # scikit-learn carries no types
    """Standardised logarithms of one plus the counts: the tenth word says more than the hundredth."""

    def partial_fit(self, counts: Any, truth: object = None, sample_weight: object = None) -> "ScaledCounts":
        super().partial_fit(_logs(counts), truth, sample_weight)
        return self

    def transform(self, counts: Any) -> Numbers:
        return np.asarray(super().transform(_logs(counts)))


def _logs(counts: Any) -> Numbers:
    return np.asarray(np.log1p(np.maximum(counts, 0)))
