"""Which changes of the delay are findings: significant within a week's level, and large enough to matter."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml_pipeline.metrics.maturity.cohorts import POOLED
from ml_pipeline.metrics.maturity.delay_change import FACTORS, DelayChange, RecentSales, compare_delays
from ml_pipeline.metrics.maturity.delay_curve import DelayCurve
from ml_pipeline.metrics.maturity.rates import MIN_DAYS, MIN_SALES
from ml_pipeline.vocabulary.verdicts import Severity

LEVEL = 0.01
"""Chance of any false alarm per look, over all slices together. Looks are a week apart."""
WARNING, CRITICAL = 1.2, 1.5
"""Factors of the delay, or one over them, from which a change matters."""


@dataclass(frozen=True, slots=True)
class DelayFinding:
    """``change`` is None where there were too few sales, ``severity`` where it is no finding."""

    slice_name: str
    change: DelayChange | None
    severity: Severity | None
    headline: str


def judge_delays(recent: Mapping[str, RecentSales], curves: Mapping[str, DelayCurve]) -> list[DelayFinding]:
    """Compare the recent sales of every slice that has a curve of its own; of all conversations in any case."""
    names = [POOLED, *sorted(curves.keys() - {POOLED})]
    changes = {name: _compare(recent.get(name), curves.get(name)) for name in names}
    level = LEVEL / max(1, sum(change is not None for change in changes.values()))
    return [_finding(name, change, level) for name, change in changes.items()]


def _compare(recent: RecentSales | None, curve: DelayCurve | None) -> DelayChange | None:
    if recent is None or curve is None or len(recent.day) < MIN_SALES or len(np.unique(recent.day)) < MIN_DAYS:
        return None
    return compare_delays(recent, curve.known, curve.resampled)


def _finding(name: str, change: DelayChange | None, level: float) -> DelayFinding:
    where = f" on {name}" if name else ""
    if change is None:
        return DelayFinding(name, None, None, f"Not enough data on the delay of sales{where}.")
    size = max(change.factor, 1 / change.factor)
    if change.p_value > level or size < WARNING:
        return DelayFinding(name, change, None, f"No change that matters in the delay of sales{where}.")
    severity = Severity.CRITICAL if size >= CRITICAL else Severity.WARNING
    return DelayFinding(name, change, severity, _headline(change.factor, where))


def _headline(factor: float, where: str) -> str:
    bound = " at least" if factor >= FACTORS[-1] else " at most" if factor <= FACTORS[0] else ""
    wrong = "low" if factor > 1 else "high"
    return (
        f"Delay changed: sales{where} take{bound} {factor:.1f} times as long to become known as in the reference; "
        f"corrected rates are too {wrong} until it has caught up."
    )
