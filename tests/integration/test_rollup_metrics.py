"""The figures themselves, against a count by hand, and which hours are made again."""

import math
from statistics import mean, quantiles
from typing import Any

import pytest

from ml_pipeline.database.engine import transaction
from ml_pipeline.jobs import ingest_events, roll_up_metrics
from ml_pipeline.metrics import store
from ml_pipeline.vocabulary.interval import Interval
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS
from tests.integration.events import (
    after,
    append,
    error,
    label,
    outcome,
    prediction,
    rows,
    sales_floor,
    trust_all,
    turn,
)


def figures(database, **where) -> dict[tuple[str, str], Any]:
    found = rows(
        database,
        "SELECT metric, slice, value, n FROM metric_rollups WHERE hour = %(hour)s AND task = %(task)s"
        " AND version = %(version)s",
        **({"task": "", "version": ""} | where),
    )
    return {(row["metric"], row["slice"]): (row["value"], row["n"]) for row in found}


def test_answers_are_measured_against_what_came_true(database):
    append(database, [turn("a", number) for number in (1, 3)])
    append(database, [turn("a", 0, role="assistant"), turn("a", 2, role="assistant")])
    append(
        database,
        [
            prediction("a", 1, "needs", mode="detect", probabilities={"roi": 0.8, "support": 0.6, "pricing": 0.1}),
            prediction("a", 3, "needs", mode="detect", probabilities={"roi": 0.7}, labels=["roi"]),
            label("a", "needs", ["roi"], number=1, source="human"),
            label("a", "needs", ["roi"], number=3, source="derived"),
            label("a", "needs", ["support"], number=3, source="agent"),
        ],
    )
    ingest_events.run()
    trust_all(database)

    roll_up_metrics.run()

    found = figures(database, hour=after(0), task="needs", version="caller")
    assert found["accuracy", ""] == (0.0, 2)
    assert found["accuracy", "label=roi"] == (0.5, 2)
    assert found["accuracy", "label=pricing"] == (1.0, 2)
    assert found["precision", ""] == (pytest.approx(1 / 3), 3)
    assert found["recall", ""] == (0.5, 2)
    assert found["f1", ""] == (pytest.approx(2 / 5), 5)
    assert ("precision", "label=pricing") not in found
    squares = [0.2**2, 0.6**2, 0.1**2, 0, 0, 0, 0.7**2, 1, 0, 0, 0, 0]
    assert found["brier", ""] == (pytest.approx(mean(squares)), 12)
    losses = [-math.log(p) for p in (0.8, 0.4, 0.9, 1, 1, 1, 0.3, 1e-9, 1, 1, 1, 1)]
    assert found["log_loss", ""] == (pytest.approx(mean(losses), rel=1e-6), 12)
    assert found["label_source_share", "label_source=human"] == (0.5, 12)
    assert found["label_source_share", "label_source=agent"] == (0.5, 12)
    assert found["confidence", ""] == (pytest.approx(0.75), 2)
    assert found["predictions_per_hour", ""] == (2, 1)


def test_confidence_in_one_label_is_that_of_the_likelier_side(database):
    append(database, [prediction("a", 1, "conversion", probabilities={"sold": 0.1})])
    append(database, [prediction("a", 2, "conversion", probabilities={"sold": 0.7})])
    ingest_events.run()
    trust_all(database)

    roll_up_metrics.run()

    found = figures(database, hour=after(0), task="conversion", version="caller")
    assert found["confidence", ""] == (pytest.approx(0.8), 2)


def test_latency_percentiles_are_exact_and_the_histogram_counts_every_answer(database):
    latencies = [0.0, 0.5, 1.0, 1.05, 1.2, 3.0, 8.0, 13.0, 40.0, 2000.0]
    append(database, [prediction("a", number, latency_ms=ms) for number, ms in enumerate(latencies)])
    append(database, [prediction("a", 90, latency_ms=None, at=after(30))])
    ingest_events.run()
    trust_all(database)

    roll_up_metrics.run()

    found = figures(database, hour=after(0), task="objection", version="caller")
    exact = quantiles(latencies, n=100, method="inclusive")
    assert found["latency_p50", ""] == (pytest.approx(exact[49]), 10)
    assert found["latency_p95", ""] == (pytest.approx(exact[94]), 10)
    assert found["latency_p99", ""] == (pytest.approx(exact[98]), 10)
    assert found["latency_mean", ""] == (pytest.approx(mean(latencies)), 10)
    (row,) = rows(database, "SELECT histogram FROM metric_rollups WHERE metric = 'latency_mean' AND slice = ''")
    assert sum(row["histogram"].values()) == 10
    for ms in latencies[1:]:
        assert any(1.1 ** int(low) <= ms * (1 + 1e-9) and ms < 1.1 ** (int(low) + 1) for low in row["histogram"])


