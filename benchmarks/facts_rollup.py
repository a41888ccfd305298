"""``make bench-facts ARGS=rollup``: what an hour costs beside a rebuild, beside half the history, and beside pandas.

Two databases of one server, with 240 hours and 5 million events and with half of both, the same calls an hour.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from benchmarks.claims import Claim, at_least, at_most
from benchmarks.facts_floor import Floor, fill
from benchmarks.rollup_in_pandas import roll_up_day
from benchmarks.server import DATABASE, execute, running_server, value
from ml_pipeline.database.engine import Transaction, transaction
from ml_pipeline.database.migrations import upgrade
from ml_pipeline.metrics import store
from ml_pipeline.metrics.periods.merging import merge_periods
from ml_pipeline.vocabulary.interval import Interval
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS

HOURS = 240
EVENTS = 5_000_000
RUNS = 9
DAYS = 3
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FACTS = ("ml_tracking_events", "turns", "predictions", "acts")
SCANNED = """SELECT count(*) FILTER (WHERE seq_scan + idx_scan > 0) AS scanned, count(*) AS partitions
FROM pg_inherits JOIN pg_stat_xact_all_tables ON relid = inhrelid WHERE inhparent = ANY (%s::regclass[])"""
ACCURACY = """SELECT sum(n) || ' ' || round(sum(value * n)) FROM metric_rollups
WHERE metric = 'accuracy' AND slice = '' AND hour >= %s AND hour < %s"""


@dataclass(frozen=True)
class History:
    dsn: str
    floor: Floor


def claims() -> Iterator[Claim]:
    with running_server() as server:
        execute(server.dsn(), "CREATE DATABASE half")
        upgrade(server.dsn("half"))
        half, whole = (
            History(dsn, fill(dsn, hours=hours, events=events))
            for dsn, hours, events in (
                (server.dsn("half"), HOURS // 2, EVENTS // 2),
                (server.dsn(DATABASE), HOURS, EVENTS),
            )
        )
        rebuilds = {history: _seconds(lambda history=history: _rebuild(history)) for history in (half, whole)}
        yield from _hours(half, whole, rebuilds[whole])
        yield _partitions(whole)
        yield _days(whole)


def _hours(half: History, whole: History, rebuild_seconds: float) -> Iterator[Claim]:
    """Roll single hours up again in both histories, in turn."""
    chance = random.Random(0)
    seconds: dict[History, list[float]] = {half: [], whole: []}
    for _ in range(RUNS):
        back = chance.randint(1, HOURS // 2 - 1) * HOUR
        for history in chance.sample([half, whole], 2):
            hour = history.floor.end - back
            seconds[history].append(_seconds(lambda dsn=history.dsn, hour=hour: _roll_up(dsn, hour, hour + HOUR)))
    yield at_most(
        f"rollup of one hour beside a rebuild of {HOURS} hours and {EVENTS:,} events",
        [each / rebuild_seconds for each in seconds[whole]],
        1 / 50,
        peers={"rebuild_s": rebuild_seconds, "hour_s": sorted(seconds[whole])[RUNS // 2]},
    )
    yield at_most(
        "rollup of one hour with all the history beside the same with half of it",
        [more / less for more, less in zip(seconds[whole], seconds[half], strict=True)],
        1.3,
        peers={"half_hour_s": sorted(seconds[half])[RUNS // 2]},
    )


def _partitions(history: History) -> Claim:
    """Count which day partitions one hour's rollup looks into, by the server's own counters of the transaction."""
    hour = history.floor.start + HOURS // 2 * HOUR
    with transaction(history.dsn) as tx, tx.cursor() as cursor:
        _roll_up_in(tx, Interval(hour, hour + HOUR))
        cursor.execute(SCANNED, (list(FACTS),))
        row = cursor.fetchone()
    return at_most(
        "day partitions of log and facts that the rollup of one hour looks into, a table",
        [row["scanned"] / len(FACTS)],
        2.0,
        unit="partitions",
        peers={"partitions": row["partitions"] / len(FACTS)},
    )


def _days(history: History) -> Claim:
    """Roll whole days up, in SQL and by pandas, in turn; both must find the same."""
    first = history.floor.start.replace(hour=0) + DAY
    ratios, last = [], {}
    for number in range(DAYS):
        day = first + number * DAY
        found: dict[str, pd.DataFrame] = {}
        ways: list[tuple[str, Callable[[], object]]] = [
            ("sql_s", lambda day=day: _roll_up(history.dsn, day, day + DAY)),
            ("pandas_s", lambda day=day, found=found: found.update(roll_up_day(history.dsn, day))),
        ]
        for name, way in random.Random(number).sample(ways, 2):
            last[name] = _seconds(way)
        ratios.append(last["pandas_s"] / last["sql_s"])
        accuracy = found["accuracy"].query("slice == ''")
        counted = f"{accuracy['size'].sum()} {(accuracy['mean'] * accuracy['size']).sum():.0f}"
        assert value(history.dsn, ACCURACY, day, day + DAY) == counted, counted
    return at_least(
        "speed of the rollup of a day beside pandas that reads it and computes the main figures", ratios, 4, peers=last
    )


def _rebuild(history: History) -> None:
    """Make every rollup again, a day at a time as a backfill does."""
    day = history.floor.start.replace(hour=0)
    while day < history.floor.end:
        _roll_up(history.dsn, day, day + DAY)
        day += DAY
    execute(history.dsn, "VACUUM ANALYZE metric_rollups, metric_periods")


def _roll_up(dsn: str, start: datetime, end: datetime) -> None:
    with transaction(dsn) as tx:
        _roll_up_in(tx, Interval(start, end))


def _roll_up_in(tx: Transaction, interval: Interval) -> None:
    store.take_hours(tx, interval)
    store.roll_up(tx, DEFAULT_TASKS)
    merge_periods(tx)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
