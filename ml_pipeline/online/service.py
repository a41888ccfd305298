"""``MLPipelineService``: what the agent calls."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ml_pipeline.online.event_tracker import EventTracker
from ml_pipeline.online.harmless import harmless, nothing, unread
from ml_pipeline.online.reading.drift_detector import DriftDetector
from ml_pipeline.online.reading.feedback_loop import FeedbackLoop
from ml_pipeline.online.reading.health import pipeline_metrics
from ml_pipeline.online.reading.insights import (
    conversation_insights,
    conversation_insights_of,
    pattern_insights,
    read_pattern_insights,
)
from ml_pipeline.online.reading.metrics_aggregator import MetricsAggregator
from ml_pipeline.online.reading.model_updater import ModelUpdater
from ml_pipeline.online.recording.progress import unshipped
from ml_pipeline.online.reports import Feedback, Told, report_label, report_outcome, report_prediction
from ml_pipeline.online.runtime import Runtime
from ml_pipeline.online.session import Session
from ml_pipeline.online.turn_answers import answer_turn, unchanged

FIRST_POLICY_SECONDS = 2.0


def unmeasured(*_: Any, **__: Any) -> dict[str, Any]:
    """What is said of the pipeline when nothing can be measured."""
    sections = ("predictions", "ab_testing", "feedback_loop", "model_updates", "buffers")
    return {"pipeline_status": "error", "timestamp": None, "as_of": None, "health_score": 0.0} | {
        name: {} for name in sections
    }


class MLPipelineService:
    """Records what a sales agent says, predicts and achieves, and answers with the models in force.

    Making one opens nothing. ``initialize`` (or the first call) starts what is needed; the services of a process share
    it. No call raises and none waits for a network, but for the reads (``get_…``) and ``rollback_model``, which have a
    time limit. A call that could not record something returns None where it would return an id; the reason is counted.

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
        self.session = Session(dsn, spool, clock, source)
        self.event_tracker = EventTracker(self.session)
        self.metrics_aggregator = MetricsAggregator(self.session)
        self.feedback_loop = FeedbackLoop(self.session)
        self.drift_detector = DriftDetector(self.session)
        self.model_updater = ModelUpdater(self.session)

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
        if self.session.runtime is None:
            reader = self.started().policy
            await asyncio.to_thread(reader.wait_for_first, FIRST_POLICY_SECONDS)

    @harmless(nothing)
    async def cleanup(self) -> None:
        """Put everything on disk and let go; shipping goes on until it is in Postgres. A later call starts anew."""
        if self.session.runtime is not None:
            await asyncio.to_thread(self.session.end)

    @harmless(unchanged, is_loss=True)
    async def process_conversation_predictions(
        self, conversation_id: Any, messages: Any, context: Any = None, predictions: Any = None
    ) -> dict[str, Any]:
        """Record the new turns and ``predictions``, predict with the models in force, and answer.

        Returns ``predictions`` (in the caller's own shape), ``tracking_id``, ``ab_variants`` (the arm per experiment it
        takes part in), ``confidence_scores`` and ``served_by`` per task: ``caller`` or a version.
        """
        where = "process_conversation_predictions"
        return answer_turn(self.session, where, conversation_id, messages, context, predictions)

    @harmless(unchanged, is_loss=True)
    async def process_orchestrator_predictions(
        self, conversation_id: Any, messages: Any, context: Any = None, existing_predictions: Any = None
    ) -> dict[str, Any]:
        """``process_conversation_predictions`` under the name the orchestrator knows."""
        where = "process_orchestrator_predictions"
        return answer_turn(self.session, where, conversation_id, messages, context, existing_predictions)

    @harmless(nothing, is_loss=True)
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
        told = Told(prediction_type, predictions, confidence_scores, context)
        return report_prediction(self.session, "track_prediction", conversation_id, told)

    @harmless(nothing, is_loss=True)
    async def track_event(self, conversation_id: Any, event_type: Any, event_data: Any = None) -> str | None:
        """Record an event of the agent's own; return its id."""
        event: str | None = await self.event_tracker.track_event(
            event_type, event_data, conversation_id=conversation_id
        )
        return event

    @harmless(nothing, is_loss=True)
    async def record_conversation_outcome(self, conversation_id: Any, outcome: Any, metrics: Any = None) -> None:
        """Record how a conversation ended. Its time is ``metrics``' ``timestamp`` or ``at``, else the clock."""
        report_outcome(self.session, "record_conversation_outcome", conversation_id, outcome, metrics)

    @harmless(nothing, is_loss=True)
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
        told = Feedback(task, labels, source, at, turn, value, currency, supersedes)
        return report_label(self.session, "record_feedback", conversation_id, told)

    @harmless(unmeasured)
    async def get_ml_pipeline_metrics(self) -> dict[str, Any]:
        """Return what the pipeline does at this moment; see ``online.reading.health`` for every key."""
        return await pipeline_metrics(self.started(), self.session.now())

    @harmless(unread(pattern_insights))
    async def get_pattern_insights(self, timeframe_hours: Any = 24) -> dict[str, Any]:
        """Return what was mined and found in the last hours; see ``online.insights`` for every key."""
        return await read_pattern_insights(self.session, timeframe_hours)

    @harmless(unread(conversation_insights_of))
    async def get_ml_insights_for_conversation(self, conversation_id: Any) -> dict[str, Any]:
        """Return what was answered last in a conversation, from memory or else from Postgres."""
        return await conversation_insights(self.session, conversation_id)

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

    def started(self) -> Runtime:
        """Return what the process's services share, starting it if need be."""
        return self.session.started()
