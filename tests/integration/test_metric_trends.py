"""Trends and change points from days in Postgres, and who may write them."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pytest
from psycopg2.extras import execute_values
from typer.testing import CliRunner

from benchmarks.trend_floors import KINDS, MONDAY, Step, family
from ml_pipeline.cli import app
from ml_pipeline.database.engine import transaction
from ml_pipeline.jobs import roll_up_metrics
from ml_pipeline.metrics.catalogue import COMPOUNDS, METRICS
from ml_pipeline.metrics.trends.selection import family_of, main_kinds, whole_kinds
from ml_pipeline.metrics.trends.series import DAY, Day, Series
from tests.integration.events import rows

LATENCY = next(kind for kind in KINDS if kind.metric == "latency_mean")
TRENDS = "SELECT * FROM metric_trends ORDER BY as_of, grain, metric, task, mode, version, slice"
CHANGES = "SELECT * FROM change_points ORDER BY metric, task, mode, version, slice, at"


@pytest.fixture
def database(emptied_database):
    return emptied_database


def keep_days(history: Mapping[Series, Sequence[Day]]) -> None:
    """Write days as the rollup would, and trust all their hours."""
    with transaction() as tx, tx.cursor() as cursor:
        execute_values(
            cursor,
            "INSERT INTO metric_periods (grain, metric, task, mode, version, slice, period_start, value, n, hours)"
            " VALUES %s",
            [("day", *series, day.at, day.value, day.n, 24) for series, days in history.items() for day in days],
        )
        cursor.execute(
            "INSERT INTO quality_verdicts (hour, state) SELECT DISTINCT period_start + interval '9 hours', 'trusted'"
            " FROM metric_periods ON CONFLICT DO NOTHING"
        )


def hold(database, day: datetime) -> None:
    rows(
        database,
        "UPDATE quality_verdicts SET state = 'held' WHERE hour = %(hour)s",
        hour=day + timedelta(hours=9),
    )


def floor(days: int, step: Step | None = None) -> dict[Series, Sequence[Day]]:
    return dict(family(LATENCY, 1, days=days, step=step))


def test_a_slow_version_is_told_with_its_change_and_the_day_it_began(database):
    keep_days(floor(70, Step(63, 1.4)))

    counts = roll_up_metrics.find_trends(MONDAY + 70 * DAY + timedelta(hours=5))

    found = rows(database, TRENDS)
    (slow,) = [row for row in found if row["grain"] == "week" and row["is_significant"]]
    assert counts == {"trends": 48, "significant": sum(r["is_significant"] for r in found), "change_points": 1}
    assert (slow["task"], slow["as_of"], slow["compared_with"]) == ("0", MONDAY + 70 * DAY, MONDAY + 56 * DAY)
    assert slow["level"] - slow["change"] == pytest.approx(slow["level"] / 1.4, rel=0.05)
    assert slow["change_low"] < slow["change"] < slow["change_high"]
    (change,) = rows(database, CHANGES)
    assert (change["task"], change["at"]) == ("0", MONDAY + 63 * DAY)
    assert change["at"] < change["detected_at"] <= MONDAY + 70 * DAY
    assert change["before"] < change["after"]
    assert change["evidence"]["deviations"] > 2


def test_looking_twice_changes_nothing(database):
    keep_days(floor(70, Step(60, 1.4)))
    now = MONDAY + 70 * DAY
    roll_up_metrics.find_trends(now)
    before = rows(database, TRENDS), rows(database, CHANGES)

    counts = roll_up_metrics.find_trends(now + timedelta(hours=3))

    assert counts["change_points"] == 0
    assert (rows(database, TRENDS), rows(database, CHANGES)) == before


def test_late_facts_make_trends_again_and_move_no_change_point(database):
    keep_days(floor(70, Step(60, 1.4)))
    roll_up_metrics.find_trends(MONDAY + 70 * DAY)
    (change,) = rows(database, CHANGES)
    before = rows(database, TRENDS)
    rows(
        database,
        "UPDATE metric_periods SET value = value * 1.02 WHERE task = '0' AND period_start >= %(at)s",
        at=MONDAY + 55 * DAY,
    )

    roll_up_metrics.find_trends(MONDAY + 70 * DAY)

    assert rows(database, CHANGES) == [change]
    assert rows(database, TRENDS) != before
    assert len(rows(database, TRENDS)) == len(before)


def test_days_that_are_not_over_or_hold_an_unread_hour_are_left_out(database):
    keep_days(floor(30))
    hold(database, MONDAY + 28 * DAY)

    roll_up_metrics.find_trends(MONDAY + 29 * DAY + timedelta(hours=20))

    assert {row["as_of"] for row in rows(database, TRENDS)} == {MONDAY + 28 * DAY}


def test_a_held_day_amid_others_waits_and_the_rest_is_compared(database):
    keep_days(floor(30))
    hold(database, MONDAY + 26 * DAY)

    roll_up_metrics.find_trends(MONDAY + 30 * DAY)

    (week,) = [row for row in rows(database, TRENDS) if row["grain"] == "week" and row["task"] == "0"]
    last_week = next(iter(floor(30).values()))[23:]
    assert week["n"] == sum(day.n for day in last_week if day.at != MONDAY + 26 * DAY)


def test_metrics_of_the_sale_are_looked_at_once_they_are_settled(database):
    shares = family(next(kind for kind in KINDS if kind.metric == "conversion_rate"), 0, days=60)
    (days, *_) = shares.values()
    keep_days({Series("conversion_rate", "", "", "", ""): days, Series("error_rate", "", "", "", ""): days})

    roll_up_metrics.find_trends(MONDAY + 60 * DAY)

    as_of = {row["metric"]: row["as_of"] for row in rows(database, TRENDS)}
    assert as_of == {"error_rate": MONDAY + 60 * DAY, "conversion_rate": MONDAY + 30 * DAY}


def test_the_command_tells_what_changed_and_since_when(database):
    keep_days(floor(70, Step(63, 1.4)))
    roll_up_metrics.find_trends(MONDAY + 70 * DAY)

    shown = CliRunner().invoke(app, ["trends", "--metric", "latency_mean"], env={"COLUMNS": "200"})
    told = json.loads(CliRunner().invoke(app, ["trends", "--all", "--json"]).output)

    assert shown.exit_code == 0
    assert "latency_mean" in shown.output
    assert len(told["trends"]) == 48


def test_the_command_knows_its_metrics(database):
    unknown = CliRunner().invoke(app, ["trends", "--metric", "luck"])
    empty = CliRunner().invoke(app, ["trends"])

    assert unknown.exit_code == 2
    assert "luck" in unknown.output
    assert "No metric differs" in empty.output


def test_slices_have_trends_and_no_change_points(database):
    days = floor(70, Step(56, 2.0))[next(iter(floor(1)))]
    keep_days({Series("latency_mean", "t", "m", "v", part): days for part in ("platform=web", "phase=closing")})

    roll_up_metrics.find_trends(MONDAY + 70 * DAY)

    assert {row["slice"] for row in rows(database, TRENDS)} == {"platform=web"}
    assert rows(database, CHANGES) == []


def test_without_a_day_there_is_nothing_to_tell(database):
    assert roll_up_metrics.find_trends() == {"trends": 0, "significant": 0, "change_points": 0}


def test_every_metric_has_a_family_and_what_is_looked_at():
    named = {kind.metric for kind in whole_kinds()}

    assert named == {*METRICS, *COMPOUNDS} - {"calibration_gap"}
    assert all(family_of(Series(name, "", "", "", ""), frozenset()).rollup for name in named)
    assert dict(whole_kinds())["revenue"] == "currency"
    assert ("revenue", "currency,language") in set(main_kinds())
    assert ("accuracy", "language") in set(main_kinds())


def test_a_sale_settles_late_and_so_does_the_truth_of_a_task_about_it():
    asked = (("conversion_lift", ""), ("accuracy", "conversion"), ("accuracy", "needs"), ("satisfaction", ""))

    late = [family_of(Series(name, task, "", "", ""), frozenset({"conversion"})).settles_late for name, task in asked]

    assert late == [True, True, False, False]
