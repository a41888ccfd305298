"""The statements of the quality gate. Nothing here commits."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.quality.check import CheckResult, Suite
from ml_pipeline.quality.verdict import HourVerdict
from ml_pipeline.vocabulary.interval import Interval
from ml_pipeline.vocabulary.tasks import Task

Row = dict[str, Any]


def lock(tx: Transaction) -> None:
    """Wait until no other gate judges."""
    queries("quality").lock(tx)


def hours_to_judge(tx: Transaction) -> dict[datetime, int]:
    """Return the hours that are pending or held, oldest first, each with the version of its facts."""
    return {row["hour"]: row["facts_version"] for row in queries("quality").hours_to_judge(tx)}


def rows_to_judge(tx: Transaction, suite: Suite, hours: Iterable[datetime], tasks: Sequence[Task]) -> str:
    """Return the statement, complete with its values, that reads the suite's rows of ``hours``."""
    known = json.dumps([{"name": task.name, "labels": task.labels} for task in tasks])
    rows = getattr(queries("quality"), f"judged_{suite.table}").sql.rstrip(";")
    statement = f"SELECT * FROM ({rows}) AS judged"  # noqa: S608 - Great Expectations takes what begins with SELECT
    with tx.cursor() as cursor:
        return cursor.mogrify(statement, {"hours": list(hours), "tasks": known}).decode()


def record_results(tx: Transaction, results: Iterable[CheckResult], window: Interval, judged_at: datetime) -> None:
    """Keep what every check found."""
    queries("quality").record_results(
        tx,
        [
            {
                "judged_at": judged_at,
                "window_start": window.start,
                "window_end": window.end,
                "table_name": result.table,
                "expectation": result.name,
                "severity": str(result.severity),
                "has_passed": result.has_passed,
                "observed": json.dumps(result.observed, default=str),
                "failing_events": list(result.failing_events),
            }
            for result in results
        ],
    )


def record_verdicts(tx: Transaction, verdicts: Sequence[HourVerdict], judged_at: datetime) -> dict[str, int]:
    """Write the verdicts of hours whose facts are still those that were judged, and take them off the list.

    Returns how many hours are trusted and held now; an hour that changed meanwhile is in neither.
    """
    written = queries("quality").record_verdicts(
        tx,
        hours=[verdict.hour for verdict in verdicts],
        facts_versions=[verdict.facts_version for verdict in verdicts],
        states=[verdict.state for verdict in verdicts],
        reasons=[verdict.reason for verdict in verdicts],
        judged_at=judged_at,
    )
    counts = {row["state"]: row["hours"] for row in written}
    return {"hours_trusted": counts.get("trusted", 0), "hours_held": counts.get("held", 0)}


def released_hours(tx: Transaction) -> int:
    """Return how many released hours wait for somebody who reads trusted hours."""
    hours: int = queries("quality").released_hours(tx)
    return hours


def verdicts(tx: Transaction, interval: Interval) -> list[Row]:
    """Return hour, state, reason, facts_version, held_since and judged_at of the hours that begin in ``interval``."""
    return [dict(row) for row in queries("quality").verdicts(tx, start=interval.start, end=interval.end)]


def release(tx: Transaction, hours: Mapping[datetime, int], *, reason: str, actor: str) -> Row:
    """Let held hours, each with the version of its facts that was looked at, pass: all or none.

    Returns what the SQL function ``release_hours`` says: status, decision_id, hours, refused.
    """
    answer: Row = queries("quality").release_hours(
        tx, hours=list(hours), facts_versions=list(hours.values()), reason=reason, actor=actor
    )
    return answer


def read_status(tx: Transaction) -> Row:
    """Return how many hours are in each state, what is held and pending, and what failed last."""
    named = queries("quality")
    return {
        "hours": {row["state"]: row["hours"] for row in named.count_states(tx)},
        "held": [dict(row) for row in named.held_hours(tx)],
        "oldest_pending": dict(named.oldest_pending(tx)),
        "failed_checks": [dict(row) for row in named.last_failures(tx)],
    }
