"""Metric families of simulated floors: days as the rollup makes them from hours, of which it is known what changed.

Hours of the week differ in traffic and level, weekends more so; calls and levels vary from day to day and from hour to
hour beyond what chance alone would do, and all series of a family share their calls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from ml_pipeline.metrics.metric import Unit
from ml_pipeline.metrics.trends.series import DAY, Day, Series

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
WEEKDAYS = np.array([1, 1.05, 1.1, 1, 0.9, 0.35, 0.25])
HOURS = np.clip(np.sin((np.arange(24) - 7) / 13 * np.pi), 0.02, None)
SPREAD_OF_TIMES = 0.8
"""Standard deviation of one call's time, over its mean."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Kind:
    """A metric of ``series`` series; ``calls`` of a full weekday. Cycle and noise are parts of the level."""

    metric: str
    unit: Unit
    series: int
    calls: int
    level: float
    cycle: float = 0.06
    day_noise: float = 0.02
    hour_noise: float = 0.03


KINDS = (
    Kind("accuracy", Unit.SHARE, series=6, calls=2000, level=0.75),
    Kind("conversion_rate", Unit.SHARE, series=6, calls=30, level=0.12, cycle=0.25, day_noise=0.1),
    Kind("error_rate", Unit.SHARE, series=6, calls=1000, level=0.004, cycle=0.25, day_noise=0.3, hour_noise=0.3),
    Kind("latency_mean", Unit.MILLISECONDS, series=24, calls=2000, level=80, cycle=0.3, day_noise=0.04),
    Kind("conversations_per_hour", Unit.PER_HOUR, series=4, calls=300, level=1, day_noise=0.2),
)


@dataclass(frozen=True)
class Step:
    """From day ``day`` on, the first series is at ``factor`` times its level."""

    day: int
    factor: float


def family(
    kind: Kind, seed: int, *, days: int, step: Step | None = None, correlation: float = 0.0
) -> Mapping[Series, Sequence[Day]]:
    """Return ``days`` days of a family; ``correlation``: of what one day has of noise with that of the next."""
    chance = np.random.default_rng([seed, *kind.metric.encode()])
    calls = _calls(kind, chance, days)
    return {
        Series(kind.metric, str(number), "", "", ""): _series(
            kind, chance, calls, level=_levels(kind, chance, days, correlation, step if number == 0 else None)
        )
        for number in range(kind.series)
    }


def _calls(kind: Kind, chance: np.random.Generator, days: int) -> Floats:
    """Return the calls of each hour, days in rows."""
    expected = kind.calls * WEEKDAYS[np.arange(days) % 7, None] * HOURS / HOURS.sum()
    busy = chance.gamma(20, 1 / 20, (days, 1)) * chance.gamma(10, 1 / 10, expected.shape)
    return chance.poisson(expected * busy).astype(float)


def _levels(kind: Kind, chance: np.random.Generator, days: int, correlation: float, step: Step | None) -> Floats:
    hour = kind.cycle * np.sin(np.arange(24) / 12 * np.pi)
    weekend = kind.cycle * (np.arange(days) % 7 >= 5)
    of_day = chance.normal(0, kind.day_noise, days)
    for day in range(1, days):
        of_day[day] = correlation * of_day[day - 1] + np.sqrt(1 - correlation**2) * of_day[day]
    of_hour = chance.normal(0, kind.hour_noise, (days, 24))
    level: Floats = kind.level * np.exp(hour + (weekend + of_day)[:, None] + of_hour)
    if step:
        level[step.day :] *= step.factor
    return level


def _series(kind: Kind, chance: np.random.Generator, calls: Floats, level: Floats) -> list[Day]:
    if kind.unit is Unit.PER_HOUR:
        totals, counts = (calls * level).sum(axis=1), np.full(len(calls), 24.0)
    elif kind.unit is Unit.SHARE:
        totals = chance.binomial(calls.astype(int), np.minimum(level, 1)).sum(axis=1).astype(float)
        counts = calls.sum(axis=1)
    else:
        variance = SPREAD_OF_TIMES**2
        totals = chance.gamma(np.maximum(calls, 1e-9) / variance, level * variance).sum(axis=1)
        counts = calls.sum(axis=1)
    return [
        Day(MONDAY + number * DAY, float(total / n), int(n))
        for number, (total, n) in enumerate(zip(totals, counts, strict=True))
        if n
    ]
