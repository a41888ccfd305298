"""Reads a caller's predictions, whatever their shape, into one: probabilities over the task's labels.

Shapes: a section per task, nested (``{"objections": {"objections": [{"type", "confidence"}]}}``), flat
(``{"objections_predicted": [...], "conversion_probability": .7}``), flat with nested dicts, or a mapping
``{label: probability}``. A label that is listed without a figure has the section's confidence, else 1; a label that is
not listed has 0.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from itertools import islice
from typing import Any

from ml_pipeline.online.figures import read_probability, read_verdict
from ml_pipeline.online.plain import fields_of
from ml_pipeline.vocabulary.tasks import Task, TaskKind

Note = Callable[[str], None]
"""Told the reason whenever a part of an answer cannot be read."""

FALLBACK = "fallback"
_ITEM_LABEL = ("type", "label", "name", "category", "value")
_ITEM_PROBABILITY = ("confidence", "probability", "score")
_DEEPEST = 3
MOST_ITEMS = 1_000
"""Items of one answer that are read; no task has as many labels."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody says of a task: probabilities per label, and the labels said to hold, likeliest first."""

    probabilities: dict[str, float]
    labels: tuple[str, ...]

    @property
    def confidence(self) -> float:
        return max(self.probabilities.values(), default=0.0)


@dataclass(frozen=True, slots=True)
class _Listed:
    figures: dict[str, float]
    is_scored: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """The keys under which a task's answers arrive: ``sections`` on top, ``items`` and ``labels`` inside."""

    singular: str
    plural: str
    sections: tuple[str, ...] = field(default=())

    @property
    def items(self) -> tuple[str, ...]:
        return (self.plural, self.singular, "labels", "items", "predictions", "predicted", "detected")


@cache
def names_of(task: str) -> Names:
    """Return the names of a task, from its singular or plural.

    >>> names_of("objection").sections[:4]
    ('objections', 'objection', 'objections_predicted', 'objection_predicted')
    """
    plural = task if task.endswith("s") else f"{task}s"
    singular = task.removesuffix("s")
    endings = ("", "_predicted", "_detected", "_predictions", "_prediction", "_probability")
    sections = tuple(f"{stem}{ending}" for ending in endings for stem in (plural, singular))
    return Names(singular, plural, sections)


def find_task(given: object, tasks: Sequence[Task]) -> Task | None:
    """Return the task that a caller calls ``given``: by name, singular or plural, any case."""
    if isinstance(given, Enum):
        given = given.value
    if not isinstance(given, str):
        return None
    wanted = given.strip().lower()
    for task in tasks:
        names = names_of(task.name)
        if wanted in (task.name.lower(), *names.sections):
            return task
    return None


def find_section(predictions: Mapping[str, Any], task: Task) -> str | None:
    """Return the key of ``predictions`` under which ``task`` is answered; None where it is not."""
    return next((name for name in names_of(task.name).sections if predictions.get(name) is not None), None)


def find_sections(
    kind: object, given: object, fields: Mapping[str, Any], tasks: Sequence[Task]
) -> list[tuple[Task, object]]:
    """Return what ``given``, whose fields are ``fields``, says of the task called ``kind``, or of every task.

    The answer to one task may stand alone, ``{"objections": [...], "primary_objection": ...}``, or in its section,
    ``{"objections": {"objections": [...]}}``.
    """
    task = find_task(kind, tasks)
    if task is None:
        return [(each, fields[key]) for each in tasks if (key := find_section(fields, each))]
    key = find_section(fields, task)
    if key is None:
        return [(task, given)]
    names = names_of(task.name)
    stands_alone = task.kind is TaskKind.BINARY or key in (names.plural, names.singular)
    is_section = fields_of(fields[key]) is not None or not stands_alone
    return [(task, fields[key] if is_section else given)]


def is_failure(predictions: object) -> bool:
    """Tell whether a caller says that it could not predict: an ``error``, or the type ``fallback``."""
    fields = fields_of(predictions)
    if fields is None:
        return False
    is_called_one = is_fallback(fields.get("prediction_type")) or fields.get("is_fallback") is True
    return is_called_one or is_told(fields.get("error"))


def is_fallback(kind: object) -> bool:
    """Tell whether a caller calls a prediction a fallback."""
    return read_label(kind) == FALLBACK


def is_told(given: object) -> bool:
    """Tell whether ``given`` says anything: not None, False, empty, or the NaN that tables put in place of nothing."""
    try:
        return bool(given) and not (isinstance(given, float) and given != given)  # noqa: PLR0124 - what NaN is
    except Exception:  # noqa: BLE001 - whatever cannot even be asked is something
        return True


