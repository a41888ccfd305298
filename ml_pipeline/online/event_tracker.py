"""The online half of the Event Tracker: the agent's own events in, the event stream and drift alerts out."""

from collections.abc import Iterable
from enum import Enum
from functools import partial
from itertools import islice
from typing import Any

from ml_pipeline.online import reports
from ml_pipeline.online.figures import name_text, read_whole
from ml_pipeline.online.harmless import harmless, nothing, unread
from ml_pipeline.online.ids import EPOCH, conversation_uuid
from ml_pipeline.online.reading.drift_detector import DEFAULT_HOURS, drift_alerts
from ml_pipeline.online.reading.metrics_aggregator import read_performance
from ml_pipeline.online.reading.model_figures import model_performance
from ml_pipeline.online.reading.timeframe import learnt_in, read_hours
from ml_pipeline.online.reports import EVENT_TYPE_CHARACTERS, Told
from ml_pipeline.online.session import Session, conversation_name
from ml_pipeline.online.times import read_time

DEFAULT_EVENTS = 100
MOST_EVENTS = 1_000
MOST_TYPES = 100
EXPERIMENT_EVENT = "experiment"
"""What happened to a conversation in an experiment, as the agent tells it; its arm is an ``assignment`` event."""


class EventTracker:
    def __init__(self, session: Session) -> None:
        self.session = session

    @harmless(nothing, is_loss=True)
    async def track_event(self, event_type: Any, event_data: Any = None, conversation_id: Any = None) -> str | None:
        """Record an event of the agent's own; return its id. The conversation's id may stand inside ``event_data``.

        Its time is ``event_data``'s ``timestamp`` or ``at``, else the clock.
        """
        return reports.report_event(self.session, "track_event", event_type, event_data, conversation_id)

    @harmless(nothing, is_loss=True)
    async def track_prediction_event(
        self,
        conversation_id: Any,
        prediction_type: Any,
        predictions: Any,
        confidence_scores: Any = None,
        context: Any = None,
    ) -> str | None:
        """``MLPipelineService.track_prediction`` under the tracker's name."""
        told = Told(prediction_type, predictions, confidence_scores, context)
        return reports.report_prediction(self.session, "track_prediction_event", conversation_id, told)

    @harmless(nothing, is_loss=True)
    async def track_outcome_event(self, conversation_id: Any, outcome: Any, metrics: Any = None) -> str | None:
        """Record how a conversation ended; return the event's id."""
        return reports.report_outcome(self.session, "track_outcome_event", conversation_id, outcome, metrics)

    @harmless(nothing, is_loss=True)
    async def track_experiment_event(
        self, conversation_id: Any, experiment: Any, variant: Any, event: Any = "exposure", event_data: Any = None
    ) -> str | None:
        """Record that a conversation met ``variant`` of ``experiment``, or what came of it; return the event's id."""
        told = {"experiment": experiment, "variant": variant, "event": event, "details": event_data}
        where = "track_experiment_event"
        return reports.report_event(self.session, where, EXPERIMENT_EVENT, told, conversation_id)

    @harmless(lambda *_, **__: [])
    async def get_event_stream(
        self, conversation_id: Any = None, event_types: Any = None, since: Any = None, limit: Any = DEFAULT_EVENTS
    ) -> list[dict[str, Any]]:
        """Return the newest events, newest first; [] where Postgres is away, which is counted.

        Each has ``id``, ``conversation_id``, ``event_type``, ``event_category``, ``timestamp`` (ISO, UTC), ``data``
        (a dict) and ``client_id``. ``limit`` is at most 1,000.
        """
        from ml_pipeline.online import store

        name = conversation_name(conversation_id)
        if name is None and conversation_id is not None:
            self.session.capture("get_event_stream").note("missing_conversation_id")
            return []
        limit_asked = read_whole(limit)
        found = await self.session.answer(
            "get_event_stream",
            store.event_stream,
            lambda events=(): {"events": list(events)},
            conversation_id=conversation_uuid(name) if name else None,
            event_types=_event_types(event_types),
            since=read_time(since) or EPOCH,
            most=DEFAULT_EVENTS if limit_asked is None else min(max(limit_asked, 1), MOST_EVENTS),
        )
        events: list[dict[str, Any]] = found["events"]
        return events

    @harmless(unread(drift_alerts))
    async def get_drift_alerts(self, timeframe_hours: Any = DEFAULT_HOURS) -> dict[str, Any]:
        """Return what was found to drift in the last hours; see ``drift_alerts``."""
        from ml_pipeline.online import store

        hours = read_hours(timeframe_hours, DEFAULT_HOURS)
        shape = partial(drift_alerts, hours)
        return await self.session.answer("get_drift_alerts", store.drift, shape, since=learnt_in(hours))

    @harmless(unread(model_performance))
    async def get_performance_metrics(self, model_type: Any, timeframe_hours: Any = 24) -> dict[str, Any]:
        """Return the figures of one task's versions; see ``model_performance``."""
        return await read_performance(self.session, "get_performance_metrics", model_type, timeframe_hours)


def _event_types(given: Any) -> list[str] | None:
    """Return the types asked for; None for all."""
    if given is None:
        return None
    types = [given] if isinstance(given, (str, Enum)) or not isinstance(given, Iterable) else islice(given, MOST_TYPES)
    return [name_text(item.value if isinstance(item, Enum) else item, EVENT_TYPE_CHARACTERS) for item in types]
