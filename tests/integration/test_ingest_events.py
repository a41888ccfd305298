"""The job under crashes, rivals and many writers: nothing lost, nothing double."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg2
import pytest

from ml_pipeline.database.engine import transaction
from ml_pipeline.events import projection, store
from ml_pipeline.jobs import ingest_events
from tests.integration.events import after, append, prediction, rows, turn
from tests.torture.waiting import wait_until

WAITING = """SELECT count(*) AS n FROM pg_locks JOIN pg_database AS d ON d.oid = database
WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"""


def test_a_projector_waits_for_whoever_holds_the_facts(database):
    append(database, [turn("a", 0)])

    with ThreadPoolExecutor() as pool:
        with transaction() as holder:
            store.lock(holder)
            projector = pool.submit(ingest_events.run)
            wait_until(lambda: rows(database, WAITING)[0]["n"], "the projector does not wait", seconds=10)
            meanwhile = rows(database, "SELECT count(*) AS n FROM turns")
        counts = projector.result(timeout=30)

    assert (meanwhile, counts["turns"]) == ([{"n": 0}], 1)


def test_a_projector_that_dies_half_way_loses_nothing(database, monkeypatch):
    append(database, [turn("a", number) for number in range(5)])

    def die(tx):
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(store, "announce", die)
        with pytest.raises(KeyboardInterrupt):
            ingest_events.run()
    assert rows(database, "SELECT count(*) AS n FROM turns") == [{"n": 0}]

    counts = ingest_events.run()

    assert counts["turns"] == 5


def test_many_batches_are_taken_in_one_run(database, monkeypatch):
    monkeypatch.setattr(projection, "BATCH_EVENTS", 10)
    for number in range(6):
        append(database, [turn(f"{number}.{other}", number) for other in range(8)])

    counts = ingest_events.run()

    assert (counts["batches"], counts["turns"]) == (3, 48)


def test_writers_that_fail_and_rival_projectors_lose_and_double_nothing(database):
    def write(writer: int) -> int:
        choice = random.Random(writer)
        committed = 0
        for batch in range(12):
            events = [
                prediction(f"w{writer}b{batch}", number, at=after(number, days=choice.randrange(4)))
                for number in range(20)
            ]
            if choice.random() < 0.3:
                with psycopg2.connect(database.capture_dsn) as connection, connection.cursor() as cursor:
                    cursor.execute("SELECT append_events(%s)", (json.dumps(events),))
                    connection.rollback()
                continue
            append(database, events)
            append(database, events[:5])  # sent again: the answer got lost
            committed += len(events)
        return committed

    def project(_: int) -> int:
        return sum(ingest_events.run()["predictions"] for _ in range(8))

    with ThreadPoolExecutor(10) as pool:
        written = [pool.submit(write, writer) for writer in range(8)]
        projected = [pool.submit(project, rival) for rival in range(2)]
        committed = sum(each.result() for each in written)
        counted = sum(each.result() for each in projected)
    counted += ingest_events.run()["predictions"]

    assert rows(database, "SELECT count(*) AS n FROM predictions") == [{"n": committed}]
    assert counted == committed
    assert rows(database, "SELECT count(*) AS n FROM log_ledger") == [{"n": 0}]


def test_judgement_is_due_when_hours_wait_and_the_last_is_old_or_an_hour_closed(database):
    now = after(minutes_past := 30 * 60)
    judged = (
        "INSERT INTO quality_results (judged_at, window_start, window_end, table_name, expectation, severity, "
        "has_passed, observed) VALUES (%(at)s, %(at)s, %(at)s, 'turns', 'x', 'warning', true, '{}')"
    )

    def due(after_seconds: float) -> bool:
        with transaction() as tx:
            return store.judgement_is_due(tx, now + timedelta(seconds=after_seconds))

    assert not due(0)
    append(database, [turn("a", 0)])
    ingest_events.run()
    assert due(0)
    rows(database, judged, at=now)
    assert not due(599)
    assert due(601)
    rows(database, judged, at=now + timedelta(seconds=3599 - minutes_past))
    assert due(3601 - minutes_past)
