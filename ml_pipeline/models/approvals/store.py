"""What waits for a person's word. Only SQL functions answer; a default holds from ``answer_by`` on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

import msgspec

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.vocabulary.approvals import ApprovalKind, ApprovalRule, rule_of
from ml_pipeline.vocabulary.tasks import Task

TIME_OUT = "time-out"
"""Who answers where nobody did."""

Row = dict[str, Any]


class Permission(StrEnum):
    GRANTED = "granted"
    WAITING = "waiting"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Question:
    """May ``version`` go on? ``step`` tells the questions of one version apart; ``headline`` says what is asked."""

    kind: ApprovalKind
    task: Task
    version: str
    step: str
    headline: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


def permission(tx: Transaction, question: Question, rules: Sequence[ApprovalRule]) -> Permission:
    """Return whether the version may go on; asks a person the first time, where a rule wants one."""
    rule = rule_of(rules, question.task, question.kind)
    if rule is None:
        return Permission.GRANTED
    named = {"task": question.task.name, "mode": question.task.mode, "version": question.version, "step": question.step}
    queries("approvals").ask(
        tx,
        **named,
        kind=question.kind,
        headline=question.headline,
        evidence=msgspec.json.encode(question.evidence).decode(),
        within=timedelta(hours=rule.answer_hours),
        default_answer=rule.default,
    )
    is_granted: bool | None = queries("approvals").answer_of(tx, **named)
    return {True: Permission.GRANTED, False: Permission.DECLINED, None: Permission.WAITING}[is_granted]


def waiting(tx: Transaction) -> list[Row]:
    """Return what nobody answered yet, the most urgent first."""
    return [dict(row) for row in queries("approvals").waiting(tx)]


def take(tx: Transaction, run: str) -> Row | None:
    """Return the approval that the Airflow run ``run`` shows: its own, else the most urgent that no run shows."""
    row = queries("approvals").take(tx, run=run)
    return dict(row) if row else None


def shown_in(tx: Transaction, run: str) -> str:
    """Return the id of the approval that an Airflow run shows."""
    approval: str = queries("approvals").shown_in(tx, run=run)
    return approval


def show_again(tx: Transaction) -> int:
    """Let what nobody answered be shown by new runs, because theirs are gone."""
    return int(queries("approvals").show_again(tx))


def answer(tx: Transaction, approval: str, *, is_granted: bool, actor: str, because: str) -> Row:
    """Record a person's word; return {status, approval, is_granted, actor, reason}.

    ``status``: answered; unchanged where somebody, or the time-out, was first; refused, with the reason.
    """
    return dict(queries("approvals").answer(tx, approval=approval, is_granted=is_granted, actor=actor, because=because))


def expire(tx: Transaction) -> int:
    """Let the default hold where the time is over; return of how many."""
    return int(queries("approvals").expire(tx))


def withdraw(tx: Transaction, task: Task, version: str, *, actor: str, because: str) -> None:
    """Let nobody be asked any more whether the version may go on: it goes no further."""
    queries("approvals").withdraw(tx, task=task.name, mode=task.mode, version=version, actor=actor, because=because)
