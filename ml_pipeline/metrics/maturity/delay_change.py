"""Whether sales take longer, or less long, to become known than in the reference, whatever their rate.

A recent conversation shows only the sales that its age has let through: its early ones. So each known sale is placed
among the reference's sales that became known before the same age: u = F(delay) / F(age). Where nothing changed, u is
uniform and on average a half; where delays lengthen, it is larger. Both sides are seen up to the same age, and how
many were sold does not matter.

Ages differ in what they tell: of a conversation far younger than the delays, sales fall evenly over its age however
slow they are. Each sale weighs as much as u would move at its age, were all delays half as long again. Days are taken
for independent, the sales within a day are not.

Reference: S. W. Lagakos, L. M. Barraj and V. De Gruttola, Nonparametric analysis of truncated survival data, with
application to AIDS, Biometrika 75(3), 1988.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml_pipeline.metrics.maturity.aalen_johansen import Floats

LENGTHENED = 1.5
"""What the weights look for."""
FACTORS = np.geomspace(0.25, 4, 97)
"""Among these the factor of delays is sought."""


@dataclass(frozen=True, slots=True)
class RecentSales:
    """Sales of recent conversations, one entry each: start day, whole hours of present age, hour of age at the sale.

    That hour is over: ``delay`` is below ``age``, which is within the curve.
    """

    day: np.typing.NDArray[np.int_]
    age: np.typing.NDArray[np.int_]
    delay: np.typing.NDArray[np.int_]


@dataclass(frozen=True, slots=True)
class DelayChange:
    """``factor``: how many times as long delays are, .25 to 4; ``statistic`` is above 0 where they are longer."""

    statistic: float
    p_value: float
    factor: float
    sales: int


def compare_delays(recent: RecentSales, known: Floats, resampled: Floats) -> DelayChange:
    """Compare at least a few sales of several days with the curve of the reference and its resampled versions."""
    weight = _pull(known)[recent.age]
    moved = weight * (_place(known, recent) - 0.5)
    mean = moved.sum() / weight.sum()
    days = len(np.unique(recent.day))
    of_days = float(np.sum(np.bincount(recent.day, weights=moved - mean * weight) ** 2)) * days / (days - 1)
    of_curve = float(np.var((_place(resampled, recent) - 0.5) @ weight))
    statistic = _standardised(float(moved.sum()), of_days + of_curve)
    p_value = float(2 * stats.t.sf(abs(statistic), days - 1))
    return DelayChange(statistic, p_value, _factor(recent, weight, known), len(recent.day))


def _standardised(total: float, variance: float) -> float:
    """Divide by the standard deviation; sales that all fall in one hour have none."""
    if variance > 0:
        return total / math.sqrt(variance)
    return math.copysign(math.inf, total) if total else 0.0


def _place(known: Floats, recent: RecentSales) -> Floats:
    """Return u of each sale; the middle of its hour stands for all of it."""
    middle = (known[..., :-1] + known[..., 1:]) / 2
    upto = known[..., recent.age]
    place: Floats = np.divide(middle[..., recent.delay], upto, out=np.full_like(upto, 0.5), where=upto > 0)
    return place


def _scaled(known: Floats, factor: float) -> Floats:
    """Return the curve with all delays ``factor`` times as long."""
    hours = np.arange(len(known))
    scaled: Floats = np.interp(hours / factor, hours, known)
    return scaled


def _pull(known: Floats) -> Floats:
    """Return how far the mean of u lies above a half at each age where delays are lengthened."""
    longer = _scaled(known, LENGTHENED)
    middle = (known[:-1] + known[1:]) / 2
    upto = known * longer
    moved = np.concatenate([[0.0], np.cumsum(np.diff(longer) * middle)])
    pull = np.divide(moved, upto, out=np.full_like(upto, 0.5), where=upto > 0) - 0.5
    return np.asarray(np.maximum(pull, 0.0))


def _factor(recent: RecentSales, weight: Floats, known: Floats) -> float:
    """Return the factor of delays under which the weighted mean of u is a half."""
    curves = np.stack([_scaled(known, factor) for factor in FACTORS])
    above_half = (_place(curves, recent) - 0.5) @ weight
    # u falls as the factor grows.
    return float(np.exp(np.interp(0.0, -above_half, np.log(FACTORS))))
