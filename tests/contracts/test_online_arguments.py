"""Every call of the contract under every kind of argument: nothing raises, and nothing is lost uncounted."""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_pipeline import MLPipelineService
from ml_pipeline.online import store
from tests.anything import ANYTHING, Hostile
from tests.online_agent import messages, offline_agent, recorded

TURN = {"predictions", "tracking_id", "ab_variants", "confidence_scores", "served_by"}
ANSWER = {"conversion_probability": 0.5, "recommended_actions": ["call back"]}
CONTEXT = {"phase": "closing"}

Arguments = dict[str, Callable[[], Any]]
TURN_ARGUMENTS: Arguments = {
    "conversation_id": lambda: "c",
    "messages": lambda: messages("hi", "hello"),
    "context": lambda: CONTEXT,
}
PREDICTION: Arguments = {
    "conversation_id": lambda: "c",
    "prediction_type": lambda: "conversion",
    "predictions": lambda: {"probability": 0.5},
    "confidence_scores": lambda: {"conversion": 0.5},
    "context": lambda: {"turn": 1},
}
OUTCOME: Arguments = {
    "conversation_id": lambda: "c",
    "outcome": lambda: "completed",
    "metrics": lambda: {"conversion_value": 5},
}
HOURS: Arguments = {"timeframe_hours": lambda: 24}

RECORDING: dict[str, Arguments] = {
    "process_conversation_predictions": {**TURN_ARGUMENTS, "predictions": lambda: ANSWER},
    "process_orchestrator_predictions": {**TURN_ARGUMENTS, "existing_predictions": lambda: ANSWER},
    "track_prediction": PREDICTION,
    "track_event": {"conversation_id": lambda: "c", "event_type": lambda: "seen", "event_data": dict},
    "record_conversation_outcome": OUTCOME,
    "record_feedback": {
        "conversation_id": lambda: "c",
        "task": lambda: "objection",
        "labels": lambda: ["price"],
        "source": lambda: "crm",
        "at": lambda: "2026-03-05",
        "turn": lambda: 1,
        "value": lambda: 3,
        "currency": lambda: "EUR",
        "supersedes": lambda: None,
    },
    "event_tracker.track_event": {
        "event_type": lambda: "seen",
        "event_data": lambda: {"x": 1},
        "conversation_id": lambda: "c",
    },
    "event_tracker.track_prediction_event": PREDICTION,
    "event_tracker.track_outcome_event": OUTCOME,
    "event_tracker.track_experiment_event": {
        "conversation_id": lambda: "c",
        "experiment": lambda: "greeting",
        "variant": lambda: "warm",
        "event": lambda: "exposure",
        "event_data": dict,
    },
    "metrics_aggregator.record_metric": {
        "metric": lambda: "handoffs",
        "value": lambda: 3,
        "tags": lambda: {"team": "a"},
        "conversation_id": lambda: "c",
    },
    "feedback_loop.queue_outcome": OUTCOME,
    "drift_detector.track_prediction": PREDICTION,
    "model_updater.queue_update": {
        "model_type": lambda: "objection",
        "reason": lambda: "drift",
        "priority": lambda: "high",
    },
}
READS: dict[str, Arguments] = {
    "get_pattern_insights": HOURS,
    "get_ml_pipeline_metrics": {},
    "get_ml_insights_for_conversation": {"conversation_id": lambda: "unknown"},
    "event_tracker.get_event_stream": {
        "conversation_id": lambda: "c",
        "event_types": lambda: ["error"],
        "since": lambda: "2026-01-01",
        "limit": lambda: 50,
    },
    "event_tracker.get_drift_alerts": HOURS,
    "event_tracker.get_performance_metrics": {"model_type": lambda: "objection", **HOURS},
    "metrics_aggregator.get_model_comparison_metrics": {"model_types": lambda: ["objection", "weather"], **HOURS},
    "metrics_aggregator.get_aggregated_metrics": HOURS,
    "metrics_aggregator.get_metric_trends": {
        "metric": lambda: "accuracy",
        "model_type": lambda: "needs",
        **HOURS,
    },
    "metrics_aggregator.get_ab_test_metrics": {"experiment": lambda: "greeting"},
    "metrics_aggregator.generate_metrics_report": HOURS,
    "feedback_loop.get_learning_insights": {"model_type": lambda: "objection", "timeframe_days": lambda: 7},
    "feedback_loop.get_metrics": {},
    "drift_detector.get_drift_summary": {"hours": lambda: 24},
    "model_updater.get_update_metrics": {},
    "model_updater.rollback_model": {"model_type": lambda: "objection", "version": lambda: None},
}
CALLS = {**RECORDING, **READS}
PLACES = [(call, name) for call, arguments in CALLS.items() for name in arguments]


def method(service: MLPipelineService, call: str) -> Any:
    target: Any = service
    for part in call.split("."):
        target = getattr(target, part)
    return target


def sound(call: str) -> dict[str, Any]:
    return {name: make() for name, make in CALLS[call].items()}


def is_sound_answer(call: str, answer: Any) -> bool:
    """Whether an answer is of the kind that the call promises, whatever it was given."""
    if call.startswith("process_"):
        return set(answer) == TURN
    if call == "record_conversation_outcome":
        return answer is None
    if call == "event_tracker.get_event_stream":
        return bool(answer == [])
    if call == "model_updater.queue_update":
        return answer["status"] in {"queued", "refused", "degraded"} and "request_id" in answer
    if call in READS:
        return bool(answer["pipeline_status" if call == "get_ml_pipeline_metrics" else "status"])
    return answer is None or bool(UUID(answer))


