"""From the agent's calls to the log on a real Postgres, whatever dies on the way."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg2
import pytest

from ml_pipeline import MLPipelineService
from ml_pipeline.online.ids import conversation_uuid
from ml_pipeline.online.recording.segments import list_segments
from ml_pipeline.online.recording.spool import Spool
from tests.online_agent import START, messages

ANSWER = {"objections": {"objections": [{"type": "price", "confidence": 0.7}]}, "conversion": {"probability": 0.8}}
AGENT = """
    import asyncio, sys
    from ml_pipeline import MLPipelineService

    async def main():
        service = MLPipelineService()
        await service.initialize()
        print("up", flush=True)
        while True:
            event = await service.track_event("c", "seen", {"say": "five five one two " * 3})
            print(event, flush=True)
            if len(sys.argv) > 1:
                await asyncio.sleep(float(sys.argv[1]))

    asyncio.run(main())
"""


def query(database, statement):
    with psycopg2.connect(database.owner_dsn) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def stored_ids(database):
    return {row[0] for row in query(database, "SELECT id::text FROM ml_tracking_events WHERE event_type = 'seen'")}


def shippers(spool: Path) -> list[psutil.Process]:
    """The shipper processes at work on a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "ml_pipeline.online.recording.shipper" in command and str(spool) in command:
            found.append(process)
    return found


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def empty_spool(spool: Path) -> None:
    """What the next start does: a shipper that has nobody to wait for."""
    subprocess.run([sys.executable, "-m", "ml_pipeline.online.recording.shipper", str(spool)], timeout=60, check=True)


async def test_calls_end_in_the_log_and_the_figures_add_up(database, tmp_path):
    async with MLPipelineService() as service:
        await service.process_conversation_predictions("c", messages("hi", "hello", "how much?"), {}, ANSWER)
        await service.track_event("c", "seen", {"x": 1})
        await service.record_conversation_outcome("c", "completed", {"conversion_value": 2700})
        await service.track_event("c", "", {})
        is_drained = await service.drain(30)
        metrics = await service.get_ml_pipeline_metrics()

    counts = dict(query(database, "SELECT event_type, count(*) FROM ml_tracking_events GROUP BY 1"))
    assert is_drained
    assert counts == {"turn": 3, "prediction": 2, "seen": 1, "outcome": 1, "error": 1}
    buffers = metrics["buffers"]
    assert buffers["offered"] == buffers["accepted"] + sum(buffers["refused"].values()) == 9
    assert buffers["accepted"] == buffers["stored"] + buffers["spooled"] == 8
    assert (metrics["pipeline_status"], metrics["health_score"] > 0.9) == ("operational", True)


async def test_after_the_agent_no_process_and_no_file_is_left(database, tmp_path):
    spool = tmp_path / "spool"
    async with MLPipelineService() as service:
        await service.track_event("c", "seen", {})
        wait_until(lambda: shippers(spool))

    wait_until(lambda: not shippers(spool))
    assert {path.name for path in spool.iterdir()} == {"shipper.lock", "shipper.log"}
    assert query(database, "SELECT offered, accepted_sequence, stored, shipped_sequence FROM capture_writers") == [
        (1, 1, 1, 1)
    ]


def test_an_agent_that_ends_without_cleanup_leaves_its_events_to_a_shipper(database, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(HASTY)], timeout=60, check=True, capture_output=True, text=True
    )

    wait_until(lambda: stored_ids(database) == set(done.stdout.split()))
    wait_until(lambda: not shippers(tmp_path / "spool"))
    assert done.stderr == ""


HASTY = """
    import asyncio
    from ml_pipeline import MLPipelineService

    for _ in range(3):
        print(asyncio.run(MLPipelineService().track_event("c", "seen", {})))
"""


async def test_dropped_services_leave_no_thread_and_no_file_open(database, tmp_path):
    before = threading.active_count()
    for _ in range(10):
        service = MLPipelineService()
        await service.track_event("c", "seen", {})
        del service
    gc.collect()

    wait_until(lambda: threading.active_count() <= before)
    wait_until(lambda: not [file for file in psutil.Process().open_files() if str(tmp_path / "spool") in file.path])
    wait_until(lambda: len(stored_ids(database)) == 10)
    wait_until(lambda: not shippers(tmp_path / "spool"))


