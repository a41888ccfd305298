"""What becomes of a verdict: one decision, and with it who serves. In the caller's transaction."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ml_pipeline.database.engine import Transaction
from ml_pipeline.errors import RegistryError
from ml_pipeline.models import store
from ml_pipeline.models.approvals import store as approvals
from ml_pipeline.models.approvals.store import Permission, Question
from ml_pipeline.models.store import Decided
from ml_pipeline.vocabulary.approvals import ApprovalKind, ApprovalRule
from ml_pipeline.vocabulary.tasks import Task
from ml_pipeline.vocabulary.verdicts import GateVerdict

log = logging.getLogger(__name__)

Bundle = tuple[str, bytes]
"""Digest and content."""

SAME_ROWS_AND_RECIPE = ("digest", "recipe_digest")


@dataclass(frozen=True, slots=True)
class Settled:
    """What holds now; ``is_new`` is false where the same judgement had been recorded before."""

    verdict: GateVerdict
    is_new: bool


def is_known(latest: dict[str, Any] | None, dataset: dict[str, Any]) -> bool:
    """Tell whether the latest judgement was of the same rows under the same recipe: judging again proves nothing."""
    if latest is None:
        return False
    judged = latest["evidence"].get("dataset", {})
    return all(judged.get(name) == dataset[name] for name in SAME_ROWS_AND_RECIPE)


def settle(
    tx: Transaction,
    task: Task,
    decided: Decided,
    bundle: Bundle | None = None,
    rules: Sequence[ApprovalRule] = (),
) -> Settled:
    """Record ``decided``; a PROMOTE with its ``bundle`` lets its version in at once, or once a person granted it.

    Two retrainings at once wait for each other here. The second finds its rows judged already, or a champion it was
    not compared with: then it does not replace it.

    Raises:
        RegistryError: if another version was known under this name.
    """
    store.lock(tx, task)
    latest = store.latest_gate(tx, task)
    if latest and is_known(latest, decided.evidence["dataset"]):
        return Settled(GateVerdict(latest["verdict"]), is_new=False)
    if decided.version and store.is_version_known(tx, decided.version):
        raise RegistryError(
            f"{decided.version} was judged before, from another run: MLflow counts anew while Postgres remembers;"
            " restore MLflow's database, or reset both"
        )
    decided = _against_who_serves(tx, task, decided)
    decision = store.record(tx, task, decided)
    if decided.verdict is GateVerdict.PROMOTE:
        assert bundle is not None, "nothing is promoted without a proven bundle"
        _let_in(tx, task, decided, (decision, bundle), rules)
    elif decided.verdict is GateVerdict.HOLD:
        store.reject(tx, task, decided.version, decision)
    log.info("gate.decided task=%s verdict=%s version=%s", task.name, decided.verdict, decided.version or "none")
    return Settled(decided.verdict, is_new=True)


def admit(tx: Transaction, tasks: Sequence[Task], rules: Sequence[ApprovalRule]) -> dict[str, int]:
    """Let in what a person granted, reject what one declined; return how many of each, and how many wait on."""
    counts = dict.fromkeys(Permission, 0)
    known = {(task.name, str(task.mode)): task for task in tasks}
    for row in approvals.candidates(tx):
        task = known.get((row["task"], row["mode"]))
        if task is None:
            continue
        store.lock(tx, task)
        decided = Decided(GateVerdict.PROMOTE, row["reason"], row["evidence"], row["version"])
        told = approvals.permission(tx, _question(tx, task, decided), rules)
        current = _against_who_serves(tx, task, decided)
        counts[told] += 1
        if told is Permission.DECLINED or current.verdict is not GateVerdict.PROMOTE:
            approvals.end_candidates(tx, task, becomes="rejected", actor=store.ACTOR, because=current.reason)
        elif told is Permission.GRANTED:
            approvals.end_candidates(tx, task, becomes=None, actor=store.ACTOR, because="granted")
            store.promote(tx, task, row["version"], row["decision"], row["bundle"])
        log.info("candidate.%s task=%s version=%s", told, task.name, row["version"])
    return {str(told): count for told, count in counts.items()}


def _let_in(
    tx: Transaction, task: Task, decided: Decided, proven: tuple[str, Bundle], rules: Sequence[ApprovalRule]
) -> None:
    decision, bundle = proven
    overtaken = f"overtaken by {decided.version}"
    approvals.end_candidates(tx, task, becomes="rejected", actor=store.ACTOR, because=overtaken)
    if approvals.permission(tx, _question(tx, task, decided), rules) is Permission.GRANTED:
        store.promote(tx, task, decided.version, decision, bundle)
    else:
        store.keep_candidate(tx, task, decided.version, decision, bundle)


def _question(tx: Transaction, task: Task, decided: Decided) -> Question:
    kind = ApprovalKind.SHADOW if store.champion(tx, task) else ApprovalKind.FIRST
    figures = {
        name: f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"
        for name, figure in decided.evidence.get("metrics", {}).items()
    }
    evidence = {"champion": decided.evidence.get("champion"), **figures, "run_id": decided.evidence.get("run_id")}
    return Question(kind, task, decided.version, str(kind), decided.reason, evidence)


def _against_who_serves(tx: Transaction, task: Task, decided: Decided) -> Decided:
    champion = store.champion(tx, task)
    serving = champion.version if champion else None
    judged_against = decided.evidence.get("champion")
    if decided.verdict is not GateVerdict.PROMOTE or serving == judged_against:
        return decided
    reason = (
        f"{serving or 'nobody'} became champion while this was judged against {judged_against or 'no champion'};"
        f" the next retraining compares with it. It was {decided.reason}"
    )
    return replace(decided, verdict=GateVerdict.HOLD, reason=reason)
