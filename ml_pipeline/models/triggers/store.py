"""What is known of a task when its triggers are judged, what they came to, and the requests. Nothing here commits."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.metrics.truth import task_definitions
from ml_pipeline.models.specification import Window
from ml_pipeline.models.triggers.decision import Decision, Said
from ml_pipeline.models.triggers.impact import impact_of
from ml_pipeline.models.triggers.measuring import measured
from ml_pipeline.models.triggers.order import LONG_AGO, Order
from ml_pipeline.models.triggers.standing import (
    Change,
    CurvePoint,
    Drift,
    Judged,
    Measured,
    Serving,
    Standing,
    Waiting,
)
from ml_pipeline.models.triggers.trigger import Priority, State
from ml_pipeline.vocabulary.estimate import Estimate
from ml_pipeline.vocabulary.tasks import Task

MEASURED_WITHIN = timedelta(days=28)
MEASURED_CONVERSATIONS = 2_000
"""Of more a sample is read, always the same: with 2,000 the interval of a log loss is some .02 wide."""
GATES_WITHIN = timedelta(days=182)
"""How long the gates of an error budget are to last at least: half a year, one a week."""
TRIGGER, PERSON = "trigger", "person"

Row = dict[str, Any]


def lock(tx: Transaction) -> None:
    """Wait until nobody else judges the triggers."""
    queries("triggers").lock(tx)


def standing(tx: Transaction, task: Task, now: datetime, window: Window) -> Standing:
    """Return what is known of the task; ``window``: when its conversations close."""
    of = {"task": task.name, "mode": task.mode}
    serving, judged = _serving(tx, of), _judged(tx, of)
    since = judged.known_until or judged.at if judged else LONG_AGO
    return Standing(
        task,
        now,
        queries("triggers").known_since(tx, **of) or now,
        serving,
        judged,
        tuple(row["decided_at"] for row in queries("triggers").retrained(tx, **of, since=now - GATES_WITHIN)),
        _measured(tx, task, serving, now, window) if serving else None,
        queries("triggers").count_new_labels(
            tx, task=task.name, since=since, now=now, window_days=window.days, is_from_start=window.is_from_start
        ),
        tuple(
            Change(**row) for row in queries("triggers").changes(tx, **of, version=serving.version, since=serving.since)
        )
        if serving
        else (),
        tuple(_drifts(tx, task, serving)),
        tuple(Waiting(**row) for row in queries("triggers").waiting(tx, **of)),
    )


def _serving(tx: Transaction, of: Row) -> Serving | None:
    row = queries("triggers").serving(tx, **of)
    if row is None:
        return None
    figures = {name: Estimate(**figure) for name, figure in (row["metrics"] or {}).items()}
    return Serving(row["version"], row["since"], row["learnt_until"], figures)


def _judged(tx: Transaction, of: Row) -> Judged | None:
    row = queries("triggers").judged(tx, **of)
    if row is None:
        return None
    curve = tuple(
        CurvePoint(point["conversations"], point["value"], point["low"], point["high"]) for point in row["curve"] or ()
    )
    return Judged(row["at"], row["verdict"], row["conversations"] or 0, row["known_until"], curve)


def _measured(tx: Transaction, task: Task, serving: Serving, now: datetime, window: Window) -> Measured | None:
    end = now - timedelta(days=window.days)
    start = max(end - MEASURED_WITHIN, serving.learnt_until or serving.since)
    if start >= end:
        return None
    answers = queries("triggers").closed_answers(
        tx,
        tasks=task_definitions([task]),
        task=task.name,
        mode=task.mode,
        version=serving.version,
        start=start,
        end=end,
        limit=MEASURED_CONVERSATIONS,
    )
    return measured(task, [row for row in answers if row["label"] in task.labels])


def _drifts(tx: Transaction, task: Task, serving: Serving | None) -> list[Drift]:
    if serving is None:
        return []
    of = {"task": task.name, "mode": task.mode, "version": serving.version}
    rows = queries("triggers").newest_drifts(tx, task=task.name, version=serving.version)
    growth = queries("triggers").expected_growth(tx, **of, labels=list(task.labels)) if rows else None
    found = []
    for row in rows:
        impact, because = impact_of(row["kind"], row.pop("evidence"), growth)
        found.append(Drift(**row, impact=impact, because=because))
    return found


def record(tx: Transaction, standing: Standing, said: Said, unreadable: Mapping[str, str], decided: Decision) -> Row:
    """Write down a look, and ask for what it asks for; return verdict and request."""
    request = None
    of = {"task": standing.task.name, "mode": standing.task.mode}
    if decided.verdict == "ASK":
        request = ask(
            tx, Order(standing.task, decided.reason), TRIGGER, "request_retraining", priority=decided.priority
        )
        queries("triggers").accept_open(tx, **of)
    findings = [
        {"trigger": trigger.name, "hope": trigger.hope, **msgspec.to_builtins(finding)} for trigger, finding in said
    ]
    findings += [{"trigger": name, "state": State.UNREADABLE, "headline": fault} for name, fault in unreadable.items()]
    queries("triggers").record(
        tx,
        **of,
        at=standing.now,
        verdict=decided.verdict,
        reason=decided.reason,
        findings=msgspec.json.encode(findings).decode(),
        standing=msgspec.json.encode(standing.as_document()).decode(),
        request=request,
    )
    return {"verdict": decided.verdict, "request": request}


def ask(
    tx: Transaction,
    order: Order,
    source: str,
    actor: str,
    *,
    priority: Priority = "normal",
    request: uuid.UUID | None = None,
) -> str:
    """Ask for a retraining that may start a run at once; return the id. Asked again under one ``request``: once."""
    key = str(request or uuid.uuid4())
    queries("triggers").ask(
        tx,
        request=key,
        **_order(order),
        reason=order.reason,
        priority=priority,
        source=source,
        actor=actor,
    )
    return key


def orders(tx: Transaction, tasks: Sequence[Task]) -> list[Order]:
    """Return what runs are asked for, the most urgent first: requests of one task, interval and kind are one order."""
    known = {(task.name, str(task.mode)): task for task in tasks}
    return [
        Order(known[row.pop("task"), row.pop("mode")], **row)
        for row in queries("triggers").orders(tx)
        if (row["task"], row["mode"]) in known
    ]


def take(tx: Transaction, order: Order, retraining: str) -> None:
    """Let ``retraining`` answer what is asked for by now. What an earlier run left unfinished is taken over."""
    queries("triggers").take(tx, **_order(order), retraining=retraining)


def close(tx: Transaction, retraining: str, outcome: str) -> None:
    """Note what the retraining came to in the requests that it, and no later one, has taken."""
    queries("triggers").close(tx, retraining=retraining, outcome=outcome)


def count_due(tx: Transaction, now: datetime) -> int:
    """Return how many requests want a run now."""
    return int(queries("triggers").count_due(tx, now=now))


def close_unknown(tx: Transaction, tasks: Sequence[Task]) -> int:
    """Close what is asked for tasks that the settings do not have; return how many."""
    return int(queries("triggers").close_unknown(tx, tasks=[f"{task.name}.{task.mode}" for task in tasks]))


def _order(order: Order) -> Row:
    return {
        "task": order.task.name,
        "mode": order.task.mode,
        "start": order.start,
        "end": order.end,
        "is_dry_run": order.is_dry_run,
    }


def newest_evaluations(tx: Transaction, limit: int) -> list[Row]:
    """Return the latest looks, the newest first; a verdict that held for many looks in a row is told once."""
    return [dict(row) for row in queries("triggers").newest_evaluations(tx, limit=limit)]


def newest_requests(tx: Transaction, limit: int) -> list[Row]:
    """Return what was asked for, what waits first, then the newest."""
    return [dict(row) for row in queries("triggers").newest_requests(tx, limit=limit)]
