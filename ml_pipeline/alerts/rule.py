"""What every rule holds. Each kind adds its own fields (``ml_pipeline/alerts/kinds``)."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec

from ml_pipeline.metrics.catalogue import METRICS
from ml_pipeline.metrics.metric import Mean, Metric, Unit
from ml_pipeline.vocabulary.interval import Interval

AlertSeverity = Literal["info", "warning", "critical"]

Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,59}$")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Hours = Annotated[int, msgspec.Meta(ge=1, le=24 * 35)]
Times = Annotated[int, msgspec.Meta(ge=1, le=168)]
# Bounded, so that neither nan nor inf passes: with either, a rule would be silent for ever.
Figure = Annotated[float, msgspec.Meta(gt=-1e15, lt=1e15)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """One rule. It is judged once for each hour; what is read ends ``delay_hours`` ago, when late data have come.

    An alert opens after ``fire_after`` hours in a row surely beyond the bound, and resolves after ``clear_after`` quiet
    ones.
    """

    name: Name
    description: Text
    severity: AlertSeverity
    owner: Text
    runbook: Text
    window_hours: Hours
    delay_hours: Annotated[int, msgspec.Meta(ge=0, le=24 * 35)] = 0
    fire_after: Times = 1
    clear_after: Times = 2
    disabled: bool = False

    def window(self, now: datetime) -> Interval:
        """Return the whole hours that are read at ``now``.

        >>> from ml_pipeline.alerts.kinds.quality import Quality
        >>> rule = Quality(name="held", description="…", severity="info", owner="…", runbook="…", measure="held_hours",
        ...                bound=1, window_hours=3, delay_hours=2)
        >>> rule.window(datetime(2026, 3, 1, 12, 40, tzinfo=UTC)).start.hour
        7
        """
        end = (now.astimezone(UTC) - timedelta(hours=self.delay_hours)).replace(minute=0, second=0, microsecond=0)
        return last_hours(end, self.window_hours)


def last_hours(end: datetime, hours: int) -> Interval:
    return Interval(end - timedelta(hours=hours), end)


class MetricRule(Rule, frozen=True, kw_only=True):
    """A rule on rollups. Selectors pick subjects, ``*`` stands for anything; each subject is judged by itself.

    ``over``: instead of the metric's mean, the share of its values of at least so much, from its histogram. That the
    share over 200 ms is above .05 says that the 95th percentile is above 200 ms.
    """

    metric: str
    task: str = "*"
    mode: str = "*"
    version: str = "*"
    slice: str = ""
    over: Annotated[float, msgspec.Meta(gt=0)] | None = None
    min_n: Annotated[int, msgspec.Meta(ge=1)] = 200

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"metric = {self.metric!r}: no such metric; one of {', '.join(sorted(METRICS))}")
        if self.measured.merge != Mean():
            raise ValueError(
                f"metric = {self.metric!r}: its hours do not merge as a mean; for a percentile take the metric whose "
                "rows hold the histogram, with over = the bound and bound = the share that may lie beyond"
            )

    @property
    def measured(self) -> Metric:
        return METRICS[self.metric]

    @property
    def is_share(self) -> bool:
        return self.over is not None or self.measured.unit is Unit.SHARE
