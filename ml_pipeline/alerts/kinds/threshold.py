from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ml_pipeline.alerts.rule import Figure, MetricRule
from ml_pipeline.alerts.sample import Sample
from ml_pipeline.alerts.verdict import Direction, State, Verdict, place
from ml_pipeline.alerts.wording import amount, figure_of, span
from ml_pipeline.metrics.metric import Unit
from ml_pipeline.vocabulary.interval import Interval


@dataclass(frozen=True, slots=True)
class Reading:
    """The merged hours of one subject."""

    subject: str
    window: Interval
    sample: Sample
    evidence: Mapping[str, Any]


class Threshold(MetricRule, frozen=True, kw_only=True, tag="threshold"):
    """A metric over the window against a bound: its 99.9 % interval must lie beyond.

    ``clear_bound``: where the figure must be again; the bound itself by default.
    """

    direction: Direction
    bound: Figure
    clear_bound: Figure | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.is_share:
            check_share(self.metric, self.bound)
        check_clear_bound(self.direction, self.bound, self.clear_bound)

    def judge(self, reading: Reading) -> Verdict:
        sample, unit = reading.sample, Unit.SHARE if self.is_share else self.measured.unit
        low, high = sample.interval()
        clear = self.bound if self.clear_bound is None else self.clear_bound
        state = place(sample.value, (low, high), direction=self.direction, bound=self.bound, clear=clear)
        return Verdict(
            reading.subject,
            state if sample.n >= self.min_n else State.UNKNOWN,
            sample.value,
            self.bound,
            sample.n,
            f"{figure_of(self, reading.subject)} is {amount(sample.value, unit)} {span(reading.window)}, "
            f"{self.direction} {amount(self.bound, unit)} (n = {sample.n:,}).",
            {**reading.evidence, "low": low, "high": high},
        )


def check_share(of: str, bound: float) -> None:
    """Refuse a bound that no share reaches: 5 for 5 %.

    Raises:
        ValueError: if it is not from 0 to 1.
    """
    if not 0 <= bound <= 1:
        raise ValueError(f"bound = {bound}: {of} is a share, from 0 to 1")


def check_clear_bound(direction: Direction, bound: float, clear_bound: float | None) -> None:
    """Refuse a clear bound on the wrong side.

    Raises:
        ValueError: if what is clear would be beyond the bound.
    """
    if clear_bound is not None and (clear_bound > bound if direction == "above" else clear_bound < bound):
        raise ValueError(f"clear_bound = {clear_bound}: lies beyond bound = {bound}; an alert would never resolve")
