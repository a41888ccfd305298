"""The shapes in which an orchestrator hands its answers over: nested per task, or flat."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_pipeline.vocabulary.tasks import Task, TaskKind

Answers = Mapping[str, Mapping[str, float]]

FLAT_KEYS = {"objection": "objections_predicted", "needs": "needs_detected"}


def nested(answers: Answers, tasks: Sequence[Task]) -> dict[str, Any]:
    """Return ``{"objections": {"objections": [...], "primary_objection", "confidence"}, "conversion": {...}}``.

    Lists name the labels held to be true; ``probabilities`` beside them say how likely each label is.
    """
    return {
        task.name if task.kind is TaskKind.BINARY else plural(task): section(answers[task.name], task) for task in tasks
    }


def flat(answers: Answers, tasks: Sequence[Task]) -> dict[str, Any]:
    """Return ``{"objections_predicted": {...}, "needs_detected": {...}, "conversion_probability": p, …}``."""
    shaped: dict[str, Any] = {"recommended_actions": []}
    for task in tasks:
        if task.kind is TaskKind.BINARY:
            shaped[f"{task.name}_probability"] = answers[task.name][task.labels[0]]
        else:
            shaped[FLAT_KEYS.get(task.name, f"{plural(task)}_predicted")] = section(answers[task.name], task)
    return shaped


def section(probabilities: Mapping[str, float], task: Task) -> dict[str, Any]:
    """Return one task's answer as its own prediction call carries it."""
    if task.kind is TaskKind.BINARY:
        probability = probabilities[task.labels[0]]
        level = "high" if probability >= 0.7 else "medium" if probability >= 0.4 else "low"
        return {"probability": probability, "will_convert": probability >= 0.5, "conversion_level": level}
    held = sorted((label for label, p in probabilities.items() if p >= 0.5), key=lambda label: -probabilities[label])
    shaped: dict[str, Any] = {
        plural(task): [{"type": label, "confidence": probabilities[label]} for label in held],
        "probabilities": dict(probabilities),
        "confidence": max(probabilities.values()),
    }
    if task.name == "objection":
        shaped["primary_objection"] = held[0] if held else None
    return shaped


def plural(task: Task) -> str:
    """Return the key of the task's list."""
    return task.name if task.name.endswith("s") else f"{task.name}s"
