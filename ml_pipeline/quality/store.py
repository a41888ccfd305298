"""The statements of the quality gate. Nothing here commits."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.quality.check import CheckResult, Suite
from ml_pipeline.quality.verdict import HourVerdict
from ml_pipeline.vocabulary.interval import Interval
from ml_pipeline.vocabulary.tasks import Task


def lock(tx: Transaction) -> None:
    """Wait until no other gate judges."""
    queries("quality").lock(tx)


def pending_hours(tx: Transaction) -> dict[datetime, int]:
    """Return the hours that wait for a verdict, oldest first, each with the version of its facts."""
    return {row["hour"]: row["facts_version"] for row in queries("quality").pending_hours(tx)}


def rows_to_judge(tx: Transaction, suite: Suite, tasks: Sequence[Task]) -> str:
    """Return the statement, complete with its values, that reads the suite's rows of pending hours."""
    known = json.dumps([{"name": task.name, "labels": task.labels} for task in tasks])
    statement = getattr(queries("quality"), f"judged_{suite.table}").sql
    with tx.cursor() as cursor:
        return cursor.mogrify(statement, {"tasks": known}).decode()


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
