"""What the share of sold conversations comes to, on a floor whose true rate of .110 is known, and what it does not."""

import numpy as np
import pytest

from benchmarks.delayed_floors import HOURS_A_DAY, Floor, exponential, make_calls, reference_of, window_of
from ml_pipeline.metrics.maturity.aalen_johansen import Floats, cumulative_incidence
from ml_pipeline.metrics.maturity.cohorts import Reference
from ml_pipeline.metrics.maturity.corrected_rate import corrected_rate
from ml_pipeline.metrics.maturity.delay_curve import delay_curve

FLOOR = Floor(exponential(7), rate=0.11, lost_share=0.78, lost_mean_days=4)
HOURS = FLOOR.attribution_hours
ALL_AGES = HOURS_A_DAY * (FLOOR.attribution_days + FLOOR.reference_days)


@pytest.fixture(scope="module")
def calls():
    random = np.random.default_rng(7)
    return make_calls(FLOOR, FLOOR.ever_sold(random), random)


@pytest.fixture(scope="module")
def everyone(calls) -> Reference:
    """All calls, the youngest minutes old: watched up to their present age."""
    return reference_of(calls, HOURS, 0, ALL_AGES)


def at_the_end(started, sold, lost, left) -> float:
    return float(cumulative_incidence(np.array(float(started)), sold, lost, left).sold[-1])


def totals(reference: Reference) -> list[Floats]:
    return [counts.sum(axis=0) for counts in (reference.sold, reference.lost, reference.left)]


def test_over_all_conversations_with_loss_as_a_competing_event_it_is_the_true_rate(everyone):
    found = at_the_end(everyone.conversations, *totals(everyone))

    assert found == pytest.approx(0.11, abs=0.005)


def test_of_the_sold_conversations_alone_every_one_is_sold(everyone):
    sold, lost, left = totals(everyone)

    assert at_the_end(everyone.sales, sold, 0 * lost, 0 * left) == pytest.approx(1)


def test_with_loss_as_censoring_it_is_twice_the_truth(everyone):
    sold, lost, left = totals(everyone)

    assert at_the_end(everyone.conversations, sold, 0 * lost, left + lost) == pytest.approx(0.24, abs=0.01)


def test_the_share_sold_so_far_of_the_last_weeks_is_too_low_and_the_corrected_rate_is_not(calls):
    window = window_of(calls, HOURS, days=28)
    curve = delay_curve(reference_of(calls, HOURS, HOURS, ALL_AGES))

    corrected = corrected_rate(window, curve)

    assert window.sold / window.conversations == pytest.approx(0.08, abs=0.005)
    assert corrected.value == pytest.approx(0.11, abs=0.005)
    assert corrected.low < 0.11 < corrected.high


def test_where_everyone_is_mature_it_is_the_plain_share_by_age(calls):
    mature = reference_of(calls, HOURS, HOURS, ALL_AGES)

    found = cumulative_incidence(np.array(float(mature.conversations)), *totals(mature))

    assert found.sold[1:] == pytest.approx(np.cumsum(mature.sold.sum(axis=0)) / mature.conversations)
    assert found.open[-1] == pytest.approx(1 - (mature.sold.sum() + mature.lost.sum()) / mature.conversations)


def test_sold_lost_and_open_are_all_there_is(everyone):
    sold, lost, left = totals(everyone)
    started = np.array(float(everyone.conversations))

    sales, losses = cumulative_incidence(started, sold, lost, left), cumulative_incidence(started, lost, sold, left)

    assert sales.sold + losses.sold + sales.open == pytest.approx(np.ones(HOURS + 1))


def test_an_age_that_nobody_has_reached_adds_nothing():
    found = cumulative_incidence(np.array(2.0), np.array([1.0, 0, 0]), np.zeros(3), np.array([0, 1.0, 0]))

    assert found.sold.tolist() == [0, 0.5, 0.5, 0.5]
