from typing import ClassVar

from ml_pipeline.models.triggers.kinds.performance import SURE, drop, lacking
from ml_pipeline.models.triggers.standing import Standing
from ml_pipeline.models.triggers.trigger import Count, Figure, Finding, Hope, State, Trigger

ECE, SLOPE = "ece", "slope"


class Calibration(Trigger, frozen=True, kw_only=True, tag="calibration"):
    """The champion's probabilities are surely wrong on later conversations.

    Either their mean gap (ECE) is ``max_growth`` above the gate's, or the calibration slope, 1 where they are right,
    lies outside ``lowest_slope`` to ``highest_slope``; both with 99.9 %.
    """

    hope: ClassVar[Hope] = Hope.CHANGE

    max_growth: Figure = 0.02
    lowest_slope: Figure = 0.8
    highest_slope: Figure = 1.25
    min_conversations: Count = 200

    def judge(self, standing: Standing) -> Finding:
        if lack := lacking(standing, ECE, self.min_conversations):
            return Finding(State.UNKNOWN, lack)
        assert standing.champion is not None
        assert standing.measured is not None
        figures = standing.measured.figures
        growth, low = drop(standing.champion.figures[ECE], figures[ECE], higher_is_better=False)
        is_off = growth >= self.max_growth and low > 0
        said = [f"ECE of {standing.champion.version} is {figures[ECE].value:.3f}, {growth:+.3f} against its gate"]
        if slope := figures.get(SLOPE):
            least = slope.value - SURE * (slope.value - slope.low)
            most = slope.value + SURE * (slope.high - slope.value)
            is_off = is_off or most < self.lowest_slope or least > self.highest_slope
            said.append(f"calibration slope {slope.value:.2f} [{least:.2f}, {most:.2f}]")
        return Finding(State.FIRED if is_off else State.QUIET, "; ".join(said), evidence={"growth": growth, "low": low})
