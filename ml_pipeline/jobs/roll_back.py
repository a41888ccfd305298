"""Take a version out of service, in one transaction of Postgres; agents follow within ten seconds."""

import logging
from typing import Any

from ml_pipeline.database.engine import transaction
from ml_pipeline.errors import RolloutError
from ml_pipeline.models.names import model_name
from ml_pipeline.models.rollouts import store
from ml_pipeline.settings import load_settings
from ml_pipeline.vocabulary.tasks import Task

log = logging.getLogger(__name__)


def run(task: str, why: str, actor: str, version: str | None = None) -> dict[str, Any]:
    """Undo the newest change of ``task`` (``objection.detect``, or ``objection`` where it has one mode).

    ``version`` serves then: one that was champion before, or ``caller``; without it whoever served before.
    Returns status (rolled_back, or unchanged with the reason), from_version, to_version, decision_id, policy_n.

    Raises:
        RolloutError: if there is no such task, or nothing may be rolled back to ``version``.
    """
    chosen = _task(task)
    with transaction() as tx:
        done = store.roll_back(tx, chosen, version or None, because=why.strip(), actor=actor)
    if done["status"] == "refused":
        raise RolloutError(f"{model_name(chosen)} was not rolled back: {done['reason']}")
    log.warning(
        "rollout.%s task=%s from=%s to=%s actor=%s: %s",
        done["status"], model_name(chosen), done["from_version"], done["to_version"], actor, done["reason"],
    )  # fmt: skip
    return done


def _task(name: str) -> Task:
    tasks = load_settings().tasks
    found = [task for task in tasks if name in (task.name, model_name(task))]
    if len(found) != 1:
        known = ", ".join(map(model_name, tasks))
        raise RolloutError(f"{'no task' if not found else 'several tasks'} called {name!r}; name one of {known}")
    return found[0]
