"""Level and change against a week before."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from benchmarks.trend_floors import KINDS, MONDAY, Step, family
from ml_pipeline.metrics.metric import Bounded
from ml_pipeline.metrics.trends.comparison import compare_with_week_before
from ml_pipeline.metrics.trends.day_noise import day_noise
from ml_pipeline.metrics.trends.family import Looked, family_trends
from ml_pipeline.metrics.trends.series import DAY, WEEK, Day

END = MONDAY + 8 * WEEK
ACCURACY = next(kind for kind in KINDS if kind.metric == "accuracy")


def days(values: Sequence[float], n: int = 100, end: datetime = END) -> list[Day]:
    return [Day(end - (len(values) - number) * DAY, value, n) for number, value in enumerate(values)]


def compare(history: Sequence[Day], span: timedelta) -> tuple[Bounded, Bounded, datetime | None]:
    """Return level, change and the start of the span before, all of which there must be."""
    compared = compare_with_week_before(history, END, span)
    assert compared is not None
    assert compared.change is not None
    return compared.level, compared.change, compared.compared_with


def test_a_week_is_compared_with_the_week_before_it():
    history = days([*[4.0] * 7, *[5.0] * 7])

    level, change, since = compare(history, WEEK)

    assert (level.n, since) == (700, END - 2 * WEEK)
    assert level.value == pytest.approx(5.0)
    assert change.value == pytest.approx(1.0)


def test_a_day_is_compared_with_its_own_weekday():
    week = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]

    level, change, since = compare(days([*week, *week]), DAY)

    assert (level.value, change.value, since) == (7.0, 0.0, END - WEEK - DAY)


def test_more_calls_on_a_weekday_are_no_change_of_the_metric():
    week = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    history = days([*week, *week])
    history[-1] = replace(history[-1], n=5000)

    _, change, _ = compare(history, WEEK)

    assert change.value == 0


def test_days_without_their_weekday_before_count_for_the_level_only():
    history = days([*[4.0] * 7, *[5.0] * 7])
    del history[0]

    level, change, _ = compare(history, WEEK)

    assert (level.n, change.n) == (700, 600)


@pytest.mark.parametrize(
    ("history", "has_level"), [([], False), (days([4.0] * 7, end=END - WEEK), False), (days([4.0] * 7), True)]
)
def test_without_days_there_is_nothing_and_without_a_week_before_no_change(history, has_level):
    compared = compare_with_week_before(history, END, WEEK)

    assert (compared is not None) == has_level
    assert compared is None or (compared.change, compared.p_value, compared.compared_with) == (None, None, None)


def test_two_days_that_differ_prove_nothing():
    _, change, _ = compare([*days([4.0], end=END - WEEK), *days([4.5])], DAY)

    assert (change.low, change.high) == (None, None)


def test_a_constant_metric_has_not_changed():
    trends = family_trends({name: days([0.3] * 40) for name in family(ACCURACY, 0, days=1)}, END)

    assert not any(each.is_significant for each in trends.values())
    assert all(each.comparison.p_value == 1 for each in trends.values())


def test_noise_is_what_neither_weekday_nor_week_explains():
    chance = np.random.default_rng(0)
    weekday, week = np.tile(np.arange(7.0), 5), np.repeat([0.0, 3.0, -2.0, 8.0, 1.0], 7)

    noise = day_noise(days((weekday + week + chance.normal(0, 0.5, 35)).tolist(), n=16), END)

    assert noise is not None
    assert noise.freedom == 24
    assert noise.deviation / 16**0.25 == pytest.approx(0.5, rel=0.3)


def test_intervals_of_what_did_not_change_hold_nothing_in_95_of_100():
    floors = [family(ACCURACY, seed, days=56) for seed in range(40)]
    changes = [compare(history, span)[1] for floor in floors for history in floor.values() for span in (DAY, WEEK)]

    held = [each.low <= 0 <= each.high for each in changes if each.low is not None and each.high is not None]
    assert len(held) == len(changes)
    assert 0.93 <= np.mean(held) <= 0.98


def test_families_where_nothing_changed_seldom_show_a_significant_change():
    floors = [family(kind, seed, days=56) for kind in KINDS if kind.series < 10 for seed in range(12)]

    flagged = [any(each.is_significant for each in family_trends(floor, END).values()) for floor in floors]

    assert np.mean(flagged) <= 0.05


def test_a_week_five_points_lower_is_significant():
    flagged = []
    for seed in range(10):
        floor = family(ACCURACY, seed, days=56, step=Step(49, 0.70 / 0.75))
        flagged.append(family_trends(floor, END)[Looked(next(iter(floor)), "week")].is_significant)

    assert sum(flagged) >= 7
