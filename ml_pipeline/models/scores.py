"""What answers are scored on: rows whose truth is known, and the names of metrics."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
HIGHER_IS_BETTER = {"macro_ap": True, "auc": True, "f1": True, "log_loss": False, "brier": False, "ece": False}
MIN_SCORED_POSITIVES = 5
"""A label with fewer positives in a block is left out of its macro averages: its AP would be one row's luck."""
METRICS = tuple(HIGHER_IS_BETTER)


@dataclass(frozen=True, slots=True)
class Block:
    """Rows whose truth is known; ``clusters`` numbers from 0 what is drawn as one (conversation, customer).

    ``cases``: how much of an example each row is, 1 / rows where one truth holds for a conversation; None: all are one.
    """

    labels: tuple[str, ...]
    truth: Flags
    weights: Numbers
    clusters: NDArray[np.int64]
    cases: Numbers | None = None

    @property
    def cluster_count(self) -> int:
        return int(self.clusters.max()) + 1 if len(self.clusters) else 0

    def take(self, places: NDArray[np.int64]) -> "Block":
        """Return these rows; their clusters are numbered anew."""
        clusters = np.unique(self.clusters[places], return_inverse=True)[1]
        cases = None if self.cases is None else self.cases[places]
        return Block(self.labels, self.truth[places], self.weights[places], clusters, cases)

    def examples(self) -> int:
        """Return how many examples a judgement rests on: those with a label; of a single label, of its rarer class."""
        cases = np.ones(len(self.truth)) if self.cases is None else self.cases
        positives = float(cases[self.truth.any(axis=1)].sum())
        return round(min(positives, float(cases.sum()) - positives) if len(self.labels) == 1 else positives)

    def scored(self) -> list[int]:
        """Return the labels, by position, that enter macro averages."""
        positives = self.truth.sum(axis=0)
        rows = len(self.truth)
        return [
            label
            for label, count in enumerate(positives)
            if MIN_SCORED_POSITIVES <= count <= rows - MIN_SCORED_POSITIVES
        ]
