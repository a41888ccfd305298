"""No call raises, whatever it is given; what cannot be recorded is counted by reason."""

import asyncio
import gc
import logging
import weakref
from datetime import UTC, date, datetime
from decimal import Decimal
from unittest.mock import AsyncMock
from uuid import UUID

import numpy as np
import pytest

from ml_pipeline import MLPipelineService
from tests.anything import Colour, Customer, Hostile, Untellable, cyclic, deep, wide
from tests.online_agent import NOWHERE, START, messages, offline_agent, recorded


def errors(tmp_path):
    """What the error events say, but for Postgres, which is away in all of these tests."""
    told = [line["data"] for line in recorded(tmp_path, "error")]
    return [data for data in told if data["reason"] != "policy_unreachable"]


async def test_what_the_agent_says_is_recorded_as_plain_data(tmp_path, monkeypatch):
    data = {
        "when": datetime(2026, 1, 2, tzinfo=UTC),
        "day": date(2026, 1, 2),
        "price": Decimal("2.50"),
        "score": np.float64(0.5),
        "flags": np.array([True, False]),
        "name": np.str_("n"),
        "colour": Colour.RED,
        "customer": Customer(age=3, email="ana@mail.mx"),
        "nan": float("nan"),
        "broken": "a\ud800\x00b",
        b"key": (1, 2),
        "id": UUID(int=1),
        "reach ana@mail.mx": 1,
    }
    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.track_event("c", "seen", data)

    (line,) = recorded(tmp_path, "seen")
    assert line["data"] == {
        "when": "2026-01-02T00:00:00+00:00",
        "day": "2026-01-02",
        "price": "2.50",
        "score": 0.5,
        "flags": [True, False],
        "name": "n",
        "colour": "red",
        "customer": {"age": 3, "email": "<EMAIL>"},
        "nan": None,
        "broken": "a?b",
        "key": [1, 2],
        "id": "00000000-0000-0000-0000-000000000001",
        "reach <EMAIL>": 1,
    }


@pytest.mark.parametrize(
    ("data", "reason"),
    [(cyclic, "cyclic"), (deep, "too_deep"), (wide, "too_many_values"), (lambda: [0] * 30_000, "too_many_values"),
     (Untellable, "unreadable_object"), (lambda: {str(at): "x" * 19_000 for at in range(300)}, "record_too_large")],
)  # fmt: skip
async def test_what_cannot_be_recorded_is_refused_and_counted(tmp_path, monkeypatch, data, reason):
    async with offline_agent(tmp_path, monkeypatch) as service:
        event = await service.track_event("c", "seen", data())
        metrics = await service.get_ml_pipeline_metrics()

    assert event is None
    assert metrics["buffers"]["refused"] == {reason: 1}
    assert metrics["buffers"]["offered"] == metrics["buffers"]["accepted"] + 1
    assert {"reason": reason, "where": "track_event", "count": 1} in errors(tmp_path)


async def test_a_reason_is_said_once_a_minute_however_often_it_happens(tmp_path, monkeypatch, caplog):
    with caplog.at_level(logging.WARNING, "ml_pipeline"):
        async with offline_agent(tmp_path, monkeypatch) as service:
            for _ in range(50):
                await service.track_event("c", "", {})
                await service.track_event("c", "seen", cyclic())
            metrics = await service.get_ml_pipeline_metrics()

    assert metrics["buffers"]["refused"] == {"missing_event_type": 50, "cyclic": 50}
    assert sorted(error["reason"] for error in errors(tmp_path)) == ["cyclic", "missing_event_type"]
    assert sum("missing_event_type" in line for line in caplog.messages) == 1


