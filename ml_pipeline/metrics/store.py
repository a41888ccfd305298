"""The statements of the rollup. Nothing here commits."""

from collections.abc import Sequence

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries, rollups
from ml_pipeline.metrics.catalogue import FAMILIES
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
    named.span_days(tx)
    named.read_scored(tx, tasks=definitions)
    named.read_answers(tx, tasks=definitions)
    named.read_started(tx)
    named.forget(tx)
    return sum(getattr(rollups(), family.name)(tx) for family in FAMILIES)
