"""What happens to a process that records: forks, loops that end, threads, shutdown, signals."""

import asyncio
import gc
import os
import signal
import threading
import time

import psutil
import pytest

from ml_pipeline import MLPipelineService
from tests.conftest import Database
from tests.integration.agents import logged, run_agent, ship, start_agent
from tests.online_agent import NOWHERE, offline_agent, recorded
from tests.torture.evidence import read_writers
from tests.torture.waiting import wait_until

RECORDING = """
    import asyncio, os, signal, sys, threading, time, atexit
    from ml_pipeline import MLPipelineService

    service = MLPipelineService()

    def tell(event):
        os.write(1, f"{event}\\n".encode())

    def record(who):
        async def call():
            return await service.track_event("c", "seen", {"who": who})
        tell(asyncio.run(call()))

    async def record_for_ever():
        while True:
            tell(await service.track_event("c", "seen", {}))
            await asyncio.sleep(0)
"""


def figures_of(database: Database) -> list[tuple[int, int, int, int]]:
    """Offered, refused, accepted, stored of every writer."""
    return [
        (writer.offered, writer.refused, writer.accepted, writer.stored) for writer in read_writers(database.owner_dsn)
    ]


def test_after_a_fork_parent_and_child_record_and_each_is_a_writer_of_its_own(database, tmp_path):
    done = run_agent(RECORDING + """
    for _ in range(30):
        record("parent, before")
    child = os.fork()
    for _ in range(30):
        record("child" if child == 0 else "parent")
    if child == 0:
        grandchild = os.fork()
        for _ in range(30):
            record("child" if grandchild else "grandchild")
        sys.exit(0)
    os.waitpid(child, 0)
    """)  # fmt: skip
    ship(tmp_path / "spool")

    told = done.stdout.split()
    assert done.stderr == ""
    assert len(told) == 150
    assert logged(database) == sorted(told)
    assert sorted(figures_of(database)) == [(30, 0, 30, 30), (60, 0, 60, 60), (60, 0, 60, 60)]


