"""Eight writers that are late, slow and undecided, against projectors that are killed: nothing lost, nothing double.

The same hour of trouble is put to two consumers that follow a high-water mark. They lose events; where they do not, the
trouble is too small to prove anything.
"""

import json
import random
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import count
from typing import Any

import psycopg2
import pytest

from ml_pipeline.database.engine import transaction
from ml_pipeline.errors import DatabaseError
from ml_pipeline.events import projection, store
from ml_pipeline.jobs import ingest_events
from tests.integration.events import (
    Event,
    after,
    assignment,
    label,
    outcome,
    prediction,
    rows,
    turn,
)

WRITERS = 8
BATCHES = 14
FACTS = """
SELECT 'turns' AS name, event_id::text AS event, date_trunc('hour', at, 'UTC') AS hour FROM turns
UNION ALL SELECT 'predictions', event_id::text, date_trunc('hour', at, 'UTC') FROM predictions
UNION ALL SELECT 'outcomes', event_id::text, date_trunc('hour', at, 'UTC') FROM outcomes
UNION ALL SELECT 'labels', event_id::text, date_trunc('hour', at, 'UTC') FROM labels
UNION ALL SELECT 'assignments', event_id::text, date_trunc('hour', at, 'UTC') FROM assignments
"""
DOOMED = """
import time
from ml_pipeline.events import store
from ml_pipeline.jobs import ingest_events

def stop_here(tx):
    print("in the transaction", flush=True)
    time.sleep(60)

store.announce = stop_here
ingest_events.run()
"""


def conversation(name: str, chance: random.Random) -> list[Event]:
    """Return the events of one conversation, hours apart, up to six days late, in no order."""
    day = chance.randrange(6)
    events = [assignment(name, at=after(days=day))]
    for number in range(4):
        at = after(number * 10, days=day, hours=number * chance.randrange(3))
        events += [turn(name, number, at=at), prediction(name, number, at=at)]
        events.append(label(name, "objection", ["price"], number=number, at=after(number, days=day, hours=20)))
    events.append(outcome(name, "converted", at=after(days=chance.randrange(day, 7), hours=22)))
    chance.shuffle(events)
    return events


def write(dsn: str, writer: int) -> None:
    """Append batches; a third is rolled back, half is committed long after it was begun, some are sent twice."""
    chance = random.Random(writer)
    connection = psycopg2.connect(dsn)
    sequences = count(1)
    with connection.cursor() as cursor:
        for number in range(BATCHES):
            batch = [event for each in range(2) for event in conversation(f"w{writer}.{number}.{each}", chance)]
            for event in batch:
                event["writer"] = str(uuid.uuid5(uuid.NAMESPACE_URL, f"writer {writer}"))
                event["sequence"] = next(sequences)
            for _ in range(chance.choice([1, 1, 1, 2])):
                for part in (batch[:14], batch[10:]):
                    cursor.execute("SELECT append_events(%s)", (json.dumps(part),))
                    if chance.random() < 0.5:
                        time.sleep(chance.uniform(0.01, 0.12))
                    connection.rollback() if chance.random() < 0.3 else connection.commit()
    connection.close()


class HighWaterMark:
    """The consumer that everybody writes first: what lies above the highest it has seen is new."""

    def __init__(self, newer: str) -> None:
        self._newer = newer
        self._mark: object = None

    def run(self) -> None:
        with transaction() as tx, tx.cursor() as cursor:
            cursor.execute(self._newer, {"mark": self._mark})
            found: Any = cursor.fetchone()
            if found and found["mark"] is not None:
                self._mark = found["mark"]
                batch = store.read_batch(tx, found["ids"])
                assert batch is not None
                store.ensure_partitions(tx)
                store.project(tx, batch, ())
                store.announce(tx)


SERIAL = """
SELECT max(entry) AS mark, array_agg(id)::text AS ids FROM log_ledger CROSS JOIN unnest(ids) AS id
WHERE entry > coalesce(%(mark)s, 0)"""
HIGHEST_ID = """
SELECT max(id::text) AS mark, array_agg(id)::text AS ids FROM ml_tracking_events
WHERE id > coalesce(%(mark)s::uuid, uuid_floor('2000-01-01'))"""


