"""For every shipped alert rule what fires it, and what comes close and keeps it quiet. Judged at ``NOW`` and after."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.integration.events import after, append, prediction, rows, turn

NOW = after(days=9)
"""10:00; the log still takes events of the weeks before."""

Arrange = Callable[[Any], object]
CALLER: dict[str, Any] = {"task": "objection", "mode": "detect", "version": "caller"}
OURS: dict[str, Any] = {**CALLER, "version": "objection.detect/1"}


@dataclass(frozen=True)
class Case:
    fires: Arrange
    stays_quiet: Arrange


def hourly(
    database: Any,
    metric: str,
    value: float,
    n: int = 100,
    *,
    hours: tuple[int, int] = (96, -24),
    weeks: tuple[int, int] = (0, 0),
    histogram: str | None = None,
    mean_square: float | None = None,
    **key: str,
) -> None:
    """Roll up ``value`` for every hour from the first to the second of ``hours`` ago, in the weeks so many back."""
    rows(
        database,
        """
        INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n, histogram, mean_square)
        SELECT hour, %(metric)s, %(task)s, %(mode)s, %(version)s, %(slice)s, %(value)s, %(n)s, %(histogram)s::jsonb,
               %(mean_square)s
        FROM generate_series(%(first_week)s, %(last_week)s) AS week,
             generate_series(%(start)s::timestamptz - week * interval '7 days',
                             %(end)s::timestamptz - week * interval '7 days' - interval '1 hour',
                             interval '1 hour') AS hour
        ON CONFLICT (hour, metric, task, mode, version, slice) DO UPDATE SET value = excluded.value, n = excluded.n
        """,
        metric=metric,
        value=value,
        n=n,
        histogram=histogram,
        mean_square=mean_square,
        start=NOW - timedelta(hours=hours[0]),
        end=NOW - timedelta(hours=hours[1]),
        first_week=weeks[0],
        last_week=weeks[1],
        **{"task": "", "mode": "", "version": "", "slice": "", **key},
    )


def changed(metric: str, usual: float, recent: float, n: int = 100, **key: Any) -> Arrange:
    """Return the arrangement of four usual weeks and a recent one."""

    def arrange(database: Any) -> None:
        hourly(database, metric, usual, n, weeks=(1, 4), **key)
        hourly(database, metric, recent, n, **key)

    return arrange


def every_hour(metric: str, value: float, n: int = 100, **key: Any) -> Arrange:
    return lambda database: hourly(database, metric, value, n, **key)


def verdicts(held: int, trusted: int, *, held_ago: float = 5) -> Arrange:
    """Return the arrangement of the newest hours before ``NOW``: those held, and older ones trusted."""

    def arrange(database: Any) -> None:
        rows(
            database,
            """
            INSERT INTO quality_verdicts (hour, state, reason, judged_at, held_since)
            SELECT %(now)s::timestamptz - n * interval '1 hour', CASE WHEN n <= %(held)s THEN 'held' ELSE 'trusted' END,
                   CASE WHEN n <= %(held)s THEN 'turns.no_email' END, %(now)s,
                   CASE WHEN n <= %(held)s THEN %(held_since)s::timestamptz END
            FROM generate_series(1, %(hours)s) AS n
            """,
            now=NOW,
            held=held,
            hours=held + trusted,
            held_since=NOW - timedelta(hours=held_ago),
        )

    return arrange


def changes(consumer: str, state: str, *, hours_ago: float) -> Arrange:
    """Return the arrangement of a changed hour that a consumer has waiting."""

    def arrange(database: Any) -> None:
        rows(
            database,
            """
            INSERT INTO quality_verdicts (hour, state) VALUES (%(hour)s, %(state)s);
            INSERT INTO changed_hours (consumer, table_name, hour, created_at)
            VALUES (%(consumer)s, 'turns', %(hour)s, %(at)s)
            """,
            hour=NOW - timedelta(hours=30),
            state=state,
            consumer=consumer,
            at=NOW - timedelta(hours=hours_ago),
        )

    return arrange


def writer(*, accepted: int = 0, **counters: int) -> Arrange:
    """Return the arrangement of one writer's account."""
    told = {"stored": 0, "duplicate": 0, "rejected": 0, "dropped": 0, **counters}
    return lambda database: rows(
        database,
        """
        INSERT INTO capture_writers (writer, reported_at, accepted_sequence, stored, duplicate, rejected, dropped)
        VALUES (gen_random_uuid(), %(at)s, %(accepted)s, %(stored)s, %(duplicate)s, %(rejected)s, %(dropped)s)
        """,
        at=NOW,
        accepted=accepted,
        **told,
    )


def batch_waits(minutes: float) -> Arrange:
    return lambda database: rows(
        database,
        "INSERT INTO log_ledger (ids, created_at) VALUES (ARRAY[gen_random_uuid()], %(at)s)",
        at=NOW - timedelta(minutes=minutes),
    )


