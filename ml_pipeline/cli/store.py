"""What the summary reads: one statement each, as values."""

from datetime import datetime
from typing import Any

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries

Row = dict[str, Any]


def captured_conversations(tx: Transaction, source: str) -> frozenset[str]:
    """Return the UUIDs of the source's conversations that are complete."""
    return frozenset(row["conversation_id"] for row in queries("summary").captured_conversations(tx, source=source))


def other_sources(tx: Transaction, source: str) -> dict[str, int]:
    """Return how many conversations of each other source the database holds."""
    return {row["source"]: row["conversations"] for row in queries("summary").other_sources(tx, source=source)}


def champions(tx: Transaction) -> set[str]:
    """Return the versions that answer now."""
    return {row["version"] for row in queries("summary").champions(tx)}


def read_all(tx: Transaction, source: str, served_since: datetime) -> dict[str, Any]:
    """Return every figure of the summary that stands in Postgres, by section."""
    named = queries("summary")
    return {
        "facts": dict(named.facts_of(tx, source=source)),
        "events": dict(named.conservation(tx)),
        "quality": dict(named.quality(tx)),
        "failed_checks": [dict(row) for row in named.failed_checks(tx)],
        "drift": [dict(row) for row in named.drift(tx)],
        "metrics": [dict(row) for row in named.metrics(tx)],
        "served": [dict(row) for row in named.served(tx, source=source, since=served_since)],
        "champions": [dict(row) for row in named.champions(tx)],
    }