@pytest.mark.parametrize("seed", range(3))
def test_an_agent_killed_at_any_moment_loses_nothing_and_doubles_nothing(database, tmp_path, seed):
    spool = tmp_path / "spool"
    agent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(AGENT)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert agent.stdout is not None
    assert agent.stdout.readline() == "up\n"
    time.sleep(0.4 + 0.35 * seed)
    # Every second time the shipper dies with it, wherever it is between commit and its note of it.
    if seed % 2:
        os.killpg(agent.pid, signal.SIGKILL)
    else:
        agent.kill()
    accepted = {line.strip() for line in agent.stdout.read().splitlines()} - {""}
    agent.wait()
    if seed % 2 == 0:
        wait_until(lambda: not shippers(spool))

    empty_spool(spool)

    stored = stored_ids(database)
    # The last event may be on disk while its id was not yet printed whole.
    assert len(accepted) > 50
    assert {event for event in accepted if len(event) == 36} <= stored
    assert len(stored) - len(accepted) <= 1
    (figures,) = query(
        database, "SELECT accepted_sequence, stored, duplicate, rejected, quarantined FROM capture_writers"
    )
    assert figures == (len(stored), len(stored), 0, 0, 0)
    assert list_segments(spool) == []


async def test_with_postgres_stopped_events_wait_and_then_all_arrive(cluster, database, tmp_path):
    async with MLPipelineService() as service:
        before = {await service.track_event("c", "seen", {}) for _ in range(20)}
        assert await service.drain(30)
        cluster.stop()
        stopped_at = datetime.now(UTC)
        try:
            during = {await service.track_event("c", "seen", {}) for _ in range(3_000)}
            waited = await service.drain(0.5)
            metrics = await service.get_ml_pipeline_metrics()
            stream = await service.event_tracker.get_event_stream()
        finally:
            cluster.start(fsync="off", full_page_writes="off", synchronous_commit="off", shared_buffers="64MB")
        is_drained = await service.drain(60)

    buffers = metrics["buffers"]
    assert (waited, metrics["pipeline_status"], stream) == (False, "degraded", [])
    assert buffers["stored"] == 20
    assert buffers["accepted"] == buffers["stored"] + buffers["spooled"] >= 3_020
    assert datetime.fromisoformat(metrics["as_of"]) < stopped_at
    assert is_drained
    assert None not in during
    assert stored_ids(database) == before | during
    wait_until(lambda: not shippers(tmp_path / "spool"))


async def test_the_same_conversation_told_by_two_runs_is_stored_once(database, tmp_path):
    for run in ("first", "second"):
        async with MLPipelineService(spool=tmp_path / run, clock=lambda: START) as service:
            await service.process_conversation_predictions("c", messages("hi", "hello"), {}, ANSWER)
            await service.record_conversation_outcome("c", "completed", {})
            assert await service.drain(30)

    assert query(database, "SELECT count(*) FROM ml_tracking_events") == [(5,)]
    assert query(database, "SELECT sum(stored), sum(duplicate) FROM capture_writers") == [(5, 5)]


def test_records_postgres_will_not_have_are_rejected_and_stop_nobody(database, tmp_path):
    spool = Spool(tmp_path / "spool", 1 << 20)
    template = b'{"id":"%b","event_type":"seen","event_category":"agent","timestamp":"%b","data":{"x":"%b"}}'
    at = START.isoformat().encode()
    head = f"{int(START.timestamp() * 1000):012x}"
    for number in range(1, 11):
        broken = {3: b"\\u0000", 7: b"\\ud800"}.get(number, b"fine")
        name = f"{head[:8]}-{head[8:]}-7000-8000-{number:012x}".encode()
        spool.write(template % (b"no-uuid" if number == 5 else name, at, broken))
    spool.close()

    empty_spool(tmp_path / "spool")

    rejected = query(database, "SELECT sequence, reason FROM rejected_events ORDER BY sequence")
    assert [sequence for sequence, _ in rejected] == [3, 5, 7]
    assert len(stored_ids(database)) == 7
    assert query(database, "SELECT stored, rejected, shipped_sequence FROM capture_writers") == [(7, 3, 10)]


async def test_an_event_out_of_time_is_rejected_by_the_door(database, tmp_path):
    async with MLPipelineService() as service:
        await service.track_event("c", "seen", {"timestamp": "1999-01-01"})
        await service.track_event("c", "seen", {})
        assert await service.drain(30)

    assert query(database, "SELECT reason FROM rejected_events") == [("time_out_of_range",)]
    assert len(stored_ids(database)) == 1