def turns_in_the_log(database: Any, count: int) -> None:
    append(database, [turn("c", n, at=NOW - timedelta(minutes=200) + timedelta(seconds=n)) for n in range(count)])


def rejections(count: int) -> Arrange:
    """Return the arrangement of so many rejected records beside 1,000 turns."""

    def arrange(database: Any) -> None:
        turns_in_the_log(database, 1000)
        rows(
            database,
            """
            INSERT INTO rejected_events (writer, sequence, reason, line, rejected_at)
            SELECT gen_random_uuid(), n, 'time_out_of_range', '{}', %(at)s FROM generate_series(1, %(count)s) AS n
            """,
            count=count,
            at=NOW - timedelta(hours=2),
        )

    return arrange


def unprojectable(count: int) -> Arrange:
    """Return the arrangement of so many unprojectable events among 1,000 turns."""

    def arrange(database: Any) -> None:
        turns_in_the_log(database, 1000)
        rows(
            database,
            """
            INSERT INTO unprojected_events (event_id, event_type, reason, at, arrived_at)
            SELECT gen_random_uuid(), 'turn', 'turn', %(at)s, %(at)s FROM generate_series(1, %(count)s)
            """,
            count=count,
            at=NOW - timedelta(hours=2),
        )

    return arrange


def fallbacks(count: int) -> Arrange:
    """Return the arrangement of 300 answers, some of them fallbacks."""

    def arrange(database: Any) -> None:
        append(
            database,
            [
                prediction("c", n, is_fallback=n < count, at=NOW - timedelta(minutes=100) + timedelta(seconds=n))
                for n in range(300)
            ],
        )

    return arrange


def decided(kind: str, *, hours_ago: float) -> Arrange:
    """Return the arrangement of a decision of its kind."""
    return lambda database: rows(
        database,
        """
        INSERT INTO decisions (decided_at, kind, task, mode, version, verdict, reason, evidence, actor)
        VALUES (%(at)s, %(kind)s, 'objection', 'detect', '', 'REFUSED', 'altered', '{}', 'test')
        """,
        at=NOW - timedelta(hours=hours_ago),
        kind=kind,
    )


def conversations(
    database: Any, count: int, *, week: int = 0, predicted: int = 0, source: str = "agent", hours_ago: float = 2
) -> None:
    """Start conversations in one hour, so many weeks back; the first ``predicted`` of them have a prediction."""
    at = NOW - timedelta(days=7 * week, hours=hours_ago)
    rows(
        database,
        """
        INSERT INTO conversations (conversation_id, source, started_at, last_event_at)
        SELECT md5(%(source)s || %(at)s::text || n)::uuid, %(source)s, %(at)s::timestamptz + n * interval '1 second',
               %(at)s
        FROM generate_series(1, %(count)s) AS n
        """,
        source=source,
        at=at,
        count=count,
    )
    if predicted:
        rows(database, "SELECT ensure_day_partition('predictions', %(day)s)", day=at.date())
        rows(
            database,
            """
            INSERT INTO predictions (conversation_id, turn, task, mode, version, at, probabilities, labels, is_served,
                                     event_id)
            SELECT md5(%(source)s || %(at)s::text || n)::uuid, 1, 'objection', 'detect', 'caller', %(at)s, '{}', '{}',
                   true, gen_random_uuid()
            FROM generate_series(1, %(predicted)s) AS n
            """,
            source=source,
            at=at,
            predicted=predicted,
        )


def traffic(now: int, usual: int = 60) -> Arrange:
    def arrange(database: Any) -> None:
        for week in range(1, 5):
            conversations(database, usual, week=week)
        conversations(database, now)

    return arrange


def predicted_traffic(predicted: int) -> Arrange:
    def arrange(database: Any) -> None:
        for week in range(1, 5):
            conversations(database, 40, week=week, predicted=40)
        conversations(database, 40, predicted=predicted)

    return arrange


def trusted(hours: int) -> Arrange:
    """Return the arrangement of conversations in each of six hours, of which so many are trusted."""

    def arrange(database: Any) -> None:
        for ago in range(3, 9):
            conversations(database, 5, hours_ago=ago)
            state = "trusted" if ago - 3 < hours else "held"
            rows(
                database,
                "INSERT INTO quality_verdicts (hour, state, judged_at) VALUES (%(hour)s, %(state)s, now())",
                hour=NOW - timedelta(hours=ago),
                state=state,
            )

    return arrange


def labelled(recent_n: int) -> Arrange:
    """Return the arrangement of answers of which half were labelled, and lately so many an hour."""

    def arrange(database: Any) -> None:
        hourly(database, "predictions_per_hour", 20, 1, hours=(28 * 24, 0), **CALLER)
        hourly(database, "accuracy", 0.8, 10, hours=(28 * 24, 144), **CALLER)
        if recent_n:
            hourly(database, "accuracy", 0.8, recent_n, hours=(144, 0), **CALLER)

    return arrange


