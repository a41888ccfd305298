"""A version that passed its gate, where the policy wants a person before it is let in."""

import uuid
from dataclasses import replace
from typing import Any

from ml_pipeline.database.engine import transaction
from ml_pipeline.models import publication
from ml_pipeline.models.approvals import store as approvals
from ml_pipeline.models.rollouts.terms import AT_ONCE, Terms
from ml_pipeline.models.store import Decided
from ml_pipeline.vocabulary.approvals import ApprovalKind, ApprovalRule
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS, NEEDS
from ml_pipeline.vocabulary.verdicts import GateVerdict
from tests.integration.events import rows
from tests.integration.policy import rewrite

ASKING = replace(AT_ONCE, approvals=(ApprovalRule((ApprovalKind.FIRST, ApprovalKind.CHAMPION)),))


def passed(number: int, champion: str | None = None) -> None:
    """Settle a PROMOTE of version ``number``."""
    version, digest = f"needs.detect/{number}", uuid.uuid4().hex
    evidence = {
        "champion": champion,
        "dataset": {"digest": digest, "recipe_digest": "r"},
        "metrics": {"macro_ap": {"value": 0.6123, "low": 0.55, "high": 0.67}},
        "run_id": "abc",
    }
    with transaction() as tx:
        decided = Decided(GateVerdict.PROMOTE, "surely better", evidence, version)
        publication.settle(tx, NEEDS, decided, (digest, b"bundle"), ASKING)


def answer(*, is_granted: bool) -> None:
    with transaction() as tx:
        (waiting,) = approvals.waiting(tx)
        approvals.answer(tx, waiting["approval"], is_granted=is_granted, actor="ana", because="I looked")


def admit(terms: Terms = ASKING) -> dict[str, int]:
    with transaction() as tx:
        return publication.admit(tx, DEFAULT_TASKS, terms)


def states(database) -> list[tuple[str, str]]:
    found = rows(database, "SELECT version, state FROM model_rollouts WHERE until IS NULL ORDER BY rollout")
    return [(row["version"], row["state"]) for row in found]


def served(database) -> list[str]:
    found: list[dict[str, Any]] = rows(database, "SELECT document FROM policy")
    return [model["version"] for row in found for model in row["document"]["models"]]


def test_a_first_champion_waits_for_a_person_and_serves_once_granted(emptied_database):
    passed(1)
    waiting = states(emptied_database), served(emptied_database), admit()
    answer(is_granted=True)

    counts = admit()

    assert waiting == ([("needs.detect/1", "candidate")], [], {"candidate": 1})
    assert counts == {"champion": 1}
    assert states(emptied_database) == [("needs.detect/1", "champion")]
    assert served(emptied_database) == ["needs.detect/1"]
    (approval,) = rows(emptied_database, "SELECT kind, headline, evidence FROM approvals")
    assert (approval["kind"], approval["headline"]) == ("first", "surely better")
    assert approval["evidence"]["macro_ap"] == "0.612 [0.550, 0.670]"


def test_a_declined_one_is_rejected_and_nobody_serves(emptied_database):
    passed(1)
    answer(is_granted=False)

    admit()

    assert states(emptied_database) == [("needs.detect/1", "rejected")]
    assert served(emptied_database) == []
    assert admit() == {}


def test_a_later_one_that_passed_takes_the_place_of_one_that_waits_and_its_question_with_it(emptied_database):
    passed(1)
    passed(2)
    answer(is_granted=True)

    admit()

    assert states(emptied_database) == [("needs.detect/1", "rejected"), ("needs.detect/2", "champion")]
    (withdrawn,) = rows(emptied_database, "SELECT * FROM approvals WHERE version = 'needs.detect/1'")
    assert (withdrawn["is_granted"], withdrawn["reason"]) == (False, "overtaken by needs.detect/2")


def test_a_candidate_that_was_not_compared_with_who_serves_by_now_is_not_let_in(emptied_database):
    with transaction() as tx:
        evidence = {"champion": None, "dataset": {"digest": "d", "recipe_digest": "r"}}
        decided = Decided(GateVerdict.PROMOTE, "better", evidence, "needs.detect/1")
        publication.settle(tx, NEEDS, decided, ("d1", b"bundle"))
    passed(2, champion="needs.detect/1")
    rewrite(emptied_database, "UPDATE model_rollouts SET version = 'needs.detect/0' WHERE state = 'champion'")
    answer(is_granted=True)

    admit()

    assert states(emptied_database) == [("needs.detect/0", "champion"), ("needs.detect/2", "rejected")]


def test_what_waits_goes_on_once_no_rule_wants_a_person_any_more(emptied_database):
    passed(1)

    admit(AT_ONCE)

    assert states(emptied_database) == [("needs.detect/1", "champion")]


def test_admitting_again_changes_nothing(emptied_database):
    passed(1)
    answer(is_granted=True)
    admit()

    for _ in range(2):
        admit()

    assert len(rows(emptied_database, "SELECT 1 FROM model_rollouts WHERE state = 'champion'")) == 1