def test_the_forked_children_of_a_started_agent_record_too(database, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FORKING)], timeout=60, check=False, capture_output=True, text=True
    )
    empty_spool(tmp_path / "spool")

    assert done.returncode == 0, done.stderr
    who = query(database, "SELECT data ->> 'who', count(DISTINCT writer) FROM ml_tracking_events GROUP BY 1 ORDER BY 1")
    assert who == [("child", 2), ("parent", 1)]
    wait_until(lambda: not shippers(tmp_path / "spool"))


FORKING = """
    import asyncio, os
    from ml_pipeline import MLPipelineService

    service = MLPipelineService()

    async def say(who):
        event = await service.track_event("c", "seen", {"who": who})
        assert event, who

    asyncio.run(service.initialize())
    asyncio.run(say("parent"))
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            asyncio.run(say("child"))
            asyncio.run(service.cleanup())
            os._exit(0)
        children.append(child)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    asyncio.run(say("parent"))
    asyncio.run(service.cleanup())
"""


def test_an_agent_needs_nothing_but_the_islands_dependencies(database, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WHOLE_AGENT)], timeout=60, check=True, capture_output=True, text=True
    )

    assert set(done.stdout.split()) == {"aiosql", "ml_pipeline", "msgspec", "phonenumbers", "psycopg2", "stdnum"} | {
        name for name in done.stdout.split() if name in {"typing_extensions", "packaging"}
    }
    wait_until(lambda: not shippers(tmp_path / "spool"))


WHOLE_AGENT = """
    import asyncio, sys
    of_the_interpreter = set(sys.modules)
    from ml_pipeline import MLPipelineService

    async def main():
        async with MLPipelineService() as service:
            said = [{"role": "user", "content": "call 5512345678, ES91 2100 0418 4502 0005 1332"}]
            await service.process_conversation_predictions("c", said, {}, {"conversion_probability": 0.5})
            assert await service.drain(30)
            assert await service.event_tracker.get_event_stream("c")
            assert (await service.get_ml_pipeline_metrics())["as_of"]

    asyncio.run(main())
    files = {name.split(".")[0]: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()
             if name not in of_the_interpreter}
    print(*{name for name, file in files.items() if "site-packages" in file or name == "ml_pipeline"})
"""


async def test_two_services_of_a_process_share_one_writer(database, tmp_path):
    async with MLPipelineService() as one, MLPipelineService() as other:
        await one.process_conversation_predictions("c", messages("hi"), {}, ANSWER)
        await other.process_conversation_predictions("c", messages("hi"), {}, ANSWER)
        assert await other.drain(30)

    assert query(database, "SELECT count(DISTINCT writer), count(*) FROM ml_tracking_events") == [(1, 3)]


async def test_without_initialize_the_first_call_starts_what_is_needed(database, tmp_path):
    service = MLPipelineService()
    await service.track_event("c", "seen", {})
    await service.cleanup()
    await service.track_event("c", "seen", {})
    await service.cleanup()
    await service.cleanup()

    wait_until(lambda: len(stored_ids(database)) == 2)
    wait_until(lambda: not shippers(tmp_path / "spool"))


async def test_a_thread_ships_where_the_setting_says_so(database, tmp_path, monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_SHIPPER", "thread")

    async with MLPipelineService() as service:
        await service.track_event("c", "seen", {})
        is_drained = await service.drain(30)

    assert is_drained
    assert shippers(tmp_path / "spool") == []


async def test_the_event_stream_is_newest_first_parsed_and_bounded(database, tmp_path):
    async with MLPipelineService(clock=lambda: START) as service:
        await service.process_conversation_predictions("c", messages("hi", "hello", "mail a@b.com"), {}, {})
        await service.track_event("d", "seen", {"at": "2026-03-02T10:00:00Z", "x": {"y": 1}})
        await service.track_event("c", "", {})
        assert await service.drain(30)
        stream = service.event_tracker.get_event_stream
        everything, of_one, of_types = await stream(), await stream("c"), await stream(event_types=["error", "seen"])
        since, newest = await stream(since="2026-03-02T09:00:15Z"), await stream(limit=1)

    assert [event["timestamp"] for event in everything] == sorted((e["timestamp"] for e in everything), reverse=True)
    assert everything[0]["data"] == {"at": "2026-03-02T10:00:00Z", "x": {"y": 1}}
    assert {event["conversation_id"] for event in of_one} == {conversation_uuid("c")}
    assert {event["event_type"] for event in of_types} == {"seen", "error"}
    assert of_types[1]["data"] == {"reason": "missing_event_type", "where": "track_event", "count": 1}
    assert [event["data"].get("content") for event in since] == [None, "mail <EMAIL>"]
    assert newest == everything[:1]
