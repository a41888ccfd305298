"""A figure over several hours, and how sure it is.

A rule is looked at every hour, for many subjects, for ever, so its interval is 99.9 % wide. Answers of one conversation
resemble each other, and so do conversations of one hour; where there are enough hours, they are the clusters of a ratio
estimate, and the interval is as wide as the hours differ.

References: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927;
L. Kish, Survey Sampling, 1965, 8.2 (design effect); G. Y. Zou and A. Donner, Construction of confidence limits about
effect measures, Statistics in Medicine 27, 2008 (difference of two intervals).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

Z = 3.29
"""99.9 % lie within so many standard errors."""

MIN_HOURS = 6
"""Hours from which their spread says something."""


@dataclass(frozen=True, slots=True)
class Hour:
    """A metric of one hour: ``value`` is a mean over ``n``, ``mean_square`` that of the squares, where it is known."""

    at: datetime
    value: float
    n: int
    mean_square: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """``value``, a mean over ``n`` in ``hours``.

    ``variance``: of that mean, by how the hours differ. ``mean_square``: of the values, where they are not 0 and 1.
    """

    value: float
    n: int
    hours: int
    is_share: bool
    variance: float | None = None
    mean_square: float | None = None

    def interval(self) -> tuple[float, float]:
        """Return the bounds of the mean with 99.9 %; infinite where nothing says how it varies.

        >>> [round(bound, 3) for bound in Sample(0.1, 100, 1, is_share=True).interval()]
        [0.037, 0.241]
        """
        between_hours = self.variance if self.variance is not None and self.hours >= MIN_HOURS else 0.0
        if self.is_share:
            return self._wilson(between_hours)
        if self.mean_square is not None:
            between_hours = max(between_hours, (self.mean_square - self.value**2) / self.n)
        elif self.hours < MIN_HOURS:
            return -math.inf, math.inf
        reach = Z * math.sqrt(between_hours)
        return self.value - reach, self.value + reach

    def _wilson(self, between_hours: float) -> tuple[float, float]:
        p, within = self.value, self.value * (1 - self.value) / self.n
        n = self.n * within / max(within, between_hours) if within else self.n
        centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
        reach = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
        return max(0.0, centre - reach), min(1.0, centre + reach)


def merge(hours: Sequence[Hour], *, is_share: bool) -> Sample:
    """Return the hours, at least one, as one sample."""
    n = sum(hour.n for hour in hours)
    value = sum(hour.value * hour.n for hour in hours) / n
    variance = None
    if len(hours) > 1:
        spread = sum((hour.n * (hour.value - value)) ** 2 for hour in hours)
        variance = spread / n**2 * len(hours) / (len(hours) - 1)
    squares = [hour.mean_square * hour.n for hour in hours if hour.mean_square is not None]
    mean_square = sum(squares) / n if len(squares) == len(hours) else None
    return Sample(value, n, len(hours), is_share, variance, mean_square)


def farthest(hours: Sequence[Hour], value: float, count: int = 5) -> list[datetime]:
    """Return the hours that moved the mean ``value`` most, the first the most."""
    ranked = sorted(hours, key=lambda hour: -abs(hour.n * (hour.value - value)))
    return [hour.at for hour in ranked[:count]]


def difference(recent: Sample, usual: Sample) -> tuple[float, float]:
    """Return the bounds of ``recent`` less ``usual``, from the interval of each."""
    (low, high), (usual_low, usual_high) = recent.interval(), usual.interval()
    change = recent.value - usual.value
    return (
        change - math.hypot(recent.value - low, usual_high - usual.value),
        change + math.hypot(high - recent.value, usual.value - usual_low),
    )