def read_section(section: object, task: Task, note: Note, confidence: float | None = None) -> Answer | None:
    """Return the answer in ``section``; None, and noted, where there is none in it."""
    if task.kind is TaskKind.BINARY:
        answer = _read_binary(section, task)
    else:
        listed = _read_labels(section, task, note, confidence, _DEEPEST)
        answer = None if listed is None else _complete(listed, task)
    if answer is None:
        note("unreadable_prediction")
    return answer


def _read_binary(section: object, task: Task) -> Answer | None:
    label = task.labels[0]
    fields = fields_of(section)
    probability, says = read_probability(section), None
    if fields is not None:
        probability = _first(fields, ("probability", *names_of(task.name).sections, label, "score"))
        if probability is None and (inner := fields_of(fields.get("probabilities"))):
            probability = read_probability(inner.get(label))
        says = next((read_verdict(fields[key]) for key in fields if is_verdict_key(key)), None)
        if probability is None and says is not None:
            sure = read_probability(fields.get("confidence"))
            sure = 1.0 if sure is None else sure
            probability = sure if says else 1.0 - sure
    if probability is None:
        return None
    is_predicted = probability >= 0.5 if says is None else says
    return Answer({label: probability}, (label,) if is_predicted else ())


def _read_labels(section: object, task: Task, note: Note, confidence: float | None, depth: int) -> _Listed | None:
    """Return the labels a section lists, with their figures; None where it lists nothing, not even none."""
    fields = fields_of(section)
    if fields is not None:
        return _read_fields(fields, task, note, confidence, depth)
    if isinstance(section, str):
        section = [section]
    if hasattr(type(section), "tolist"):  # arrays of numpy and its like
        section = section.tolist()  # type: ignore[attr-defined]
    if isinstance(section, (list, tuple, set, frozenset)):
        return _Listed(_read_items(section, task, note, 1.0 if confidence is None else confidence))
    return None


def _read_fields(
    fields: Mapping[str, Any], task: Task, note: Note, confidence: float | None, depth: int
) -> _Listed | None:
    scores = fields_of(fields.get("probabilities")) or fields_of(fields.get("scores"))
    if not scores:
        scores = {key: fields[key] for key in fields if read_label(key) in _labels_of(task)}
    if scores:
        return _Listed(_read_items(scores.items(), task, note, 1.0), is_scored=True)
    own = read_probability(fields.get("confidence"))
    for name in names_of(task.name).items:
        if depth and fields.get(name) is not None:
            return _read_labels(fields[name], task, note, confidence if own is None else own, depth - 1)
    return None


def _read_items(items: Iterable[Any], task: Task, note: Note, default: float) -> dict[str, float]:
    found: dict[str, float] = {}
    for item in islice(items, MOST_ITEMS):
        try:
            named, probability = _read_item(item, task, default)
        except Exception:  # noqa: BLE001 - one broken item costs no other
            note("unreadable_item")
            continue
        label = _labels_of(task).get(named)
        if label is None:
            note("unknown_label")
        elif probability is None:
            note("unreadable_probability")
        else:
            found[label] = max(probability, found.get(label, 0.0))
    return found


def _read_item(item: object, task: Task, default: float) -> tuple[str, float | None]:
    if isinstance(item, (list, tuple)) and len(item) == 2:
        return read_label(item[0]), read_probability(item[1])
    fields = fields_of(item)
    if fields is None:
        return read_label(item), default
    named = next((fields[key] for key in (*_ITEM_LABEL, names_of(task.name).singular) if fields.get(key)), "")
    figures = [key for key in _ITEM_PROBABILITY if fields.get(key) is not None]
    return read_label(named), read_probability(fields[figures[0]]) if figures else default


def is_verdict_key(key: object) -> bool:
    """Tell whether a key says yes or no of a binary task: ``will_convert``."""
    return isinstance(key, str) and key.startswith("will_")


def read_label(given: object) -> str:
    """Return a label in the one spelling under which labels are compared.

    >>> read_label(" Hidden-Cost ")
    'hidden_cost'
    """
    if isinstance(given, Enum):
        given = given.value
    return given.strip().lower().replace(" ", "_").replace("-", "_") if isinstance(given, str) else ""


@cache
def _labels_of(task: Task) -> dict[str, str]:
    return {read_label(label): label for label in task.labels}


def _complete(listed: _Listed, task: Task) -> Answer:
    figures = listed.figures
    ranked = sorted(figures, key=lambda label: -figures[label])
    # A mapping says how likely each label is; a list names those that hold.
    held = [label for label in ranked if figures[label] >= 0.5] if listed.is_scored else ranked
    return Answer({label: figures.get(label, 0.0) for label in task.labels}, tuple(held))


def _first(fields: Mapping[str, Any], names: Sequence[str]) -> float | None:
    for name in names:
        if (probability := read_probability(fields.get(name))) is not None:
            return probability
    return None
