"""Champions without a gate: benchmarks and tests want them served, not proven."""

from typing import Any

from ml_pipeline.database.engine import Transaction
from ml_pipeline.models import store
from ml_pipeline.models.publication import Bundle, settle
from ml_pipeline.models.store import Decided
from ml_pipeline.vocabulary.tasks import Task
from ml_pipeline.vocabulary.verdicts import GateVerdict


def crown(tx: Transaction, task: Task, version: str, bundle: Bundle, **evidence: Any) -> None:
    """Make ``version`` champion at once, as a retraining without rollout steps does."""
    champion = store.champion(tx, task)
    told = evidence | {
        "champion": champion.version if champion else None,
        "dataset": dict.fromkeys(("digest", "learnt_digest", "recipe_digest"), version),
    }
    settled = settle(tx, task, Decided(GateVerdict.PROMOTE, "unproven", told, version), bundle)
    assert settled.verdict is GateVerdict.PROMOTE, f"{version} was not let in"
