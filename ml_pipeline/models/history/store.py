"""Reads the records and the facts of a turn, a version, a moment. Nothing here writes."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.errors import HistoryError
from ml_pipeline.metrics.truth import task_definitions
from ml_pipeline.models.history.turns import Answer, Answered, Drawn, Policy, Running, Truth, why
from ml_pipeline.online.ids import conversation_uuid
from ml_pipeline.vocabulary.tasks import Task

Row = dict[str, Any]

NEAR = timedelta(seconds=2)
"""How far an answer's event may lie from the time its id tells."""
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn with the answers to it. ``arms``: of experiments; ``failures``: what the agent sent in their place."""

    conversation_id: str
    client_id: str | None
    turn: int
    answered: tuple[Answered, ...]
    arms: tuple[Row, ...]
    failures: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """What became of a version. ``holds``: what it is now; ``bundle``: digest, created_at, bytes (None: deleted)."""

    version: str
    decisions: tuple[Row, ...]
    holds: Row | None
    approvals: tuple[Row, ...]
    bundle: Row | None


@dataclass(frozen=True, slots=True)
class Moment:
    """Who served at a time. ``tasks``: per name what versions held; ``off``: kill switches that were on."""

    at: datetime
    tasks: dict[str, tuple[Row, ...]]
    policy: Row | None
    off: tuple[Row, ...]


def find_turn(tx: Transaction, named: str) -> tuple[str, int]:
    """Return (conversation, turn) of an event id or tracking id.

    Raises:
        HistoryError: if it is no id of ours, or nothing is known by it.
    """
    try:
        identity = uuid.UUID(named)
    except ValueError:
        raise HistoryError(
            f"{named!r} is no id of a prediction; name one, or a conversation and the number of a turn"
        ) from None
    at = _time_of(identity)
    found = at and queries("history").turn_of(tx, id=str(identity), from_at=at - NEAR, to_at=at + NEAR)
    if not found:
        raise HistoryError(
            f"no prediction is known as {named}; it may be on its way (ml-pipeline status), or older than the log."
            " A conversation and the number of a turn find it too"
        )
    return found["conversation_id"], found["turn"]


def _time_of(identity: uuid.UUID) -> datetime | None:
    """Return the time that a UUIDv7 tells; None of any other, and where it is none that a log could hold."""
    try:
        return datetime.fromtimestamp((identity.int >> 80) / 1000, UTC) if identity.version == 7 else None
    except (ValueError, OverflowError):
        return None


def turn(tx: Transaction, conversation: str, number: int, tasks: Sequence[Task]) -> Turn:
    """Return what was answered to a turn of a conversation, as the agent or as we name it.

    ``tasks``: by which what turned out is told.

    Raises:
        HistoryError: if there is no such conversation, or nothing was predicted on that turn.
    """
    named = queries("history")
    known = named.conversation(tx, conversation_id=conversation_uuid(conversation.strip()))
    if known is None:
        raise HistoryError(f"no conversation is known as {conversation}; `ml-pipeline status` tells what is on its way")
    where = {"conversation_id": known["conversation_id"], "turn": number}
    span = {"from_at": known["started_at"] - DAY, "to_at": known["last_event_at"] + DAY}
    answers = [dict(row) for row in named.answers(tx, **where, **span)]
    failures = tuple(dict(row) for row in named.failures(tx, **where, **span))
    if not answers and not failures:
        raise HistoryError(
            f"nothing was predicted on turn {number} of {conversation}; turns count from 0, all messages"
        )
    arms = tuple(dict(row) for row in named.arms(tx, conversation_id=known["conversation_id"]))
    truths = {
        (row["task"], row["mode"]): Truth(row["labels"], row["source"], row["learnt_at"])
        for row in named.truths(tx, **where, **span, tasks=task_definitions(tasks))
    }
    answered = tuple(_answered(tx, answers, arms, truths))
    return Turn(known["conversation_id"], known["client_id"], number, answered, arms, failures)


def _answered(
    tx: Transaction, answers: Sequence[Row], arms: Sequence[Row], truths: dict[tuple[str, str], Truth]
) -> Iterator[Answered]:
    drawn = {row["experiment"]: Drawn(row["arm"], row["propensity"], row["unit"]) for row in arms}
    for (task, mode), group in groupby(answers, lambda row: (row["task"], row["mode"])):
        rows = list(group)
        first = rows[0]
        found = Answered(
            task, mode, first["at"], tuple(_answer(row) for row in rows), _policy(tx, task, mode, first),
            drawn.get(f"rollout {task}.{mode}"), truths.get((task, mode)), _trouble(tx, first["stored_at"]),
        )  # fmt: skip
        yield replace(found, why=why(found))


def _answer(row: Row) -> Answer:
    given = {name: row[name] for name in Answer.__slots__ if name != "thresholds"}
    return Answer(**given, thresholds=row["thresholds"] or {})


def _policy(tx: Transaction, task: str, mode: str, row: Row) -> Policy | None:
    if not row["n"]:
        return None
    found = queries("history").policy(tx, epoch=row["epoch"], n=row["n"])
    if found is None:
        return None
    running = (
        Running(model["version"], model["state"], model["traffic_share"], model["digest"])
        for model in found["models"]
        if (model["task"], model["mode"]) == (task, mode)
    )
    off = (switch["name"] for switch in found["switches"] or () if switch["subject"] in ("", task))
    return Policy(found["epoch"], found["n"], found["published_at"], tuple(running), tuple(off))


def _trouble(tx: Transaction, at: datetime | None) -> str | None:
    # The clock of a replay is not the agent's: what went wrong lately is told by when the answer was stored.
    if at is None:
        return None
    found = queries("history").agent_troubles(tx, from_at=at - DAY, to_at=at + NEAR)
    return next((row["reason"] for row in found), None)


def story(tx: Transaction, version: str) -> Story:
    """Return what became of a version.

    Raises:
        HistoryError: if nothing was ever decided of it.
    """
    named = queries("history")
    decisions = tuple(dict(row) for row in named.decisions_about(tx, version=version))
    if not decisions:
        raise HistoryError(
            f"nothing was ever decided of {version!r}; versions are called as objection.detect/3, and `ml-pipeline"
            " rollback` tells which run"
        )
    holds, bundle = named.holds(tx, version=version), named.bundle_of(tx, version=version)
    approvals = tuple(dict(row) for row in named.approvals_of(tx, version=version))
    return Story(version, decisions, dict(holds) if holds else None, approvals, dict(bundle) if bundle else None)


def moment(tx: Transaction, at: datetime, task: str, now: datetime) -> Moment:
    """Return who served at ``at``; ``task``, with its mode or without, or "": all.

    Raises:
        HistoryError: if nothing had been decided by then, or ``at`` is still to come.
    """
    named = queries("history")
    begins = named.begins(tx)
    if at > now:
        raise HistoryError(f"{at:%Y-%m-%d %H:%M:%S} UTC is still to come; the record goes until now")
    if begins is None or at < begins:
        said = f"it begins at {begins:%Y-%m-%d %H:%M:%S} UTC" if begins else "nothing was ever decided"
        raise HistoryError(f"the record holds nothing of {at:%Y-%m-%d %H:%M:%S} UTC: {said}; only the caller served")
    tasks: dict[str, tuple[Row, ...]] = {
        f"{row['task']}.{row['mode']}": () for row in named.tasks_at(tx, at=at, task=task)
    }
    if not tasks:
        raise HistoryError(f"no model of {task!r} had been judged by {at:%Y-%m-%d %H:%M:%S} UTC")
    for row in named.held_at(tx, at=at, task=task):
        tasks[f"{row['task']}.{row['mode']}"] += (dict(row),)
    policy = named.policy_at(tx, at=at)
    off = tuple(dict(row) for row in named.switched_off_at(tx, at=at))
    return Moment(at, tasks, dict(policy) if policy else None, off)
