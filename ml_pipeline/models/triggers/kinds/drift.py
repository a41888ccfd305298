from typing import ClassVar

from ml_pipeline.models.triggers.standing import Standing
from ml_pipeline.models.triggers.trigger import Figure, Finding, Hope, State, Trigger


class DriftFound(Trigger, frozen=True, kw_only=True, tag="drift"):
    """A drift finding that by estimate costs ``min_impact`` nats a label; how: docs/retraining.md."""

    hope: ClassVar[Hope] = Hope.CHANGE

    min_impact: Figure

    def judge(self, standing: Standing) -> Finding:
        costly = [each for each in standing.drifts if each.impact is not None and each.impact >= self.min_impact]
        if not costly:
            return Finding(
                State.QUIET, f"{len(standing.drifts)} drift findings, none that costs {self.min_impact:g} nats"
            )
        worst = max(costly, key=lambda each: each.impact or 0.0)
        headline = f"{worst.headline} Estimated cost: {worst.impact:.3f} nats a label, {worst.because}"
        return Finding(State.FIRED, headline, worst.window_end, {"subjects": [each.subject for each in costly]})
