"""Metrics of answers, each with what every customer adds to it: intervals and paired comparisons come of that.

A metric is a smooth function of how much each cluster (a conversation, a customer) counts. Its derivative by that count
is the cluster's pull; the sum of squared pulls is the variance of the metric under drawing other clusters (the
infinitesimal jackknife: Efron, 1982, The jackknife, the bootstrap and other resampling plans, chapter 6). For means it
is the cluster-robust variance. For AUC it is Obuchowski's of clustered curves (1997, Biometrics 53), which with one row
a cluster is that of DeLong, DeLong and Clarke-Pearson (1988, Biometrics 44).
"""

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from ml_pipeline.models.scores import HIGHER_IS_BETTER, METRICS, Block, Flags, Numbers
from ml_pipeline.vocabulary.estimate import Estimate

CALIBRATION_BINS = 10


@dataclass(frozen=True, slots=True)
class Score:
    """A figure on a block. ``pulls``: per cluster, what the figure gains as it counts once more; they add up to 0."""

    value: float
    pulls: Numbers

    def __sub__(self, other: "Score") -> "Score":
        """Return the difference on the same block, paired: what moves both cancels."""
        return Score(self.value - other.value, self.pulls - other.pulls)

    @property
    def error(self) -> float:
        """Standard error of the figure under drawing other clusters."""
        clusters = len(self.pulls)
        return math.sqrt(clusters / (clusters - 1) * float(self.pulls @ self.pulls)) if clusters > 1 else math.inf

    @property
    def freedom(self) -> float:
        """Degrees of freedom of ``error``, by Satterthwaite: few where few clusters make up most of it."""
        squares = self.pulls**2
        total, clusters = float(squares.sum()), len(self.pulls)
        if total == 0 or clusters < 2:
            return 1.0
        excess = clusters * float(squares @ squares) / total**2 - 1
        return float(min(clusters - 1, 2 * clusters / excess)) if excess > 0 else float(clusters - 1)

    def at_least(self, alpha: float) -> float:
        """Return the one-sided lower bound with error ``alpha``."""
        return self.value - self._reach(alpha)

    def at_most(self, alpha: float) -> float:
        """Return the one-sided upper bound with error ``alpha``."""
        return self.value + self._reach(alpha)

    def chance_below(self) -> float:
        """Return the one-sided p-value of "not below 0": small where the figure is surely negative."""
        error = self.error
        if error == 0:
            return 0.0 if self.value < 0 else 1.0
        return float(stdtr(self.freedom, self.value / error))

    def estimate(self) -> Estimate:
        """Return the figure with its 95 % interval."""
        reach = self._reach(0.025)
        return Estimate(self.value, self.value - reach, self.value + reach)

    def _reach(self, alpha: float) -> float:
        error = self.error
        return float(stdtrit(self.freedom, 1 - alpha)) * error if error else 0.0


Figures = dict[str, Score]
"""Metric to its score, a mean over the labels."""


@dataclass(frozen=True, slots=True)
class _Label:
    """A block seen by one label."""

    holds: Flags
    weights: Numbers
    clusters: NDArray[np.int64]
    cluster_count: int

    def score(self, value: float, row_pulls: Numbers) -> Score:
        """Return the score of ``value``; ``row_pulls``: what it gains per unit of weight of each row."""
        pulls = np.bincount(self.clusters, self.weights * row_pulls, self.cluster_count)
        return Score(value, pulls.astype(np.float64))


def seen_by(block: Block, label: int) -> _Label:
    """Return the block as ``label``, by its position, sees it."""
    return _Label(block.truth[:, label], block.weights, block.clusters, block.cluster_count)


def figures(block: Block, probabilities: Numbers, thresholds: Numbers, metrics: Collection[str] = METRICS) -> Figures:
    """Return ``metrics`` of ``probabilities`` (rows x labels); empty if no label can be scored."""
    per_label = [
        {
            metric: _METRIC[metric](seen_by(block, label), probabilities[:, label], thresholds[label])
            for metric in metrics
        }
        for label in block.scored()
    ]
    return {metric: mean(found[metric] for found in per_label) for metric in metrics if per_label}


def mean(scores: Iterable[Score]) -> Score:
    """Return the mean of figures on one block."""
    found = list(scores)
    return Score(float(np.mean([score.value for score in found])), np.mean([score.pulls for score in found], axis=0))


