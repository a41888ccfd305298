"""Days and weeks against what their hours say, and against the facts themselves."""

import math
import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from statistics import mean
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, t

from ml_pipeline.database.engine import transaction
from ml_pipeline.jobs import ingest_events, roll_up_metrics
from ml_pipeline.metrics.periods.merging import merge_periods
from tests.integration.events import after, append, assignment, outcome, rows, sales_floor, trust_all, turn

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
PERIODS = "SELECT * FROM metric_periods ORDER BY grain, period_start, metric, task, mode, version, slice"


@pytest.fixture
def database(emptied_database):
    return emptied_database


def hour(number: int, metric: str, value: float, n: int, part: str = "", **also: Any) -> dict[str, Any]:
    """Return one rollup of the hour ``number`` hours after a Monday."""
    row = {"hour": MONDAY + timedelta(hours=number), "metric": metric, "slice": part, "value": value, "n": n}
    return {**row, "mean_square": None, "histogram": None, **also}


def merge(database, hours: Iterable[dict[str, Any]]) -> None:
    """Write rollups of hours, in place of what these hours had, and merge as the rollup does."""
    from psycopg2.extras import Json

    hours = [{**each, "histogram": each["histogram"] and Json(each["histogram"])} for each in hours]
    with transaction() as tx, tx.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE rolled_hours (hour timestamptz PRIMARY KEY) ON COMMIT DROP")
        cursor.executemany("INSERT INTO rolled_hours VALUES (%(hour)s) ON CONFLICT DO NOTHING", hours)
        cursor.execute("DELETE FROM metric_rollups WHERE hour IN (SELECT hour FROM rolled_hours)")
        cursor.executemany(
            "INSERT INTO metric_rollups (hour, metric, slice, value, n, mean_square, histogram)"
            " VALUES (%(hour)s, %(metric)s, %(slice)s, %(value)s, %(n)s, %(mean_square)s, %(histogram)s)",
            hours,
        )
        merge_periods(tx)


def period(database, metric: str, part: str = "", grain: str = "day", days: int = 0) -> dict[str, Any]:
    (row,) = rows(
        database,
        "SELECT * FROM metric_periods WHERE grain = %(grain)s AND metric = %(metric)s AND slice = %(slice)s"
        " AND period_start = %(start)s",
        grain=grain,
        metric=metric,
        slice=part,
        start=MONDAY + timedelta(days=days),
    )
    return row


def test_a_share_is_merged_by_n_and_bounded_by_wilson(database):
    merge(database, [hour(3, "accuracy", 0.5, 10), hour(20, "accuracy", 0.9, 30), hour(30, "accuracy", 1.0, 60)])

    day, week = period(database, "accuracy"), period(database, "accuracy", grain="week")

    assert (day["value"], day["n"], day["hours"]) == (0.8, 40, 2)
    assert (week["value"], week["n"], week["hours"]) == (0.92, 100, 3)
    exact = binomtest(92, 100).proportion_ci(method="wilson")
    assert (week["low"], week["high"]) == (pytest.approx(exact.low), pytest.approx(exact.high))


def test_another_mean_is_bounded_by_its_squares(database):
    values = [3.0, 5.0, 4.0, 1.0, 5.0, 2.0]
    halves = [values[:4], values[4:]]
    merge(
        database,
        [
            hour(number, "satisfaction", mean(half), len(half), mean_square=mean(v**2 for v in half))
            for number, half in enumerate(halves)
        ],
    )

    day = period(database, "satisfaction")

    reach = t.ppf(0.975, 5) * np.std(values, ddof=1) / math.sqrt(6)
    assert day["value"] == pytest.approx(mean(values))
    assert (day["low"], day["high"]) == (
        pytest.approx(mean(values) - reach, rel=2e-3),
        pytest.approx(mean(values) + reach, rel=2e-3),
    )


@pytest.mark.parametrize("freedom", [1, 2, 4, 5, 6, 10, 30, 1000])
def test_students_reach_is_known_to_two_thousandths(database, freedom):
    (row,) = rows(database, "SELECT student_95(%(freedom)s) AS reach", freedom=freedom)

    assert row["reach"] == pytest.approx(t.ppf(0.975, freedom), rel=2e-3)


def test_counts_per_hour_are_a_mean_over_hours(database):
    merge(database, [hour(number, "turns_per_hour", count, 1) for number, count in enumerate((10, 30, 50))])

    assert (period(database, "turns_per_hour")["value"], period(database, "turns_per_hour")["n"]) == (30, 3)


def test_an_hour_without_a_currency_counts_there_with_nothing(database):
    merge(
        database,
        [
            hour(0, "revenue", 10.0, 4, "currency=USD", mean_square=400.0),
            hour(0, "revenue", 5.0, 4, "currency=EUR", mean_square=100.0),
            hour(1, "revenue", 20.0, 6, "currency=USD", mean_square=800.0),
            hour(1, "revenue", 8.0, 3, "currency=USD,language=es", mean_square=80.0),
            hour(25, "revenue", 0.0, 10, "currency=", mean_square=0.0),
        ],
    )

    assert (period(database, "revenue", "currency=EUR")["value"], period(database, "revenue", "currency=EUR")["n"]) == (
        2,
        10,
    )
    assert period(database, "revenue", "currency=USD")["mean_square"] == 640
    assert period(database, "revenue", "currency=USD,language=es")["n"] == 3
    week = period(database, "revenue", "currency=USD", grain="week")
    assert (week["value"], week["n"], week["hours"]) == (8, 20, 2)


