"""``MLPipelineService``: what the agent calls."""

import asyncio
import time
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ml_pipeline.online import runtime as runtimes
from ml_pipeline.online.arms import arms_of
from ml_pipeline.online.capture import Capture
from ml_pipeline.online.conversations import Conversation, read_conversation_id
from ml_pipeline.online.event_tracker import EventTracker
from ml_pipeline.online.harmless import harmless, nothing
from ml_pipeline.online.health import pipeline_metrics
from ml_pipeline.online.moments import Moment, reported_moment
from ml_pipeline.online.predictions import Predictions, Served
from ml_pipeline.online.runtime import Runtime
from ml_pipeline.online.shapes import FALLBACK, find_sections, find_task, is_failure, read_probability
from ml_pipeline.online.shipping import unshipped
from ml_pipeline.online.times import read_time, to_millisecond
from ml_pipeline.online.truth import outcome_data, read_labels, read_number, read_source, read_whole
from ml_pipeline.settings import Settings, load_settings
from ml_pipeline.vocabulary.events import LABEL, OUTCOME

FIRST_POLICY_SECONDS = 2.0


def unchanged(*arguments: Any, **named: Any) -> dict[str, Any]:
    """The answer when we cannot answer: what the caller predicted, untouched."""
    position = 3
    given = named.get("predictions", named.get("existing_predictions"))
    if given is None and len(arguments) > position:
        given = arguments[position]
    return _result(Served({} if given is None else given), None)


def unmeasured(*_: Any, **__: Any) -> dict[str, Any]:
    """What is said of the pipeline when nothing can be measured."""
    return {"pipeline_status": "error", "timestamp": None, "health_score": 0.0}


