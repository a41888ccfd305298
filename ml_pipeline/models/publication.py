"""What becomes of a verdict: one decision, and with it who serves. In the caller's transaction."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ml_pipeline.database.engine import Transaction
from ml_pipeline.errors import RegistryError
from ml_pipeline.models import store
from ml_pipeline.models.approvals import store as approvals
from ml_pipeline.models.rollouts import store as rollouts
from ml_pipeline.models.rollouts.standing import State
from ml_pipeline.models.rollouts.steps import go_on
from ml_pipeline.models.rollouts.terms import AT_ONCE, Terms
from ml_pipeline.models.rollouts.transitions import Move
from ml_pipeline.models.store import Decided
from ml_pipeline.vocabulary.tasks import Task
from ml_pipeline.vocabulary.verdicts import GateVerdict

log = logging.getLogger(__name__)

Bundle = tuple[str, bytes]
"""Digest and content."""

SAME_ROWS_AND_RECIPE = ("digest", "recipe_digest")
LEARNT_ALIKE = ("learnt_digest", "recipe_digest")


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
    terms: Terms = AT_ONCE,
) -> Settled:
    """Record ``decided``; a PROMOTE with its ``bundle`` begins the rollout of its version.

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
    decided = _against_bars(tx, _against_who_serves(tx, task, decided))
    decision = store.record(tx, task, decided)
    if decided.verdict is GateVerdict.PROMOTE:
        assert bundle is not None, "nothing is promoted without a proven bundle"
        _let_in(tx, task, decided, decision, bundle, terms)
    elif decided.verdict is GateVerdict.HOLD:
        store.reject(tx, task, decided.version, decision)
    log.info("gate.decided task=%s verdict=%s version=%s", task.name, decided.verdict, decided.version or "none")
    return Settled(decided.verdict, is_new=True)


def admit(tx: Transaction, tasks: Sequence[Task], terms: Terms, *, actor: str = store.ACTOR) -> dict[str, int]:
    """Let in what a person granted, reject what one declined; return how many candidates came to which state.

    ``candidate``: how many wait on.
    """
    counts: Counter[str] = Counter()
    for task in tasks:
        store.lock(tx, task)
        held = rollouts.standing(tx, task)
        if held.candidate:
            move = go_on(tx, task, held, {}, terms, actor=actor)
            counts[move.state if move and move.version == held.candidate.version else State.CANDIDATE] += 1
    return dict(counts)


def _let_in(tx: Transaction, task: Task, decided: Decided, decision: str, bundle: Bundle, terms: Terms) -> None:
    """Let the version wait as candidate, in the place of one that waits already, and go on where it may."""
    if waiting := rollouts.standing(tx, task).candidate:
        reason = f"overtaken by {decided.version}"
        rollouts.make(tx, task, Move(waiting.version, State.REJECTED, reason), store.ACTOR)
        approvals.withdraw(tx, task, waiting.version, actor=store.ACTOR, because=reason)
    store.keep_candidate(tx, task, decided.version, decision, bundle)
    go_on(tx, task, rollouts.standing(tx, task), {}, terms, actor=store.ACTOR)


def _against_bars(tx: Transaction, decided: Decided) -> Decided:
    """Hold what would bring a barred version back under another number."""
    dataset = decided.evidence["dataset"]
    bars = (bar for bar in rollouts.bars(tx) if is_alike(bar.dataset, dataset))
    if decided.verdict is not GateVerdict.PROMOTE or (bar := next(bars, None)) is None:
        return decided
    reason = (
        f"BARRED: it learnt from the same rows by the same recipe as another; {bar}. Train on other rows, or lift that"
        f" bar and train again: ml-pipeline lift-bar {bar.version} --why … It was {decided.reason}"
    )
    evidence = {**decided.evidence, "barred": bar.version}
    return replace(decided, verdict=GateVerdict.HOLD, reason=reason, evidence=evidence)


def is_alike(dataset: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two candidates learnt from the same rows by the same recipe, whatever judged them."""
    return all(dataset.get(name) == other.get(name) is not None for name in LEARNT_ALIKE)


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
