"""How right rates are while sales are still to come: a thousand simulated floors per family of delays, truth known.

Per floor 12 weeks of mature history at 2,000 calls a week, the attribution window of 30 days after it, and the last
seven days as the window. ``ML_PIPELINE_BENCH_FLOORS`` makes fewer floors. Floors of the tests, and those on which the
interval was designed, have other seeds.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.claims import Claim, at_least, at_most, told
from benchmarks.delayed_floors import (
    FAMILIES,
    HOURS_A_DAY,
    Calls,
    Floor,
    make_calls,
    recent_sales_of,
    reference_of,
    window_of,
)
from ml_pipeline.metrics.maturity.cohorts import POOLED
from ml_pipeline.metrics.maturity.corrected_rate import corrected_rate, mean_known
from ml_pipeline.metrics.maturity.delay_curve import DelayCurve, delay_curve
from ml_pipeline.metrics.maturity.delay_findings import judge_delays

FLOORS = int(os.environ.get("ML_PIPELINE_BENCH_FLOORS", "1000"))
SEED = 4
DAYS = 7
LENGTHENED = 1.5
WARM_UP = 5


@dataclass
class Found:
    """A figure per floor."""

    naive: list[float] = field(default_factory=list)
    corrected: list[float] = field(default_factory=list)
    covers: list[bool] = field(default_factory=list)
    covers_by_days: list[bool] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    false_alarms: list[bool] = field(default_factory=list)
    alarms: list[bool] = field(default_factory=list)


def claims() -> Iterator[Claim]:
    for name, delay in FAMILIES.items():
        yield from _rate_claims(f"{name} delay", Floor(delay))
    few = Floor(FAMILIES["exponential"], calls_a_week=250)
    differing = Floor(FAMILIES["exponential"], day_spread=0.4)
    for what, floor in (("250 calls a week", few), ("rates of days that differ by 40 %", differing)):
        covers = _found(floor, FLOORS // 3).covers
        yield told(
            f"maturity, {what}: share of floors whose interval holds the true rate", [float(np.mean(covers))], "share"
        )


def _rate_claims(what: str, floor: Floor) -> Iterator[Claim]:
    found = _found(floor, FLOORS)
    bias = float(np.mean(found.corrected)) - floor.rate
    of_rate = f"maturity, {what}: corrected rate of the last 7 days"
    yield at_most(
        f"{of_rate}, |mean bias| over {FLOORS:,} floors", [100 * abs(bias)], 1.0, "points",
        {"true_percent": 100 * floor.rate, "naive_percent": 100 * float(np.mean(found.naive)),
         "corrected_percent": 100 * float(np.mean(found.corrected))},
    )  # fmt: skip
    covered = 100 * float(np.mean(found.covers))
    by_days = {"window_resampled_by_day_percent": 100 * float(np.mean(found.covers_by_days))}
    yield at_least(f"{of_rate}, 95 % interval holds the truth", [covered], 93, "% of floors", by_days)
    yield at_most(f"{of_rate}, 95 % interval is not too wide", [covered], 97, "% of floors", by_days)
    yield at_most(f"maturity, {what}: processor time of one estimate", found.milliseconds[WARM_UP:], 100, "ms")
    alarms, false_alarms = float(np.mean(found.alarms)), float(np.mean(found.false_alarms))
    yield told(f"maturity, {what}: delay half as long again found at a look", [alarms], "share")
    yield told(f"maturity, {what}: delay said to have changed where it had not", [false_alarms], "share")


def _found(floor: Floor, floors: int) -> Found:
    found = Found()
    ever_sold = floor.ever_sold(np.random.default_rng(SEED))
    for number in range(floors):
        calls = make_calls(floor, ever_sold, np.random.default_rng([SEED, number]))
        _measure(floor, calls, found)
    return found


def _measure(floor: Floor, calls: Calls, found: Found) -> None:
    hours = floor.attribution_hours
    oldest = HOURS_A_DAY * (floor.reference_days + floor.attribution_days)
    reference, window = reference_of(calls, hours, hours, oldest), window_of(calls, hours, DAYS)
    began = time.process_time()
    curve = delay_curve(reference)
    rate = corrected_rate(window, curve)
    found.milliseconds.append(1000 * (time.process_time() - began))
    found.naive.append(window.sold / window.conversations)
    found.corrected.append(rate.value)
    found.covers.append(rate.low <= floor.rate <= rate.high)
    low, high = _by_days(calls, hours, curve)
    found.covers_by_days.append(low <= floor.rate <= high)
    slower = replace(calls, sold_after=LENGTHENED * calls.sold_after)
    for now, alarms in ((calls, found.false_alarms), (slower, found.alarms)):
        (finding,) = judge_delays({POOLED: recent_sales_of(now, hours)}, {POOLED: curve})
        alarms.append(finding.severity is not None)


def _by_days(calls: Calls, hours: int, curve: DelayCurve) -> tuple[float, float]:
    """Return the interval that resampling the window's own days gives, crossed with the resampled curves."""
    days = [window_of(_of_day(calls, day), hours, days=DAYS) for day in range(DAYS)]
    sold = np.array([day.sold for day in days])
    due = np.array([mean_known(day, curve.resampled) * day.conversations for day in days])
    drawn = np.random.default_rng(SEED).multinomial(DAYS, np.full(DAYS, 1 / DAYS), size=due.shape[1])
    low, high = np.quantile((drawn @ sold) / (drawn * due.T).sum(axis=1), (0.025, 0.975))
    return float(low), float(high)


def _of_day(calls: Calls, day: int) -> Calls:
    """Return the calls of one day."""
    return calls.among((calls.age >= day * HOURS_A_DAY) & (calls.age < (day + 1) * HOURS_A_DAY))
