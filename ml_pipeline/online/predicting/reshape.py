"""Puts an answer of ours into the caller's own shape."""

from collections.abc import Mapping
from typing import Any

from ml_pipeline.online.plain import fields_of
from ml_pipeline.online.predicting.shapes import Answer, find_section, is_verdict_key, names_of
from ml_pipeline.vocabulary.tasks import Task, TaskKind

_FLAT_KEYS = {"objection": "objections_predicted", "needs": "needs_detected"}
_HIGH, _MEDIUM = 0.7, 0.4


def replace_answer(predictions: Mapping[str, Any], task: Task, answer: Answer) -> dict[str, Any]:
    """Return ``predictions`` with ``answer`` in place of what they say of ``task``, everything else untouched.

    Where they say nothing of it, the answer joins in the shape the rest has: flat beside flat keys, else nested.
    """
    key = find_section(predictions, task)
    if key is not None:
        return {**predictions, key: _whole_section(predictions[key], task, answer)}
    if _is_flat(predictions):
        return {**predictions, **_flat_section(task, answer)}
    plural = names_of(task.name).plural
    name = plural if task.kind is TaskKind.MULTI_LABEL else task.name
    return {**predictions, name: _section_like({}, task, answer)}


def conversion_level(probability: float) -> str:
    """Return the level of a probability of sale.

    >>> [conversion_level(p) for p in (0.7, 0.4, 0.39)]
    ['high', 'medium', 'low']
    """
    return "high" if probability >= _HIGH else "medium" if probability >= _MEDIUM else "low"


def _is_flat(predictions: Mapping[str, Any]) -> bool:
    return any(str(key).endswith(("_predicted", "_detected", "_probability")) for key in predictions)


def _flat_section(task: Task, answer: Answer) -> dict[str, Any]:
    if task.kind is TaskKind.BINARY:
        return {f"{task.name}_probability": answer.confidence}
    return {_FLAT_KEYS.get(task.name, f"{names_of(task.name).plural}_predicted"): _items([], task, answer)}


def _whole_section(section: object, task: Task, answer: Answer) -> Any:
    try:
        return _section_like(section, task, answer)
    except Exception:  # noqa: BLE001 - a caller's object may fail in any way while it is read; then it has no shape
        return _section_like({}, task, answer)


def _section_like(section: object, task: Task, answer: Answer) -> Any:
    """Return the answer in the shape of ``section``: a mapping, a list, or a bare figure."""
    fields = fields_of(section)
    if fields is None:
        if task.kind is TaskKind.BINARY:
            return answer.confidence
        return _items(section, task, answer)
    if task.kind is TaskKind.BINARY:
        return _binary_fields(fields, task, answer)
    return _label_fields(fields, task, answer)


def _binary_fields(fields: Mapping[str, Any], task: Task, answer: Answer) -> dict[str, Any]:
    probability = answer.confidence
    figure = next((key for key in ("probability", *names_of(task.name).sections) if key in fields), "probability")
    says = next((key for key in fields if is_verdict_key(key)), "will_convert")
    return {
        **fields,
        figure: probability,
        says: bool(answer.labels),
        f"{task.name}_level": conversion_level(probability),
    }


def _label_fields(fields: Mapping[str, Any], task: Task, answer: Answer) -> dict[str, Any]:
    names = names_of(task.name)
    key = next((name for name in names.items if fields.get(name) is not None), names.plural)
    inner = fields.get(key)
    changed: dict[str, Any] = {**fields, key: _section_like([] if inner is None else inner, task, answer)}
    changed["confidence"] = answer.confidence
    for name in ("probabilities", "scores"):
        if fields_of(fields.get(name)) is not None:
            changed[name] = dict(answer.probabilities)
    if f"primary_{names.singular}" in fields or task.name == "objection":
        changed[f"primary_{names.singular}"] = answer.labels[0] if answer.labels else None
    return changed


def _items(section: object, task: Task, answer: Answer) -> list[Any]:
    """The labels that hold as the caller lists them: bare names or mappings with his own keys."""
    first = next(iter(section), None) if isinstance(section, (list, tuple, set, frozenset)) else section
    if isinstance(first, str):
        return list(answer.labels)
    fields = fields_of(first) or {}
    label_key = next((key for key in ("type", "label", "name", names_of(task.name).singular) if key in fields), "type")
    figure_key = next((key for key in ("confidence", "probability", "score") if key in fields), "confidence")
    return [{label_key: label, figure_key: answer.probabilities[label]} for label in answer.labels]