async def test_a_fork_while_other_threads_record_leaves_the_child_able_to_record(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        stopping = threading.Event()
        threads = [threading.Thread(target=lambda: asyncio.run(record_until(service, stopping))) for _ in range(3)]
        for thread in threads:
            thread.start()
        children = [fork_that_records(service) for _ in range(20)]
        stopping.set()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        ended = [await asyncio.to_thread(ends_in_time, child) for child in children]

    assert ended == [True] * 20
    assert sum(line["data"] == {"who": "child"} for line in recorded(tmp_path, "seen")) == 20


async def record_until(service: MLPipelineService, stopping: threading.Event) -> None:
    while not stopping.is_set():
        await service.track_event("c", "seen", {"who": "parent"})


def fork_that_records(service: MLPipelineService) -> int:
    async def call() -> None:
        told = await service.track_event("c", "seen", {"who": "child"})
        os._exit(0 if told else 1)

    child = os.fork()
    if child == 0:
        asyncio.events._set_running_loop(None)
        asyncio.run(call())
    return child


def ends_in_time(child: int) -> bool:
    """Tell whether a child ended well; one that waits for a lock nobody holds any more is killed."""
    for _ in range(1_000):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def test_a_loop_closed_while_recording_costs_nothing_and_another_goes_on(tmp_path, monkeypatch):
    told: list[str | None] = []

    async def record(service: MLPipelineService) -> None:
        while True:
            told.append(await service.track_event("c", "seen", {}))
            await asyncio.sleep(0)

    async def close(service: MLPipelineService) -> str | None:
        told.append(await service.track_event("c", "seen", {}))
        await service.cleanup()
        return told[-1]

    monkeypatch.setenv("ML_PIPELINE_SHIPPER", "none")
    monkeypatch.setenv("ML_PIPELINE_CACHE", str(tmp_path / "cache"))
    service = MLPipelineService(dsn=NOWHERE, spool=tmp_path / "spool")
    for _ in range(3):
        loop = asyncio.new_event_loop()
        cut_off = loop.create_task(record(service))
        loop.call_later(0.05, loop.stop)
        loop.run_forever()
        loop.close()
        cut_off._log_destroy_pending = False  # type: ignore[attr-defined] # cut off on purpose
    last = asyncio.run(close(service))

    assert last
    assert None not in told
    assert len(told) > 30
    assert [line["id"] for line in recorded(tmp_path, "seen")] == told


async def test_loops_in_other_threads_record_through_one_service(tmp_path, monkeypatch):
    async def record(service: MLPipelineService, told: list[str | None]) -> None:
        told += [await service.track_event("c", "seen", {"n": number}) for number in range(100)]

    async with offline_agent(tmp_path, monkeypatch) as service:
        told: list[list[str | None]] = [[] for _ in range(4)]
        await asyncio.gather(*(asyncio.to_thread(asyncio.run, record(service, mine)) for mine in told))
        buffers = (await service.get_ml_pipeline_metrics())["buffers"]

    lines = recorded(tmp_path, "seen")
    assert sorted(line["id"] for line in lines) == sorted(event or "" for mine in told for event in mine)
    assert len({line["sequence"] for line in lines}) == 400
    assert buffers["offered"] == buffers["accepted"] + sum(buffers["refused"].values())


def test_what_is_recorded_while_the_interpreter_ends_is_kept(database, tmp_path):
    done = run_agent("""
    import atexit
    # Runs last, when the module's own end has come and gone.
    atexit.register(lambda: record("last"))
    """ + RECORDING + """
    record("first")
    atexit.register(lambda: record("at exit"))
    threading.Thread(target=lambda: asyncio.run(record_for_ever()), daemon=True).start()
    threading.Thread(target=lambda: (time.sleep(0.2), record("a thread that outlives main"))).start()
    """)  # fmt: skip
    ship(tmp_path / "spool")

    told = [line for line in done.stdout.split() if len(line) == 36]
    assert done.stderr == ""
    assert "None" not in told
    assert len(told) > 10
    stored = logged(database)
    assert set(told) <= set(stored)
    # The daemon thread may have been stopped between the record and its telling.
    assert len(stored) - len(told) <= 1


def test_a_process_that_can_start_no_thread_any_more_still_records(tmp_path, monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setenv("ML_PIPELINE_SHIPPER", "none")
    monkeypatch.setenv("ML_PIPELINE_CACHE", str(tmp_path / "cache"))
    service = MLPipelineService(dsn=NOWHERE, spool=tmp_path / "spool")

    async def record() -> object:
        return await service.track_event("c", "seen", {})

    first = asyncio.run(record())
    asyncio.run(cleaned(service))
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        second = asyncio.run(record())

    assert first
    assert second
    assert {line["id"] for line in recorded(tmp_path, "seen")} == {first, second}


async def cleaned(service: MLPipelineService) -> None:
    await service.cleanup()


def test_os_exit_leaves_every_told_event_to_the_next_start(database, tmp_path):
    done = run_agent(
        RECORDING
        + """
    for _ in range(50):
        record("hasty")
    os._exit(3)
    """
    )
    ship(tmp_path / "spool")

    assert (done.returncode, len(done.stdout.split())) == (3, 50)
    assert logged(database) == sorted(done.stdout.split())
    assert figures_of(database) == [(50, 0, 50, 50)]


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        ("", -signal.SIGTERM),
        ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))", 7),
        ("signal.signal(signal.SIGTERM, lambda *_: os._exit(8))", 8),
    ],
    ids=["by default", "with a handler that exits", "with a handler that exits at once"],
)
def test_sigterm_to_the_agent_and_its_shipper_costs_no_told_event(database, tmp_path, handler, code):
    agent = start_agent(RECORDING + f"""
    {handler}
    tell("up")
    asyncio.run(record_for_ever())
    """)  # fmt: skip
    time.sleep(1.5)
    # What an init system sends: to all of them at once.
    os.killpg(agent.pid, signal.SIGTERM)
    said, complaint = agent.communicate(timeout=60)
    ship(tmp_path / "spool")

    told = [line for line in said.split() if len(line) == 36]
    stored = logged(database)
    assert (agent.returncode, complaint) == (code, "")
    assert len(told) > 50
    assert set(told) <= set(stored)
    assert len(stored) - len(told) <= 1


