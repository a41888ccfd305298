"""Steps that wait for a person: asked once, answered once, by name or by time-out."""

from datetime import timedelta
from typing import Any

import psycopg2
import pytest

from ml_pipeline.database.engine import transaction
from ml_pipeline.models.approvals import store
from ml_pipeline.models.approvals.store import Permission, Question
from ml_pipeline.vocabulary.approvals import ApprovalKind, ApprovalRule
from ml_pipeline.vocabulary.tasks import NEEDS, OBJECTION
from tests.integration.events import rows

RULES = (ApprovalRule((ApprovalKind.FIRST, ApprovalKind.CANARY), tasks=("needs",), answer_hours=24),)
VERSION = "needs.detect/3"


def question(step: str = "first", kind: ApprovalKind = ApprovalKind.FIRST, task=NEEDS) -> Question:
    return Question(kind, task, VERSION, step, f"May {VERSION} serve?", {"macro_ap": 0.61})


def permission(asked: Question | None = None, rules=RULES) -> Permission:
    with transaction() as tx:
        return store.permission(tx, asked or question(), rules)


def answer(*, is_granted: bool, actor: str = "ana", because: str = "looks right"):
    with transaction() as tx:
        (waiting,) = store.waiting(tx)
        return store.answer(tx, waiting["approval"], is_granted=is_granted, actor=actor, because=because)


def let_time_pass(database) -> None:
    rows(database, "UPDATE approvals SET answer_by = now() - interval '1 minute' WHERE answered_at IS NULL")


def test_what_no_rule_is_about_goes_on_and_asks_nobody(emptied_database):
    granted = [permission(question(task=OBJECTION)), permission(question("champion", ApprovalKind.CHAMPION))]

    assert granted == [Permission.GRANTED] * 2
    assert rows(emptied_database, "SELECT 1 FROM approvals") == []


def test_a_step_waits_until_a_person_answers_and_is_asked_once(emptied_database):
    before = [permission(), permission()]
    answered = answer(is_granted=True)

    assert before == [Permission.WAITING] * 2
    assert (answered["status"], answered["actor"]) == ("answered", "ana")
    assert permission() == Permission.GRANTED
    (kept,) = rows(emptied_database, "SELECT * FROM approvals")
    assert (kept["actor"], kept["reason"], kept["is_granted"]) == ("ana", "looks right", True)
    assert kept["answer_by"] - kept["asked_at"] == timedelta(hours=24)


def test_a_declined_step_stays_declined(emptied_database):
    permission()
    answer(is_granted=False)

    assert permission() == Permission.DECLINED


def test_the_first_answer_holds(emptied_database):
    permission()
    first = answer(is_granted=False)
    with transaction() as tx:
        second = store.answer(tx, first["approval"], is_granted=True, actor="bo", because="no, yes")

    assert (second["status"], second["is_granted"], second["actor"]) == ("unchanged", False, "ana")
    assert permission() == Permission.DECLINED


def test_several_steps_of_a_version_wait_side_by_side(emptied_database):
    permission()
    permission(question("canary 0.05", ApprovalKind.CANARY))

    with transaction() as tx:
        waiting = store.waiting(tx)
    assert {each["step"] for each in waiting} == {"first", "canary 0.05"}


@pytest.mark.parametrize(("default", "held"), [(False, Permission.DECLINED), (True, Permission.GRANTED)])
def test_once_the_time_is_over_the_default_holds_and_says_so(emptied_database, default, held):
    rules = (ApprovalRule((ApprovalKind.FIRST,), default=default),)
    permission(rules=rules)
    let_time_pass(emptied_database)

    unrecorded = permission(rules=rules)
    with transaction() as tx:
        expired = [store.expire(tx), store.expire(tx)]

    assert unrecorded == permission(rules=rules) == held
    assert expired == [1, 0]
    (kept,) = rows(emptied_database, "SELECT actor, reason, is_granted FROM approvals")
    assert (kept["actor"], kept["is_granted"]) == ("time-out", default)
    assert kept["reason"].startswith("nobody answered by 2")


def test_an_answer_that_comes_too_late_changes_nothing(emptied_database):
    permission()
    with transaction() as tx:
        (waiting,) = store.waiting(tx)
    let_time_pass(emptied_database)

    with transaction() as tx:
        late = store.answer(tx, waiting["approval"], is_granted=True, actor="ana", because="sorry")

    assert (late["status"], late["is_granted"], late["actor"]) == ("unchanged", False, "time-out")


@pytest.mark.parametrize(
    ("actor", "because", "fault"), [("", "why", "say who"), ("ana", " ", "say who and why"), (None, "why", "say who")]
)
def test_nobody_answers_without_a_name_and_a_reason(emptied_database, actor, because, fault):
    permission()

    refused = answer(is_granted=True, actor=actor, because=because)

    assert refused["status"] == "refused"
    assert fault in refused["reason"]
    assert permission() == Permission.WAITING


def test_the_jobs_role_cannot_answer_past_the_function(emptied_database):
    permission()

    with pytest.raises(psycopg2.errors.InsufficientPrivilege), transaction() as tx, tx.cursor() as cursor:
        cursor.execute("UPDATE approvals SET is_granted = true, answered_at = now(), actor = 'x', reason = 'x'")


def test_each_run_shows_one_approval_the_most_urgent_first_and_its_own_when_it_runs_again(emptied_database):
    permission(question("canary 0.05", ApprovalKind.CANARY))
    permission(rules=(ApprovalRule((ApprovalKind.FIRST,), answer_hours=1),))

    shown: dict[str, list[Any]] = {}
    for run in ("one", "one", "two", "three"):
        with transaction() as tx:
            taken = store.take(tx, run)
            shown.setdefault(run, []).append(taken and taken["step"])

    assert shown == {"one": ["first", "first"], "two": ["canary 0.05"], "three": [None]}


def test_an_approval_whose_run_is_gone_can_be_shown_again(emptied_database):
    permission()
    with transaction() as tx:
        store.take(tx, "deleted run")
        shown_again = store.show_again(tx)
        taken = store.take(tx, "new run") or {}

    assert (shown_again, taken["step"]) == (1, "first")
