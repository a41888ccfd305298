"""Metrics of answers, resampled by conversation: intervals and paired comparisons come from the same draws."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_pipeline.vocabulary.estimate import Estimate

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Figures = dict[str, Numbers]
"""Metric to its values: the first on the rows as they are, the others one per resample. Means over the labels."""

HIGHER_IS_BETTER = {"macro_ap": True, "auc": True, "f1": True, "log_loss": False, "brier": False, "ece": False}
MIN_SCORED_POSITIVES = 5
"""A label with fewer positives in a block is left out of its macro averages: its AP would be one row's luck."""
RESAMPLES = 2_000
SEED = 20_240_229
_CELLS = 4_000_000  # resamples x rows held at once: 32 MB


METRICS = tuple(HIGHER_IS_BETTER)


@dataclass(frozen=True, slots=True)
class LabelTruth:
    """A block seen by one label."""

    holds: Flags
    weights: Numbers
    clusters: NDArray[np.int64]


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

    def of(self, label: int) -> LabelTruth:
        return LabelTruth(self.truth[:, label], self.weights, self.clusters)

    def scored(self) -> list[int]:
        """Return the labels, by position, that enter macro averages."""
        positives = self.truth.sum(axis=0)
        rows = len(self.truth)
        return [
            label
            for label, count in enumerate(positives)
            if MIN_SCORED_POSITIVES <= count <= rows - MIN_SCORED_POSITIVES
        ]


def draws(clusters: NDArray[np.int64], resamples: int, seed: int) -> Numbers:
    """Return how often each cluster stands in each resample, (resamples + 1) x clusters; the first row is all ones."""
    count = int(clusters.max()) + 1
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)
    return np.vstack([np.ones(count), drawn])


def figures(
    block: Block, probabilities: Numbers, thresholds: Numbers, drawn: Numbers, metrics: Collection[str] = METRICS
) -> Figures:
    """Return ``metrics`` of ``probabilities`` (rows x labels) under every draw; empty if no label can be scored."""
    per_label = [
        _of_label(block.of(label), probabilities[:, label], float(thresholds[label]), drawn, metrics)
        for label in block.scored()
    ]
    return {metric: _mean([found[metric] for found in per_label]) for metric in metrics if per_label}


def _of_label(
    truth: LabelTruth, probability: Numbers, threshold: float, drawn: Numbers, metrics: Collection[str]
) -> Figures:
    found: Figures = {}
    if {"macro_ap", "auc"} & set(metrics):
        found["macro_ap"], found["auc"] = ranking(truth, probability, drawn)
    if "log_loss" in metrics:
        found["log_loss"] = _log_loss(truth, probability, drawn)
    if "brier" in metrics:
        found["brier"] = _row_mean((probability - truth.holds) ** 2, truth, drawn)
    if "ece" in metrics:
        found["ece"] = _expected_calibration_error(truth, probability, drawn)
    if "f1" in metrics:
        found["f1"] = _f1(truth, probability >= threshold, drawn)
    return found


