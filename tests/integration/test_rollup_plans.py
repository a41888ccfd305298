"""What the rollup of an hour reads: the days it is about, and none of the others."""

from datetime import timedelta

from benchmarks.facts_floor import fill
from ml_pipeline.database.engine import transaction
from ml_pipeline.metrics import store
from ml_pipeline.metrics.periods.merging import merge_periods
from ml_pipeline.vocabulary.interval import Interval
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS

HOUR = timedelta(hours=1)
SCANS = """SELECT inhparent::regclass::text AS parent, right(inhrelid::regclass::text, 8) AS day,
seq_scan + coalesce(idx_scan, 0) AS scans
FROM pg_inherits JOIN pg_stat_xact_all_tables ON relid = inhrelid
WHERE inhparent = ANY ('{ml_tracking_events, turns, predictions, acts}'::regclass[])"""


def days_read(dsn: str, interval: Interval) -> dict[str, set[str]]:
    """Return which day partitions of each table the rollup of ``interval`` looks into; nothing is kept."""
    with transaction(dsn) as tx, tx.cursor() as cursor:
        store.take_hours(tx, interval)
        store.roll_up(tx, DEFAULT_TASKS)
        merge_periods(tx)
        cursor.execute(SCANS)
        found: dict[str, set[str]] = {}
        for row in map(dict, cursor.fetchall()):
            days = found.setdefault(row["parent"], set())
            if row["scans"]:
                days.add(row["day"])
        tx.rollback()
        return found


def test_the_rollup_of_an_hour_looks_into_the_partitions_of_its_day_and_its_neighbours_only(database):
    floor = fill(database.owner_dsn, hours=14 * 24, events=14 * 24 * 72)
    hour = floor.start.replace(hour=12) + timedelta(days=7)

    found = days_read(database.jobs_dsn, Interval(hour, hour + HOUR))

    today = f"{hour:%Y%m%d}"
    near = {f"{hour + timedelta(days=day):%Y%m%d}" for day in (-1, 0, 1)}
    assert found["ml_tracking_events"] == {today}
    assert today in found["predictions"] <= near
    assert today in found["turns"] <= near
    assert found["acts"] <= near
