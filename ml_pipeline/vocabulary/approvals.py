from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ml_pipeline.vocabulary.tasks import Task

EVERY_TASK = "*"


class ApprovalKind(StrEnum):
    """What a version waits for a person's word to become."""

    FIRST = "first"
    """champion of a task that has none"""
    SHADOW = "shadow"
    CANARY = "canary"
    """each of its steps"""
    CHAMPION = "champion"
    """in the place of another"""


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """Who is not to go on without a person.

    ``tasks``: names, or names with their mode (``objection.detect``); ``*`` is every task. ``default``: what holds once
    nobody answered for ``answer_hours``.
    """

    kinds: tuple[ApprovalKind, ...]
    tasks: tuple[str, ...] = (EVERY_TASK,)
    answer_hours: float = 48.0
    default: bool = False


def rule_of(rules: Sequence[ApprovalRule], task: Task, kind: ApprovalKind) -> ApprovalRule | None:
    """Return the first rule about this step of the task; None: nobody needs to be asked.

    >>> from ml_pipeline.vocabulary.tasks import NEEDS, OBJECTION
    >>> rules = [ApprovalRule((ApprovalKind.FIRST,), tasks=("needs.detect",))]
    >>> rule_of(rules, NEEDS, ApprovalKind.FIRST) is rules[0], rule_of(rules, OBJECTION, ApprovalKind.FIRST)
    (True, None)
    """
    named = {EVERY_TASK, task.name, f"{task.name}.{task.mode}"}
    return next((rule for rule in rules if kind in rule.kinds and named & set(rule.tasks)), None)
