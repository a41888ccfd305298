"""What an arm brings over the control arm of its experiment."""

import pytest

from ml_pipeline.metrics.arms import mean_lifts, share_lifts
from ml_pipeline.metrics.metric import Bounded, Figure

CONTROLS = {"greeting": "plain", "greeting/es": "old"}


def test_each_arm_is_held_against_the_control_of_its_own_experiment():
    slices = {
        "": Figure(0.2, 900),
        "language=es": Figure(0.9, 90),
        "arm=greeting/plain": Figure(0.1, 300),
        "arm=greeting/warm": Figure(0.2, 300),
        "arm=greeting/short": Figure(0.05, 300),
        "arm=greeting/es/old": Figure(0.5, 100),
        "arm=greeting/es/new": Figure(0.4, 100),
        "arm=unheard/of": Figure(0.9, 100),
    }

    lifts = share_lifts(slices, CONTROLS)

    assert {name: round(lift.value, 9) for name, lift in lifts.items()} == {
        "arm=greeting/warm": 0.1, "arm=greeting/short": -0.05, "arm=greeting/es/new": -0.1,
    }  # fmt: skip


def test_the_interval_of_a_difference_of_shares_is_newcombes():
    """The example of the paper: 56/70 against 48/80, interval .0524 to .3339 (method 10)."""
    slices = {"arm=greeting/plain": Figure(48 / 80, 80), "arm=greeting/warm": Figure(56 / 70, 70)}

    lift = share_lifts(slices, CONTROLS)["arm=greeting/warm"]

    assert lift.low == pytest.approx(0.0524, abs=5e-5)
    assert lift.high == pytest.approx(0.3339, abs=5e-5)


def test_shares_of_nought_and_one_still_have_an_interval():
    slices = {"arm=greeting/plain": Figure(0.0, 5), "arm=greeting/warm": Figure(1.0, 5)}

    lift = share_lifts(slices, CONTROLS)["arm=greeting/warm"]

    assert lift.low is not None
    assert lift.high is not None
    assert 0 < lift.low < 1 <= lift.high


def test_money_is_compared_within_its_currency():
    slices = {
        "currency=,arm=greeting/plain": Figure(0, 100, 0),
        "currency=USD,arm=greeting/plain": Figure(10, 100, 1000),
        "currency=USD,arm=greeting/warm": Figure(15, 100, 1500),
    }

    lifts = mean_lifts(slices, CONTROLS)

    assert set(lifts) == {"currency=USD,arm=greeting/warm"}
    error = ((1000 - 10**2) / 99 + (1500 - 15**2) / 99) ** 0.5
    assert lifts["currency=USD,arm=greeting/warm"].low == pytest.approx(5 - 1.96 * error, abs=1e-3)


def test_who_sold_nothing_in_a_currency_in_which_another_arm_sold_brought_nought():
    slices = {
        "currency=,arm=greeting/plain": Figure(0, 200, 0),
        "currency=,arm=greeting/warm": Figure(0, 100, 0),
        "currency=EUR,arm=greeting/warm": Figure(7, 100, 700),
        "currency=USD,arm=greeting/plain": Figure(3, 200, 90),
    }

    lifts = mean_lifts(slices, CONTROLS)

    assert {name: (lift.value, lift.n) for name, lift in lifts.items()} == {
        "currency=EUR,arm=greeting/warm": (7, 100),
        "currency=USD,arm=greeting/warm": (-3, 100),
    }
    assert lifts["currency=EUR,arm=greeting/warm"].low == pytest.approx(7 - 1.96 * ((700 - 49) / 99) ** 0.5, abs=1e-3)


@pytest.mark.parametrize("control", [Figure(10, 100), Figure(10, 1, 100)])
def test_a_mean_of_which_nobody_knows_how_it_varies_has_no_interval(control):
    slices = {"arm=greeting/plain": control, "arm=greeting/warm": Figure(15, 100, 300)}

    assert mean_lifts(slices, CONTROLS) == {"arm=greeting/warm": Bounded(5, 100)}
