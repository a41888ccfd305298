import json
from collections.abc import Sequence
from datetime import datetime

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.feedback.error_kinds import error_kinds
from ml_pipeline.feedback.spans import Span
from ml_pipeline.feedback.tallies import Tally
from ml_pipeline.metrics.truth import task_definitions
from ml_pipeline.vocabulary.tasks import Task


def consume_hours(tx: Transaction) -> list[datetime]:
    """Take the changed hours that are trusted; waits until no other transaction analyzes feedback."""
    queries("feedback").lock(tx)
    return [row["hour"] for row in queries("feedback").consume_hours(tx)]


def untrusted_hours(tx: Transaction) -> int:
    """Return how many changed hours wait for their verdict."""
    return int(queries("feedback").untrusted_hours(tx))


def replace_errors(tx: Transaction, span: Span, tasks: Sequence[Task]) -> list[Tally]:
    """Write the errors of the span's hours in place of those they had; return the tally per version."""
    sql = queries("feedback")
    hours = list(span.hours)
    sql.forget_errors(tx, hours=hours)
    rows = sql.record_errors(
        tx,
        start=span.interval.start,
        end=span.interval.end,
        hours=hours,
        tasks=task_definitions(tasks),
        kinds=_kind_definitions(tasks),
    )
    return [Tally(**row) for row in rows]


def _kind_definitions(tasks: Sequence[Task]) -> str:
    kinds = [(task.name, error_kinds(task)) for task in tasks]
    return json.dumps([{"task": name, "missed": kind.missed, "unfounded": kind.unfounded} for name, kind in kinds])
