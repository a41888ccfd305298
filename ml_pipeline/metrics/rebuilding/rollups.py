"""Rollups made again from the facts: equal to the live ones to the last digit, or these are mended."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ml_pipeline.database import rebuilt
from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.rebuilt import Comparison
from ml_pipeline.metrics import store as live
from ml_pipeline.metrics.periods.merging import merge_periods
from ml_pipeline.metrics.rebuilding import store
from ml_pipeline.vocabulary.interval import Interval
from ml_pipeline.vocabulary.tasks import Task


def rebuild_day(tx: Transaction, day: datetime, *, tasks: Sequence[Task], is_mending: bool) -> Comparison:
    """Make the trusted hours of ``day``, the day and its week again and compare; mend the live where ``is_mending``."""
    with rebuilt.beside(tx, store.TABLES):
        store.seed(tx, day)
        if not live.take_hours(tx, Interval(day, day + timedelta(days=1))):
            return Comparison()
        live.roll_up(tx, tasks)
        merge_periods(tx)
        comparison = rebuilt.describe(tx, store.compare(tx))
        if is_mending:
            rebuilt.swap(tx)
    return comparison
