"""Let MLflow's aliases say what Postgres says; take back what somebody else made them say, and record it."""

import logging
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ml_pipeline.database.engine import Transaction, transaction
from ml_pipeline.errors import RegistryError, TrainingError
from ml_pipeline.models.registry import Registered, Registry, store
from ml_pipeline.models.registry.aliases import NOBODY, Act, Ours, judge
from ml_pipeline.models.registry.store import Wanted
from ml_pipeline.models.triggers import store as requests
from ml_pipeline.models.triggers.order import Form
from ml_pipeline.settings import load_settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """An alias of a model as it was found: what it names, what it should, and when we last set it."""

    model: str
    alias: str
    held: int | None
    wanted: int | None
    ours: Ours
    mirrored_at: datetime | None

    @property
    def identity(self) -> uuid.UUID:
        """Name this move, so that it is recorded once though taking it back may be tried again."""
        return uuid.uuid5(uuid.NAMESPACE_OID, f"{self.model} {self.alias} {self.held} {self.mirrored_at}")


def run() -> dict[str, int]:
    """Look at every alias once; return how many were left, followed, reverted.

    Raises:
        RegistryError: if MLflow cannot be reached, or will not have it; the models that could be mirrored are.
    """
    registry = Registry(load_settings().mlflow_uri)
    registry.reach()
    counts: Counter[str] = Counter()
    failures: list[RegistryError] = []
    # Behind a lock of mirrors alone: nobody who serves, promotes or rolls back waits for MLflow.
    with transaction() as behind:
        store.lock(behind)
        with transaction() as tx:
            models = store.wanted(tx)
        for wanted in models:
            try:
                counts.update(str(_mirror(registry, found)) for found in _find(registry, wanted))
            except RegistryError as error:
                log.warning("registry.mirror_failed model=%s: %s", wanted.model, error)
                failures.append(error)
    if failures:
        raise failures[0]
    return {str(act): counts[act] for act in Act}


def _find(registry: Registry, wanted: Wanted) -> Iterator[Found]:
    with transaction() as tx:
        known = store.ours(tx, wanted.model)
    held = registry.aliases(wanted.model)
    for alias, number in wanted.aliases.items():
        ours, at = known.get(alias, (frozenset({NOBODY}), None))
        yield Found(wanted.model, alias, held.get(alias), number, ours, at)


def _mirror(registry: Registry, found: Found) -> Act:
    act = judge(found.wanted, found.held, found.ours)
    if act is Act.LEAVE and found.ours == {found.wanted}:
        return act
    if act is Act.REVERT:
        _record(found)
    if act is not Act.LEAVE:
        with transaction() as tx:
            store.begin_setting(tx, found.model, found.alias, found.wanted)
        registry.point(found.model, found.alias, found.wanted)
        log.info("registry.%s model=%s alias=%s from=%s to=%s", act, found.model, found.alias, found.held, found.wanted)
    with transaction() as tx:
        store.remember(tx, found.model, found.alias, found.wanted)
    return act


def _record(found: Found) -> None:
    moved = Registered(found.model, found.held or 0)
    evidence: dict[str, Any] = {"alias": found.alias, "named": found.held, "should_name": found.wanted, "asked": None}
    with transaction() as tx:
        if load_settings().moved_alias == "request" and found.alias == "champion" and found.held:
            evidence["asked"] = _ask(tx, found, moved)
        verdict = "REQUESTED" if evidence["asked"] else "REVERTED"
        store.record_moved(tx, found.identity, moved, evidence, verdict=verdict)
    log.warning("registry.alias_moved model=%s alias=%s named=%s: %s", found.model, found.alias, found.held, verdict)


def _ask(tx: Transaction, found: Found, moved: Registered) -> str | None:
    """Ask for a retraining of the task, whose candidate goes through the gate; None where nobody trains it any more."""
    reason = f"somebody gave the alias champion to {moved.name} in MLflow; what is to serve goes through the gate"
    try:
        (order,) = Form(found.model, reason).orders(load_settings().tasks)
    except TrainingError as error:
        log.warning("registry.not_asked model=%s: %s", found.model, error)
        return None
    return requests.ask(tx, order, requests.PERSON, store.ACTOR, request=found.identity)
