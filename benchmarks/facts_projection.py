"""Group ``projection``: how fast the ledger becomes facts.

The events are those of a simulated floor: turns, answers of two versions, outcomes, labels, arms, sales told late. Each
run forgets the facts of the newest ones, names their ids to the ledger as the door would have, and projects them again;
beside the same in a database that knows nothing else, beside half as many, and beside as many of new days, whose
partitions must be made. The order changes from run to run, and Postgres waits for the disk at each commit.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiosql
import psycopg2

from benchmarks import facts_floor
from benchmarks.claims import Claim, at_least, at_most
from benchmarks.server import DATABASE, execute, running_server
from ml_pipeline.database.migrations import upgrade
from ml_pipeline.jobs import ingest_events

EVENTS = 40_000
HISTORY_EVENTS = 1_000_000
HISTORY_DAYS = 200
NEW_DAYS = 300
RUNS = 5


@dataclass(frozen=True)
class Side:
    """A database whose events of [start, end) are projected again and again."""

    dsn: str
    jobs_dsn: str
    start: datetime
    end: datetime
    are_days_new: bool = False

    @property
    def half(self) -> datetime:
        return self.start + (self.end - self.start) / 2

    def seconds_per_event(self, until: datetime) -> float:
        """Project the events of [start, until) anew."""
        with _connected(self.dsn) as connection:
            bounds = {"low": self.start, "high": until}
            _statements().forget(connection, **bounds)
            _statements().name(connection, **bounds)
            days = [day for (day,) in _statements().list_days(connection)] if self.are_days_new else []
        for day in days:  # one a transaction: each takes locks on all that belongs to it
            execute(self.dsn, f"DROP TABLE {day}")
        execute(self.dsn, "VACUUM ANALYZE conversations, turns, predictions, outcomes, labels, assignments, log_ledger")
        execute(self.dsn, "CHECKPOINT")
        os.environ["ML_PIPELINE_JOBS_DSN"] = self.jobs_dsn
        began = time.perf_counter()
        counts = ingest_events.run()
        taken = time.perf_counter() - began
        with _connected(self.dsn) as connection:
            assert _statements().count_missing(connection, low=self.start, high=until) == 0
        return taken / counts["events"]


def claims() -> Iterator[Claim]:
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with running_server() as server:
        execute(server.dsn(), "ALTER ROLE ml_jobs PASSWORD 'benchmark'")
        for name in ("alone", "new_days"):
            execute(server.dsn(), f"CREATE DATABASE {name}")
            upgrade(server.dsn(name))
        jobs = {"role": "ml_jobs", "password": "benchmark"}
        aged, alone, new_days = (
            Side(server.dsn(name), server.dsn(name, **jobs), until - length, until, are_days_new=name == "new_days")
            for name, length in (
                (DATABASE, timedelta(hours=2)),
                ("alone", timedelta(hours=2)),
                ("new_days", timedelta(days=NEW_DAYS)),
            )
        )
        facts_floor.fill(aged.dsn, hours=HISTORY_DAYS * 24, events=HISTORY_EVENTS, end=aged.start)
        for side in (aged, alone):
            facts_floor.fill(side.dsn, hours=2, events=EVENTS, end=until)
        facts_floor.fill(new_days.dsn, hours=NEW_DAYS * 24, events=EVENTS, end=until)
        yield from _judge(aged, alone, new_days)


def _judge(aged: Side, alone: Side, new_days: Side) -> Iterator[Claim]:
    alone.seconds_per_event(alone.half)  # what a process does only once
    measured: dict[str, list[float]] = {"aged": [], "alone": [], "half": [], "new_days": []}
    for run in range(RUNS):
        ways: list[tuple[str, Callable[[], float]]] = [
            ("aged", lambda: aged.seconds_per_event(aged.end)),
            ("alone", lambda: alone.seconds_per_event(alone.end)),
            ("half", lambda: aged.seconds_per_event(aged.half)),
            ("new_days", lambda: new_days.seconds_per_event(new_days.end)),
        ]
        random.Random(run).shuffle(ways)
        for name, way in ways:
            measured[name].append(way())
    speeds = {name: [1 / seconds for seconds in taken] for name, taken in measured.items()}
    history = f"beside {HISTORY_EVENTS:,} events of {HISTORY_DAYS} days"
    yield at_least(f"projection: speed {history}", speeds["aged"], 5000, "events/s")
    yield at_least(f"projection: speed over {NEW_DAYS} new days", speeds["new_days"], 5000, "events/s")
    yield at_most(f"projection: cost of an event {history}, to alone", _ratios(measured, "aged", "alone"), 1.3)
    yield at_most("projection: cost of an event among n, to among n / 2", _ratios(measured, "aged", "half"), 1.2)


def _ratios(measured: dict[str, list[float]], of: str, to: str) -> list[float]:
    return [a / b for a, b in zip(measured[of], measured[to], strict=True)]


def _statements() -> Any:
    return aiosql.from_path(Path(__file__).with_suffix(".sql"), "psycopg2")


@contextmanager
def _connected(dsn: str) -> Iterator[Any]:
    connection = psycopg2.connect(dsn, options="-c timezone=UTC")
    try:
        with connection:
            yield connection
    finally:
        connection.close()
