"""Simulated sales floors whose sales come late, with the true rate known: as arrays, a thousand of them in minutes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_pipeline.metrics.maturity.cohorts import Reference, Window
from ml_pipeline.metrics.maturity.delay_change import RecentSales

HOURS_A_DAY = 24

Hours = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Hours]
"""Draws so many delays of sales, in hours."""


def exponential(mean_days: float) -> Draw:
    return lambda random, n: random.exponential(mean_days * HOURS_A_DAY, n)


def lognormal(median_days: float, sigma: float) -> Draw:
    return lambda random, n: median_days * HOURS_A_DAY * np.exp(sigma * random.standard_normal(n))


FAMILIES: dict[str, Draw] = {"exponential": exponential(9), "lognormal": lognormal(5, 1)}


@dataclass(frozen=True)
class Floor:
    """What a floor is like. ``rate``: the share sold within the attribution window."""

    delay: Draw
    calls_a_week: int = 2_000
    rate: float = 0.11
    attribution_days: int = 30
    reference_days: int = 84
    lost_share: float = 0.5
    lost_mean_days: float = 3.0
    day_spread: float = 0.0
    """Standard deviation of the log of a day's rate."""

    @property
    def attribution_hours(self) -> int:
        return self.attribution_days * HOURS_A_DAY

    def ever_sold(self, random: np.random.Generator) -> float:
        """Return the chance of ever being sold that makes the rate."""
        return self.rate / float(np.mean(self.delay(random, 400_000) < self.attribution_hours))


@dataclass(frozen=True)
class Calls:
    """Per call, in hours: its present age, and after how long it is sold or lost; infinity for never."""

    age: Hours
    sold_after: Hours
    lost_after: Hours

    def among(self, is_chosen: NDArray[np.bool_]) -> "Calls":
        return Calls(self.age[is_chosen], self.sold_after[is_chosen], self.lost_after[is_chosen])


def make_calls(floor: Floor, ever_sold: float, random: np.random.Generator) -> Calls:
    """Return the calls of the reference and of the attribution window after it."""
    days = floor.reference_days + floor.attribution_days
    n = random.poisson(floor.calls_a_week / 7 * days)
    age = random.uniform(0, days * HOURS_A_DAY, n)
    mood = np.exp(floor.day_spread * random.standard_normal(days) - floor.day_spread**2 / 2)
    is_sold = random.random(n) < ever_sold * mood[(age // HOURS_A_DAY).astype(int)]
    is_lost = ~is_sold & (random.random(n) < floor.lost_share)
    sold_after = np.where(is_sold, floor.delay(random, n), np.inf)
    lost_after = np.where(is_lost, random.exponential(floor.lost_mean_days * HOURS_A_DAY, n), np.inf)
    return Calls(age, sold_after, lost_after)


def reference_of(calls: Calls, hours: int, from_age: float, to_age: float) -> Reference:
    """Return the calls of these ages as a reference over ``hours`` of age: what is known of them now."""
    chosen = calls.among((calls.age >= from_age) & (calls.age < to_age))
    day = ((to_age - chosen.age) // HOURS_A_DAY).astype(int)
    days = int(np.ceil((to_age - from_age) / HOURS_A_DAY))
    watched = np.minimum(chosen.age // 1, hours)

    def counted(after: Hours, is_counted: NDArray[np.bool_]) -> Hours:
        cells = day[is_counted] * hours + (after[is_counted] // 1).astype(int)
        return np.bincount(cells, minlength=days * hours).reshape(days, hours).astype(float)

    is_sold = chosen.sold_after < watched
    is_lost = ~is_sold & (chosen.lost_after < watched)
    return Reference(
        started=np.bincount(day, minlength=days).astype(float),
        sold=counted(chosen.sold_after, is_sold),
        lost=counted(chosen.lost_after, is_lost),
        left=counted(watched, ~is_sold & ~is_lost & (watched < hours)),
    )


def recent_sales_of(calls: Calls, hours: int) -> RecentSales:
    """Return the sales known of calls that are not mature."""
    known = calls.among((calls.age < hours) & (calls.sold_after < calls.age // 1))
    return RecentSales(*((values // unit).astype(int) for values, unit in (
        (known.age, HOURS_A_DAY), (known.age, 1), (known.sold_after, 1))))  # fmt: skip


def window_of(calls: Calls, hours: int, days: int) -> Window:
    """Return the calls of the last ``days``."""
    chosen = calls.among(calls.age < days * HOURS_A_DAY)
    by_age = np.bincount(np.minimum(chosen.age // 1, hours).astype(int), minlength=hours + 1).astype(float)
    is_sold = (chosen.sold_after <= chosen.age) & (chosen.sold_after < hours)
    is_open = ~is_sold & (chosen.lost_after > chosen.age)
    open_by_age = np.bincount(np.minimum(chosen.age[is_open] // 1, hours).astype(int), minlength=hours + 1)
    return Window(by_age, open_by_age.astype(float), int(is_sold.sum()))
