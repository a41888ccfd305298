"""The quality of the model: what its answers lose against the champion's on the same labelled rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml_pipeline.models.rollouts.confidence import radius
from ml_pipeline.models.rollouts.evidence import Numbers, Scored
from ml_pipeline.models.rollouts.rules import Rules

MIN_CLUSTERS = 200
"""The bound rests on the normal law, which needs so many. Clusters of unequal weight count for fewer (Kish)."""


@dataclass(frozen=True, slots=True)
class QualityFinding:
    """``loss``: the challenger's mean log loss minus the champion's, in nats; None while nothing is labelled."""

    is_harmful: bool
    is_noninferior: bool
    loss: float | None
    clusters: int
    numbers: Mapping[str, Any]


def judge_quality(scored: Scored, rules: Rules) -> QualityFinding:
    """Test the paired loss for harm and for non-inferiority; customers are what is drawn, not rows.

    Rows are weighted by one over the chance that the version acted which did: else the world as the champion makes it
    would count nineteen times at a share of .05, and the challenger be judged by conversations that it did not lead.
    """
    extra, weight = _by_cluster(scored)
    if not weight.sum():
        return QualityFinding(False, False, None, 0, {"clusters": 0})
    weights = np.cumsum(weight)
    loss = np.cumsum(extra) / weights
    worth = weights**2 / np.cumsum(weight**2)
    variance = worth * _squares(extra, weight, loss) / weights**2
    harm_low = np.where(worth >= MIN_CLUSTERS, loss - radius(worth, variance, rules.quality_alpha), -np.inf).max()
    high = float(loss[-1] + radius(worth, variance, rules.false_advance)[-1])
    numbers = {
        "loss": float(loss[-1]),
        "high": high,
        "margin": rules.quality_margin,
        "surely_worse_by": float(max(harm_low, 0)),
        "clusters": len(weight),
        "worth_clusters": float(worth[-1]),
        "rows": len(scored.weight),
        "outcomes_arose_under": "the serving mix, weighted to both versions alike",
    }
    return QualityFinding(
        is_harmful=bool(harm_low > 0),
        is_noninferior=bool(worth[-1] >= MIN_CLUSTERS and high <= rules.quality_margin),
        loss=float(loss[-1]),
        clusters=len(weight),
        numbers=numbers,
    )


def _by_cluster(scored: Scored) -> tuple[Numbers, Numbers]:
    """Return weighted loss and weight of each cluster, in the order in which they were first seen."""
    _, first, of = np.unique(scored.cluster, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))[of]
    count = len(first)
    extra = np.bincount(place, scored.weight * (scored.ours - scored.theirs), count)
    return extra.astype(float), np.bincount(place, scored.weight, count).astype(float)


def _squares(extra: Numbers, weight: Numbers, loss: Numbers) -> Numbers:
    """Return the sum so far of squares of each cluster's loss about the mean loss times its weight."""
    squares = np.cumsum(extra**2) - 2 * loss * np.cumsum(extra * weight) + loss**2 * np.cumsum(weight**2)
    return np.maximum(squares, 0)
