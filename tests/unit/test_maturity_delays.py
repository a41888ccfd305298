"""A change of the delay: seen where it is, and not where only rates or traffic changed."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.delayed_floors import (
    FAMILIES,
    HOURS_A_DAY,
    Calls,
    Floor,
    make_calls,
    recent_sales_of,
    reference_of,
)
from ml_pipeline.metrics.maturity.delay_change import RecentSales, compare_delays
from ml_pipeline.metrics.maturity.delay_curve import delay_curve
from ml_pipeline.metrics.maturity.delay_findings import DelayFinding, judge_delays
from ml_pipeline.vocabulary.verdicts import Severity

FLOOR = Floor(FAMILIES["exponential"], calls_a_week=1_000, reference_days=28)
HOURS = FLOOR.attribution_hours
NULL_FLOORS = 200


def judged(floor: Floor, seed: int, change=lambda young, _random: young) -> DelayFinding:
    """Return the finding on a floor whose calls are changed from an attribution window ago on."""
    random = np.random.default_rng([5, seed])
    calls = make_calls(floor, floor.rate / 0.95, random)
    old_age = HOURS_A_DAY * (floor.reference_days + floor.attribution_days)
    curve = delay_curve(reference_of(calls, HOURS, HOURS, old_age), resamples=60)
    young = change(calls.among(calls.age < HOURS), random)
    (finding,) = judge_delays({"": recent_sales_of(young, HOURS)}, {"": curve})
    return finding


def slower(factor: float):
    return lambda young, _random: Calls(young.age, young.sold_after * factor, young.lost_after)


@pytest.mark.parametrize("family", FAMILIES)
def test_delays_half_as_long_again_are_found(family):
    floor = replace(FLOOR, delay=FAMILIES[family], calls_a_week=2_000, reference_days=84)

    findings = [judged(floor, seed, slower(1.5)) for seed in range(20)]

    found = [finding for finding in findings if finding.severity]
    assert len(found) >= 16
    assert all(finding.headline.startswith("Delay changed: sales take ") for finding in found)
    assert all("corrected rates are too low" in finding.headline for finding in found)


def test_the_statistic_is_the_mean_of_days_in_its_standard_error():
    known = np.array([0, 0.5, 0.75, 0.875, 1])
    recent = RecentSales(day=np.array([0, 1]), age=np.array([4, 4]), delay=np.array([3, 1]))

    change = compare_delays(recent, known, known[None])

    # u is .9375 and .625, so .4375 and .125 above a half: their mean is .28125, its standard error .15625.
    assert change.statistic == pytest.approx(1.8)


def test_shorter_delays_are_found_too():
    finding = judged(replace(FLOOR, calls_a_week=2_000, reference_days=84), 1, slower(0.5))

    assert finding.severity is Severity.CRITICAL
    assert finding.change is not None
    assert finding.change.factor == pytest.approx(0.5, abs=0.1)
    assert "corrected rates are too high" in finding.headline


def test_where_nothing_changed_one_look_in_a_hundred_raises_anything():
    findings = [judged(FLOOR, seed) for seed in range(NULL_FLOORS)]

    # Two are expected at the level of .01; six or more come once in sixty such tests.
    assert sum(finding.severity is not None for finding in findings) <= 5
    assert sum(finding.change.p_value < 0.05 for finding in findings if finding.change) <= 20


def half_sold(young: Calls, random: np.random.Generator) -> Calls:
    return Calls(young.age, np.where(random.random(len(young.age)) < 0.5, young.sold_after, np.inf), young.lost_after)


def half_traffic_of_late(young: Calls, random: np.random.Generator) -> Calls:
    return young.among((young.age > 10 * HOURS_A_DAY) | (random.random(len(young.age)) < 0.5))


@pytest.mark.parametrize("change", [half_sold, half_traffic_of_late])
def test_half_the_rate_or_half_the_traffic_is_no_change_of_the_delay(change):
    findings = [judged(FLOOR, seed, change) for seed in range(10)]

    assert sum(finding.severity is not None for finding in findings) <= 1


def test_a_difference_too_small_to_matter_is_recorded_and_not_raised():
    floor = replace(FLOOR, calls_a_week=40_000)

    finding = judged(floor, 1, slower(1.1))

    assert finding.change is not None
    assert finding.change.p_value < 0.01
    assert finding.severity is None


def test_too_few_sales_are_not_compared():
    curve = delay_curve(reference_of(make_calls(FLOOR, 0.11, np.random.default_rng(1)), HOURS, HOURS, 24 * 58))
    few = RecentSales(*(np.arange(15) for _ in range(3)))

    (finding,) = judge_delays({"": few}, {"": curve})

    assert (finding.change, finding.severity) == (None, None)
    assert finding.headline == "Not enough data on the delay of sales."


def test_the_level_is_shared_by_the_slices_that_are_compared():
    random = np.random.default_rng(1)
    calls = make_calls(FLOOR, 0.11, random)
    curve = delay_curve(reference_of(calls, HOURS, HOURS, 24 * 58), resamples=60)
    recent = recent_sales_of(calls, HOURS)

    findings = judge_delays({"": recent, "platform=web": recent}, {"": curve, "platform=web": curve})

    assert [finding.slice_name for finding in findings] == ["", "platform=web"]
    assert findings[1].headline == "No change that matters in the delay of sales on platform=web."


@pytest.mark.parametrize(("share", "hour", "is_found"), [(0.2, 0, False), (1, 0, False), (1, 100, True)])
def test_sales_that_all_fall_in_one_hour_are_no_obstacle(share, hour, is_found):
    def within_an_hour(calls: Calls, random: np.random.Generator) -> Calls:
        is_fast = (random.random(len(calls.age)) < share) & np.isfinite(calls.sold_after)
        return Calls(calls.age, np.where(is_fast, 0.1, calls.sold_after), calls.lost_after)

    random = np.random.default_rng(8)
    calls = within_an_hour(make_calls(FLOOR, 0.11, random), random)
    curve = delay_curve(reference_of(calls, HOURS, HOURS, 24 * 58), resamples=60)
    recent = recent_sales_of(Calls(calls.age, calls.sold_after + hour, calls.lost_after), HOURS)

    (finding,) = judge_delays({"": recent}, {"": curve})

    assert finding.change is not None
    assert (finding.severity is not None) == is_found