def test_the_shares_of_label_sources_add_up_though_one_is_missing_in_an_hour(database):
    merge(
        database,
        [
            hour(0, "label_source_share", 0.25, 8, "label_source=human"),
            hour(0, "label_source_share", 0.75, 8, "label_source=agent"),
            hour(1, "label_source_share", 1.0, 12, "label_source=agent"),
        ],
    )

    shares = [period(database, "label_source_share", f"label_source={source}") for source in ("human", "agent")]
    assert [(each["value"], each["n"]) for each in shares] == [(0.1, 20), (0.9, 20)]


def timed(number: int, latencies: list[float]) -> dict[str, Any]:
    """Return an hour in which answers took so many milliseconds."""
    buckets = Counter(math.floor(math.log(ms) / math.log(1.1)) for ms in latencies)
    return hour(number, "latency_mean", mean(latencies), len(latencies), histogram=buckets)


def test_merged_percentiles_are_within_five_percent_of_exact_ones(database):
    chance = random.Random(0)
    hours = {
        24 * day + number: [
            chance.lognormvariate(chance.uniform(-2, 6), chance.uniform(0, 2))
            for _ in range(chance.choice([1, 2, 3, 40]))
        ]
        for day in range(140)
        for number in range(chance.randint(1, 5))
    }

    merge(database, [timed(number, latencies) for number, latencies in hours.items()])

    found = rows(database, "SELECT * FROM metric_periods WHERE metric LIKE 'latency_p%%'")
    assert len(found) == 3 * (140 + 20)
    for row in found:
        start, days = (row["period_start"] - MONDAY).days, {"day": 1, "week": 7}[row["grain"]]
        drawn = [ms for number, each in hours.items() if start <= number // 24 < start + days for ms in each]
        exact = np.percentile(drawn, int(row["metric"].removeprefix("latency_p")))
        assert row["value"] == pytest.approx(exact, rel=math.sqrt(1.1) - 1 + 1e-9)
        assert row["n"] == len(drawn)
        assert row["low"] is None or row["low"] <= row["value"] <= row["high"]


def test_the_bounds_of_a_percentile_hold_in_95_of_100_days(database):
    chance = np.random.default_rng(0)

    merge(database, [timed(24 * day, chance.lognormal(3, 0.8, 400).tolist()) for day in range(300)])

    bounds = rows(database, "SELECT low, high FROM metric_periods WHERE grain = 'day' AND metric = 'latency_p50'")
    assert mean(each["low"] <= math.exp(3) <= each["high"] for each in bounds) >= 0.94


def test_only_the_days_and_weeks_of_rolled_hours_are_made_again(database):
    merge(database, [hour(24 * day, "accuracy", 0.5, 10) for day in range(10)])
    written = "SELECT grain, period_start, xmin::text FROM metric_periods"
    before = rows(database, written)

    merge(database, [hour(24 * 8, "accuracy", 1.0, 10)])

    kept = rows(database, written)
    changed = [(each["grain"], each["period_start"]) for each in before if each not in kept]
    assert changed == [("day", MONDAY + timedelta(days=8)), ("week", MONDAY + timedelta(days=7))]
    assert period(database, "accuracy", grain="week", days=7)["value"] == pytest.approx(2 / 3)


def test_periods_go_with_the_last_of_their_hours(database):
    append(database, [turn("a", 0), turn("b", 0, at=after(days=1))])
    ingest_events.run()
    trust_all(database)
    roll_up_metrics.run()
    rows(database, "DELETE FROM turns WHERE at >= %(at)s", at=after(hours=12))
    rows(database, "DELETE FROM conversations WHERE started_at >= %(at)s", at=after(hours=12))

    roll_up_metrics.run(after(days=1).isoformat(), after(days=1, hours=1).isoformat())

    assert {row["period_start"] for row in rows(database, PERIODS) if row["grain"] == "day"} == {
        after().replace(hour=0)
    }


def test_late_truth_changes_periods_as_a_backfill_would_to_the_last_digit(database):
    events = sales_floor(conversations=16)
    random.Random(1).shuffle(events)
    late = {"outcome", "label"}
    for lot in ([e for e in events if e["event_type"] not in late], [e for e in events if e["event_type"] in late]):
        append(database, lot)
        ingest_events.run()
        trust_all(database)
        roll_up_metrics.run()
    incremental = rows(database, PERIODS)
    rows(database, "DELETE FROM metric_rollups")
    rows(database, "DELETE FROM metric_periods")

    roll_up_metrics.run(after(days=-1).isoformat(), after(days=9).isoformat())

    assert len(incremental) > 100
    assert rows(database, PERIODS) == incremental


def test_what_an_experiment_gained_is_told_per_day_and_week(database):
    append(database, [turn(f"c{n}", 0, at=after(n)) for n in range(40)])
    append(database, [assignment(f"c{n}", "warm" if n % 2 else "cold", at=after(n)) for n in range(40)])
    append(
        database,
        [outcome(f"c{n}", "converted" if n % 4 == 1 or n % 8 == 0 else "lost", at=after(600)) for n in range(40)],
    )
    rows(
        database,
        "INSERT INTO ml_experiments (id, name, experiment_type, status, config) VALUES (gen_random_uuid(), 'greeting',"
        """ 'greeting', 'running', '{"arms": [{"name": "cold", "weight": 1}, {"name": "warm", "weight": 1}]}')""",
    )
    ingest_events.run()
    trust_all(database)

    roll_up_metrics.run()

    found = rows(database, "SELECT * FROM metric_periods WHERE metric = 'conversion_lift' ORDER BY grain")
    assert [(row["grain"], row["slice"], row["n"]) for row in found] == [
        ("day", "arm=greeting/warm", 20),
        ("week", "arm=greeting/warm", 20),
    ]
    assert found[0]["value"] == pytest.approx(10 / 20 - 5 / 20)
    assert found[0]["low"] < found[0]["value"] < found[0]["high"]
