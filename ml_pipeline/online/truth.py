"""Payloads of what turned out to be true: outcomes and labels."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from ml_pipeline.online.figures import read_number, read_verdict
from ml_pipeline.online.plain import fields_of
from ml_pipeline.online.predicting.shapes import read_label
from ml_pipeline.vocabulary.tasks import LabelSource, Task, TaskKind

UNKNOWN = "unknown"
_TIMES = ("timestamp", "at")
_NUMBERS = ("conversion_value", "satisfaction", "duration_seconds", "message_count")
_TEXTS = ("currency", "tier_selected")
_OTHER_NAMES = {"satisfaction_score": "satisfaction", "tier": "tier_selected", "duration": "duration_seconds"}


def outcome_data(outcome: object, told: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload of an outcome from its metrics as they were ``told`` and as ``plain`` JSON data, masked.

    Figures are read before masking, for a price may look like a phone. What has no place of its own is kept.
    """
    figures = {_OTHER_NAMES.get(name, name): read_number(value) for name, value in told.items()}
    rest = {_OTHER_NAMES.get(name, name): value for name, value in plain.items() if name not in _TIMES}
    data: dict[str, Any] = {"outcome": read_name(outcome) or UNKNOWN}
    for name in _NUMBERS:
        data[name] = figures.get(name)
        if data[name] is not None:
            rest.pop(name, None)
    for name in _TEXTS:
        value = rest.pop(name, None)
        data[name] = None if value is None else str(value)
    if (earlier := rest.pop("supersedes", None)) is not None:
        data["supersedes"] = str(earlier)
    data["metrics"] = rest
    return data


def read_labels(given: object, task: Task | None) -> list[str] | None:
    """Return the labels in ``given``, those of ``task`` in its own spelling; None where it cannot be read.

    [] says that no label holds, so what names nothing readable is never taken for it.
    """
    if given is None:
        return None
    if task and task.kind is TaskKind.BINARY and read_number(given) in (None, 0.0, 1.0):
        holds = read_verdict(given)
        if holds is not None:
            return list(task.labels) if holds else []
    names = [_item_label(item) for item in _items(given)]
    if not all(names):
        return None
    ours = {read_label(label): label for label in task.labels} if task else {}
    return sorted({ours.get(read_label(name), name) for name in names})


def read_source(given: object) -> LabelSource | None:
    """Return who says so; None where nobody known does."""
    try:
        return LabelSource(read_name(given))
    except ValueError:
        return None


def read_name(given: object) -> str:
    """Return a word that names something, lower case; "" where there is none."""
    if isinstance(given, Enum):
        given = given.value
    return given.strip().lower()[:100] if isinstance(given, str) else ""


def _items(given: object) -> Sequence[object]:
    if isinstance(given, (list, tuple)):
        return given
    if isinstance(given, (set, frozenset)):
        return sorted(given, key=str)
    return [given]


def _item_label(item: object) -> str:
    fields = fields_of(item)
    if fields is not None:
        item = fields.get("type") or fields.get("label") or fields.get("name")
    if isinstance(item, Enum):
        item = item.value
    return item.strip()[:100] if isinstance(item, str) else ""
