"""A disk or a folder that will not have the record: the call goes on, the refusal is counted, logged and told."""

import asyncio
import errno
import json
import logging
import os
import pwd
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline import MLPipelineService
from ml_pipeline.errors import RefusalError
from ml_pipeline.online.recording.segments import list_segments, scan
from ml_pipeline.online.recording.spool import Spool
from ml_pipeline.online.redaction import warm_up
from tests.integration.agents import logged, ship
from tests.online_agent import NOWHERE, offline_agent, recorded
from tests.torture.spool_disk import can_mount, small_disk
from tests.torture.waiting import wait_until

ROOT = 0


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own for the spool, with a file on it that takes nearly all the room."""
    if not can_mount(tmp_path / "trial"):
        pytest.skip("may not mount here; the chamber's refusing writer stands for the full disk")
    with small_disk(tmp_path / "spool"):
        filler = tmp_path / "spool" / "filler"
        filler.write_bytes(bytes(300_000))
        yield filler


async def test_a_full_disk_refuses_is_told_and_takes_again_once_there_is_room(tmp_path, monkeypatch, full_disk, caplog):
    caplog.set_level(logging.WARNING)
    async with offline_agent(tmp_path, monkeypatch) as service:
        told = [await service.track_event("c", "seen", {"n": n, "pad": "pad " * 500}) for n in range(100)]
        while_full = (await service.get_ml_pipeline_metrics())["buffers"]
        full_disk.unlink()
        later = await service.track_event("c", "seen", {"n": 100})
        await asyncio.to_thread(wait_until, lambda: "disk_full" in told_errors(tmp_path), "nothing is told of the disk")

    kept = [event for event in told if event]
    assert 0 < len(kept) < 100
    assert later
    assert [line["id"] for line in recorded(tmp_path, "seen")] == [*kept, later]
    assert while_full["refused"]["disk_full"] >= 100 - len(kept)
    assert while_full["offered"] == while_full["accepted"] + sum(while_full["refused"].values())
    assert told_errors(tmp_path)["disk_full"] >= while_full["refused"]["disk_full"]
    assert sum("online.disk_full" in message for message in caplog.messages) == 1


def told_errors(tmp_path: Path) -> dict[str, int]:
    """The error events on disk: how often each reason had happened."""
    return {line["data"]["reason"]: line["data"]["count"] for line in recorded(tmp_path, "error")}


async def test_a_write_that_the_disk_cuts_short_leaves_no_half_record(tmp_path, monkeypatch):
    real = os.write
    async with offline_agent(tmp_path, monkeypatch) as service:
        first = await service.track_event("c", "seen", {"n": 1})
        monkeypatch.setattr(os, "write", lambda file, data: real(file, data[: len(data) // 2]))
        refused = await service.track_event("c", "seen", {"n": 2})
        monkeypatch.undo()
        last = await service.track_event("c", "seen", {"n": 3})

    assert refused is None
    assert [line["id"] for line in recorded(tmp_path, "seen")] == [first, last]


async def test_a_file_system_that_turned_read_only_refuses_and_is_told(tmp_path, monkeypatch, caplog):
    def read_only(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    async with offline_agent(tmp_path, monkeypatch) as service:
        first = await service.track_event("c", "seen", {})
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", read_only)
            refused = await service.track_event("c", "seen", {})
        last = await service.track_event("c", "seen", {})
        buffers = (await service.get_ml_pipeline_metrics())["buffers"]

    assert refused is None
    assert [line["id"] for line in recorded(tmp_path, "seen")] == [first, last]
    assert buffers["refused"]["spool_unusable"] >= 1
    assert "online.spool_unusable" in caplog.text


async def test_a_segment_cut_while_it_is_written_costs_nothing_of_what_is_written_behind_the_cut(database, tmp_path):
    async with MLPipelineService() as service:
        told = [await service.track_event("c", "seen", {"n": n}) for n in range(10, 30)]
        assert await service.drain(30)
        (name,) = list_segments(tmp_path / "spool")
        path = tmp_path / "spool" / str(name)
        ends = [end for sequence, _, end in scan(path.read_bytes()).records if sequence]
        os.truncate(path, ends[9])
        told += [await service.track_event("c", "seen", {"n": n}) for n in range(30, 50)]

    ship(tmp_path / "spool")
    assert logged(database) == sorted(event or "" for event in told)


@pytest.mark.parametrize("mode", [0o555, 0o000], ids=["read-only folder", "no permission on the folder"])
def test_a_folder_that_may_not_be_written_refuses_every_event_and_says_so(mode):
    folder = Path(tempfile.mkdtemp(prefix="mlp-fault-"))
    folder.chmod(0o755)
    spool = folder / "spool"
    spool.mkdir()
    spool.chmod(mode)
    try:
        said = as_plain_user(lambda: record_three(spool, folder / "cache"))
    finally:
        spool.chmod(0o755)
        shutil.rmtree(folder)

    assert said["told"] == [None, None, None]
    assert said["status"] == "error"
    assert said["health"] == 0
    assert said["refused"] == {"spool_unusable": said["offered"]}
    assert said["drained"] is (mode == 0o555)
    # One line for the folder, one for the refused calls: no line every second.
    assert len([line for line in said["log"] if "spool" in line]) == 2


def test_a_folder_stays_unusable_until_a_segment_could_be_opened_in_it(tmp_path, monkeypatch):
    monkeypatch.setattr("ml_pipeline.online.recording.spool.RETRY_SECONDS", 0.0)
    spool = Spool(tmp_path / "spool", 1 << 20)
    with monkeypatch.context() as patched:
        patched.setattr("ml_pipeline.online.recording.spool.SegmentWriter", refuse)
        with pytest.raises(RefusalError):
            spool.write(b"{}")
        spool.prepare()
        was_usable = spool.is_usable
    spool.write(b"{}")

    assert (was_usable, spool.is_usable) == (False, True)
    spool.close()


def refuse(*_: object) -> None:
    raise OSError(errno.EACCES, "Permission denied")


async def test_a_spool_path_that_is_a_file_refuses_and_leaves_the_file_alone(tmp_path, monkeypatch, caplog):
    (tmp_path / "spool").write_text("somebody's notes")

    async with offline_agent(tmp_path, monkeypatch) as service:
        told = await service.track_event("c", "seen", {})
        metrics = await service.get_ml_pipeline_metrics()
        is_drained = await service.drain(1)

    assert (told, metrics["pipeline_status"], metrics["health_score"], is_drained) == (None, "error", 0, False)
    assert metrics["buffers"]["refused"]["spool_unusable"] == metrics["buffers"]["offered"]
    assert (tmp_path / "spool").read_text() == "somebody's notes"
    assert "spool.unusable" in caplog.text


async def record_three(spool: Path, cache: Path) -> dict[str, Any]:
    os.environ.update(ML_PIPELINE_CACHE=str(cache), ML_PIPELINE_SHIPPER="none")
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("ml_pipeline").addHandler(handler)
    async with MLPipelineService(dsn=NOWHERE, spool=spool) as service:
        told = [await service.track_event("c", "seen", {"n": n}) for n in range(3)]
        metrics = await service.get_ml_pipeline_metrics()
        is_drained = await service.drain(1)
    buffers = metrics["buffers"]
    return {
        "told": told,
        "status": metrics["pipeline_status"],
        "health": metrics["health_score"],
        "refused": buffers["refused"],
        "offered": buffers["offered"],
        "drained": is_drained,
        "log": lines,
    }


def as_plain_user(work: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """Do ``work`` in a forked child without root's privileges, for root may write anywhere; return its result.

    What it loads late is loaded before: a plain user may not be allowed to read root's interpreter.
    """
    warm_up()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == ROOT:
                nobody = pwd.getpwnam("nobody")
                os.setgroups([])
                os.setgid(nobody.pw_gid)
                os.setuid(nobody.pw_uid)
            said = asyncio.run(_waited(work()))
            os.write(writing, json.dumps(said).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as answer:
        said = json.loads(answer.read())
    assert isinstance(said, dict)
    return said


async def _waited(work: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    return await work