def drift_check(severity: str, kind: str = "prediction") -> Arrange:
    """Return the arrangement of a critical finding and a newer check of the same subject."""

    def arrange(database: Any) -> None:
        for days_ago, found in ((8, "critical"), (1, severity)):
            end = NOW - timedelta(days=days_ago)
            rows(
                database,
                """
                INSERT INTO drift_checks (window_start, window_end, reference_start, kind, subject, test, has_drifted,
                                          severity, headline, evidence, checked_at)
                VALUES (%(end)s::timestamptz - interval '7 days', %(end)s, %(end)s::timestamptz - interval '35 days',
                        %(kind)s, 'caller objection.price', 'kolmogorov_smirnov', %(severity)s <> 'none',
                        %(severity)s, '…', '{"recent_conversations": 400}', %(end)s)
                """,
                end=end,
                severity=found,
                kind=kind,
            )

    return arrange


def matured(recent: float, naive: float, usual: float = 0.11) -> Arrange:
    """Return the arrangement of corrected rates, the last as of two moments, and of four whole weeks before."""

    def arrange(database: Any) -> None:
        for as_of in (NOW, NOW + timedelta(hours=1)):
            weeks = [(as_of, recent, naive)]
            weeks += [(NOW - timedelta(days=8 + 7 * week), usual, usual) for week in range(4)]
            for end, rate, known in weeks:
                rows(
                    database,
                    """
                    INSERT INTO matured_rates (as_of, window_start, window_end, slice, n_total, n_mature, sold,
                                               naive_rate, corrected_rate, low, high, revenue, is_provisional)
                    VALUES (%(as_of)s, %(end)s::timestamptz - interval '7 days', %(end)s, '', 2000, 0, 2000 * %(known)s,
                            %(known)s, %(rate)s, %(rate)s - 0.015, %(rate)s + 0.015, '{}', true)
                    """,
                    as_of=as_of,
                    end=end,
                    rate=rate,
                    known=known,
                )

    return arrange


SLOW = '{"20": 80, "45": 20}'
"""Milliseconds: 80 answers of about 7, 20 of about 75."""
FAST = '{"20": 98, "45": 2}'

CASES: dict[str, Case] = {
    "spool_backlog": Case(writer(accepted=200_000), writer(accepted=5_000)),
    "records_lost": Case(writer(stored=1_000, dropped=3), writer(stored=1_000, rejected=4, duplicate=9)),
    "rejected_share_high": Case(rejections(60), rejections(3)),
    "unprojectable_share_high": Case(unprojectable(60), unprojectable(3)),
    "ingest_lag": Case(batch_waits(45), batch_waits(2)),
    "hours_held": Case(verdicts(2, 10), verdicts(0, 12)),
    "held_share_high": Case(verdicts(40, 32), verdicts(2, 70)),
    "pending_too_long": Case(
        changes("quality", "pending", hours_ago=4), changes("quality", "pending", hours_ago=0.5)
    ),
    "rollup_lag": Case(changes("rollups", "trusted", hours_ago=4), changes("rollups", "held", hours_ago=40)),
    "nothing_trusted": Case(trusted(0), trusted(1)),
    "traffic_absent": Case(traffic(3), traffic(30)),
    "predictions_absent": Case(predicted_traffic(1), predicted_traffic(30)),
    "labels_absent": Case(labelled(0), labelled(8)),
    "error_rate_high": Case(every_hour("error_rate", 0.12), every_hour("error_rate", 0.02)),
    "fallback_share_high": Case(fallbacks(70), fallbacks(9)),
    "artifact_refused": Case(decided("artifact", hours_ago=3), decided("artifact", hours_ago=25)),
    "alias_moved": Case(decided("alias", hours_ago=3), decided("artifact", hours_ago=3)),
    "error_budget_burns": Case(every_hour("error_rate", 0.03), every_hour("error_rate", 0.004)),
    "latency_high": Case(
        every_hour("latency_mean", 20.0, histogram=SLOW, **OURS),
        every_hour("latency_mean", 9.0, histogram=FAST, **OURS),
    ),
    "accuracy_drop": Case(changed("accuracy", 0.85, 0.7, **CALLER), changed("accuracy", 0.85, 0.845, **CALLER)),
    "precision_drop": Case(changed("precision", 0.7, 0.5, **CALLER), changed("precision", 0.7, 0.69, **CALLER)),
    "calibration_worse": Case(changed("brier", 0.15, 0.22, **CALLER), changed("brier", 0.15, 0.152, **CALLER)),
    "drift_critical": Case(drift_check("critical"), drift_check("none")),
    # Known so far is a quarter of what it will be: that alone is no drop.
    "conversion_drop": Case(matured(0.05, naive=0.02), matured(0.109, naive=0.027)),
    "delay_changed": Case(drift_check("warning", "delay"), drift_check("none", "delay")),
    "satisfaction_drop": Case(
        changed("satisfaction", 4.2, 3.4, mean_square=18.0), changed("satisfaction", 4.2, 4.19, mean_square=18.0)
    ),
}  # fmt: skip
