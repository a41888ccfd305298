"""Builders of log events for tests, and the way in: ``append`` sends them through the one door as an agent would.

Example: ``append(database, [turn("c1", 0, "How much?"), prediction("c1", 0), outcome("c1", "converted")])``
"""

import json
import random
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Protocol

import psycopg2

from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS

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


def assignment(
    name: str, arm: str = "warm", experiment: str = "greeting", *, at: datetime | None = None, **data: Any
) -> Event:
    """Return a drawn arm of two equal ones."""
    said = {
        "experiment": experiment,
        "experiment_id": conversation_id(experiment),
        "arm": arm,
        "unit": "conversation",
        "unit_id": conversation_id(name),
        "propensity": 0.5,
        "reason": "drawn",
        "turn": 0,
        "policy": {"epoch": 1, "n": 1},
        **data,
    }
    return event(name, "assignment", at or after(), said, "experiment")


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


def trust_all(database: HasDsn) -> None:
    """Let every hour pass, as if it had been judged."""
    rows(database, "UPDATE quality_verdicts SET state = 'trusted'")


def sales_floor(conversations: int = 24, seed: int = 0) -> list[Event]:
    """Return conversations over two days, two or so an hour apart: 8 turns, answers of two versions for three tasks,
    human labels on all customer turns but of every fifth conversation, outcomes but for every seventh, failures.
    """
    chance = random.Random(seed)
    events = []
    for index in range(conversations):
        name, start = f"floor-{seed}-{index}", index * 4000.0
        described = {"language": chance.choice(["en", "es"]), "platform": "web"}
        for number in range(8):
            at = after(start + number * 20)
            is_customer = number % 2 == 1
            role = "user" if is_customer else "assistant"
            events.append(turn(name, number, f"Turn {number}.", role=role, at=at, conversation=described))
            if is_customer:
                events += _answers(name, number, at, chance)
                if index % 5:
                    for task, labels in (("objection", ("price", "trust")), ("needs", ("roi", "support"))):
                        held = [each for each in labels if chance.random() < 0.3]
                        events.append(label(name, task, held, number=number, at=after(start + 3000 + number)))
        if index % 7:
            is_sold = chance.random() < 0.4
            end = {"conversion_value": chance.choice([90, 250]), "currency": "USD"} if is_sold else {}
            satisfaction = {"satisfaction": chance.choice([1.0, 3.5, 5.0])} if index % 2 else {}
            result = "converted" if is_sold else "completed"
            events.append(outcome(name, result, at=after(start + 200), **end, **satisfaction))
        if index % 3 == 0:
            events.append(error(name, at=after(start + 30)))
            events.append(prediction(name, 1, is_fallback=True, at=after(start + 31)))
    return events


def _answers(name: str, number: int, at: datetime, chance: random.Random) -> list[Event]:
    answers = []
    for task in DEFAULT_TASKS:
        for version in ("caller", f"{task.name}.{task.mode}/1"):
            answer = {each: round(chance.random(), 3) for each in task.labels}
            answers.append(
                prediction(
                    name,
                    number,
                    task.name,
                    probabilities=answer,
                    mode=str(task.mode),
                    version=version,
                    latency_ms=round(chance.lognormvariate(2, 1), 3),
                    at=at,
                )
            )
    return answers
