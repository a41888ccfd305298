"""Payloads of what turned out to be true: outcomes and labels."""

import math
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from ml_pipeline.online.plain import fields_of
from ml_pipeline.online.shapes import read_label
from ml_pipeline.vocabulary.tasks import LabelSource, Task, TaskKind

_NUMBERS = ("conversion_value", "satisfaction", "duration_seconds", "message_count")
_TEXTS = ("currency", "tier_selected")
_OTHER_NAMES = {"satisfaction_score": "satisfaction", "tier": "tier_selected", "duration": "duration_seconds"}


def outcome_data(outcome: object, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload of an outcome; ``metrics`` is plain JSON data, what it has beside the known keys is kept."""
    rest = {_OTHER_NAMES.get(name, name): value for name, value in metrics.items()}
    data: dict[str, Any] = {"outcome": read_name(outcome) or "unknown"}
    for name in _NUMBERS:
        data[name] = read_number(rest.pop(name, None))
    for name in _TEXTS:
        value = rest.pop(name, None)
        data[name] = None if value is None else str(value)
    data["metrics"] = rest
    return data


def read_labels(given: object, task: Task | None) -> list[str] | None:
    """Return the labels in ``given``, those of ``task`` in its own spelling; None where it cannot be read.

    [] says that no label holds, so what names nothing readable is never taken for it.
    """
    if task and task.kind is TaskKind.BINARY and _is_verdict(given):
        return list(task.labels) if given else []
    if given is None:
        return None
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


def read_number(given: object) -> float | None:
    """Return ``given`` as a finite number; None where it is none.

    >>> read_number("2,700.50"), read_number(True), read_number("much")
    (2700.5, 1.0, None)
    """
    try:
        number = float(given.replace(",", "") if isinstance(given, str) else given)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_whole(given: object) -> int | None:
    """Return ``given`` as a number of turns; None where it is none.

    >>> read_whole("3"), read_whole(-1), read_whole(None)
    (3, None, None)
    """
    number = read_number(given)
    return int(number) if number is not None and number >= 0 else None


def _is_verdict(given: object) -> bool:
    return isinstance(given, bool) or type(given).__name__ in {"bool_", "bool"} or given in (0, 1)


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