def _mean(columns: list[Numbers]) -> Numbers:
    # A resample without a positive of some label has no AP of it: the mean is over the labels that have one.
    stacked = np.vstack(columns)
    known = ~np.isnan(stacked)
    return np.asarray(np.where(known, stacked, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def ranking(truth: LabelTruth, score: Numbers, drawn: Numbers) -> tuple[Numbers, Numbers]:
    """Return average precision and AUC of one label under every draw; nan where a draw has one class only.

    Equal scores are one step of both curves, as in scikit-learn.
    """
    order = np.argsort(-score, kind="stable")
    hit, cluster, weight = truth.holds[order], truth.clusters[order], truth.weights[order]
    step_ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    # Both curves only rise at steps that hold a positive, so sums are needed at the two sides of those steps alone.
    positives = np.flatnonzero(hit)
    steps, first_positive = np.unique(np.searchsorted(step_ends, positives), return_index=True)
    before, after = np.append(-1, step_ends)[steps], step_ends[steps]
    chunk = max(1, _CELLS // len(score))
    parts = []
    for start in range(0, len(drawn), chunk):
        weights = drawn[start : start + chunk, cluster] * weight
        rise = np.add.reduceat(weights[:, positives], first_positive, axis=1)
        taken = np.cumsum(weights, axis=1)
        parts.append(_ranking_of(rise, np.where(before < 0, 0, taken[:, before]), taken[:, after], taken[:, -1:]))
    return np.concatenate([ap for ap, _ in parts]), np.concatenate([auc for _, auc in parts])


def _ranking_of(rise: Numbers, before: Numbers, after: Numbers, total: Numbers) -> tuple[Numbers, Numbers]:
    """Return AP and AUC from what each step holds of positives, and the weight down to before and after it."""
    found = np.cumsum(rise, axis=1)
    positives = found[:, -1:]
    negatives = total - positives
    false_before, false_after = before - (found - rise), after - found
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(after > 0, found / after, 0)
        average_precision = (rise * precision).sum(axis=1) / positives[:, 0]
        lower = negatives - (false_before + false_after) / 2
        auc = (rise * lower).sum(axis=1) / (positives * negatives)[:, 0]
    return average_precision, auc


def _cluster_sums(values: Numbers, truth: LabelTruth, drawn: Numbers) -> Numbers:
    sums = np.bincount(truth.clusters, weights=values * truth.weights, minlength=drawn.shape[1])
    return sums.astype(np.float64)


def _row_mean(losses: Numbers, truth: LabelTruth, drawn: Numbers) -> Numbers:
    total = drawn @ _cluster_sums(losses, truth, drawn)
    return np.asarray(total / (drawn @ _cluster_sums(np.ones_like(losses), truth, drawn)))


def _log_loss(truth: LabelTruth, probability: Numbers, drawn: Numbers) -> Numbers:
    clipped = np.clip(probability, 1e-15, 1 - 1e-15)
    return _row_mean(-np.log(np.where(truth.holds, clipped, 1 - clipped)), truth, drawn)


def _f1(truth: LabelTruth, predicted: Flags, drawn: Numbers) -> Numbers:
    both = drawn @ _cluster_sums((truth.holds & predicted).astype(np.float64), truth, drawn)
    either = drawn @ _cluster_sums(truth.holds.astype(np.float64) + predicted, truth, drawn)
    return np.asarray(2 * both / np.maximum(either, 1e-12))


def detections(truth: LabelTruth, predicted: Flags, drawn: Numbers) -> Figures:
    """Return precision, recall and f1 of one label under every draw; 0 where nothing is called, or nothing holds."""
    called, held, both = (
        drawn @ _cluster_sums(flags.astype(np.float64), truth, drawn)
        for flags in (predicted, truth.holds, truth.holds & predicted)
    )
    return {
        "precision": both / np.maximum(called, 1e-12),
        "recall": both / np.maximum(held, 1e-12),
        "f1": _f1(truth, predicted, drawn),
    }


def _expected_calibration_error(truth: LabelTruth, probability: Numbers, drawn: Numbers) -> Numbers:
    # Ten bins of equal size by probability; the gap of a bin is |mean probability - share of positives|.
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, 11)[1:-1]))
    bins = np.searchsorted(edges, probability, side="right")
    total = drawn @ _cluster_sums(np.ones_like(probability), truth, drawn)
    gap = np.zeros(len(drawn))
    for one in range(len(edges) + 1):
        gap += np.abs(drawn @ _cluster_sums((bins == one) * (probability - truth.holds), truth, drawn))
    return np.asarray(gap / total)


def estimate(values: Numbers) -> Estimate:
    """Return the first of ``values`` with the 95 % percentile interval of the others."""
    low, high = np.percentile(values[1:], [2.5, 97.5])
    value = float(values[0])
    # Resampling adds calibration error, so its interval may lie above a small one: it is widened to hold the value.
    return Estimate(value, min(float(low), value), max(float(high), value))


def improvement(metric: str, ours: Numbers, theirs: Numbers) -> Numbers:
    """Return by how much ``ours`` is better than ``theirs``, draw by draw; positive is better whatever the metric."""
    return ours - theirs if HIGHER_IS_BETTER[metric] else theirs - ours
