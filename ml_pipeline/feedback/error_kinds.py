from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml_pipeline.vocabulary.tasks import CONVERSION, NEEDS, OBJECTION, Task, TaskKind

OBJECTION_MISS = "objection_miss"
FALSE_ALARM = "false_alarm"
NEED_MISIDENTIFICATION = "need_misidentification"
CONVERSION_ERROR = "conversion_error"


@dataclass(frozen=True, slots=True)
class ErrorKinds:
    """What it is called when a label was there and not predicted, and when it was predicted and not there."""

    missed: str
    unfounded: str


BY_TASK: Mapping[str, ErrorKinds] = {
    OBJECTION.name: ErrorKinds(OBJECTION_MISS, FALSE_ALARM),
    NEEDS.name: ErrorKinds(NEED_MISIDENTIFICATION, NEED_MISIDENTIFICATION),
    CONVERSION.name: ErrorKinds(CONVERSION_ERROR, CONVERSION_ERROR),
}
"""The specification's three kinds; a false alarm is the objection that did not come."""

BY_TASK_KIND: Mapping[TaskKind, ErrorKinds] = {
    TaskKind.MULTI_LABEL: ErrorKinds("miss", FALSE_ALARM),
    TaskKind.BINARY: ErrorKinds("wrong_side", "wrong_side"),
}
"""For the tasks another company's agent brings."""


def error_kinds(task: Task) -> ErrorKinds:
    """Return the names of a task's errors.

    >>> error_kinds(OBJECTION).missed
    'objection_miss'
    """
    return BY_TASK.get(task.name, BY_TASK_KIND[task.kind])


def all_kinds(tasks: Sequence[Task]) -> list[str]:
    """Return every kind of error these tasks can make, once, in order."""
    return list(
        dict.fromkeys(kind for task in tasks for kind in (error_kinds(task).missed, error_kinds(task).unfounded))
    )