async def test_a_five_megabyte_message_is_cut_and_counted(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.process_conversation_predictions("c", messages("word " * 1_000_000), {})
        metrics = await service.get_ml_pipeline_metrics()

    (turn,) = recorded(tmp_path, "turn")
    assert 19_000 < len(turn["data"]["content"]) <= 20_000
    assert metrics["buffers"]["noted"]["text_truncated"] == 1


async def test_a_broken_clock_gives_way_to_the_real_one(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch) as service:
        service.session.clock = Hostile()  # type: ignore[assignment]
        await service.track_event("c", "seen", {})

    (line,) = recorded(tmp_path, "seen")
    assert abs((datetime.fromisoformat(line["timestamp"]) - datetime.now(UTC)).total_seconds()) < 60


@pytest.mark.parametrize("clock", ["timestamp", "at"])
async def test_an_event_carries_the_time_it_names_else_the_clocks(tmp_path, monkeypatch, clock):
    async with offline_agent(tmp_path, monkeypatch) as service:
        await service.track_event("c", "named", {clock: "2026-01-05T10:00:00.123456+01:00"})
        await service.track_event("c", "unnamed", {clock: "soon"})

    named, unnamed = (datetime.fromisoformat(line["timestamp"]) for line in recorded(tmp_path))
    assert named == datetime(2026, 1, 5, 9, 0, 0, 123_000, tzinfo=UTC)
    assert unnamed == START


async def test_settings_that_cannot_be_read_do_not_reach_the_call(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("ML_PIPELINE_SPOOL_MAX_BYTES", "plenty")
    service = MLPipelineService(spool=tmp_path / "spool")

    await service.initialize()
    result = await service.process_conversation_predictions("c", messages("hi"), {}, {"conversion_probability": 0.4})

    assert result["predictions"] == {"conversion_probability": 0.4}
    assert "spool_max_bytes" in caplog.text


async def test_attributes_can_be_replaced_on_the_instance(tmp_path, monkeypatch):
    class Mock:
        async def track_event(self, *arguments, **named):
            return "mocked"

    async with offline_agent(tmp_path, monkeypatch) as service:
        service.event_tracker = Mock()  # type: ignore[assignment]
        event = await service.track_event("c", "seen", {})

    assert event == "mocked"


async def test_a_service_may_be_made_in_a_running_loop_and_dropped():
    services = [MLPipelineService() for _ in range(100)]
    await asyncio.sleep(0)

    assert all(service.session.runtime is None for service in services)


async def test_a_dropped_service_is_gone_at_once_and_gives_its_spool_away(tmp_path, monkeypatch):
    gc.disable()
    try:
        async with offline_agent(tmp_path, monkeypatch) as service:
            runtime = service.started()
            users = runtime.users
            other = MLPipelineService(dsn=NOWHERE, spool=tmp_path / "spool")
            await other.track_event("c", "seen", {})
            while_it_lives = runtime.users
            gone = weakref.ref(other)
            del other
            for _ in range(200):
                if runtime.users == users:
                    break
                await asyncio.sleep(0.01)

            assert gone() is None
            assert (while_it_lives, runtime.users) == (users + 1, users)
    finally:
        gc.enable()


async def test_a_part_that_outlives_its_service_goes_on(tmp_path, monkeypatch):
    async with offline_agent(tmp_path, monkeypatch):
        tracker = MLPipelineService(dsn=NOWHERE, spool=tmp_path / "spool").event_tracker

        event = await tracker.track_event("seen", {})

    assert event


@pytest.mark.parametrize(
    "name", ["event_tracker", "metrics_aggregator", "feedback_loop", "drift_detector", "model_updater"]
)
async def test_every_part_can_be_replaced_by_a_mock(tmp_path, monkeypatch, name):
    async with offline_agent(tmp_path, monkeypatch) as service:
        monkeypatch.setattr(service, name, AsyncMock())
        answers = [
            await service.process_conversation_predictions("c", messages("hi"), {}, {"conversion_probability": 0.4}),
            await service.get_pattern_insights(),
            await service.track_event("c", "seen", {}),
        ]

    assert answers[0]["predictions"] == {"conversion_probability": 0.4}
    assert answers[1]["status"] == "degraded"
