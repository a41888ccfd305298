"""Asks for retraining, tells of it, and takes a version out of service."""

from collections.abc import Sequence
from typing import Any

from ml_pipeline.errors import DatabaseError
from ml_pipeline.online.figures import name_text
from ml_pipeline.online.harmless import harmless, unread
from ml_pipeline.online.session import Row, Session
from ml_pipeline.online.truth import read_name
from ml_pipeline.vocabulary.events import RETRAINING_REQUEST

PRIORITIES = ("low", "normal", "high")
VERSION_CHARACTERS = 200
REASON_CHARACTERS = 1_000


def request_answer(status: str = "refused", reason: str | None = None, **known: Any) -> dict[str, Any]:
    """Return the keys of a request: ``status`` (queued, refused), why refused (``reason``), and what is asked for."""
    return {"request_id": None, "task": None, "priority": None} | known | {"status": status, "reason": reason}


def update_metrics(
    *,
    requests: Sequence[Row] = (),
    waiting: Sequence[Row] = (),
    serving: Sequence[Row] = (),
    decisions: Sequence[Row] = (),
) -> dict[str, Any]:
    """Return what is asked for and what was decided.

    ``requests`` counts all there ever were by state: open, taken, done; ``open_requests``: the oldest 100 not done,
    with ``request_id``, ``task``, ``mode``, ``reason``, ``priority``, ``state``, ``requested_at``; ``models``: who
    runs, with ``task``, ``mode``, ``version``, ``state``, ``traffic_share``, ``since``; ``decisions``: the latest 20,
    with ``decided_at``, ``kind``, ``task``, ``mode``, ``version``, ``verdict``, ``reason``, ``actor``.
    """
    counted = {row["state"]: row["requests"] for row in requests}
    return {
        "requests": {state: counted.get(state, 0) for state in ("open", "taken", "done")},
        "open_requests": list(waiting),
        "models": list(serving),
        "decisions": list(decisions),
    }


def rollback_answer(**known: Any) -> dict[str, Any]:
    """Return the keys of a rollback.

    ``status``: ``rolled_back``; ``unchanged`` (nothing to roll back, or done before), ``refused`` (no such task or
    version) and ``degraded`` (Postgres is away) with the ``reason``. ``from_version`` served before, ``to_version``
    serves now; ``decision_id`` and ``policy_n`` name the records made.
    """
    names = ("task", "mode", "from_version", "to_version", "decision_id", "policy_n", "reason")
    return dict.fromkeys(names) | {"status": "degraded"} | known


class ModelUpdater:
    def __init__(self, session: Session) -> None:
        self.session = session

    @harmless(unread(request_answer), is_loss=True)
    async def queue_update(self, model_type: Any, reason: Any, priority: Any = "normal") -> dict[str, Any]:
        """Ask that a task be retrained; see ``request_answer``.

        The request is on disk before this returns, database or not; it becomes a row of ``retraining_requests`` with
        the next projection, and the next retraining takes it. An unknown priority counts as normal.
        """
        capture = self.session.capture("queue_update")
        task = self.session.task(model_type)
        if task is None:
            capture.refuse("unknown_task")
            return request_answer(reason=f"no task is called {name_text(model_type, VERSION_CHARACTERS)}")
        known_priority = priority if (priority := read_name(priority)) in PRIORITIES else "normal"
        data = {
            "task": task.name,
            "mode": task.mode.value,
            "reason": capture.raw(name_text(reason, REASON_CHARACTERS)),
            "priority": known_priority,
        }
        event = capture.emit(None, RETRAINING_REQUEST, data, capture.now)
        known = {"task": task.name, "priority": known_priority}
        if event is None:
            return request_answer(reason="it could not be recorded; see buffers.refused", **known)
        return request_answer("queued", request_id=event, **known)

    @harmless(unread(update_metrics))
    async def get_update_metrics(self) -> dict[str, Any]:
        """Return requests, who serves, and the latest decisions; see ``update_metrics``."""
        from ml_pipeline.online import store

        return await self.session.answer("get_update_metrics", store.updates, update_metrics)

    @harmless(unread(rollback_answer))
    async def rollback_model(self, model_type: Any, version: Any = None) -> dict[str, Any]:
        """Take the champion of a task out of service at once; see ``rollback_answer``.

        ``version`` serves instead: one that was champion before, or ``caller``. Without it, the champion before the
        last promotion, or else the caller; undone once, a promotion is not undone again by a second call. Needs
        Postgres, and neither Airflow nor MLflow; the agents that reach Postgres follow in seconds.
        """
        from ml_pipeline.online import store

        task = self.session.task(model_type)
        if task is None:
            reason = f"no task is called {name_text(model_type, VERSION_CHARACTERS)}"
            return rollback_answer(status="refused", reason=reason)
        to_version = None if version is None else name_text(version, VERSION_CHARACTERS)
        known = {"task": task.name, "mode": task.mode.value}
        try:
            done = await self.session.started().facade.read(store.rollback_task, to_version=to_version, **known)
        except DatabaseError as error:
            self.session.capture("rollback_model").note("database_away")
            return rollback_answer(status="degraded", reason=f"nothing is known to be rolled back: {error}", **known)
        return rollback_answer(**done)