def conserved(service: MLPipelineService, folder: Any) -> bool:
    """Whether everything offered is on disk or counted as refused."""
    recorder = service.session.started().recorder
    on_disk = len(recorded(folder)) + len(recorded(folder, "error"))
    return recorder.spool.sequence == on_disk and recorder.offered == on_disk + recorder.counts.refused.total()


@pytest.mark.parametrize(("call", "place"), PLACES, ids=[f"{call}-{place}" for call, place in PLACES])
async def test_no_argument_of_any_call_raises(tmp_path, monkeypatch, call, place):
    async with offline_agent(tmp_path, monkeypatch) as service:
        for at, (name, make) in enumerate(ANYTHING.items()):
            given = {**sound(call), place: make()}
            is_by_place = at % 2 and call != "record_feedback"
            answer = await (method(service, call)(*given.values()) if is_by_place else method(service, call)(**given))

            assert is_sound_answer(call, answer), name

        assert conserved(service, tmp_path)


@pytest.mark.parametrize("call", CALLS)
async def test_missing_superfluous_and_unknown_arguments_raise_nothing(tmp_path, monkeypatch, call):
    async with offline_agent(tmp_path, monkeypatch) as service:
        answers = [
            await method(service, call)(),
            await method(service, call)(*range(20)),
            await method(service, call)(**sound(call), unknown=1),
        ]
        lost = service.session.started().recorder.counts.refused["call_failed"]

    assert all(is_sound_answer(call, answer) for answer in answers)
    assert lost >= 2 if call in RECORDING else not lost


@pytest.mark.parametrize("call", CALLS)
async def test_all_arguments_hostile_at_once_raise_nothing(tmp_path, monkeypatch, call):
    async with offline_agent(tmp_path, monkeypatch) as service:
        answer = await method(service, call)(**{name: Hostile() for name in CALLS[call]})

        assert is_sound_answer(call, answer)
        assert conserved(service, tmp_path)


def test_the_table_of_calls_is_whole():
    parts = ["event_tracker", "metrics_aggregator", "feedback_loop", "drift_detector", "model_updater"]
    service = MLPipelineService()

    public = {name for name, _ in inspect.getmembers(MLPipelineService, inspect.iscoroutinefunction) if name[0] != "_"}
    for part in parts:
        members = inspect.getmembers(getattr(service, part), inspect.iscoroutinefunction)
        public |= {f"{part}.{name}" for name, _ in members if name[0] != "_"}

    assert public - {"initialize", "cleanup", "drain"} == set(CALLS)


@pytest.mark.parametrize("call", CALLS)
async def test_each_call_takes_its_arguments_in_the_order_of_the_contract(tmp_path, monkeypatch, call):
    signature = inspect.signature(method(MLPipelineService(), call))

    assert list(signature.parameters) == list(CALLS[call])


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt])
async def test_what_is_no_error_of_ours_goes_through(tmp_path, monkeypatch, error):
    class Interrupting:
        def __str__(self):
            raise error

    async with offline_agent(tmp_path, monkeypatch) as service:
        with pytest.raises(error):
            await service.track_event("c", "seen", Interrupting())


async def test_a_cancelled_read_is_cancelled(tmp_path, monkeypatch):
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def waits(connection, **_):
        loop.call_soon_threadsafe(started.set)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.2), loop).result()
        return {}

    monkeypatch.setattr(store, "connect", lambda *_, **__: type("Connection", (), {"closed": 0, "close": print})())
    monkeypatch.setattr(store, "drift", waits)
    async with offline_agent(tmp_path, monkeypatch) as service:
        reading = asyncio.create_task(service.event_tracker.get_drift_alerts())
        await started.wait()
        reading.cancel()

        with pytest.raises(asyncio.CancelledError):
            await reading


@dataclass(frozen=True)
class Named:
    """Stands for a thing of ``ANYTHING`` until the call: Hypothesis cannot hold what fails however it is touched."""

    name: str


def made(plan: Any) -> Any:
    """Return what ``plan`` stands for, made anew."""
    if isinstance(plan, Named):
        return ANYTHING[plan.name]()
    if isinstance(plan, list):
        return [made(item) for item in plan]
    if isinstance(plan, dict):
        return {key: made(item) for key, item in plan.items()}
    return plan


KEYS = st.text(max_size=12) | st.sampled_from(sorted({*PREDICTION, *ANSWER, "objections", "needs", "role", "content"}))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes()
PLANS = st.recursive(
    st.sampled_from(sorted(ANYTHING)).map(Named) | SCALARS,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(KEYS, children, max_size=4),
    max_leaves=12,
)


@given(call=st.sampled_from(sorted(CALLS)), plans=st.lists(PLANS, max_size=9), are_named=st.booleans())
@settings(max_examples=300, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_nothing_that_can_be_thought_of_raises_or_is_lost(tmp_path_factory, call, plans, are_named):
    folder = tmp_path_factory.mktemp("fuzz")

    async def run() -> None:
        with pytest.MonkeyPatch.context() as patch:
            async with offline_agent(folder, patch) as service:
                junk = made(plans)
                named = dict(zip(CALLS[call], junk, strict=False))
                answer = await (method(service, call)(**named) if are_named else method(service, call)(*junk))

                assert is_sound_answer(call, answer)
                assert conserved(service, folder)

    asyncio.run(run())
