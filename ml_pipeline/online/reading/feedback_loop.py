"""What was learnt from outcomes: which predictions turned out wrong, and where."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from ml_pipeline.online.harmless import harmless, nothing, unread
from ml_pipeline.online.reading.metrics_aggregator import asked_for
from ml_pipeline.online.reading.model_figures import Asked, model_figures, told
from ml_pipeline.online.reading.timeframe import Timeframe, read_hours
from ml_pipeline.online.reports import report_outcome
from ml_pipeline.online.session import Row, Session
from ml_pipeline.vocabulary.events import LABEL, OUTCOME

DEFAULT_DAYS = 7.0
METRICS_HOURS = 24.0


def learning_insights(
    days: float = DEFAULT_DAYS,
    asked: Asked | None = None,
    *,
    kinds: Sequence[Row] = (),
    labels: Sequence[Row] = (),
    totals: Sequence[Row] = (),
    serving: Sequence[Row] = (),
) -> dict[str, Any]:
    """Return what went wrong with a task's predictions in the timeframe.

    ``total_errors`` and ``errors_by_kind`` over all versions; ``weakest``: at most 50 of (mode, version, kind, label)
    with ``errors``, ``mean_loss`` and ``last_at``, the most errors first; ``champion`` and ``versions`` as in
    ``model_figures``; ``insights``: the first five of ``weakest`` as sentences.
    """
    return {
        **told(asked),
        "timeframe_days": days,
        "total_errors": sum(row["errors"] for row in kinds),
        "errors_by_kind": _by_kind(kinds),
        "weakest": list(labels),
        **model_figures(totals, serving),
        "insights": [
            f"{row['version']} made {row['errors']} errors of kind {row['kind']} on {row['label']} in {days:g} days"
            for row in labels[:5]
        ],
    }


def feedback_metrics(outcomes: int = 0, labels: int = 0, *, kinds: Sequence[Row] = ()) -> dict[str, Any]:
    """Return ``outcomes_recorded`` and ``feedback_recorded`` by this process, and the errors found in 24 hours.

    ``errors_by_kind`` counts predictions of the last 24 hours that turned out wrong; ``last_error_at`` is the time of
    the newest such prediction.
    """
    return {
        "outcomes_recorded": outcomes,
        "feedback_recorded": labels,
        "timeframe_hours": METRICS_HOURS,
        "total_errors": sum(row["errors"] for row in kinds),
        "errors_by_kind": _by_kind(kinds),
        "last_error_at": max((row["last_at"] for row in kinds), default=None),
    }


class FeedbackLoop:
    def __init__(self, session: Session) -> None:
        self.session = session

    @harmless(unread(learning_insights))
    async def get_learning_insights(self, model_type: Any, timeframe_days: Any = DEFAULT_DAYS) -> dict[str, Any]:
        """Return where a task's predictions go wrong; see ``learning_insights``."""
        from ml_pipeline.online import store

        days = read_hours(timeframe_days, DEFAULT_DAYS)
        timeframe = Timeframe(days * 24, self.session.now())
        asked = asked_for(self.session, model_type)
        shape = partial(learning_insights, days, asked)
        where = "get_learning_insights"
        return await self.session.answer(where, store.learning, shape, tasks=asked.tasks, **timeframe.bounds)

    @harmless(unread(feedback_metrics))
    async def get_metrics(self) -> dict[str, Any]:
        """Return what was recorded and found wrong lately; see ``feedback_metrics``."""
        from ml_pipeline.online import store

        events = self.session.started().activity.events
        shape = partial(feedback_metrics, events[OUTCOME], events[LABEL])
        timeframe = Timeframe(METRICS_HOURS, self.session.now())
        where = "feedback_loop.get_metrics"
        return await self.session.answer(where, store.error_kinds, shape, tasks=None, **timeframe.bounds)

    @harmless(nothing, is_loss=True)
    async def queue_outcome(self, conversation_id: Any, outcome: Any, metrics: Any = None) -> str | None:
        """``MLPipelineService.record_conversation_outcome``, returning the event's id."""
        return report_outcome(self.session, "queue_outcome", conversation_id, outcome, metrics)


def _by_kind(kinds: Sequence[Row]) -> dict[str, int]:
    return {row["kind"]: row["errors"] for row in kinds}
