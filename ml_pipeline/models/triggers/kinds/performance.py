"""The champion's figures on what it did not learn from, against those of the gate that promoted it.

Two samples, so their intervals are joined. They are looked at every hour for ever, so 99.9 % are asked for; and whoever
passed a gate looked a little better there than it is, so a floor must be reached too.

Reference: G. Y. Zou and A. Donner, Construction of confidence limits about effect measures, Statistics in Medicine 27,
2008.
"""

import math
from typing import ClassVar

from ml_pipeline.models.scores import HIGHER_IS_BETTER
from ml_pipeline.models.triggers.standing import Standing
from ml_pipeline.models.triggers.trigger import Count, Figure, Finding, Hope, State, Trigger
from ml_pipeline.vocabulary.estimate import Estimate

SURE = 3.29 / 1.96
"""How much wider 99.9 % are than the 95 % of a figure."""
PRIMARY = "primary"


class Performance(Trigger, frozen=True, kw_only=True, tag="performance"):
    """``metric``, of the gate's or ``primary``, is surely worse than at the gate, and by ``min_drop`` at least."""

    hope: ClassVar[Hope] = Hope.CHANGE

    metric: str = PRIMARY
    min_drop: Figure
    min_conversations: Count = 200

    def __post_init__(self) -> None:
        if self.metric not in (PRIMARY, *HIGHER_IS_BETTER):
            known = ", ".join((PRIMARY, *HIGHER_IS_BETTER))
            raise ValueError(f"metric = {self.metric!r}: the gate has no such figure; one of {known}")

    def judge(self, standing: Standing) -> Finding:
        metric = standing.task.primary_metric if self.metric == PRIMARY else self.metric
        lack = lacking(standing, metric, self.min_conversations)
        if lack:
            return Finding(State.UNKNOWN, lack)
        assert standing.champion is not None
        assert standing.measured is not None
        then, now = standing.champion.figures[metric], standing.measured.figures[metric]
        value, low = drop(then, now, higher_is_better=HIGHER_IS_BETTER[metric])
        state = State.FIRED if low > 0 and value >= self.min_drop else State.QUIET
        headline = (
            f"{metric} of {standing.champion.version} is {now.value:.3f} on {standing.measured.conversations:,} later"
            f" conversations, {then.value:.3f} at its gate: {value:+.3f} worse, at least {low:+.3f}"
        )
        return Finding(state, headline, evidence={"metric": metric, "drop": value, "low": low, "floor": self.min_drop})


def lacking(standing: Standing, metric: str, min_conversations: int) -> str:
    """Return why the champion's figure cannot be held against its gate's; "" where it can."""
    if standing.champion is None:
        return "nobody serves"
    if metric not in standing.champion.figures:
        return f"the gate of {standing.champion.version} kept no {metric}"
    if standing.measured is None or metric not in standing.measured.figures:
        return f"no closed conversation that {standing.champion.version} answered and did not learn from gives {metric}"
    if standing.measured.conversations < min_conversations:
        return f"{standing.measured.conversations} later conversations are closed, {min_conversations} are needed"
    return ""


def drop(then: Estimate, now: Estimate, *, higher_is_better: bool) -> tuple[float, float]:
    """Return by how much ``now`` is worse, and by how much at least with 99.9 %.

    >>> [round(each, 3) for each in drop(Estimate(0.5, 0.48, 0.52), Estimate(0.4, 0.38, 0.42), higher_is_better=True)]
    [0.1, 0.053]
    """
    if higher_is_better:
        value, reach = then.value - now.value, math.hypot(then.value - then.low, now.high - now.value)
    else:
        value, reach = now.value - then.value, math.hypot(now.value - now.low, then.high - then.value)
    return value, value - SURE * reach
