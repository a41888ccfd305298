"""What is known of patterns, and of one conversation, as the agent may ask for it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from ml_pipeline.online.conversations import Conversation
from ml_pipeline.online.ids import conversation_uuid
from ml_pipeline.online.policy.arms import held_arms
from ml_pipeline.online.predicting.reshape import replace_answer
from ml_pipeline.online.predicting.shapes import Answer
from ml_pipeline.online.reading.drift_detector import DEFAULT_HOURS
from ml_pipeline.online.reading.timeframe import Timeframe, learnt_in, read_hours
from ml_pipeline.online.session import Row, Session, conversation_name
from ml_pipeline.vocabulary.tasks import Task

MOST_TRENDING = 10
MOST_SENTENCES = 10


def pattern_insights(
    timeframe: Timeframe | None = None,
    *,
    types: Sequence[Row] = (),
    patterns: Sequence[Row] = (),
    findings: Sequence[Row] = (),
) -> dict[str, Any]:
    """Return what was seen in the timeframe.

    ``total_patterns``: mined patterns last seen in it; ``pattern_summary``: {type: {patterns, occurrences}} of them;
    ``trending_patterns``: at most ten that were first seen in it, the most frequent first, each with ``pattern_type``,
    ``pattern_data``, ``confidence``, ``occurrences``, ``first_seen``, ``last_seen``; ``anomalies``: drift findings
    learnt in it (see ``drift_summary``); ``insights``: the headlines of both, patterns first.
    """
    new = [row for row in patterns if row["is_new"]][:MOST_TRENDING]
    said = [row["pattern_data"].get("headline") for row in patterns if isinstance(row["pattern_data"], dict)]
    headlines = [line for line in said if isinstance(line, str)] + [row["headline"] for row in findings]
    return {
        "total_patterns": sum(row["patterns"] for row in types),
        "timeframe_hours": timeframe.hours if timeframe else DEFAULT_HOURS,
        "pattern_summary": {
            row["pattern_type"]: {"patterns": row["patterns"], "occurrences": row["occurrences"]} for row in types
        },
        "trending_patterns": [{name: value for name, value in row.items() if name != "is_new"} for row in new],
        "anomalies": list(findings),
        "insights": headlines[:MOST_SENTENCES],
    }


async def read_pattern_insights(session: Session, timeframe_hours: Any) -> dict[str, Any]:
    """Read the patterns and findings of the last hours."""
    from ml_pipeline.online import store

    timeframe = Timeframe(read_hours(timeframe_hours, DEFAULT_HOURS), session.now())
    shape = partial(pattern_insights, timeframe)
    where, learnt = "get_pattern_insights", learnt_in(timeframe.hours)
    return await session.answer(where, store.pattern_insights, shape, learnt_since=learnt, **timeframe.bounds)


def conversation_insights_of(
    tasks: Sequence[Task] = (),
    *,
    answers: Sequence[Row] = (),
    actions: Sequence[Row] = (),
    arms: Sequence[Row] = (),
    source: str = "postgres",
) -> dict[str, Any]:
    """Return what was answered last in a conversation.

    ``predictions``: nested, a section per task, as it was served; ``confidence_scores`` and ``served_by`` per task;
    ``recommended_actions`` as the caller gave them last; ``ab_variants``: {experiment: arm}; ``source``: ``memory`` or
    ``postgres``. All are empty of a conversation that nobody knows.
    """
    by_name = {task.name: task for task in tasks}
    predictions: dict[str, Any] = {}
    scores: dict[str, float] = {}
    served_by: dict[str, str] = {}
    for row in answers:
        task = by_name.get(row["task"])
        if task is None:
            continue
        answer = Answer(row["probabilities"], tuple(row["labels"]))
        predictions = replace_answer(predictions, task, answer)
        scores[task.name], served_by[task.name] = answer.confidence, row["version"]
    return {
        "predictions": predictions,
        "confidence_scores": scores,
        "served_by": served_by,
        "recommended_actions": next((list(row["actions"]) for row in actions), []),
        "ab_variants": {row["experiment"]: row["arm"] for row in arms},
        "source": source,
    }


async def conversation_insights(session: Session, conversation_id: Any) -> dict[str, Any]:
    """Return the insights of a conversation, from memory where this process answered in it, else from Postgres."""
    from ml_pipeline.online import store

    shape = partial(conversation_insights_of, session.settings.tasks)
    name = conversation_name(conversation_id)
    if name is None:
        session.capture("get_ml_insights_for_conversation").note("missing_conversation_id")
        return {**shape(), "status": "degraded", "reason": "the conversation has no id"}
    runtime = session.started()
    known = runtime.conversations.known(name)
    if known and known.served:
        return {**_remembered(session, known), "status": "ok", "reason": None}
    where = "get_ml_insights_for_conversation"
    return await session.answer(where, store.conversation_insights, shape, conversation_id=conversation_uuid(name))


def _remembered(session: Session, known: Conversation) -> dict[str, Any]:
    held = held_arms(known, session.started().policy.policy)
    return conversation_insights_of(
        session.settings.tasks,
        answers=[
            {"task": task, "version": version, "probabilities": answer.probabilities, "labels": answer.labels}
            for task, (version, answer) in known.served.items()
        ],
        actions=[{"actions": known.recommended_actions}],
        arms=[{"experiment": experiment, "arm": arm} for experiment, arm in held.items()],
        source="memory",
    )
