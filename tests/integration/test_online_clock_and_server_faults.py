"""A clock that jumps, and a server that comes and goes while nobody looks."""

import logging
import os
import signal

import pytest

from ml_pipeline import MLPipelineService
from ml_pipeline.stack.postgres import Postgres
from tests.integration.agents import logged
from tests.online_agent import START, Clock, messages, offline_agent, recorded
from tests.torture.evidence import read_writers
from tests.torture.waiting import wait_until

ANSWER = {"objections": {"objections": [{"type": "price", "confidence": 0.7}]}}
CONFIGURATION = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "64MB"}


def milliseconds_of(event: str) -> int:
    return int(event.replace("-", "")[:12], 16)


async def test_a_clock_that_jumps_back_gives_events_its_time_and_their_writing_its_order(tmp_path, monkeypatch):
    clock = Clock()
    async with offline_agent(tmp_path, monkeypatch) as service:
        service.session.clock = clock
        told = []
        for seconds in (0, -3_600, 1, -86_400, 90_000):
            clock.move(seconds)
            told.append(await service.track_event("c", "seen", {"at_seconds": seconds}))

    lines = recorded(tmp_path, "seen")
    assert [line["id"] for line in lines] == told
    assert [line["sequence"] for line in lines] == sorted(line["sequence"] for line in lines)
    offsets = [milliseconds_of(line["id"]) - int(START.timestamp() * 1000) for line in lines]
    assert offsets == [0, -3_600_000, -3_599_000, -89_999_000, 1_000]


async def test_what_is_told_again_after_the_clock_jumped_back_is_the_same(tmp_path, monkeypatch):
    clock = Clock()
    async with offline_agent(tmp_path, monkeypatch) as service:
        service.session.clock = clock
        for seconds in (0, -3_600, 7_200):
            clock.move(seconds)
            await service.process_conversation_predictions("c", messages("hi", "hello"), {}, ANSWER)
            await service.record_feedback("c", "objection", ["price"], "human", turn=0)
            await service.record_conversation_outcome("c", "completed", {"conversion_value": 1})

    assert sorted(line["event_type"] for line in recorded(tmp_path)) == [
        "label",
        "outcome",
        "prediction",
        "turn",
        "turn",
    ]


@pytest.mark.parametrize("told", [None, "noon", 1 / 3, object()], ids=["none", "a word", "a number", "an object"])
async def test_a_clock_that_tells_no_time_is_not_asked_twice(tmp_path, monkeypatch, told):
    async with offline_agent(tmp_path, monkeypatch) as service:
        service.session.clock = lambda: told
        event = await service.track_event("c", "seen", {})

    assert event
    assert [line["id"] for line in recorded(tmp_path, "seen")] == [event]


async def test_a_server_restarted_while_the_agent_idles_is_noticed_by_nobody(cluster, database, caplog):
    caplog.set_level(logging.WARNING)
    async with MLPipelineService() as service:
        first = await service.track_event("c", "seen", {})
        assert await service.drain(30)
        assert len(await service.event_tracker.get_event_stream("c")) == 1
        restart(cluster, signal.SIGINT)
        second = await service.track_event("c", "seen", {})
        is_drained = await service.drain(30)
        stream = await service.event_tracker.get_event_stream("c")
        metrics = await service.get_ml_pipeline_metrics()

    assert is_drained
    assert [event["id"] for event in stream] == [second, first]
    assert metrics["pipeline_status"] == "operational"
    (writer,) = read_writers(database.owner_dsn)
    assert writer.accepted == writer.stored


async def test_what_left_the_spool_outlives_a_server_that_commits_before_its_disk_has_it(cluster, database):
    async with MLPipelineService() as service:
        told = [await service.track_event("c", "seen", {}) for _ in range(200)]
        assert await service.drain(30)
        restart(cluster, signal.SIGQUIT)

    assert logged(database) == sorted(event or "" for event in told)


def restart(cluster: Postgres, how: signal.Signals) -> None:
    pid = cluster.pid()
    assert pid is not None
    os.kill(pid, how)
    wait_until(lambda: cluster.pid() is None, "the server does not end")
    cluster.start(**CONFIGURATION)
