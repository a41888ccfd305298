"""What pages read. Nothing here writes."""

from datetime import datetime
from typing import Any

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.vocabulary.interval import Interval

Row = dict[str, Any]


def minutes(tx: Transaction, span: Interval) -> list[Row]:
    """Return what happened, a row per minute."""
    return [dict(row) for row in queries("live").minutes(tx, start=span.start, end=span.end)]


def answers(tx: Transaction, span: Interval) -> list[Row]:
    """Return who answered how fast, a row per task, mode and version."""
    return [dict(row) for row in queries("live").answers(tx, start=span.start, end=span.end)]


def calls(tx: Transaction, span: Interval, most: int) -> list[Row]:
    """Return the conversations in progress, the latest heard first."""
    return [dict(row) for row in queries("live").calls(tx, start=span.start, end=span.end, most=most)]


def backlog(tx: Transaction) -> tuple[int, datetime | None]:
    """Return how many events wait for the projection, and since when the oldest does."""
    row = queries("live").backlog(tx)
    return row["events"], row["oldest"]
