"""Builders of log events for tests, and the way in: ``append`` sends them through the one door as an agent would.

Example: ``append(database, [turn("c1", 0, "How much?"), prediction("c1", 0), outcome("c1", "converted")])``
"""

import json
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Protocol

import psycopg2

Event = dict[str, Any]

START = (datetime.now(UTC) - timedelta(days=10)).replace(hour=10, minute=0, second=0, microsecond=0)
"""10:00 ten days ago: inside the log's limits, the same all through a run, and never close to an hour's edge."""

_sequences = count(1)
_WRITER = uuid.UUID("00000000-0000-4000-8000-000000000001")


class HasDsn(Protocol):
    capture_dsn: str
    owner_dsn: str


def after(seconds: float = 0, *, hours: float = 0, days: float = 0) -> datetime:
    """Return ``START`` plus some time."""
    return START + timedelta(seconds=seconds, hours=hours, days=days)


def conversation_id(name: str) -> str:
    """Return the UUID of a conversation called ``name`` in a test."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def event_id(at: datetime) -> str:
    """Return a UUIDv7 of the millisecond of ``at``."""
    millisecond = int(at.timestamp() * 1000)
    return str(uuid.UUID(int=millisecond << 80 | 7 << 76 | 2 << 62 | uuid.uuid4().int & (1 << 62) - 1))


def event(name: str, event_type: str, at: datetime, data: Any, category: str = "agent", **fields: Any) -> Event:
    """Return one line for ``append_events``; ``fields`` replace any of its keys."""
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    return {
        "id": event_id(at),
        "conversation_id": conversation_id(name),
        "event_type": event_type,
        "event_category": category,
        "timestamp": at.isoformat(),
        "data": data,
        "client_id": name,
        "source": "agent",
        "writer": str(_WRITER),
        "sequence": next(_sequences),
        **fields,
    }


def turn(
    name: str, number: int, content: str = "Hello.", *, role: str = "user", at: datetime | None = None, **data: Any
) -> Event:
    said = {"turn": number, "role": role, "content": content, "language": "en", **data}
    return event(name, "turn", at or after(number * 10), said, "conversation")


def prediction(
    name: str,
    number: int,
    task: str = "objection",
    *,
    probabilities: dict[str, Any] | None = None,
    at: datetime | None = None,
    **data: Any,
) -> Event:
    """Return an answer of the agent itself, mode anticipate, 12 ms; labels are those of at least .5."""
    answer = {"price": 0.9} if probabilities is None else probabilities
    said = {
        "turn": number,
        "task": task,
        "mode": "anticipate",
        "version": "caller",
        "probabilities": answer,
        "labels": [label for label, p in answer.items() if isinstance(p, int | float) and p >= 0.5],
        "is_served": True,
        "latency_ms": 12.0,
        "context": {"phase": "presentation"},
        **data,
    }
    return event(name, "prediction", at or after(number * 10), said, "prediction")


def outcome(name: str, result: str = "completed", *, at: datetime | None = None, **data: Any) -> Event:
    return event(name, "outcome", at or after(600), {"outcome": result, **data}, "outcome")


def label(
    name: str,
    task: str,
    labels: Sequence[str],
    *,
    number: int | None = None,
    source: str = "human",
    at: datetime | None = None,
    **data: Any,
) -> Event:
    said = {"task": task, "labels": list(labels), "source": source, "turn": number, **data}
    return event(name, "label", at or after(900), said, "feedback")


def error(name: str, reason: str = "predict_failed", *, at: datetime | None = None) -> Event:
    return event(name, "error", at or after(), {"reason": reason, "where": "predictor", "count": 1}, "system")


def append(database: HasDsn, events: Iterable[Event]) -> dict[str, int]:
    """Send ``events`` as one batch through the door as the agent's role; return what it did with them."""
    connection = psycopg2.connect(database.capture_dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT append_events(%s)", (json.dumps(list(events)),))
            (counts,) = cursor.fetchone() or ({},)
            return dict(counts)
    finally:
        connection.close()


def rows(database: HasDsn, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    """Return what ``statement`` finds, as the owner."""
    from psycopg2.extras import RealDictCursor

    connection = psycopg2.connect(database.owner_dsn, cursor_factory=RealDictCursor, options="-c timezone=UTC")
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []
    finally:
        connection.close()