class MLPipelineService:
    """Records what a sales agent says, predicts and achieves, and answers with the models in force.

    Making one opens nothing. ``initialize`` (or the first call) starts what is needed; the services of a process share
    it. No call raises and none waits for a network, but for the reads (``get_…``), which have a time limit. A call that
    could not record something returns None where it would return an id; the reason is counted.

    Args:
        dsn: database to ship to; the setting ``capture_dsn`` by default.
        spool: folder on a local disk; the setting ``spool`` by default.
        clock: returns the time as an aware datetime; for replays.
        source: where the conversations come from, kept with every event.
    """

    def __init__(
        self,
        dsn: str | None = None,
        spool: str | Path | None = None,
        clock: Callable[[], datetime] | None = None,
        *,
        source: str = "agent",
    ) -> None:
        self._dsn = dsn
        self._spool = spool
        self._clock = clock
        self._source = source
        self._runtime: Runtime | None = None
        self._releaser: weakref.finalize[Any, Any] | None = None
        self.event_tracker = EventTracker(self)

    async def __aenter__(self) -> Self:
        await self.initialize()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cleanup()

    @harmless(nothing)
    async def initialize(self) -> None:
        """Start what is needed, and give the policy two seconds to arrive. Again: nothing."""
        if self._runtime is None:
            reader = self.started().policy
            await asyncio.to_thread(reader.wait_for_first, FIRST_POLICY_SECONDS)

    @harmless(nothing)
    async def cleanup(self) -> None:
        """Put everything on disk and let go; shipping goes on until it is in Postgres. A later call starts anew."""
        runtime, self._runtime = self._runtime, None
        if runtime and self._releaser and self._releaser.detach():
            await asyncio.to_thread(runtimes.release, runtime)

    @harmless(unchanged)
    async def process_conversation_predictions(
        self, conversation_id: Any, messages: Any, context: Any = None, predictions: Any = None
    ) -> dict[str, Any]:
        """Record the new turns and ``predictions``, predict with the models in force, and answer.

        Returns ``predictions`` (in the caller's own shape), ``tracking_id``, ``ab_variants`` (the arm per experiment it
        takes part in), ``confidence_scores`` and ``served_by`` per task: ``caller`` or a version.
        """
        return self._answer("process_conversation_predictions", conversation_id, messages, context, predictions)

    @harmless(unchanged)
    async def process_orchestrator_predictions(
        self, conversation_id: Any, messages: Any, context: Any = None, existing_predictions: Any = None
    ) -> dict[str, Any]:
        """``process_conversation_predictions`` under the name the orchestrator knows."""
        return self._answer(
            "process_orchestrator_predictions", conversation_id, messages, context, existing_predictions
        )

    @harmless(nothing)
    async def track_prediction(
        self,
        conversation_id: Any,
        prediction_type: Any,
        predictions: Any,
        confidence_scores: Any = None,
        context: Any = None,
    ) -> str | None:
        """Record a prediction of the caller; return its event id.

        Its turn is ``context``'s ``turn`` or ``message_count``, else the customer's next. Given once more through
        ``process_…``, it is the same prediction.
        """
        capture = self.capture("track_prediction")
        conversation = self.conversation(capture, conversation_id)
        if conversation is None:
            return None
        predictor = self._predictions(capture, reported_moment(capture, conversation, context))
        fields = capture.fields(predictions)
        if prediction_type == FALLBACK or is_failure(fields):
            return predictor.record_failure(None, {**fields, "prediction_type": prediction_type})
        confidences = capture.fields(confidence_scores)
        events = [
            predictor.report(task, section, read_probability(confidences.get(task.name)))
            for task, section in find_sections(prediction_type, predictions, fields, self.settings.tasks)
        ]
        return events[-1] if events else predictor.record_failure(None, predictions)

    @harmless(nothing)
    async def track_event(self, conversation_id: Any, event_type: Any, event_data: Any = None) -> str | None:
        """Record an event of the agent's own; return its id."""
        event: str | None = await self.event_tracker.track_event(
            event_type, event_data, conversation_id=conversation_id
        )
        return event

    @harmless(nothing)
    async def record_conversation_outcome(self, conversation_id: Any, outcome: Any, metrics: Any = None) -> None:
        """Record how a conversation ended. Its time is ``metrics``' ``timestamp`` or ``at``, else the clock."""
        capture = self.capture("record_conversation_outcome")
        conversation = self.conversation(capture, conversation_id)
        plain = capture.plain(metrics, conversation) if conversation else None
        if conversation is None or plain is None:
            return
        at = read_time(plain.pop("timestamp", None) or plain.pop("at", None)) or capture.now
        name = outcome if not isinstance(outcome, str) else capture.raw(outcome)
        capture.emit_once(conversation, OUTCOME, outcome_data(name, plain), at)

    @harmless(nothing)
    async def record_feedback(  # noqa: PLR0913 - the contract's signature
        self,
        conversation_id: Any,
        task: Any,
        labels: Any,
        source: Any,
        at: Any = None,
        *,
        turn: Any = None,
        value: Any = None,
        currency: Any = None,
        supersedes: Any = None,
    ) -> str | None:
        """Record truth learnt later, about ``turn`` or (None) the whole conversation; return its event id.

        ``source``: human, crm, agent or derived. ``supersedes``: the event id of the label that this one corrects.
        """
        capture = self.capture("record_feedback")
        conversation = self.conversation(capture, conversation_id)
        if conversation is None:
            return None
        who = read_source(source)
        known = find_task(task, self.settings.tasks)
        name = known.name if known else capture.raw(task)
        if who is None or not isinstance(name, str) or not name:
            capture.refuse("unknown_label_source" if who is None else "missing_task", conversation)
            return None
        named = read_labels(labels, known)
        if named is None:
            capture.refuse("unreadable_labels", conversation)
            return None
        if known is None or not set(named) <= set(known.labels):
            capture.note("unknown_label" if known else "unknown_task")
        data = {
            "task": name,
            "labels": capture.raw(named),
            "source": who.value,
            "turn": read_whole(turn),
            "value": read_number(value),
            "currency": capture.raw(currency),
            "supersedes": capture.raw(supersedes),
        }
        return capture.emit_once(conversation, LABEL, data, read_time(at) or capture.now)

    @harmless(unmeasured)
    async def get_ml_pipeline_metrics(self) -> dict[str, Any]:
        """Return what the pipeline does at this moment; see ``online.health`` for every key."""
        return await pipeline_metrics(self.started(), self.now())

    @harmless(lambda *_, **__: False)
    async def drain(self, timeout_seconds: float = 60.0) -> bool:
        """Wait until all that is on disk now is in Postgres; False where the time was too short.

        For replays and tests; no agent needs it.
        """
        folder = self.started().recorder.spool.folder
        targets = await asyncio.to_thread(unshipped, folder)
        deadline = time.monotonic() + timeout_seconds
        while targets:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)
            still = await asyncio.to_thread(unshipped, folder)
            targets = {name: end for name, end in targets.items() if name in still and still[name].shipped < end.size}
        return True

    @property
    def settings(self) -> Settings:
        return self.started().settings

    def started(self) -> Runtime:
        """Return what the process's services share, starting it if need be."""
        if self._runtime is None or self._runtime.is_foreign():
            settings = load_settings()
            self._runtime = runtimes.acquire(
                settings, Path(self._spool or settings.spool), self._dsn or settings.capture_dsn
            )
            self._releaser = weakref.finalize(self, runtimes.release_later, self._runtime)
            self._releaser.atexit = False
        return self._runtime

    def now(self) -> datetime:
        """Return the clock's time, to the millisecond; the real time where the clock is broken."""
        try:
            told = self._clock() if self._clock else None
        except Exception:  # noqa: BLE001 - a caller's clock may fail in any way
            told = None
        return read_time(told) or to_millisecond(datetime.now(UTC))

    def capture(self, where: str) -> Capture:
        """Return what records a call named ``where``."""
        runtime = self.started()
        return Capture(runtime, where, self.now(), self._source, runtime.policy.policy)

    def conversation(self, capture: Capture, given: Any) -> Conversation | None:
        """Return the conversation named ``given``; None, and counted, where that names none."""
        name = read_conversation_id(given)
        if name is None:
            capture.refuse("missing_conversation_id")
            return None
        return capture.runtime.conversations.get(name)

    def call_failed(self, where: str) -> None:
        """Count that a call failed inside."""
        self.started().recorder.note("call_failed", where, at=self.now())

    def _answer(self, where: str, conversation_id: Any, messages: Any, context: Any, given: Any) -> dict[str, Any]:
        capture = self.capture(where)
        conversation = self.conversation(capture, conversation_id)
        if conversation is None:
            return _result(Served({} if given is None else given), None)
        known = capture.context(context)
        conversation.about.update(known.about)
        turn = max(0, capture.turns(conversation, messages))
        at = conversation.turns[turn].at if turn < len(conversation.turns) else capture.now
        predictor = self._predictions(capture, Moment(conversation, turn, at, known))
        served = predictor.answer({} if given is None else given)
        return _result(served, predictor.tracking_id, arms_of(capture, conversation))

    def _predictions(self, capture: Capture, moment: Moment) -> Predictions:
        return Predictions(capture, moment, self.settings.tasks)


def _result(served: Served, tracking_id: str | None, arms: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "predictions": served.predictions,
        "tracking_id": tracking_id,
        "ab_variants": arms or {},
        "confidence_scores": {task: answer.confidence for task, answer in served.answers.items()},
        "served_by": served.served_by,
    }