def test_failures_are_counted_among_attempts(database):
    append(database, [prediction("a", number) for number in range(3)])
    append(database, [prediction("a", 9, is_fallback=True), prediction("a", 8, error="timeout")])
    failure = error("a", at=after(60))
    failure["data"]["count"] = 5
    append(database, [failure])
    ingest_events.run()
    trust_all(database)

    roll_up_metrics.run()

    assert figures(database, hour=after(0))["error_rate", ""] == (pytest.approx(7 / 10), 10)


def test_a_failure_alone_reopens_its_hour(database):
    append(database, [error("a")])

    ingest_events.run()

    assert rows(database, "SELECT hour FROM changed_hours WHERE consumer = 'rollups'") == [{"hour": after(0)}]


def test_sales_of_the_hour_the_conversation_started_in(database):
    for number, name in enumerate("abcde"):
        append(database, [turn(name, 0, at=after(number))])
    append(
        database,
        [
            outcome("a", "converted", conversion_value=100, currency="USD", satisfaction=5, at=after(days=2)),
            outcome("b", "completed", satisfaction=2),
            outcome("c", "converted", conversion_value=50, currency="EUR"),
            outcome("d", "completed", conversion_value=None),
            label("d", "conversion", ["sold"], source="crm", value=30, currency="USD", at=after(days=3)),
        ],
    )
    ingest_events.run()
    trust_all(database)

    roll_up_metrics.run()

    found = figures(database, hour=after(0))
    assert found["conversion_rate", ""] == (0.75, 4)
    assert found["revenue", "currency=USD"] == (130 / 4, 4)
    assert found["revenue", "currency=EUR"] == (50 / 4, 4)
    assert found["satisfaction", ""] == (3.5, 2)
    assert found["conversations_per_hour", ""] == (5, 1)


def test_only_trusted_hours_are_made_and_the_others_wait(database):
    append(database, [prediction("a", 0), prediction("a", 1, at=after(hours=1))])
    ingest_events.run()
    rows(database, "UPDATE quality_verdicts SET state = 'held' WHERE hour = %(hour)s", hour=after(hours=1))
    rows(database, "UPDATE quality_verdicts SET state = 'trusted' WHERE hour = %(hour)s", hour=after(0))

    first = roll_up_metrics.run()
    again = roll_up_metrics.run()
    rows(database, "UPDATE quality_verdicts SET state = 'released' WHERE state = 'held'")
    released = roll_up_metrics.run()

    assert (first["hours"], again["hours"], released["hours"]) == (1, 0, 1)
    assert {row["hour"] for row in rows(database, "SELECT hour FROM metric_rollups")} == {after(0), after(hours=1)}
    assert rows(database, "SELECT * FROM changed_hours WHERE consumer = 'rollups'") == []
    assert len(rows(database, "SELECT * FROM changed_hours WHERE consumer = 'feedback'")) > 0


def test_late_truth_changes_the_hours_it_touches_as_a_full_rollup_would(database):
    events = sales_floor(conversations=12)
    late = {"outcome", "label"}
    append(database, [each for each in events if each["event_type"] not in late])
    ingest_events.run()
    trust_all(database)
    roll_up_metrics.run()
    append(database, [each for each in events if each["event_type"] in late])
    ingest_events.run()
    trust_all(database)

    roll_up_metrics.run()

    incremental = rows(database, "SELECT * FROM metric_rollups ORDER BY hour, metric, task, mode, version, slice")
    rows(database, "DELETE FROM metric_rollups")
    roll_up_metrics.run(after(days=-1).isoformat(), after(days=9).isoformat())
    full = rows(database, "SELECT * FROM metric_rollups ORDER BY hour, metric, task, mode, version, slice")
    assert incremental == full


WRITTEN = "SELECT xmin::text, ctid::text, * FROM metric_rollups ORDER BY hour, metric, task, mode, version, slice"


