"""Records what an agent reports apart from a turn: predictions, events, outcomes, labels. Returns events' ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ml_pipeline.online.capture import Capture
from ml_pipeline.online.figures import read_number, read_probability, read_whole
from ml_pipeline.online.predicting.moments import reported_moment
from ml_pipeline.online.predicting.predictions import Predictions
from ml_pipeline.online.predicting.shapes import find_sections, find_task, is_failure, is_fallback
from ml_pipeline.online.session import Session, conversation_name
from ml_pipeline.online.times import read_time
from ml_pipeline.online.truth import UNKNOWN, outcome_data, read_labels, read_source
from ml_pipeline.vocabulary.events import LABEL, OUR_EVENTS, OUTCOME
from ml_pipeline.vocabulary.tasks import Task

EVENT_TYPE_CHARACTERS = 50


@dataclass(frozen=True, slots=True)
class Told:
    """A prediction as a caller tells it, unread."""

    prediction_type: Any
    predictions: Any
    confidence_scores: Any
    context: Any


def report_prediction(session: Session, where: str, conversation_id: Any, told: Told) -> str | None:
    """Record what was predicted on the task called ``prediction_type``, or on every task that is spoken of."""
    capture = session.capture(where)
    conversation = session.conversation(capture, conversation_id)
    if conversation is None:
        return None
    tasks = session.settings.tasks
    predictor = Predictions(capture, reported_moment(capture, conversation, told.context), tasks)
    fields = capture.fields(told.predictions)
    if is_fallback(told.prediction_type) or is_failure(fields):
        return predictor.record_failure(None, {**fields, "prediction_type": told.prediction_type})
    confidences = capture.fields(told.confidence_scores)
    events = [
        predictor.report(task, section, read_probability(confidences.get(task.name)))
        for task, section in find_sections(told.prediction_type, told.predictions, fields, tasks)
    ]
    return events[-1] if events else predictor.record_failure(None, told.predictions)


def report_event(session: Session, where: str, event_type: Any, event_data: Any, conversation_id: Any) -> str | None:
    """Record an event of the agent's own. The conversation's id may stand inside ``event_data``."""
    capture = session.capture(where)
    fields = capture.fields(event_data)
    given = conversation_id if conversation_name(conversation_id) else fields.get("conversation_id")
    conversation = session.conversation(capture, given) if conversation_name(given) else None
    name = _event_type(capture.raw(event_type))
    if not name:
        capture.refuse("missing_event_type", conversation)
        return None
    data = capture.plain(event_data, conversation)
    if data is None:
        return None
    return capture.emit(conversation, name, data, _told_time(fields) or capture.now)


def report_outcome(session: Session, where: str, conversation_id: Any, outcome: Any, metrics: Any) -> str | None:
    """Record how a conversation ended. Its time is ``metrics``' ``timestamp`` or ``at``, else the clock."""
    capture = session.capture(where)
    conversation = session.conversation(capture, conversation_id)
    plain = capture.plain(metrics, conversation) if conversation else None
    if conversation is None or plain is None:
        return None
    told = capture.fields(metrics)
    data = outcome_data(capture.raw(outcome), told, plain)
    if data["outcome"] == UNKNOWN:
        capture.note("unknown_outcome")
    return capture.emit_once(conversation, OUTCOME, data, _told_time(told) or capture.now)


@dataclass(frozen=True, slots=True)
class Feedback:
    """Truth as a caller tells it, unread."""

    task: Any
    labels: Any
    source: Any
    at: Any
    turn: Any
    value: Any
    currency: Any
    supersedes: Any


def report_label(session: Session, where: str, conversation_id: Any, told: Feedback) -> str | None:
    """Record truth learnt later."""
    capture = session.capture(where)
    conversation = session.conversation(capture, conversation_id)
    if conversation is None:
        return None
    who = read_source(told.source)
    known = find_task(told.task, session.settings.tasks)
    name = known.name if known else capture.raw(told.task)
    if who is None or not isinstance(name, str) or not name:
        capture.refuse("unknown_label_source" if who is None else "missing_task", conversation)
        return None
    labels = _labels(capture, told.labels, known)
    if labels is None:
        capture.refuse("unreadable_labels", conversation)
        return None
    data = {
        "task": name,
        "labels": labels,
        "source": who.value,
        "turn": read_whole(told.turn),
        "value": read_number(told.value),
        "currency": capture.raw(told.currency),
        "supersedes": capture.raw(told.supersedes),
    }
    return capture.emit_once(conversation, LABEL, data, read_time(told.at) or capture.now)


def _labels(capture: Capture, given: Any, task: Task | None) -> Sequence[str] | None:
    try:
        named = read_labels(given, task)
    except Exception:  # noqa: BLE001 - a caller's object may fail in any way while it is read
        return None
    if named is not None and (task is None or not set(named) <= set(task.labels)):
        capture.note("unknown_label" if task else "unknown_task")
    found: Sequence[str] | None = capture.raw(named)
    return found


def _event_type(given: object) -> str:
    name = given.strip()[:EVENT_TYPE_CHARACTERS] if isinstance(given, str) else ""
    return f"agent.{name}"[:EVENT_TYPE_CHARACTERS] if name in OUR_EVENTS else name


def _told_time(fields: Mapping[str, Any]) -> datetime | None:
    return read_time(fields.get("timestamp")) or read_time(fields.get("at"))
