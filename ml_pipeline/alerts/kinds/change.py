from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from ml_pipeline.alerts.kinds.threshold import check_clear_bound, check_share
from ml_pipeline.alerts.rule import MetricRule
from ml_pipeline.alerts.sample import Sample, difference
from ml_pipeline.alerts.verdict import Direction, State, Verdict, place
from ml_pipeline.alerts.wording import amount, figure_of, percent, span
from ml_pipeline.metrics.metric import Unit
from ml_pipeline.vocabulary.interval import Interval

MATURED_HOURS = 168
"""The window of which there are matured rates."""

Effect = Annotated[float, msgspec.Meta(gt=0, lt=1e15)]


@dataclass(frozen=True, slots=True)
class Reading:
    """The window of one subject, and the same hours of the weeks before, merged."""

    subject: str
    window: Interval
    recent: Sample
    usual: Sample
    evidence: Mapping[str, Any]


class Change(MetricRule, frozen=True, kw_only=True, tag="change"):
    """A metric over the window against the same hours of the ``weeks`` before.

    ``bound``, above 0, is the smallest change that matters: the 99.9 % interval of the change must lie beyond it.
    ``is_relative``: the change is a share of the usual value, else it is in the metric's own unit. ``is_matured``: of
    the conversion rate alone, as it will be once the sales still to come are known (``matured_rates``), for as it is
    known now it drops in every young window.
    """

    direction: Direction
    bound: Effect
    clear_bound: Effect | None = None
    weeks: Annotated[int, msgspec.Meta(ge=1, le=8)] = 4
    is_relative: bool = False
    is_matured: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.is_matured and (self.metric, self.window_hours) != ("conversion_rate", MATURED_HOURS):
            raise ValueError(
                f"is_matured = true: there are matured rates of metric = 'conversion_rate' with window_hours = "
                f"{MATURED_HOURS}, not of {self.metric!r} with {self.window_hours}"
            )
        if self.is_share and not self.is_relative:
            check_share(self.metric, self.bound)
        check_clear_bound("above", self.bound, self.clear_bound)

    def judge(self, reading: Reading) -> Verdict:
        sign = 1 if self.direction == "above" else -1
        scale = abs(reading.usual.value) or 1.0 if self.is_relative else 1.0
        change = (reading.recent.value - reading.usual.value) / scale
        low, high = (bound / scale for bound in difference(reading.recent, reading.usual))
        clear = self.bound if self.clear_bound is None else self.clear_bound
        n = min(reading.recent.n, reading.usual.n)
        state = place(change, (low, high), direction=self.direction, bound=sign * self.bound, clear=sign * clear)
        return Verdict(
            reading.subject,
            state if n >= self.min_n else State.UNKNOWN,
            change,
            sign * self.bound,
            n,
            self._headline(reading, change),
            {**reading.evidence, "low": low, "high": high, "recent": reading.recent.value,
             "usual": reading.usual.value, "usual_n": reading.usual.n},
        )  # fmt: skip

    def _headline(self, reading: Reading, change: float) -> str:
        unit = Unit.SHARE if self.is_share else self.measured.unit
        recent, usual = amount(reading.recent.value, unit), amount(reading.usual.value, unit)
        relative = f", {percent(abs(change))} {'more' if change > 0 else 'less'}" if self.is_relative else ""
        return (
            f"{figure_of(self, reading.subject)} is {recent} {span(reading.window)}, {usual} in the same hours of the "
            f"{self.weeks} weeks before{relative} (n = {reading.recent.n:,} and {reading.usual.n:,})."
        )
