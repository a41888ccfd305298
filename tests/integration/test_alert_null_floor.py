"""A sales floor on which nothing changes: three weeks of judging, and not one alert."""

import io
from datetime import timedelta
from typing import Any

import numpy as np
import psycopg2

from ml_pipeline.jobs import roll_up_metrics
from tests.integration.events import START, rows

BEGIN = START.replace(hour=0) - timedelta(days=49)
WEEKS_BEFORE, WEEKS_JUDGED = 4, 3
HOURS = 168 * (WEEKS_BEFORE + WEEKS_JUDGED)
JUDGED_EVERY = 11

QUIET_FOR_A_REASON = {
    "error_rate_high", "error_budget_burns", "latency_high", "accuracy_drop", "precision_drop", "calibration_worse",
    "satisfaction_drop", "labels_absent", "traffic_absent", "predictions_absent", "nothing_trusted", "held_share_high",
}  # fmt: skip
"""The rules that read what the floor has."""

TASKS = ("objection", "needs", "conversion")


def floor(seed: int) -> dict[str, list[tuple[Any, ...]]]:
    """Return rollups and conversations of every hour: calls come by day, and shares differ between hours by more than
    chance alone, as answers of one conversation resemble each other.
    """
    random = np.random.default_rng(seed)
    rollups: list[tuple[Any, ...]] = []
    calls: list[tuple[Any, ...]] = []
    for index in range(HOURS):
        hour = BEGIN + timedelta(hours=index)
        count = int(random.poisson(4 + 16 * (8 <= hour.hour < 20)))
        calls += [(hour + timedelta(seconds=n),) for n in range(count)]
        turns = 6 * count
        rollups.append((hour, "error_rate", "", "", "", _share(random, 0.008, turns + 1), turns + 1, None, None))
        if count:
            scores = random.choice([1, 2, 3, 4, 5], size=max(1, count // 3), p=[0.05, 0.1, 0.2, 0.35, 0.3])
            mean_square = float(np.mean(scores.astype(float) ** 2))
            rollups.append((hour, "satisfaction", "", "", "", scores.mean(), len(scores), None, mean_square))
            for task in TASKS:
                for version in ("caller", f"{task}.detect/1"):
                    key = (task, "detect", version)
                    rollups.append((hour, "predictions_per_hour", *key, turns, 1, None, None))
                    rollups.append((hour, "accuracy", *key, _share(random, 0.8, turns), turns, None, None))
                    rollups.append((hour, "precision", *key, _share(random, 0.6, count), count, None, None))
                    rollups.append((hour, "brier", *key, random.normal(0.15, 0.03), turns, None, 0.04))
                    slow = random.binomial(turns, 0.02)
                    buckets = f'{{"20": {turns - slow}, "45": {slow}}}'
                    rollups.append((hour, "latency_mean", *key, 8.0, turns, buckets, None))
    return {"rollups": rollups, "calls": calls}


def _share(random: np.random.Generator, p: float, n: int) -> float:
    """Return a share among ``n`` that come in clusters of about three (design effect)."""
    return float(random.binomial(max(1, n // 3), p) / max(1, n // 3))


def load(database: Any, made: dict[str, list[tuple[Any, ...]]]) -> None:
    connection = psycopg2.connect(database.owner_dsn)
    with connection, connection.cursor() as cursor:
        columns = "hour, metric, task, mode, version, value, n, histogram, mean_square"
        cursor.copy_expert(f"COPY metric_rollups ({columns}) FROM STDIN", _lines(made["rollups"]))
        cursor.execute("CREATE TEMPORARY TABLE call (at timestamptz)")
        cursor.copy_expert("COPY call FROM STDIN", _lines(made["calls"]))
        cursor.execute(
            """
            INSERT INTO conversations (conversation_id, source, started_at, last_event_at)
            SELECT gen_random_uuid(), 'agent', at, at FROM call;
            SELECT ensure_day_partition('predictions', day::date)
            FROM (SELECT min(at) AS low, max(at) + interval '1 day' AS high FROM call) AS span,
                 generate_series(low, high, '1 day') AS day;
            INSERT INTO predictions (conversation_id, turn, task, mode, version, at, probabilities, labels, is_served,
                                     event_id)
            SELECT conversation_id, 1, 'objection', 'detect', 'caller', started_at, '{}', '{}', true, gen_random_uuid()
            FROM conversations;
            INSERT INTO quality_verdicts (hour, state, judged_at)
            SELECT DISTINCT hour, 'trusted', hour + interval '1 hour' FROM metric_rollups;
            ANALYZE
            """
        )
    connection.close()


def _lines(made: list[tuple[Any, ...]]) -> io.StringIO:
    return io.StringIO("".join("\t".join(r"\N" if x is None else str(x) for x in row) + "\n" for row in made))


def test_where_nothing_changes_no_shipped_rule_fires(database):
    load(database, floor(seed=1))
    begin = BEGIN + timedelta(weeks=WEEKS_BEFORE)

    for hour in range(0, 168 * WEEKS_JUDGED, JUDGED_EVERY):
        roll_up_metrics.judge_alerts(begin + timedelta(hours=hour))

    assert rows(database, "SELECT rule, subject, headline FROM alerts") == []
    # Judged, and not for want of samples.
    quiet = {row["rule"] for row in rows(database, "SELECT rule FROM alert_standings WHERE streak < 0")}
    assert quiet >= QUIET_FOR_A_REASON
