"""What a run of ask_approval puts to a person, and what it writes down of the answer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml_pipeline.database.engine import transaction
from ml_pipeline.jobs import ask_approval as job
from ml_pipeline.models.approvals import store
from ml_pipeline.models.approvals.store import Question
from ml_pipeline.vocabulary.approvals import ApprovalKind, ApprovalRule
from ml_pipeline.vocabulary.tasks import NEEDS
from tests.integration.events import rows

NOW = datetime.now(UTC)


def ask(step: str = "first", *, hours: float = 24, default: bool = False) -> None:
    rule = ApprovalRule(tuple(ApprovalKind), answer_hours=hours, default=default)
    evidence = {"macro_ap": 0.61234, "reason": "surely better | by far", "champion": None}
    with transaction() as tx:
        question = Question(ApprovalKind.FIRST, NEEDS, "needs.detect/3", step, "it passed its gate", evidence)
        store.permission(tx, question, (rule,))


def answer(chosen: str, person: dict[str, str] | None, why: str = "") -> list[dict[str, Any]]:
    """Return what Airflow's operator returns."""
    return [{"chosen_options": [chosen], "params_input": {"why": why}, "responded_by_user": person}]


def kept(database) -> dict[str, Any]:
    (row,) = rows(database, "SELECT is_granted, actor, reason FROM approvals WHERE answered_at IS NOT NULL")
    return row


def test_a_run_asks_one_question_with_its_evidence_default_and_time(emptied_database):
    ask(hours=24)

    (asked,) = job.take("run 1", NOW)

    (times,) = rows(emptied_database, "SELECT asked_at, answer_by FROM approvals")
    assert asked["subject"] == "needs.detect/3, first: it passed its gate"
    assert asked["defaults"] == "Decline"
    assert asked["response_timeout"] == times["answer_by"] - NOW
    assert times["answer_by"] - times["asked_at"] == timedelta(hours=24)
    assert "| macro_ap | 0.6123 |" in asked["body"]
    assert "surely better \\| by far" in asked["body"]
    assert "| champion | none |" in asked["body"]
    assert "it is **declined**" in asked["body"]
    assert job.take("run 1", NOW) == [asked]
    assert job.take("run 2", NOW) == []


def test_several_questions_are_asked_by_several_runs(emptied_database):
    ask("canary 0.05", hours=2)
    ask("canary 0.25", hours=1)

    asked = [job.take(f"run {number}", NOW) for number in range(3)]

    assert [len(each) for each in asked] == [1, 1, 0]
    assert "canary 0.25" in asked[0][0]["subject"]


@pytest.mark.parametrize(("chosen", "granted"), [("Grant", True), ("Decline", False)])
def test_who_answered_what_and_why_is_kept(emptied_database, chosen, granted):
    ask()
    job.take("run", NOW)

    told = job.record("run", answer(chosen, {"id": "7", "name": "ana"}, "looks right"))

    assert told["status"] == "answered"
    assert kept(emptied_database) == {"is_granted": granted, "actor": "ana", "reason": "looks right"}


def test_a_retry_writes_nothing_twice(emptied_database):
    ask()
    job.take("run", NOW)
    job.record("run", answer("Grant", {"id": "7", "name": "ana"}))

    again = job.record("run", answer("Grant", {"id": "7", "name": "ana"}))

    assert (again["status"], again["actor"]) == ("unchanged", "ana")


def test_where_nobody_answered_the_default_holds_and_nobody_is_named(emptied_database):
    ask(default=True)
    ((asked),) = job.take("run", NOW)

    job.record("run", answer(asked["defaults"], None))

    assert kept(emptied_database) == {"is_granted": True, "actor": "time-out", "reason": "nobody answered in time"}


def test_an_answer_on_the_command_line_holds_against_a_later_one_in_airflow(emptied_database):
    ask()
    job.take("run", NOW)
    with transaction() as tx:
        (waiting,) = store.waiting(tx)
        store.answer(tx, waiting["approval"], is_granted=False, actor="bo", because="not on a Friday")

    told = job.record("run", answer("Grant", {"id": "7", "name": "ana"}))

    assert (told["status"], told["actor"]) == ("unchanged", "bo")
    assert kept(emptied_database)["is_granted"] is False


def test_a_question_nobody_answered_while_airflow_was_away_gets_its_default(emptied_database):
    ask()
    rows(emptied_database, "UPDATE approvals SET answer_by = now() - interval '1 minute'")

    assert job.take("run", NOW) == []
    assert kept(emptied_database)["actor"] == "time-out"


def test_what_a_deleted_run_had_asked_is_asked_again_on_demand(emptied_database):
    ask()
    job.take("deleted", NOW)

    assert job.take("new", NOW) == []
    assert len(job.take("new", NOW, again=True)) == 1
