from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ml_pipeline.metrics.metric import Bounded
from ml_pipeline.metrics.trends.day_noise import Noise, day_noise
from ml_pipeline.metrics.trends.series import WEEK, Day

Part = tuple[float, Day]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The level of a span of days, and its change against the span that began at ``compared_with``.

    All three are None where there is nothing to compare with; intervals and ``p_value`` where too few days tell how
    days vary.
    """

    level: Bounded
    change: Bounded | None = None
    p_value: float | None = None
    compared_with: datetime | None = None


def compare_with_week_before(days: Sequence[Day], as_of: datetime, span: timedelta) -> Comparison | None:
    """Compare the days of ``span`` before ``as_of`` each with the same weekday a week before; None without such days.

    Whole days, each against its own weekday: what belongs to the hour of the week cancels. Both sides are weighted by
    this span's n, so that a change of traffic is no change of the metric.
    """
    noise = day_noise(days, as_of)
    now = [day for day in days if as_of - span <= day.at < as_of]
    if not now:
        return None
    level = _weighted([(day, 1, day) for day in now], noise)
    known = {day.at: day for day in days}
    earlier = [(day, known[day.at - WEEK]) for day in now if day.at - WEEK in known]
    if not earlier:
        return Comparison(level)
    signed = [(day, sign, each) for day, before in earlier for sign, each in ((1, day), (-1, before))]
    change = _weighted(signed, noise)
    chance = noise.chance(change.value, _parts(signed)) if noise else None
    return Comparison(level, change, chance, as_of - span - WEEK)


def _weighted(signed: Sequence[tuple[Day, int, Day]], noise: Noise | None) -> Bounded:
    """Return the sum of signed days, each weighted as the day it stands beside."""
    parts = _parts(signed)
    value = sum(factor * day.value for factor, day in parts)
    n = sum(day.n for day, sign, _ in signed if sign > 0)
    if noise is None:
        return Bounded(value, n)
    reach = noise.reach(parts)
    return Bounded(value, n, value - reach, value + reach)


def _parts(signed: Sequence[tuple[Day, int, Day]]) -> list[Part]:
    n = sum(day.n for day, sign, _ in signed if sign > 0)
    return [(sign * day.n / n, each) for day, sign, each in signed]
