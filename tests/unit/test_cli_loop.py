import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml_pipeline.cli.loop import LEARN, SERVE, Loop
from ml_pipeline.errors import PipelineError
from ml_pipeline.online.ids import conversation_uuid
from ml_pipeline.samples.clock import ReplayClock
from ml_pipeline.simulation.floor import simulated_source
from ml_pipeline.stack.airflow_api import DagRun


class FakeAirflow:
    """Ends every run as told, success by default, and keeps the order of what was asked."""

    def __init__(self, **states: str) -> None:
        self.states = states
        self.triggered: list[str] = []

    def trigger(self, dag_id: str) -> DagRun:
        self.triggered.append(dag_id)
        return DagRun(dag_id, f"manual__{len(self.triggered)}", "queued")

    def follow(
        self,
        runs: list[DagRun],
        on_change: Callable[[DagRun], None],
        *,
        timeout_seconds: float,
        sleep: Callable[[float], None],
    ) -> list[DagRun]:
        return [replace(run, state=self.states.get(run.dag_id, "success")) for run in runs]


class FakeService:
    """Answers every call of a replay, and serves ``versions``."""

    def __init__(self, *versions: str, is_drained: bool = True) -> None:
        self.versions = versions
        self.is_drained = is_drained
        self.ended: list[str] = []

    async def process_conversation_predictions(self, *_: Any) -> dict[str, Any]:
        return {"served_by": {}}

    process_orchestrator_predictions = process_conversation_predictions

    async def track_prediction(self, *_: Any) -> str:
        return "id"

    async def record_conversation_outcome(self, conversation_id: str, *_: Any) -> None:
        self.ended.append(conversation_id)

    async def record_feedback(self, *_: Any, **__: Any) -> str:
        return "id"

    async def drain(self, timeout_seconds: float) -> bool:
        return self.is_drained

    async def get_ml_pipeline_metrics(self) -> dict[str, Any]:
        models = [{"version": version, "state": "champion"} for version in self.versions]
        return {"model_updates": {"models": models}}


SOURCE = simulated_source(conversations=20)


def loop(airflow: FakeAirflow, captured: frozenset[str] = frozenset()) -> Loop:
    return Loop(
        SOURCE,
        captured,
        ReplayClock(datetime.now(UTC) - SOURCE.last_event_at),
        airflow,
        say=lambda _: None,
        progress=lambda *_: None,
    )


def go(round_: Loop, service: FakeService, *champions: str) -> None:
    asyncio.run(round_.go(service, lambda: set(champions)))  # type: ignore[arg-type]


def test_what_is_learnt_from_and_what_is_served_are_different_conversations():
    airflow, service = FakeAirflow(), FakeService("objection.detect/1")

    go(loop(airflow), service, "objection.detect/1")

    assert sorted(service.ended) == sorted(dialogue.conversation_id for dialogue in SOURCE.dialogues)
    assert airflow.triggered == [dag for wave in (*LEARN, *SERVE) for dag in wave]


def test_conversations_that_went_round_before_are_left_out():
    service = FakeService()
    captured = frozenset(conversation_uuid(dialogue.conversation_id) for dialogue in SOURCE.dialogues[:15])

    go(loop(FakeAirflow(), captured), service)

    assert sorted(service.ended) == sorted(dialogue.conversation_id for dialogue in SOURCE.dialogues[15:])


def test_a_run_that_failed_once_stays_failed():
    round_ = loop(FakeAirflow(ingest_events="failed"))

    go(round_, FakeService())

    assert round_.dag_runs["ingest_events"] == "failed"
    assert round_.dag_runs["retrain_models"] == "success"


def test_a_champion_that_is_not_picked_up_is_named(monkeypatch):
    monkeypatch.setattr("ml_pipeline.cli.loop.PICK_UP_SECONDS", 0.0)

    with pytest.raises(PipelineError, match=r"did not pick up needs\.detect/1 within 0 s"):
        go(loop(FakeAirflow()), FakeService(), "needs.detect/1")


def test_events_that_do_not_arrive_end_the_round():
    with pytest.raises(PipelineError, match="safe in the spool"):
        go(loop(FakeAirflow()), FakeService(is_drained=False))


def test_serving_starts_with_the_first_conversation_that_was_not_learnt_from():
    round_ = loop(FakeAirflow())

    assert round_.served_since == SOURCE.dialogues[18].started_at + round_.clock.shift
    assert round_.served_since < datetime.now(UTC) + timedelta(seconds=1)


class EndlessAirflow(FakeAirflow):
    """A DAG that never ends; ``is_followed`` once somebody waits for it."""

    is_followed = threading.Event()

    def follow(
        self,
        runs: list[DagRun],
        on_change: Callable[[DagRun], None],
        *,
        timeout_seconds: float,
        sleep: Callable[[float], None],
    ) -> list[DagRun]:
        self.is_followed.set()
        while True:
            sleep(60)


async def test_an_interrupted_round_does_not_wait_for_its_dag():
    airflow = EndlessAirflow()
    round_ = loop(airflow)
    going = asyncio.create_task(round_.go(FakeService(), set))  # type: ignore[arg-type]
    assert await asyncio.to_thread(airflow.is_followed.wait, 10)

    going.cancel()

    with pytest.raises(asyncio.CancelledError):
        await going
    await asyncio.wait_for(asyncio.get_running_loop().shutdown_default_executor(), 10)
