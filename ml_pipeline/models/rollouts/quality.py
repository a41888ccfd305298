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


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """After each cluster: the loss so far, from what and up to what it surely is, each at its own error."""

    loss: Numbers
    low: Numbers
    high: Numbers
    worth: Numbers

    @property
    def is_harmful(self) -> bool:
        return bool((self.low > 0).any())


def judge_quality(scored: Scored, rules: Rules) -> QualityFinding:
    """Test the paired loss for harm and for non-inferiority; customers are what is drawn, not rows.

    Rows are weighted by one over the chance that the version acted which did: else the world as the champion makes it
    would count nineteen times at a share of .05, and the challenger be judged by conversations that it did not lead.
    """
    bounds = bounds_of(scored, rules)
    if not bounds.loss.size:
        return QualityFinding(False, False, None, 0, {"clusters": 0})
    loss, high, worth = (float(values[-1]) for values in (bounds.loss, bounds.high, bounds.worth))
    numbers = {
        "loss": loss,
        "high": high if np.isfinite(high) else None,
        "margin": rules.quality_margin,
        "surely_worse_by": float(max(bounds.low.max(), 0)),
        "clusters": len(bounds.loss),
        "worth_clusters": worth,
        "rows": len(scored.weight),
    }
    return QualityFinding(bounds.is_harmful, high <= rules.quality_margin, loss, len(bounds.loss), numbers)


def bounds_of(scored: Scored, rules: Rules) -> Bounds:
    """Return the bounds after each cluster; infinite while clusters are few, empty without weight."""
    extra, weight = _by_cluster(scored)
    weights = np.cumsum(weight)
    loss = np.cumsum(extra) / weights
    worth = weights**2 / np.cumsum(weight**2)
    variance = worth * _squares(extra, weight, loss) / weights**2
    is_enough = worth >= MIN_CLUSTERS
    return Bounds(
        loss,
        np.where(is_enough, loss - radius(worth, variance, rules.quality_alpha), -np.inf),
        np.where(is_enough, loss + radius(worth, variance, rules.false_advance), np.inf),
        worth,
    )


def _by_cluster(scored: Scored) -> tuple[Numbers, Numbers]:
    """Return weighted loss and weight of each cluster, in the order in which they were first seen."""
    heard = scored.weight > 0
    _, first, of = np.unique(scored.cluster[heard], return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))[of]
    count = len(first)
    weight, extra = scored.weight[heard], (scored.ours - scored.theirs)[heard]
    return np.bincount(place, weight * extra, count).astype(float), np.bincount(place, weight, count).astype(float)


def _squares(extra: Numbers, weight: Numbers, loss: Numbers) -> Numbers:
    """Return the sum so far of squares of each cluster's loss about the mean loss times its weight."""
    squares = np.cumsum(extra**2) - 2 * loss * np.cumsum(extra * weight) + loss**2 * np.cumsum(weight**2)
    return np.maximum(squares, 0)
