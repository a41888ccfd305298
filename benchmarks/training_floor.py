"""Facts to retrain on, made inside Postgres in a minute or two: calls of the simulated floor, each many times over.

``python -m benchmarks.training_floor DSN CONVERSATIONS`` fills a database of the current schema, given by its owner's
URL. Copies say the same words, so what models learn from it is no figure; what learning costs is.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiosql
import psycopg2

from ml_pipeline.online.context import read_context
from ml_pipeline.simulation.floor import simulated_source
from ml_pipeline.vocabulary.dialogue import Dialogue
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS, LabelSource

MODELS = 1_500
DAYS = 180
YOUNGEST = timedelta(days=6)
"""So old is the newest call: everything about it is known."""


def fill(dsn: str, conversations: int, *, days: int = DAYS, models: int = MODELS) -> None:
    """Fill the empty database at ``dsn`` with ``conversations`` over ``days`` days, nine customer turns each or so."""
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - YOUNGEST
    bounds = {"from_at": until - timedelta(days=days), "to_at": until}
    dialogues = simulated_source(conversations=min(models, conversations)).dialogues
    named = aiosql.from_path(Path(__file__).with_suffix(".sql"), "psycopg2")
    with _transaction(dsn) as tx:
        named.open_models(tx)
        named.tell_models(
            tx,
            calls=_document(_call(number, one) for number, one in enumerate(dialogues)),
            turns=_document(row for number, one in enumerate(dialogues) for row in _turns(number, one)),
            labels=_document(row for number, one in enumerate(dialogues) for row in _labels(number, one)),
        )
        named.make_calls(tx, calls=conversations, models=len(dialogues), **bounds)
        named.make_partitions(tx, **bounds)
        named.fill_conversations(tx)
        named.fill_turns(tx)
        tasks = ({"name": task.name, "mode": task.mode, "labels": task.labels} for task in DEFAULT_TASKS)
        named.fill_predictions(tx, tasks=_document(tasks))
        named.fill_outcomes(tx)
        named.fill_labels(tx)
        named.trust(tx, **bounds)
    with _transaction(dsn) as tx, tx.cursor() as cursor:
        cursor.execute("ANALYZE")


def _document(rows: Iterable[Any]) -> str:
    return json.dumps(list(rows))


def _call(number: int, dialogue: Dialogue) -> dict[str, Any]:
    return {
        **read_context(dialogue.context, "").features,
        "number": number,
        "seconds": (dialogue.ended_at - dialogue.started_at).total_seconds(),
        "outcome": dialogue.outcome,
        "is_sold": dialogue.outcome == "converted",
        "value": dialogue.metrics.get("conversion_value"),
    }


def _turns(number: int, dialogue: Dialogue) -> Iterator[dict[str, Any]]:
    known = read_context(dialogue.context, "").features
    for turn, (said, phase) in enumerate(zip(dialogue.messages, dialogue.phases, strict=True)):
        yield {
            "number": number,
            "turn": turn,
            "after": (said.at - dialogue.started_at).total_seconds(),
            "role": said.role,
            "content": said.content,
            "context": {**known, "phase": phase},
        }


def _labels(number: int, dialogue: Dialogue) -> Iterator[dict[str, Any]]:
    for label in dialogue.late_labels:
        yield {
            "number": number,
            "turn": label.turn,
            "after": (label.at - dialogue.started_at).total_seconds(),
            "task": label.task,
            "labels": label.labels,
            "source": label.source,
            "source_rank": LabelSource(label.source).rank,
            "value": label.value,
        }


@contextmanager
def _transaction(dsn: str) -> Iterator[Any]:
    connection = psycopg2.connect(dsn, options="-c timezone=UTC")
    try:
        with connection:
            yield connection
    finally:
        connection.close()


if __name__ == "__main__":
    fill(sys.argv[1], int(sys.argv[2]))
