from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from ml_pipeline.alerts.kinds.threshold import check_clear_bound, check_share
from ml_pipeline.alerts.rule import Rule
from ml_pipeline.alerts.sample import Sample
from ml_pipeline.alerts.verdict import State, Verdict, place
from ml_pipeline.alerts.wording import percent, span
from ml_pipeline.vocabulary.interval import Interval

Measure = Literal[
    "held_hours",
    "held_share",
    "pending_hours",
    "rollup_lag_hours",
    "ingest_lag_hours",
    "spooled_records",
    "lost_records",
    "rejected_share",
    "unprojectable_share",
    "fallback_share",
    "refused_artifacts",
    "moved_aliases",
]

WORDS: Mapping[Measure, str] = {
    "held_hours": "hours since the quality gate held the hour that is held longest",
    "held_share": "of the hours with facts are held by the quality gate",
    "pending_hours": "hours since the oldest change that the quality gate has not judged",
    "rollup_lag_hours": "hours since the oldest change of a trusted hour that is not rolled up",
    "ingest_lag_hours": "hours since the oldest batch of the log that is not projected to facts",
    "spooled_records": "records wait in spools for the log",
    "lost_records": "records lost (dropped by a full spool, damaged, or taken by a power cut)",
    "rejected_share": "of the records that came were rejected",
    "unprojectable_share": "of the events that should be facts cannot be",
    "fallback_share": "of the agent's answers are fallbacks",
    "refused_artifacts": "times in a day a model file, evidence or a bundle was refused",
    "moved_aliases": "times in a day somebody moved an alias in MLflow",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A measure of the data on their way. ``n``: of what a share is a share; None where it is a plain figure."""

    subject: str
    window: Interval
    value: float
    n: int | None
    evidence: Mapping[str, Any]


class Quality(Rule, frozen=True, kw_only=True, tag="quality"):
    """A measure of the data on their way from the spool to the rollups, above a bound.

    ``measure``: by the statement ``measure_<measure>`` in sql/queries/alerts.sql. Those named ``…_share`` are shares of
    the window; they need ``min_n``, and their 99.9 % interval must lie above the bound. The others tell how it stands
    at the moment.
    """

    measure: Measure
    bound: Annotated[float, msgspec.Meta(ge=0, lt=1e15)]
    clear_bound: Annotated[float, msgspec.Meta(ge=0, lt=1e15)] | None = None
    min_n: Annotated[int, msgspec.Meta(ge=1)] = 200

    def __post_init__(self) -> None:
        if self.is_share:
            check_share(self.measure, self.bound)
        check_clear_bound("above", self.bound, self.clear_bound)

    @property
    def is_share(self) -> bool:
        return self.measure.endswith("_share")

    def judge(self, reading: Reading) -> Verdict:
        clear = self.bound if self.clear_bound is None else self.clear_bound
        state = place(reading.value, _interval(reading), direction="above", bound=self.bound, clear=clear)
        return Verdict(
            reading.subject,
            State.UNKNOWN if reading.n is not None and reading.n < self.min_n else state,
            reading.value,
            self.bound,
            reading.n or 0,
            self._headline(reading),
            reading.evidence,
        )

    def _headline(self, reading: Reading) -> str:
        whose = f" ({reading.subject})" if reading.subject else ""
        if reading.n is None:
            return f"{reading.value:,.4g} {WORDS[self.measure]}{whose}, more than {self.bound:,g}."
        return (
            f"{percent(reading.value)} {WORDS[self.measure]}{whose} {span(reading.window)}, "
            f"above {percent(self.bound)} (n = {reading.n:,})."
        )


def _interval(reading: Reading) -> tuple[float, float]:
    if not reading.n:
        return reading.value, reading.value
    return Sample(reading.value, reading.n, hours=1, is_share=True).interval()
