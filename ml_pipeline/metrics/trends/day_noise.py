import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from scipy.stats import t

from ml_pipeline.metrics.trends.series import DAY, WEEK, Day

WEEKS = 5
LEAST_FREEDOM = 6
"""That of two full weeks."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How days vary beside weekday and week: by ``deviation`` over the fourth root of n, known with such freedom."""

    deviation: float
    freedom: int

    def reach(self, parts: Sequence[tuple[float, Day]]) -> float:
        """Return how far to either side the 95 % interval of a sum of (factor, day) goes."""
        return float(t.ppf(0.975, self.freedom)) * self.spread(parts)

    def chance(self, sum_of_parts: float, parts: Sequence[tuple[float, Day]]) -> float:
        """Return the two-sided p-value of a sum of (factor, day) that is 0 in truth."""
        spread = self.spread(parts)
        if spread == 0:
            return float(sum_of_parts == 0)
        return float(2 * t.sf(abs(sum_of_parts) / spread, self.freedom))

    def spread(self, parts: Sequence[tuple[float, Day]]) -> float:
        """Return the standard error of a sum of (factor, day)."""
        return self.deviation * math.sqrt(sum(factor**2 / weight(day) for factor, day in parts))


def weight(day: Day) -> float:
    """Return the precision of a day: between that of calls alone (n) and that of days, which is the same for any n."""
    return math.sqrt(day.n)


def day_noise(days: Sequence[Day], as_of: datetime) -> Noise | None:
    """Measure how days vary over five weeks before ``as_of``, or None where two weeks of them are not there.

    What is left of each day beside the mean of its weekday and that of its week: neither a cycle of the week nor a
    change from one week to another counts as noise. An additive two-way table, as in Scheffé (1959): The analysis of
    variance.
    """
    recent = [day for day in days if as_of - WEEKS * WEEK <= day.at < as_of]
    roots = np.array([weight(day) for day in recent]) ** 0.5
    table = np.zeros((len(recent), 7 + WEEKS))
    for row, day in enumerate(recent):
        table[row, [day.at.weekday(), 7 + (as_of - day.at - DAY) // WEEK]] = 1
    model, values = table * roots[:, None], np.array([day.value for day in recent]) * roots
    freedom = len(recent) - int(np.linalg.matrix_rank(model)) if recent else 0
    if freedom < LEAST_FREEDOM:
        return None
    left = values - model @ np.linalg.lstsq(model, values)[0]
    rounding = np.abs(left) < 1e-9 * np.abs(values).max()
    return Noise(float(np.sqrt(np.sum(np.where(rounding, 0, left) ** 2) / freedom)), freedom)
