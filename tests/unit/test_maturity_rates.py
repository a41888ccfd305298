"""Corrected rates: how often their intervals hold the truth, and when there is none."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from benchmarks.delayed_floors import (
    FAMILIES,
    HOURS_A_DAY,
    Floor,
    exponential,
    make_calls,
    reference_of,
    window_of,
)
from ml_pipeline.metrics.maturity.cohorts import Reference, Window, Worth
from ml_pipeline.metrics.maturity.corrected_rate import corrected_rate
from ml_pipeline.metrics.maturity.delay_curve import delay_curve
from ml_pipeline.metrics.maturity.rates import Learnt, MaturedRate, learn, matured_rate
from ml_pipeline.metrics.maturity.revenue import revenue

FLOORS = 30
HOURS = 30 * HOURS_A_DAY


def estimates(floor: Floor) -> np.ndarray[Any, Any]:
    """Return naive rate, corrected rate, low and high of the last seven days of so many floors."""
    ever_sold = floor.ever_sold(np.random.default_rng(0))
    found = []
    for seed in range(FLOORS):
        calls = make_calls(floor, ever_sold, np.random.default_rng([3, seed]))
        curve = delay_curve(reference_of(calls, HOURS, HOURS, HOURS_A_DAY * 114), resamples=100)
        window = window_of(calls, HOURS, days=7)
        rate = corrected_rate(window, curve)
        found.append((window.sold / window.conversations, rate.value, rate.low, rate.high))
    return np.array(found)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_corrected_rate_is_right_on_average_and_its_interval_holds_the_truth(family):
    floor = Floor(FAMILIES[family])

    naive, value, low, high = estimates(floor).T

    assert abs(naive.mean() - floor.rate) > 0.05
    assert abs(value.mean() - floor.rate) < 0.01
    # 25 of 30 is three standard deviations below 95 %.
    assert np.sum((low <= floor.rate) & (floor.rate <= high)) >= 25


def test_days_that_differ_widen_the_interval_so_that_it_still_holds_the_truth():
    floor = Floor(FAMILIES["exponential"], day_spread=0.4)

    _, _, low, high = estimates(floor).T

    assert np.sum((low <= floor.rate) & (floor.rate <= high)) >= 25


def one_floor(floor: Floor, seed: int = 1) -> tuple[Reference, Window]:
    random = np.random.default_rng(seed)
    calls = make_calls(floor, floor.ever_sold(random), random)
    return reference_of(calls, HOURS, HOURS, HOURS_A_DAY * 114), window_of(calls, HOURS, days=7)


def learnt(**references: Reference) -> Learnt:
    return learn({"" if name == "pooled" else f"platform={name}": each for name, each in references.items()}, {}, {})


def rate_of(window: Window, known: Learnt, slice_name: str = "") -> MaturedRate:
    return matured_rate(slice_name, window, known)


def window(by_age: Mapping[int, float], sold: int, **fields: Any) -> Window:
    ages = np.zeros(HOURS + 1)
    for age, n in by_age.items():
        ages[age] = n
    return Window(ages, ages * 0, sold, **fields)


def test_the_same_reference_gives_the_same_interval():
    reference, recent = one_floor(Floor(FAMILIES["exponential"]))

    first, second = (corrected_rate(recent, delay_curve(reference)) for _ in range(2))

    assert first == second


def test_a_smaller_reference_makes_the_interval_wider():
    floor = Floor(FAMILIES["exponential"], calls_a_week=8000)
    reference, recent = one_floor(floor)
    part = Reference(*(counts[:14] for counts in (reference.started, reference.sold, reference.lost, reference.left)))

    wide, narrow = corrected_rate(recent, delay_curve(part)), corrected_rate(recent, delay_curve(reference))

    assert wide.high - wide.low > 1.05 * (narrow.high - narrow.low)


def test_a_platform_with_enough_history_is_corrected_by_its_own_and_another_by_that_of_all():
    slow, _ = one_floor(Floor(exponential(15)))
    fast, recent = one_floor(Floor(exponential(3)), seed=2)
    few = Reference(*(counts[:5] for counts in (fast.started, fast.sold, fast.lost, fast.left)))
    known = learnt(pooled=slow, web=fast, embedded=few)

    own, pooled = rate_of(recent, known, "platform=web"), rate_of(recent, known, "platform=embedded")

    assert own.correction is not None
    assert pooled.correction is not None
    assert (own.correction.curve, pooled.correction.curve) == ("platform=web", "")
    assert own.correction.rate.value == pytest.approx(0.11, abs=0.03)
    assert pooled.correction.rate.value > 0.2


def test_without_enough_history_there_is_no_rate_but_a_reason():
    reference, recent = one_floor(Floor(FAMILIES["exponential"]))
    short = Reference(*(c[:13] for c in (reference.started, reference.sold, reference.lost, reference.left)))

    found = rate_of(recent, learnt(pooled=short))

    assert found.correction is None
    assert found.reason is not None
    assert "13 days with sales" in found.reason
    assert found.naive == recent.sold / recent.conversations


def test_a_window_too_young_to_know_of_its_sales_gets_no_rate():
    reference, _ = one_floor(Floor(FAMILIES["exponential"]))

    found = rate_of(window({2: 100}, sold=1), learnt(pooled=reference))

    assert found.correction is None
    assert found.reason is not None
    assert found.reason.startswith("too young: ")


def test_a_mature_window_needs_no_history():
    found = rate_of(window({HOURS: 200}, sold=22), learnt())

    assert found.correction is not None
    assert found.correction.rate.value == found.naive == 0.11
    assert 0.07 < found.correction.rate.low < 0.09
    assert 0.15 < found.correction.rate.high < 0.17
    assert (found.reason, found.is_provisional, found.correction.settled) == (None, False, 1)


def test_a_mature_window_is_provisional_while_a_sale_can_be_refunded():
    assert rate_of(window({HOURS: 200}, sold=22, refundable=1), learnt()).is_provisional


@pytest.mark.parametrize(("sold", "low", "high"), [(0, 0.0, None), (100, None, 1.0)])
def test_none_sold_and_all_sold_stay_within_bounds(sold, low, high):
    reference, _ = one_floor(Floor(FAMILIES["exponential"]))
    found = rate_of(window({200: 100}, sold=sold), learnt(pooled=reference)).correction

    assert found is not None
    assert 0 <= found.rate.low <= found.rate.value <= found.rate.high <= 1
    assert low is None or found.rate.low == low
    assert high is None or found.rate.high == high


def test_an_open_conversation_stays_open_with_the_share_that_does():
    reference, _ = one_floor(Floor(FAMILIES["exponential"]))
    curve = delay_curve(reference)
    day = 10 * HOURS_A_DAY
    ended_by_then = reference.sold[:, :day].sum() + reference.lost[:, :day].sum()
    ended = reference.sold.sum() + reference.lost.sum()

    unchanged = curve.unchanged()

    n = reference.conversations
    assert unchanged[day] == pytest.approx((n - ended) / (n - ended_by_then))
    assert unchanged[-1] == 1


def test_settled_counts_what_has_ended_and_what_will_not_change():
    reference, _ = one_floor(Floor(FAMILIES["exponential"]))
    known = learnt(pooled=reference)
    young = window({100: 50, 400: 50}, sold=8)
    open_by_age = young.by_age * 0
    open_by_age[100] = 30
    half_open = Window(young.by_age, open_by_age, young.sold)

    correction = rate_of(half_open, known).correction

    assert correction is not None
    changes = 30 * (1 - known.curves[""].unchanged()[100])
    assert correction.settled == pytest.approx(1 - changes / 100)


def test_revenue_to_come_and_refunds_to_come_are_expected():
    kept = np.array([1.0, 0.9, 0.8])
    worth = Worth(gross=np.array([100.0, 100, 200]), net=np.array([100.0, 0, 150]))

    found = revenue(worth, 0.5, kept)

    assert (found.gross, found.net) == (400, 250)
    # 100 young ones keep .8, 150 are beyond refunds; another 400 are to come and keep .8.
    assert found.expected_net == pytest.approx(100 * 0.8 + 150 + 400 * 0.8)


def test_without_a_corrected_rate_no_net_revenue_is_expected():
    found = revenue(Worth(np.array([100.0]), np.array([90.0])), None, np.array([1.0]))

    assert (found.gross, found.net, found.expected_net) == (100, 90, None)


def test_sales_of_a_few_days_only_are_not_enough_history():
    started = np.full(84, 100.0)
    sold = np.zeros((84, HOURS))
    sold[:5, 10] = 30
    left = np.zeros((84, HOURS))
    reference = Reference(started, sold, left, left)

    found = rate_of(window({200: 100}, sold=1), learnt(pooled=reference))
    curve = delay_curve(reference)

    assert found.reason is not None
    assert "5 days with sales" in found.reason
    assert np.isfinite(curve.resampled).all()
