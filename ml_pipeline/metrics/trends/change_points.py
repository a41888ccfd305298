from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, pairwise

import numpy as np

from ml_pipeline.metrics.metric import Unit
from ml_pipeline.metrics.trends.innovations import innovations
from ml_pipeline.metrics.trends.recursive_residuals import recursive_residuals
from ml_pipeline.metrics.trends.scale import even_scale
from ml_pipeline.metrics.trends.self_starting import self_starting_scores
from ml_pipeline.metrics.trends.series import DAY, WEEK, Day, Series
from ml_pipeline.metrics.trends.shiryaev_roberts import first_alarm
from ml_pipeline.metrics.trends.step_fit import step_day

FALSE_ALARMS_PER_DAY = 0.5 / (26 * 7)
"""What a family may cost: half a false change point is expected in 26 weeks at most, so that two are rare."""


@dataclass(frozen=True, slots=True)
class Change:
    """Since ``at`` a series is at another level; ``detected_at`` is the end of the day that proved it."""

    at: datetime
    detected_at: datetime


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A change, and the means around it. ``before`` is that of four weeks, weighted as the weekdays of ``after``.

    ``deviations``: by how many standard deviations the days since lie above what was expected of them, on average.
    """

    change: Change
    before: float
    after: float
    deviations: float


def find_change_points(
    family: Mapping[Series, Sequence[Day]], units: Mapping[str, Unit], known: Mapping[Series, Sequence[Change]]
) -> dict[Series, list[ChangePoint]]:
    """Return the change points of a metric family that are not known yet, by series with any.

    Days come in order, each series from its first day on. Weekdays may differ as they like; the days of a series are
    taken for independent of each other, the series are not. A day's budget is shared evenly by the series it has.
    """
    present = Counter(day.at for day in chain.from_iterable(family.values()))
    budget = {at: FALSE_ALARMS_PER_DAY / series for at, series in present.items()}
    found = {}
    for series, days in family.items():
        changes, points = list(known.get(series, ())), list[ChangePoint]()
        while (point := _next_point(days, units[series.metric], budget, changes)) is not None:
            changes.append(point.change)
            points.append(point)
        if points:
            found[series] = points
    return found


def _next_point(
    days: Sequence[Day], unit: Unit, budget: Mapping[datetime, float], changes: Sequence[Change]
) -> ChangePoint | None:
    """Return the first change after those known already, as the day saw it that proved it.

    Each change starts a level of its own. The days that proved it are left out: they were picked for being unlike.
    """
    kept = [day for day in days if not any(each.at <= day.at < each.detected_at for each in changes)]
    if not kept:
        return None
    values = [even_scale(day, unit) for day in kept]
    # The root of n lies between the noise of few calls (variance 1/n) and that of days, which no n reduces.
    weights = [float(day.n) ** 0.5 for day in kept]
    design = np.array([_unknowns(day.at, changes) for day in kept])
    residuals = recursive_residuals(values, design, weights)
    follows = [False, *(later.at - day.at == DAY for day, later in pairwise(kept))]
    scores = self_starting_scores(innovations(residuals, follows), size=max(map(abs, values)))

    start = sum(any(day.at < each.detected_at for each in changes) for day in kept)
    alarm = first_alarm(scores[start:], [budget[day.at] for day in kept[start:]])
    if alarm is None:
        return None
    last = start + alarm + 1
    first = step_day(values[:last], design[:last], weights[:last], since=start + 1)
    change = Change(kept[first].at, kept[last - 1].at + DAY)
    return ChangePoint(change, *_means(kept[:first], kept[first:last]), float(np.nanmean(scores[first:last])))


def _unknowns(at: datetime, changes: Sequence[Change]) -> list[float]:
    """Return which unknowns a day's value holds: one of each weekday, and one of each change passed."""
    return [*(float(at.weekday() == each) for each in range(7)), *(float(each.detected_at <= at) for each in changes)]


def _means(before: Sequence[Day], after: Sequence[Day]) -> tuple[float, float]:
    recent = [day for day in before if day.at >= after[0].at - 4 * WEEK] or before
    n = sum(day.n for day in after)
    return sum(_mean(_of_weekday(recent, day.at)) * day.n for day in after) / n, _mean(after)


def _of_weekday(days: Sequence[Day], at: datetime) -> Sequence[Day]:
    return [day for day in days if day.at.weekday() == at.weekday()] or days


def _mean(days: Sequence[Day]) -> float:
    return sum(day.value * day.n for day in days) / sum(day.n for day in days)
