"""Makes what may come next for a task, once a person granted it where the policy wants one."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from ml_pipeline.database.engine import Transaction
from ml_pipeline.models.approvals import store as approvals
from ml_pipeline.models.approvals.store import Permission, Question
from ml_pipeline.models.names import model_name
from ml_pipeline.models.rollouts import store
from ml_pipeline.models.rollouts.standing import Standing, State
from ml_pipeline.models.rollouts.terms import Terms
from ml_pipeline.models.rollouts.transitions import Move, next_moves
from ml_pipeline.models.rollouts.verdict import Verdict
from ml_pipeline.models.rollouts.wording import in_words
from ml_pipeline.vocabulary.tasks import Task

log = logging.getLogger(__name__)

ENDED = {State.REJECTED, State.RETIRED, State.ROLLED_BACK}


def go_on(
    tx: Transaction, task: Task, standing: Standing, verdicts: Mapping[str, Verdict], terms: Terms, *, actor: str
) -> Move | None:
    """Make the most urgent move that nobody has to be waited for; return it. The caller holds the lock of the task.

    ``standing`` must be how the task stands behind that lock. A version that a person let go no further is rejected.
    """
    for move in next_moves(standing, verdicts, terms):
        told = _permission(tx, task, standing, move, terms)
        if told is Permission.WAITING:
            log.info("rollout.waits task=%s version=%s step=%s", model_name(task), move.version, move.step)
            continue
        made = move if told is Permission.GRANTED else _declined(move)
        store.make(tx, task, made, actor)
        for ended in (each for each in (*made.clears, made) if each.state in ENDED):
            approvals.withdraw(tx, task, ended.version, actor=actor, because=ended.reason)
        log.info(
            "rollout.moved task=%s version=%s state=%s: %s", model_name(task), made.version, made.state, made.reason
        )
        return made
    return None


def _permission(tx: Transaction, task: Task, standing: Standing, move: Move, terms: Terms) -> Permission:
    if move.asks is None:
        return Permission.GRANTED
    candidate = standing.candidate
    if candidate and candidate.version == move.version:
        figures = {
            name: f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"
            for name, figure in (candidate.metrics or {}).items()
        }
        headline, evidence = candidate.reason, {"champion": candidate.judged_against or "none", **figures}
    else:
        headline, evidence = move.reason, in_words(move.evidence)
    question = Question(move.asks, task, move.version, move.step, headline, evidence)
    return approvals.permission(tx, question, terms.approvals)


def _declined(move: Move) -> Move:
    return replace(
        move, state=State.REJECTED, share=0.0, clears=(), reason=f"a person declined the step to {move.step}"
    )
