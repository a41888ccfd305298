"""The replay against the real online module and a real Postgres."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from ml_pipeline.online.service import MLPipelineService
from ml_pipeline.samples.clock import ReplayClock, open_clock
from ml_pipeline.samples.replay import Plan, ReplayReport, replay
from ml_pipeline.samples.sources import open_source
from ml_pipeline.simulation.floor import simulated_floor, simulated_source
from ml_pipeline.stack.settings_file import write_settings
from ml_pipeline.vocabulary.dialogue import Source
from tests.conftest import Database

EVENTS = (
    "SELECT id::text, event_type, data - 'latency_ms' FROM ml_tracking_events WHERE event_type <> 'error' ORDER BY id"
)


@pytest.fixture
def agent(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set this process's settings up for a source: its tasks, a spool of its own."""

    def prepare(source: Source) -> None:
        values = {
            "capture_dsn": database.capture_dsn,
            "jobs_dsn": database.jobs_dsn,
            "spool": str(tmp_path / "spool"),
            "cache": str(tmp_path / "cache"),
            "shipper": "thread",
        }
        write_settings(tmp_path / "settings.toml", values, source)
        monkeypatch.setenv("ML_PIPELINE_SETTINGS", str(tmp_path / "settings.toml"))

    return prepare


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(database.owner_dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()
    finally:
        connection.close()


async def play(source: Source, plan: Plan | None = None, **named: Any) -> ReplayReport:
    clock = open_clock(source)
    async with MLPipelineService(clock=clock, source=source.name) as service:
        report = await replay(source, service, clock, plan=plan, **named)
        assert await service.drain(60)
    return report


async def test_a_replay_reaches_postgres_whole_and_a_second_one_adds_nothing(database: Database, agent):
    source = simulated_source(11, 12)
    agent(source)

    first = await play(source)
    stored = rows(database, EVENTS)
    second = await play(source)

    assert first.raised == second.raised == 0
    assert rows(database, EVENTS) == stored
    kinds = [kind for _, kind, _ in stored]
    assert kinds.count("turn") == first.turns
    assert kinds.count("prediction") == first.predictions * len(source.tasks)
    assert kinds.count("outcome") == len(source.dialogues)
    assert kinds.count("label") == first.labels == sum(len(talk.late_labels) for talk in source.dialogues)


async def test_an_interrupted_replay_goes_on_where_it_was_and_ends_the_same(database: Database, agent):
    source = simulated_source(12, 10)
    agent(source)
    stop = asyncio.Event()

    broken = await play(source, stop=stop, on_progress=lambda done, _: stop.set() if done == 4 else None)
    part = rows(database, EVENTS)
    whole = await play(source)
    after = rows(database, EVENTS)

    assert broken.is_interrupted
    assert 0 < len(part) < len(after)
    assert {row[0] for row in part} < {row[0] for row in after}
    assert [kind for _, kind, _ in after].count("turn") == whole.turns
    assert [kind for _, kind, _ in after].count("prediction") == whole.predictions * len(source.tasks)


async def test_two_shares_leave_what_one_replay_leaves(database: Database, agent):
    source = simulated_source(13, 10)
    agent(source)

    old = await play(source, Plan(share=(0.0, 0.9)))
    new = await play(source, Plan(share=(0.9, 1.0)))
    stored = rows(database, EVENTS)
    again = await play(source)

    assert (old.conversations, new.conversations, again.conversations) == (9, 1, 10)
    assert rows(database, EVENTS) == stored


async def test_every_event_names_its_source_and_lies_in_the_shifted_time(database: Database, agent):
    source = simulated_source(14, 6)
    agent(source)
    before = datetime.now(UTC) - timedelta(seconds=1)

    await play(source)

    ((first, last, sources),) = rows(
        database, "SELECT min(timestamp), max(timestamp), array_agg(DISTINCT source) FROM ml_tracking_events"
    )
    ((name, is_simulated, shift, first_at, last_at),) = rows(
        database, "SELECT source, is_simulated, shift, first_at, last_at FROM replayed_sources"
    )
    assert sources == [name] == ["simulated"]
    assert is_simulated
    assert before - timedelta(seconds=1) < last_at <= datetime.now(UTC)
    assert last_at - source.last_event_at == shift
    assert (first, last) == (first_at, last_at)


async def test_a_contact_said_on_the_phone_never_reaches_postgres(database: Database, agent):
    floor = simulated_floor(15, 40)
    talks = tuple(
        talk
        for talk in floor.source.dialogues
        if any("@example" in m.content or "4111" in m.content for m in talk.messages)
    )
    assert talks
    source = Source("simulated", True, floor.source.tasks, talks)
    agent(source)

    await play(source)

    assert rows(
        database, "SELECT count(*) FROM ml_tracking_events WHERE data::text ~ '@example|4111 1111|415 555'"
    ) == [(0,)]
    assert rows(database, "SELECT count(*) > 0 FROM ml_tracking_events WHERE data ->> 'content' ~ 'EMAIL|CARD'") == [
        (True,)
    ]


@pytest.mark.parametrize("name", ["persuasionforgood", "casino"])
async def test_real_conversations_go_through_without_a_complaint(database: Database, agent, request, name: str):
    folder = request.getfixturevalue("persuasion" if name == "persuasionforgood" else "casino")
    source = open_source(folder)
    agent(source)

    report = await play(source, Plan(limit=60))

    noted = rows(database, "SELECT data ->> 'reason' FROM ml_tracking_events WHERE event_type = 'error'")
    refused = rows(database, "SELECT coalesce(sum(rejected), 0) FROM capture_writers")
    labels = rows(
        database,
        "SELECT count(*) FROM ml_tracking_events WHERE event_type = 'label' AND data -> 'unknown_labels' <> '[]'",
    )
    assert (report.conversations, report.raised) == (60, 0)
    assert noted == []
    assert refused == labels == [(0,)]


def test_the_shift_of_a_source_stays_what_it_was(database: Database):
    source = simulated_source(1, 3)

    first = open_clock(source)
    time.sleep(1.1)
    second = open_clock(source)

    assert first.shift == second.shift
    assert abs(source.last_event_at + first.shift - datetime.now(UTC)) < timedelta(seconds=60)


def test_a_later_edition_of_a_source_is_not_carried_far_past_now(database: Database):
    short, long = simulated_source(1, 40, days=5), simulated_source(1, 40, days=28)

    first = open_clock(short)
    second = open_clock(long)

    assert second.shift < first.shift
    assert long.last_event_at + second.shift <= datetime.now(UTC)


def test_the_clock_tells_shifted_source_time():
    clock = ReplayClock(timedelta(days=2))

    told = clock.move_to(datetime(2024, 5, 6, tzinfo=UTC))

    assert clock() == told == datetime(2024, 5, 8, tzinfo=UTC)


def command(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from ml_pipeline.cli import main; main()", "replay", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )


def test_the_command_replays_a_path_and_sums_up(database: Database, agent, persuasion: Path, tmp_path: Path):
    agent(open_source(persuasion))

    process = command(str(persuasion), "--limit", "30", cwd=tmp_path)
    out, err = process.communicate(timeout=100)

    assert (process.returncode, err) == (0, "")
    assert "persuasionforgood (real conversations): 30 conversations" in out
    assert "conversion: caller" in out
    assert "52 of 3,031 annotated customer turns" in out
    assert rows(database, "SELECT count(DISTINCT conversation_id) FROM ml_tracking_events") == [(30,)]


def test_the_command_without_a_path_replays_simulated_calls_and_keeps_their_truth(
    database: Database, agent, tmp_path: Path
):
    agent(simulated_source(1, 1))

    process = command("--limit", "10", cwd=tmp_path)
    out, err = process.communicate(timeout=100)

    assert (process.returncode, err) == (0, "")
    assert "simulated (simulated): 10 conversations" in out
    assert (tmp_path / ".local" / "simulation_truth.jsonl").stat().st_size > 1_000_000
    assert rows(database, "SELECT count(*) FROM ml_tracking_events WHERE data::text ~ 'objections_ahead'") == [(0,)]


def test_ctrl_c_ends_the_command_in_good_order(database: Database, agent, casino: Path, tmp_path: Path):
    agent(open_source(casino))
    process = command(str(casino), "--speed", "600", cwd=tmp_path)
    deadline = time.monotonic() + 60
    while rows(database, "SELECT count(*) FROM ml_tracking_events") == [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.2)

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, err) == (130, "")
    assert "Interrupted. The same command goes on" in out


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda folder: folder / "nothing", "no source at"),
        (lambda folder: folder, "holds no dialogue set known here"),
    ],
)
def test_a_wrong_path_is_one_sentence_and_exit_code_2(tmp_path: Path, make, complaint: str):
    process = command(str(make(tmp_path)), cwd=tmp_path)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 2
    assert out == ""
    assert complaint in err
    assert err.count("\n") == 1


def test_a_source_whose_tasks_the_settings_lack_is_refused(casino: Path, tmp_path: Path):
    process = command(str(casino), cwd=tmp_path)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (2, "")
    assert "the settings lack casino's task 'needs'" in err


def test_without_postgres_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ML_PIPELINE_JOBS_DSN", "postgresql://nobody@127.0.0.1:1/nothing")

    process = command("--limit", "1", cwd=tmp_path)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (2, "")
    assert "cannot reach Postgres" in err
    assert err.count("\n") == 1
