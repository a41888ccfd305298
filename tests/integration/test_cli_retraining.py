"""What a person sees of retraining, asks for, and says yes or no to."""

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from ml_pipeline.cli import app
from ml_pipeline.database.engine import transaction
from ml_pipeline.jobs import request_retraining
from ml_pipeline.models.approvals import store
from ml_pipeline.models.approvals.store import Question
from ml_pipeline.vocabulary.approvals import ApprovalKind, ApprovalRule
from ml_pipeline.vocabulary.tasks import NEEDS
from tests.integration.events import rows


def said(*words: str, fails: bool = False) -> str:
    result = CliRunner().invoke(app, list(words))
    assert bool(result.exit_code) == fails, result.output
    return " ".join(result.output.split())


def wait_for_a_person(step: str = "first") -> None:
    with transaction() as tx:
        question = Question(ApprovalKind.FIRST, NEEDS, "needs.detect/3", step, "it passed its gate")
        store.permission(tx, question, (ApprovalRule(tuple(ApprovalKind)),))


def test_before_anything_happened_that_is_what_is_said(emptied_database):
    assert said("retraining") == (
        "Nobody has asked for a retraining. Nobody has looked yet whether a task needs retraining."
    )
    assert said("approve") == "Nothing waits for a person."


def test_what_a_person_asks_for_is_kept_with_interval_and_name_and_shown(emptied_database):
    told = said("retraining", "ask", "needs", "--why", "new offers", "--from", "2026-03-01", "--dry-run")

    (row,) = rows(emptied_database, "SELECT * FROM retraining_requests")
    assert told == f"needs.detect: asked for as {row['request']}"
    assert (row["source"], row["reason"], row["is_dry_run"]) == ("person", "new offers", True)
    assert (row["from_at"], row["to_at"]) == (datetime(2026, 3, 1, tzinfo=UTC), None)
    assert row["actor"]
    assert "new offers (from 2026-03-01 00:00, dry run)" in said("retraining")
    assert "waits for a run" in said("retraining")


def test_looks_that_came_to_the_same_are_told_once(emptied_database):
    for hour in (10, 11, 12):
        request_retraining.run(datetime(2026, 3, 4, hour, tzinfo=UTC))

    told = json.loads(CliRunner().invoke(app, ["retraining", "--json"]).output)

    assert [(each["task"], each["verdict"], each["looks"]) for each in told["evaluations"]] == [
        ("conversion", "QUIET", 3),
        ("needs", "QUIET", 3),
        ("objection", "QUIET", 3),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ask", "mood", "--why", "x"), "no task 'mood'; choose one of all, objection.anticipate"),
        (("ask", "needs", "--why", "x", "--from", "soon"), "start = 'soon' is no time"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(emptied_database, words, message):
    result = CliRunner().invoke(app, ["retraining", *words])

    assert message in str(result.exception)
    assert rows(emptied_database, "SELECT 1 FROM retraining_requests") == []


def test_a_person_grants_what_waits(emptied_database):
    wait_for_a_person()

    listed, granted, again = said("approve"), said("approve", "needs", "--why", "fine"), said("approve")

    assert "needs.detect/3" in listed
    assert granted.startswith("needs.detect/3, first: granted by ")
    assert granted.endswith(": fine")
    assert again == "Nothing waits for a person."
    assert [row["is_granted"] for row in rows(emptied_database, "SELECT is_granted FROM approvals")] == [True]


def test_a_person_declines_one_of_several_steps_by_name(emptied_database):
    wait_for_a_person("canary 0.05")
    wait_for_a_person("canary 0.25")

    unclear = said("decline", "needs.detect", "--why", "too early", fails=True)
    said("decline", "needs.detect", "--why", "too early", "--step", "canary 0.25")

    assert "several steps of needs.detect wait" in unclear
    found = rows(emptied_database, "SELECT step, is_granted FROM approvals ORDER BY step")
    assert [(row["step"], row["is_granted"]) for row in found] == [("canary 0.05", None), ("canary 0.25", False)]


@pytest.mark.parametrize(
    ("words", "message"),
    [(("needs",), "say why"), (("objection", "--why", "x"), "nothing of objection waits")],
)
def test_nothing_is_answered_without_a_reason_or_a_question(emptied_database, words, message):
    wait_for_a_person()

    assert message in said("approve", *words, fails=True).replace("│", "")