def test_sigterm_that_a_loop_handles_ends_in_order_and_every_figure_is_exact(database, tmp_path):
    agent = start_agent(
        RECORDING
        + """
    async def main():
        stopping = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        recording = asyncio.create_task(record_for_ever())
        tell("up")
        await stopping.wait()
        recording.cancel()
        await service.cleanup()

    asyncio.run(main())
    """
    )
    time.sleep(0.5)
    agent.terminate()
    said, complaint = agent.communicate(timeout=60)
    ship(tmp_path / "spool")

    told = said.split()
    assert (agent.returncode, complaint) == (0, "")
    assert logged(database) == sorted(told)
    assert figures_of(database) == [(len(told), 0, len(told), len(told))]


async def test_two_hundred_dropped_services_leak_no_thread_no_file_and_no_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_SHIPPER", "none")
    monkeypatch.setenv("ML_PIPELINE_CACHE", str(tmp_path / "cache"))
    me = psutil.Process()

    def ours() -> set[str]:
        # The loop has threads of its own, for what is awaited in them.
        return {thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio")}

    async def use_and_drop(times: int) -> None:
        for _ in range(times):
            service = MLPipelineService(dsn=NOWHERE, spool=tmp_path / "spool")
            assert await service.track_event("c", "seen", {})
            del service
        gc.collect()
        await asyncio.to_thread(wait_until, lambda: ours() <= before, "threads stay")

    before = ours()
    await use_and_drop(20)
    files, memory = me.num_fds(), me.memory_info().rss
    await use_and_drop(200)

    assert me.num_fds() <= files
    assert me.memory_info().rss - memory < 10 << 20
    assert len(recorded(tmp_path, "seen")) == 220


async def test_two_services_on_two_spools_are_two_writers(database, tmp_path):
    async with MLPipelineService(spool=tmp_path / "one") as one, MLPipelineService(spool=tmp_path / "other") as other:
        told = [await one.track_event("c", "seen", {}), await other.track_event("c", "seen", {})]
        drained = [await one.drain(30), await other.drain(30)]

    assert drained == [True, True]
    assert logged(database) == sorted(event or "" for event in told)
    assert figures_of(database)[0][2:] == (1, 1)
    assert len(read_writers(database.owner_dsn)) == 2


async def test_two_services_on_two_databases_each_reach_their_own(database, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    async with MLPipelineService() as one, MLPipelineService(dsn=NOWHERE, spool=elsewhere / "spool") as other:
        told = [await one.track_event("c", "seen", {}), await other.track_event("c", "seen", {})]
        drained = [await one.drain(30), await other.drain(0.5)]

    assert drained == [True, False]
    assert logged(database) == [told[0]]
    assert [line["id"] for line in recorded(elsewhere)] == [told[1]]


async def test_a_spool_serves_one_database_and_a_second_service_that_names_another_is_told(database, tmp_path, caplog):
    async with MLPipelineService() as one, MLPipelineService(dsn=NOWHERE) as other:
        told = [await one.track_event("c", "seen", {}), await other.track_event("c", "seen", {})]
        is_drained = await other.drain(30)
        noted = (await other.get_ml_pipeline_metrics())["buffers"]["noted"]

    assert is_drained
    assert logged(database) == sorted(event or "" for event in told)
    assert noted["spool_serves_another_database"] == 1
    assert "online.spool_serves_another_database" in caplog.text