@contextmanager
def going_on(*acts: Callable[[], object]) -> Iterator[None]:
    """Repeat each act in a thread of its own until the block ends; that its connection is cut stops none."""
    is_over = threading.Event()

    def repeat(act: Callable[[], object]) -> None:
        while not is_over.is_set():
            with suppress(psycopg2.OperationalError, psycopg2.InterfaceError, DatabaseError):
                act()
            time.sleep(0.005)

    with ThreadPoolExecutor(len(acts)) as pool:
        repeated = [pool.submit(repeat, act) for act in acts]
        try:
            yield
        finally:
            is_over.set()
        for each in repeated:
            each.result()


def write_all(database) -> None:
    with ThreadPoolExecutor(WRITERS) as pool:
        for written in [pool.submit(write, database.capture_dsn, writer) for writer in range(WRITERS)]:
            written.result()


def committed(database) -> set[str]:
    return {row["id"] for row in rows(database, "SELECT id::text FROM ml_tracking_events")}


def lost_and_double(database) -> tuple[set[str], set[str]]:
    """Return the committed events that are no fact, and those that are more than one."""
    times = Counter(row["event"] for row in rows(database, FACTS))
    return committed(database) - times.keys(), {each for each, found in times.items() if found > 1}


def hours_to_name(database) -> set[tuple[str, datetime]]:
    """Return the hours of all facts: all were touched, those of predictions and starts through their labels too."""
    starts = rows(database, "SELECT date_trunc('hour', started_at, 'UTC') AS hour FROM conversations")
    return {(row["name"], row["hour"]) for row in rows(database, FACTS)} | {
        ("conversations", row["hour"]) for row in starts
    }


def cut_a_projector(database) -> None:
    rows(
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'ml-pipeline' AND xact_start IS NOT NULL AND random() < 0.5",
    )
    time.sleep(0.04)


def kill_a_projector() -> None:
    """Start a projector as a process and kill it in the middle of its transaction."""
    doomed = subprocess.Popen([sys.executable, "-c", DOOMED], stdout=subprocess.PIPE, text=True)
    assert doomed.stdout is not None
    assert doomed.stdout.readline() == "in the transaction\n"
    doomed.kill()
    doomed.communicate()


class Reader:
    """A consumer of changed hours: takes its hours off the list and counts their facts, in one transaction."""

    def __init__(self, consumer: str) -> None:
        self._consumer = consumer
        self.counted: Counter[datetime] = Counter()

    def run(self) -> None:
        with transaction() as tx, tx.cursor() as cursor:
            cursor.execute("DELETE FROM changed_hours WHERE consumer = %s RETURNING hour", (self._consumer,))
            taken: Any = cursor.fetchall()
            hours = {row["hour"] for row in taken}
            cursor.execute(FACTS)
            facts: Any = cursor.fetchall()
            found = Counter(row["hour"] for row in facts if row["hour"] in hours)
        self.counted |= found  # facts only become more
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Many transactions, so that many can be cut."""
    monkeypatch.setattr(projection, "BATCH_EVENTS", 150)


def test_the_ledger_loses_and_doubles_nothing_though_projectors_are_killed(database):
    reader = Reader("rollups")
    write(database.capture_dsn, WRITERS)
    kill_a_projector()

    with going_on(ingest_events.run, ingest_events.run, reader.run, lambda: cut_a_projector(database)):
        write_all(database)
    ingest_events.run()
    reader.run()

    assert len(committed(database)) > 2000
    assert lost_and_double(database) == (set(), set())
    assert rows(database, "SELECT * FROM log_ledger") == []
    to_name = hours_to_name(database)
    for consumer in rows(database, "SELECT consumer FROM fact_consumers WHERE consumer <> 'rollups'"):
        named = rows(database, "SELECT table_name, hour FROM changed_hours WHERE consumer = %(consumer)s", **consumer)
        assert {(row["table_name"], row["hour"]) for row in named} == to_name
    assert reader.counted == Counter(row["hour"] for row in rows(database, FACTS))


@pytest.mark.parametrize("newer", [SERIAL, HIGHEST_ID], ids=["serial", "highest id"])
def test_the_same_trouble_makes_a_high_water_mark_lose_events(database, newer):
    consumer = HighWaterMark(newer)

    with going_on(consumer.run, lambda: cut_a_projector(database)):
        write_all(database)
    consumer.run()

    lost, _ = lost_and_double(database)
    assert len(lost) > 0.2 * len(committed(database))
