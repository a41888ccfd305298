"""The statements of the rollup. Nothing here commits."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries, rollups
from ml_pipeline.metrics.catalogue import METRICS
from ml_pipeline.metrics.truth import task_definitions
from ml_pipeline.vocabulary.interval import Interval
from ml_pipeline.vocabulary.tasks import Task


def take_hours(tx: Transaction, also: Interval | None) -> int:
    """Choose what to roll up in this transaction: trusted hours that changed, and all trusted hours of ``also``.

    Takes the changes off the list; returns how many hours were chosen.
    """
    named = queries("metrics")
    named.lock(tx)
    named.open_hours(tx)
    if also is not None:
        named.take_interval(tx, start=also.start, end=also.end)
    named.take_changed_hours(tx)
    chosen: int = named.count_hours(tx)
    return chosen


def roll_up(tx: Transaction, tasks: Sequence[Task]) -> int:
    """Make the metrics of the chosen hours again, in place of what was there; return how many rows."""
    named = queries("metrics")
    definitions = task_definitions(tasks)
    named.declare(tx, metrics=_declarations())
    named.span_days(tx)
    named.read_turns(tx)
    named.read_sales(tx)
    named.list_kinds(tx)
    named.describe(tx)
    named.list_audiences(tx)
    named.read_answers(tx, tasks=definitions)
    named.list_cells(tx)
    named.join_cells_with_parts(tx)
    named.list_parts(tx)
    named.read_known(tx, tasks=definitions)
    named.score(tx)
    named.judge(tx)
    named.read_dialogues(tx)
    named.forget(tx)
    return sum(getattr(rollups(), name)(tx) for name in dict.fromkeys(metric.rollup for metric in METRICS.values()))


def days_of(tx: Transaction, metric: str, since: datetime, part: str) -> list[dict[str, Any]]:
    """Return one slice of a metric by day, task and version, from the day of ``since`` on."""
    return [dict(row) for row in queries("metrics").days_of(tx, metric=metric, since=since, slice=part)]


def _declarations() -> str:
    return json.dumps(
        [
            {"name": metric.name, "dimensions": [*([] if metric.is_only_sliced else [""]), *metric.dimensions]}
            for metric in METRICS.values()
        ]
    )
