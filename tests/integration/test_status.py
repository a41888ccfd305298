"""Where every event is, told by ``ml-pipeline status``; and whether the counters and the rows agree."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from typer.testing import CliRunner

from ml_pipeline.cli import app
from ml_pipeline.online.recording.accounts import FATES
from ml_pipeline.online.recording.recorder import Event, Recorder
from ml_pipeline.online.recording.segments import list_segments, scan
from ml_pipeline.online.recording.shipper import PostgresDoor
from ml_pipeline.online.recording.shipping import Shipper
from tests.conftest import run_as_owner
from tests.integration.events import event_id
from tests.online_agent import NOWHERE


def an_event(number: int) -> Event:
    at = datetime.now(UTC)
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    return Event(id=event_id(at), event_type="seen", event_category="agent", timestamp=at, data={"n": number})


def record(spool: Path, count: int, refused: int = 0) -> str:
    """A writer that came and went; return its name."""
    recorder = Recorder(spool, 1 << 20, 0.05)
    for number in range(count):
        recorder.record(an_event(number), "test")
    for _ in range(refused):
        recorder.counts.refuse("spool_full", "test")
    writer = recorder.spool.writer
    recorder.close()
    return writer


def ship(database, spool: Path) -> None:
    door = PostgresDoor(database.capture_dsn)
    shipper = Shipper(spool, door)
    shipper.ship()
    shipper.report()
    door.close()


def status(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, ["status", "--json", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout)


def closes(balance: dict[str, Any]) -> bool:
    """Whether both equations hold."""
    is_offered = balance["offered"] == balance["accepted"] + balance["missing"] + sum(balance["refused"].values())
    ended = sum(balance[fate] for fate in FATES)
    return bool(is_offered and balance["accepted"] == ended + balance["spooled"])


def test_what_waits_on_disk_and_what_is_in_postgres_make_one_account(database, tmp_path):
    spool = tmp_path / "spool"
    first = record(spool, 5, refused=2)
    ship(database, spool)
    second = record(spool, 3)

    code, document = status()

    by_writer = {balance["writer"]: balance for balance in document["writers"]}
    assert code == 0
    assert (by_writer[first]["stored"], by_writer[first]["refused"]) == (5, {"spool_full": 2})
    assert (by_writer[second]["accepted"], by_writer[second]["spooled"]) == (3, 3)
    assert document["total"]["offered"] == 10
    assert all(closes(balance) for balance in (*document["writers"], document["total"]))
    assert (document["is_shipping"], document["is_postgres_away"]) == (False, False)


def test_with_postgres_away_the_spools_own_writers_are_shown_as_the_shipper_last_heard_of_them(
    database, tmp_path, monkeypatch
):
    spool = tmp_path / "spool"
    recorder = Recorder(spool, 1 << 20, 0.05)
    for number in range(4):
        recorder.record(an_event(number), "test")
    ship(database, spool)
    recorder.record(an_event(5), "test")
    monkeypatch.setenv("ML_PIPELINE_CAPTURE_DSN", NOWHERE)

    _, document = status()
    recorder.close()

    (balance,) = document["writers"]
    assert document["is_postgres_away"]
    assert (balance["accepted"], balance["stored"], balance["spooled"]) == (5, 4, 1)
    assert closes(balance)
    assert balance["as_of"]


def test_a_folder_that_nobody_ever_wrote_to_has_no_writers(database, tmp_path):
    code, document = status("--spool", str(tmp_path / "never"))

    assert (code, document["writers"], document["total"]["offered"]) == (0, [], 0)


def test_people_get_a_table(database, tmp_path):
    record(tmp_path / "spool", 5, refused=1)
    ship(database, tmp_path / "spool")

    done = CliRunner().invoke(app, ["status", "--reconcile"], env={"COLUMNS": "200"})

    assert done.exit_code == 0
    assert "Refused   1 as spool_full" in done.stdout
    assert "The counters agree with the rows." in done.stdout


PLANTED = {
    "a row went": ("DELETE FROM ml_tracking_events WHERE sequence = 2", "rows stored"),
    "a counter is wrong": ("UPDATE capture_writers SET duplicate = duplicate + 1", "records up to the last shipped"),
    "a rejection went": ("UPDATE capture_writers SET stored = stored - 1, rejected = rejected + 1", "rows rejected"),
    "a row came by another way": (
        "UPDATE ml_tracking_events SET sequence = 99 WHERE sequence = 5",
        "sequences above the last shipped",
    ),
    "a sequence is there twice": (
        "UPDATE ml_tracking_events SET sequence = 1 WHERE sequence = 2",
        "sequences of the rows stored, each once",
    ),
    "a writer nobody counted": ("DELETE FROM capture_writers", "rows stored"),
    "more became of them than were accepted": (
        "UPDATE capture_writers SET accepted_sequence = 1",
        "spooled below nothing",
    ),
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
def test_a_difference_between_counters_and_rows_is_found(database, tmp_path, planted):
    statement, rule = planted
    writer = record(tmp_path / "spool", 5)
    ship(database, tmp_path / "spool")
    assert status("--reconcile")[1]["differences"] == []

    run_as_owner(database.owner_dsn, statement)
    code, document = status("--reconcile")

    assert code == 1
    assert (writer, rule) in {(found["writer"], found["rule"]) for found in document["differences"]}


def test_rows_of_a_dropped_day_are_no_difference(database, tmp_path):
    record(tmp_path / "spool", 5)
    ship(database, tmp_path / "spool")
    with psycopg2.connect(database.owner_dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tableoid::regclass::text FROM ml_tracking_events")
        for (partition,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE {partition}")

    code, document = status("--reconcile")

    assert (code, document["differences"]) == (0, [])


def test_a_record_that_waits_and_cannot_be_read_is_found(database, tmp_path):
    spool = tmp_path / "spool"
    writer = record(spool, 5)
    (name,) = list_segments(spool)
    data = bytearray((spool / str(name)).read_bytes())
    data[scan(bytes(data)).records[1][2] - 5] ^= 1
    (spool / str(name)).write_bytes(bytes(data))

    code, document = status("--reconcile")

    assert code == 1
    assert document["differences"] == [
        {"writer": writer, "rule": "records that wait on disk", "counted": 5, "found": 4}
    ]
