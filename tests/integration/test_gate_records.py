"""What a gate reads of the records: what earlier ones spent, and who answered the conversations it judges on."""

from typing import Any

import pytest

from ml_pipeline.database.engine import transaction
from ml_pipeline.jobs import ingest_events
from ml_pipeline.models import store
from ml_pipeline.models.collecting import everything
from ml_pipeline.models.opponents import meet
from ml_pipeline.models.store import Decided
from ml_pipeline.models.training_set import assemble
from ml_pipeline.vocabulary.tasks import CONVERSION, NEEDS, OBJECTION
from ml_pipeline.vocabulary.verdicts import GateVerdict
from tests.conftest import Database, run_as_owner
from tests.integration.events import after, append, outcome, prediction, turn


def decide(database: Database, **evidence: Any) -> None:
    with transaction(database.jobs_dsn) as tx:
        store.record(tx, NEEDS, Decided(GateVerdict.HOLD, "not surely better", evidence))


def test_what_a_task_s_gates_spent_is_read_from_their_decisions_newest_first(database):
    decide(database, budget={"alpha": 0.003})
    decide(database, budget={"alpha": 0.0})  # not enough data: nothing was tested
    decide(database, alpha=0.05)  # of a time without a budget
    decide(database, budget={"alpha": 0.001})

    with transaction(database.jobs_dsn) as tx:
        assert store.errors_spent(tx, NEEDS) == [0.001, 0.003]
        assert store.errors_spent(tx, OBJECTION) == []


def test_a_gate_meets_what_is_left_of_the_budget_and_who_served_its_conversations(database):
    for name, version, start in (
        ("c1", "caller", 0),
        ("c2", "caller", 9_000),
        ("c3", "conversion.anticipate/2", 18_000),
    ):
        told = {"sold": 0.3}
        append(
            database,
            [
                turn(name, 0, role="user", at=after(start)),
                prediction(name, 0, "conversion", probabilities=told, at=after(start), version=version),
                prediction(name, 0, "conversion", probabilities=told, at=after(start), version="x/9", is_served=False),
                outcome(name, "converted", at=after(start + 60)),
            ],
        )
    ingest_events.run()
    run_as_owner(database.owner_dsn, "UPDATE quality_verdicts SET state = 'trusted'")
    with transaction(database.jobs_dsn) as tx:
        store.record(tx, CONVERSION, Decided(GateVerdict.HOLD, "no", {"budget": {"alpha": 0.09}}))
        rows = assemble(CONVERSION, store.labelled_conversations(tx, CONVERSION, everything(tx)))

        standing = meet(tx, rows, judged_at=after(90_000), error=0.10, gates=5)

    assert standing.serving_mix == {"caller": 2, "conversion.anticipate/2": 1}
    assert standing.champion is None
    assert (standing.allowance.number, standing.allowance.spent) == (2, 0.09)
    assert standing.allowance.alpha == pytest.approx(0.01)
