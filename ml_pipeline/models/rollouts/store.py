"""How rollouts stand and what they move, in the records. Nothing here commits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.errors import RolloutError
from ml_pipeline.models.rollouts.standing import Held, Standing, State
from ml_pipeline.models.rollouts.transitions import Move
from ml_pipeline.vocabulary.tasks import Task

ACTOR = "watch_rollouts"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bar:
    """A version that a rollback took out of service. ``dataset``: of its gate's evidence."""

    task: str
    mode: str
    version: str
    since: datetime
    actor: str
    reason: str
    dataset: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.version} is barred since {self.since:%Y-%m-%d %H:%M} UTC ({self.actor}: {self.reason})"


def standing(tx: Transaction, task: Task, now: datetime | None = None) -> Standing:
    """Return what versions of the task hold; ``now``, the present by default, is until when days are counted."""
    now = now or datetime.now(UTC)
    rows = queries("rollouts").standing(tx, task=task.name, mode=task.mode)
    held = tuple(Held(**{**row, "state": State(row["state"])}) for row in rows)
    holdback = Standing(held).holdback
    since = holdback.since if holdback else now
    return Standing(held, **queries("rollouts").running(tx, task=task.name, since=since, now=now))


def begun_at(tx: Transaction, version: str) -> datetime | None:
    """Return when the version was first tried beside a champion; None: it never was."""
    begun: datetime | None = queries("rollouts").begun_at(tx, version=version)
    return begun


def make(tx: Transaction, task: Task, move: Move, actor: str) -> None:
    """Make the move: a decision, the states it changes, a new policy. The caller holds the lock of the task.

    Raises:
        RolloutError: if a version cannot be taken back.
    """
    named, of_task = queries("rollouts"), {"task": task.name, "mode": task.mode}
    decision = named.record_move(
        tx,
        **of_task,
        version=move.version,
        verdict=move.state.upper(),
        reason=move.reason,
        evidence=msgspec.json.encode(dict(move.evidence)).decode(),
        actor=actor,
    )
    if move.state is State.ROLLED_BACK:
        _take_back(tx, task, move, actor)
        return
    for each in (*move.clears, move):
        named.enter(tx, **of_task, version=each.version, state=each.state, share=each.share, decision=decision)
    named.publish_policy(tx)


def history(tx: Transaction, task: Task) -> list[Row]:
    """Return the latest moves of the task, the newest first: decided_at, version, kind, verdict, reason, actor."""
    return [dict(row) for row in queries("rollouts").history(tx, task=task.name, mode=task.mode)]


def roll_back(tx: Transaction, task: Task, to_version: str | None, *, because: str, actor: str) -> Row:
    """Undo the newest change of the task, or let ``to_version`` serve; return what ``rollback_task`` says."""
    done: Row = queries("rollouts").roll_back(
        tx, task=task.name, mode=task.mode, to_version=to_version, because=because, actor=actor
    )
    return done


def lift_bar(tx: Transaction, version: str, *, because: str, actor: str) -> Row:
    """Let a barred version be brought back again; return status (lifted, unchanged, refused), version, reason."""
    done: Row = queries("rollouts").lift_bar(tx, version=version, because=because, actor=actor)
    return done


def bars(tx: Transaction) -> list[Bar]:
    return [Bar(**row) for row in queries("rollouts").bars(tx)]


def _take_back(tx: Transaction, task: Task, move: Move, actor: str) -> None:
    done = roll_back(tx, task, move.serves, because=move.reason, actor=actor)
    if done["status"] != "rolled_back":
        raise RolloutError(
            f"{move.version} was to be taken back for {move.serves} ({move.reason}), and was not: {done['reason']};"
            f" take it out by hand: ml-pipeline rollback {task.name} --to caller --why …"
        )