def improvement(metric: str, ours: Score, theirs: Score) -> Score:
    """Return by how much ``ours`` is better than ``theirs``; positive is better whatever the metric."""
    return ours - theirs if HIGHER_IS_BETTER[metric] else theirs - ours


def row_mean(truth: _Label, values: Numbers) -> Score:
    """Return the weighted mean of a value per row."""
    total = float(truth.weights.sum())
    found = float(truth.weights @ values) / total
    return truth.score(found, (values - found) / total)


def log_loss(truth: _Label, probability: Numbers) -> Score:
    """Return the mean negative log likelihood, in nats."""
    clipped = np.clip(probability, 1e-15, 1 - 1e-15)
    return row_mean(truth, -np.log(np.where(truth.holds, clipped, 1 - clipped)))


def brier(truth: _Label, probability: Numbers) -> Score:
    return row_mean(truth, (probability - truth.holds) ** 2)


def auc(truth: _Label, score: Numbers) -> Score:
    """Return the area under the ROC curve with weights, by midranks in one sort (Sun and Xu, 2014).

    Equal scores count half, as in scikit-learn.
    """
    _, rank = np.unique(score, return_inverse=True)
    found = np.bincount(rank, truth.weights * truth.holds)
    false = np.bincount(rank, truth.weights * ~truth.holds)
    below, above = np.cumsum(false) - false / 2, found.sum() - np.cumsum(found) + found / 2
    placed = np.where(truth.holds, below[rank] / false.sum(), above[rank] / found.sum())
    value = float(found @ below / (found.sum() * false.sum()))
    return truth.score(value, (placed - value) / np.where(truth.holds, found.sum(), false.sum()))


def average_precision(truth: _Label, score: Numbers) -> Score:
    """Return the mean precision at the rank of each positive; equal scores are one step, as in scikit-learn."""
    _, step = np.unique(-score, return_inverse=True)
    found = np.bincount(step, truth.weights * truth.holds)
    called = np.cumsum(np.bincount(step, truth.weights))
    precision = np.cumsum(found) / called
    positives = float(found.sum())
    value = float(found @ precision) / positives
    # A row counts at its own step and changes the precision at every later one.
    later_share = _sum_from(found / called)[step]
    later_precision = _sum_from(found * precision / called)[step]
    at_own = np.where(truth.holds, precision[step] + later_share - value, 0.0)
    return truth.score(value, (at_own - later_precision) / positives)


def _sum_from(values: Numbers) -> Numbers:
    return np.asarray(np.cumsum(values[::-1])[::-1])


def detections(truth: _Label, called: Flags) -> Figures:
    """Return precision, recall and f1 of one label; 0 where nothing is called, or nothing holds."""
    holds, both = truth.holds.astype(np.float64), (truth.holds & called).astype(np.float64)
    return {
        "precision": _ratio(truth, both, called.astype(np.float64)),
        "recall": _ratio(truth, both, holds),
        "f1": _ratio(truth, 2 * both, holds + called),
    }


def _ratio(truth: _Label, part: Numbers, whole: Numbers) -> Score:
    total = float(truth.weights @ whole)
    value = float(truth.weights @ part) / total if total else 0.0
    return truth.score(value, (part - value * whole) / total if total else np.zeros(len(part)))


def calibration_error(truth: _Label, probability: Numbers) -> Score:
    """Return the mean gap between probability and share of positives over ten bins of equal size by probability."""
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, probability, side="right")
    gap = probability - truth.holds
    side = np.sign(np.bincount(bins, truth.weights * gap))[bins]
    return row_mean(truth, side * gap)


_METRIC: dict[str, Callable[[_Label, Numbers, float], Score]] = {
    "macro_ap": lambda truth, probability, threshold: average_precision(truth, probability),
    "auc": lambda truth, probability, threshold: auc(truth, probability),
    "f1": lambda truth, probability, threshold: detections(truth, probability >= threshold)["f1"],
    "log_loss": lambda truth, probability, threshold: log_loss(truth, probability),
    "brier": lambda truth, probability, threshold: brier(truth, probability),
    "ece": lambda truth, probability, threshold: calibration_error(truth, probability),
}
