"""Change points on floors whose truth is known, and the theory they rest on."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import pytest
from scipy.stats import kstest

from benchmarks.trend_floors import KINDS, MONDAY, Kind, Step, family
from ml_pipeline.metrics.metric import Unit
from ml_pipeline.metrics.trends.change_points import Change, ChangePoint, find_change_points
from ml_pipeline.metrics.trends.innovations import innovations
from ml_pipeline.metrics.trends.recursive_residuals import Values, recursive_residuals
from ml_pipeline.metrics.trends.self_starting import SURE, self_starting_scores
from ml_pipeline.metrics.trends.series import DAY, Day, Series
from ml_pipeline.metrics.trends.shiryaev_roberts import first_alarm
from ml_pipeline.metrics.trends.step_fit import step_day

ACCURACY, LATENCY = (next(kind for kind in KINDS if kind.metric == name) for name in ("accuracy", "latency_mean"))
WEEKDAYS = np.eye(7)[np.arange(70) % 7]


def points(
    kind: Kind, floor: Mapping[Series, Sequence[Day]], known: Mapping[Series, Sequence[Change]] | None = None
) -> dict[Series, list[ChangePoint]]:
    return find_change_points(floor, {kind.metric: kind.unit}, known or {})


def count(found: Mapping[Series, Sequence[ChangePoint]]) -> int:
    return sum(len(each) for each in found.values())


def days(values: Values, n: int = 100, start: int = 0) -> list[Day]:
    return [Day(MONDAY + (start + number) * DAY, value, n) for number, value in enumerate(values)]


def only_series(values: Sequence[float], unit: Unit = Unit.SCORE) -> list[ChangePoint]:
    series = Series("satisfaction", "", "", "", "")
    return find_change_points({series: days(values)}, {"satisfaction": unit}, {}).get(series, [])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.metric)
def test_a_family_where_nothing_changes_has_less_than_one_change_point_in_26_weeks(kind):
    found = [count(points(kind, family(kind, seed, days=182))) for seed in range(6)]

    assert sum(found) < len(found)


def test_days_that_follow_each_other_are_no_change():
    found = [count(points(LATENCY, family(LATENCY, seed, days=182, correlation=0.3))) for seed in range(4)]

    assert sum(found) < len(found)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("kind", "factor", "days_at_most"), [(LATENCY, 1.2, 7), (ACCURACY, 0.7 / 0.75, 12)])
def test_a_step_is_found_within_days_and_dated(kind, factor, days_at_most, seed):
    floor = family(kind, seed, days=70, step=Step(56, factor))

    (point,) = points(kind, floor)[next(iter(floor))]

    assert timedelta(0) < point.change.detected_at - (MONDAY + 56 * DAY) <= days_at_most * DAY
    assert abs(point.change.at - (MONDAY + 56 * DAY)) <= 2 * DAY
    assert point.after / point.before == pytest.approx(factor, abs=0.06)
    assert np.sign(point.deviations) == np.sign(factor - 1)


def test_what_is_known_is_not_found_again_and_the_next_step_is():
    floor = family(LATENCY, 3, days=120, step=Step(50, 1.4))
    series = next(iter(floor))
    (first,) = points(LATENCY, floor)[series]
    later = [Day(day.at, day.value * (1.3 if day.at >= MONDAY + 90 * DAY else 1), day.n) for day in floor[series]]

    again = points(LATENCY, floor, {series: [first.change]})
    (second,) = points(LATENCY, {**floor, series: later}, {series: [first.change]})[series]

    assert again == {}
    assert abs(second.change.at - (MONDAY + 90 * DAY)) <= DAY
    assert second.before == pytest.approx(first.after, rel=0.1)


def test_days_read_one_by_one_find_what_all_at_once_find():
    floor = family(ACCURACY, 5, days=66, step=Step(50, 0.85))
    known: dict[Series, list[Change]] = {}

    for end in range(45, 67):
        so_far = {series: history[:end] for series, history in floor.items()}
        for series, found in points(ACCURACY, so_far, known).items():
            known.setdefault(series, []).extend(point.change for point in found)

    at_once = points(ACCURACY, floor)
    assert count(at_once) > 0
    assert known == {series: [point.change for point in found] for series, found in at_once.items()}


def test_a_version_that_starts_or_ends_is_no_change_of_the_others_or_its_own():
    old, new = Series("accuracy", "t", "m", "1", ""), Series("accuracy", "t", "m", "2", "")
    chance = np.random.default_rng(0)
    floor = {old: days(chance.normal(0.6, 0.02, 60)), new: days(chance.normal(0.9, 0.02, 60), start=50)}

    assert find_change_points(floor, {"accuracy": Unit.SHARE}, {}) == {}


def test_the_budget_of_a_family_is_shared_by_its_series():
    values = [*np.random.default_rng(1).normal(0, 1, 60), *np.random.default_rng(2).normal(1.5, 1, 30)]
    alone = {Series("satisfaction", "", "", "0", ""): days(values)}
    crowd = {Series("satisfaction", "", "", str(number), ""): days(values) for number in range(60)}

    first = [
        next(iter(find_change_points(floor, {"satisfaction": Unit.SCORE}, {}).values()))[0].change.detected_at
        for floor in (alone, crowd)
    ]

    assert first[0] < first[1]


@pytest.mark.parametrize(
    "values",
    [[], [0.5], [0.5] * 90, [0.1 + 0.2] * 45 + [0.3] * 45, [5.0] * 60 + [50.0] + [5.0] * 30],
    ids=["nothing", "one day", "constant", "rounding", "one freak day"],
)
def test_no_change_is_seen_where_there_is_none(values):
    assert only_series(values) == []


def test_a_constant_that_becomes_another_constant_has_changed():
    (point,) = only_series([5.0] * 40 + [4.0] * 20)

    assert (point.change.at, point.before, point.after) == (MONDAY + 40 * DAY, 5.0, 4.0)


def test_weeks_without_days_are_passed_over():
    values = np.random.default_rng(0).normal(5, 0.5, 120)
    kept = [day for day in days(values) if not MONDAY + 40 * DAY <= day.at < MONDAY + 75 * DAY]

    assert find_change_points({Series("s", "", "", "", ""): kept}, {"s": Unit.SCORE}, {}) == {}


def test_recursive_residuals_hold_all_that_least_squares_leaves():
    chance = np.random.default_rng(0)
    values, weights = 80 + chance.normal(0, 3, 70), chance.uniform(1, 50, 70)

    residuals = recursive_residuals(values, WEEKDAYS, weights)

    means = [np.average(values[day::7], weights=weights[day::7]) for day in range(7)]
    left = np.sum(weights * (values - np.tile(means, 10)) ** 2)
    assert np.isnan(residuals[:7]).all()
    assert np.nansum(residuals**2) == pytest.approx(left, rel=1e-6)


def test_scores_of_normal_days_are_standard_normal_from_the_second_on():
    chance = np.random.default_rng(0)
    scores = np.array(
        [
            self_starting_scores(recursive_residuals(chance.normal(9, 4, 21), WEEKDAYS[:21], np.ones(21)), 9)[8:]
            for _ in range(400)
        ]
    )

    for day in range(scores.shape[1]):
        inside = scores[np.abs(scores[:, day]) < SURE, day]
        assert kstest(inside, "norm").pvalue > 0.001
    assert abs(np.corrcoef(scores[:, 3], scores[:, 4])[0, 1]) < 0.15


def test_false_alarms_stay_within_the_budget_and_use_much_of_it():
    chance, budget = np.random.default_rng(0), [0.01] * 60
    alarms = 0
    for _ in range(800):
        scores, start = chance.normal(0, 1, 60), 0
        while (alarm := first_alarm(scores[start:], budget[start:])) is not None:
            alarms, start = alarms + 1, start + alarm + 1

    assert 0.1 < alarms / 800 < sum(budget)


def test_what_a_day_passes_on_is_taken_away_from_the_next():
    chance = np.random.default_rng(0)
    noise = chance.normal(0, 1, 3000)
    for day in range(1, 3000):
        noise[day] += 0.5 * noise[day - 1]

    new = innovations(noise, [False, *[True] * 2999])

    assert np.corrcoef(new[201:], new[200:-1])[0, 1] == pytest.approx(0, abs=0.05)


def test_the_step_is_dated_by_all_days_and_their_weekdays():
    values = [0, 0, 0, 0, 0, 9, 9] * 4 + [2, 2, 2, 2, 2, 11, 11]

    assert step_day(values, WEEKDAYS[:35], [1.0] * 35, since=1) == 28