def test_a_late_label_rewrites_the_hours_of_what_it_is_about_and_no_other(database):
    append(database, sales_floor(conversations=12))
    append(database, [turn("late", 1, at=after(hours=2)), turn("late", 3, at=after(hours=3))])
    append(database, [prediction("late", 3, mode="detect", at=after(hours=3))])
    ingest_events.run()
    trust_all(database)
    roll_up_metrics.run()
    before = rows(database, WRITTEN)
    append(database, [label("late", "objection", ["price"], number=3, at=after(hours=7))])
    ingest_events.run()
    trust_all(database)

    counts = roll_up_metrics.run()

    assert counts["hours"] == 2, "the hour it began in, the hour of its prediction; not the hour the label came in"
    touched = {after(hours=2), after(hours=3)}
    assert [row for row in rows(database, WRITTEN) if row["hour"] not in touched] == [
        row for row in before if row["hour"] not in touched
    ]
    assert figures(database, hour=after(hours=3), task="objection", version="caller")["accuracy", ""][1] == 1


@pytest.mark.parametrize("late", [turn("a", 3, "How much?", at=after(hours=1)), prediction("a", 3, at=after(hours=1))])
def test_what_comes_in_a_later_hour_of_a_conversation_reopens_the_hour_it_began_in(database, late):
    append(database, [turn("a", 0, "Hello.", role="assistant"), turn("a", 1), outcome("a")])
    append(database, [prediction("a", 1, context={"phase": "greeting"})])
    ingest_events.run()
    trust_all(database)
    roll_up_metrics.run()
    before = figures(database, hour=after(0))
    append(database, [late])
    ingest_events.run()
    trust_all(database)

    roll_up_metrics.run()

    assert figures(database, hour=after(0)) != before


SCANS = """
SELECT relname, seq_scan + coalesce(idx_scan, 0) AS scans FROM pg_stat_xact_user_tables WHERE relname ~ '_[0-9]{8}$'
"""


def scans(tx) -> dict[str, int]:
    """Return how often each day's partition was opened by this session, as far as the server has not published it."""
    with tx.cursor() as cursor:
        cursor.execute(SCANS)
        return {row["relname"]: row["scans"] for row in cursor.fetchall()}


def test_an_hour_is_made_from_the_partitions_of_its_day_alone(database):
    days = [after(days=day) for day in range(-8, 9)]
    for number, at in enumerate(days):
        said = [turn(f"day-{number}", 0, at=at, role="assistant"), turn(f"day-{number}", 1, at=at)]
        append(database, [*said, prediction(f"day-{number}", 1, at=at), outcome(f"day-{number}", at=at)])
        append(database, [label(f"day-{number}", "objection", ["price"], number=1, at=at)])
    ingest_events.run()
    trust_all(database)
    rows(database, "DELETE FROM changed_hours")

    with transaction() as tx:
        before = scans(tx)
        store.take_hours(tx, Interval(after(0), after(hours=1)))
        store.roll_up(tx, DEFAULT_TASKS)
        scanned = {name for name, count in scans(tx).items() if count > before.get(name, 0)}

    today = f"{after(0):%Y%m%d}"
    assert {name for name in scanned if today in name} >= {f"turns_{today}", f"predictions_{today}"}
    assert [name for name in scanned if today not in name] == []


def test_what_nobody_can_mean_stops_no_rollup(database):
    append(database, [turn("a", 0), turn("a", 1, "", role="assistant")])
    append(database, [prediction("a", 0, probabilities={}, latency_ms=-1e300)])
    append(database, [prediction("a", 1, "needs", mode="detect", probabilities={"roi": 1e300}, latency_ms=1e300)])
    append(database, [prediction("a", 2, "conversion", probabilities={"sold": -7})])
    append(database, [outcome("a", "converted", conversion_value=9e14, currency="usd, net", satisfaction=-1e300)])
    append(database, [label("a", "needs", ["support"], number=1)])
    ingest_events.run()
    rows(database, "UPDATE quality_verdicts SET state = 'released'")

    roll_up_metrics.run()

    found = figures(database, hour=after(0))
    assert found["revenue", "currency="] == (9e14, 1)
    assert found["satisfaction", ""] == (-1e6, 1)
    needs = figures(database, hour=after(0), task="needs", version="caller")
    assert needs["latency_mean", ""] == (1e6, 1)
    assert needs["brier", "label=roi"] == (1, 1)


@pytest.mark.parametrize("bounds", [(after(0), None), (None, after(0)), ("2026-01-01T00:00:00", "2026-01-02T00:00:00")])
def test_half_an_interval_or_one_without_a_zone_is_refused(bounds):
    with pytest.raises(ValueError, match="interval"):
        roll_up_metrics.run(*bounds)
