"""Error budgets, judged by how fast they burn.

An objective of 99 % leaves 1 % of the period's attempts to fail: the budget. A burn rate of 1 uses it up exactly by the
end of the period. An alert needs a long window, which says that it matters, and a short one, which says that it still
goes on.

Reference: B. Beyer et al. (ed.), The Site Reliability Workbook, 2018, chapter 5, "6: Multiwindow, Multi-Burn-Rate
Alerts". Our shortest window is an hour, the grain of the rollups.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from ml_pipeline.alerts.rule import Hours, MetricRule
from ml_pipeline.alerts.sample import Sample
from ml_pipeline.alerts.verdict import State, Verdict
from ml_pipeline.alerts.wording import figure_of, percent, span
from ml_pipeline.metrics.metric import Better
from ml_pipeline.vocabulary.interval import Interval


class Burn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The share ``spent`` of the whole budget within ``long_hours`` is too much, while ``short_hours`` burn as fast."""

    spent: Annotated[float, msgspec.Meta(gt=0, le=1)]
    long_hours: Hours
    short_hours: Hours


@dataclass(frozen=True, slots=True)
class Reading:
    """The samples of one subject, by the length of their window in hours; all end at the same time."""

    subject: str
    window: Interval
    spans: Mapping[int, Sample]
    evidence: Mapping[str, Any]


class Budget(MetricRule, frozen=True, kw_only=True, tag="budget"):
    """The error budget of a share: ``objective`` of it should be good over the window, the period of the budget."""

    objective: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    burns: Annotated[tuple[Burn, ...], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.is_share or self.measured.better is Better.NEITHER:
            raise ValueError(f"metric = {self.metric!r}: a budget is of a share that can be good or bad")

    @property
    def spans(self) -> frozenset[int]:
        """The lengths of all windows that are read, in hours."""
        return frozenset({self.window_hours} | {hours for b in self.burns for hours in (b.long_hours, b.short_hours)})

    def judge(self, reading: Reading) -> Verdict:
        burn = max(self.burns, key=lambda each: self._excess(reading, each))
        states = [self._state(reading, each) for each in self.burns]
        longest = reading.spans.get(burn.long_hours)
        rate = self._bad(longest)[0] / self._allowed if longest else 0.0
        whole = reading.spans[self.window_hours]
        spent = self._bad(whole)[0] / self._allowed
        return Verdict(
            reading.subject,
            _worst(states),
            rate,
            self._rate(burn),
            longest.n if longest else 0,
            f"{figure_of(self, reading.subject)}: the error budget burns {rate:.3g} times as fast as it lasts in the "
            f"{burn.long_hours} hours up to {reading.window.end:%Y-%m-%d %H:%M} UTC; {percent(spent)} of it is used "
            f"{span(reading.window)} (objective {percent(self.objective)}, n = {longest.n if longest else 0:,}).",
            {**reading.evidence, "budget_spent": spent, "long_hours": burn.long_hours, "short_hours": burn.short_hours},
        )

    @property
    def _allowed(self) -> float:
        return 1 - self.objective

    def _rate(self, burn: Burn) -> float:
        return burn.spent * self.window_hours / burn.long_hours

    def _bad(self, sample: Sample) -> tuple[float, float]:
        """Return the share that is bad, and what it is at least."""
        low, high = sample.interval()
        if self.over is None and self.measured.better is Better.HIGHER:
            return 1 - sample.value, 1 - high
        return sample.value, low

    def _excess(self, reading: Reading, burn: Burn) -> float:
        long = reading.spans.get(burn.long_hours)
        return self._bad(long)[0] / self._allowed / self._rate(burn) if long else 0.0

    def _state(self, reading: Reading, burn: Burn) -> State:
        long, short = reading.spans.get(burn.long_hours), reading.spans.get(burn.short_hours)
        if long is None or short is None or long.n < self.min_n:
            return State.UNKNOWN
        limit = self._rate(burn) * self._allowed
        (long_bad, at_least), (short_bad, _) = self._bad(long), self._bad(short)
        if min(long_bad, short_bad) <= limit:
            return State.QUIET
        return State.FIRING if at_least > limit else State.BETWEEN


def _worst(states: list[State]) -> State:
    """Return what any burn says, the worst first; unknown only where none can be judged."""
    return next(state for state in (State.FIRING, State.BETWEEN, State.QUIET, State.UNKNOWN) if state in states)
