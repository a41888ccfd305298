from typing import ClassVar

from ml_pipeline.metrics.catalogue import METRICS
from ml_pipeline.metrics.metric import Better
from ml_pipeline.models.triggers.standing import Change, Standing
from ml_pipeline.models.triggers.trigger import Finding, Hope, State, Trigger


class ChangePoint(Trigger, frozen=True, kw_only=True, tag="change_point"):
    """One of ``metrics`` of the champion is at a worse level since some day; see docs/metrics.md on change points."""

    hope: ClassVar[Hope] = Hope.CHANGE

    metrics: tuple[str, ...] = ("log_loss", "brier", "accuracy", "f1")

    def __post_init__(self) -> None:
        for metric in self.metrics:
            if metric not in METRICS or METRICS[metric].better is Better.NEITHER:
                raise ValueError(f"metrics: {metric!r} is no metric that can get worse")

    def judge(self, standing: Standing) -> Finding:
        worse = [change for change in standing.changes if change.metric in self.metrics and _is_worse(change)]
        if not worse:
            return Finding(State.QUIET, "no figure of the champion is known to have changed for the worse")
        newest = max(worse, key=lambda change: change.detected_at)
        headline = f"{newest.metric} is {newest.after:.3g} since {newest.at:%Y-%m-%d}, {newest.before:.3g} before"
        return Finding(State.FIRED, headline, newest.detected_at, {"changes": [change.metric for change in worse]})


def _is_worse(change: Change) -> bool:
    is_higher = change.after > change.before
    return is_higher == (METRICS[change.metric].better is Better.LOWER)
