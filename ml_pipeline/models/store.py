"""What models read from facts and write to the records. Nothing here commits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
import numpy as np

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.metrics.truth import task_definitions
from ml_pipeline.models.conversations import Arm, LabelledConversation, Spoken, Truth
from ml_pipeline.models.names import model_name
from ml_pipeline.models.scores import Numbers
from ml_pipeline.models.specification import Closed, Excerpt, just_after
from ml_pipeline.models.training_set import TrainingSet
from ml_pipeline.online.predicting.features import REVISION
from ml_pipeline.vocabulary.interval import Interval
from ml_pipeline.vocabulary.tasks import Task
from ml_pipeline.vocabulary.verdicts import GateVerdict

CONVERSATIONS_AT_ONCE = 1_000
LONG_AGO, FOREVER = datetime.min.replace(tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
# Half a million rows came as one JSON text a conversation in a third of the time that psycopg2 takes for a dict a row.
_TRUTHS = msgspec.json.Decoder(list[tuple[int | None, tuple[str, ...], str, datetime]])
_TURNS = msgspec.json.Decoder(list[tuple[int, str, str, bool, dict[str, Any], str | None]])
ACTOR = "retrain_models"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Champion:
    """Who serves a task. ``trained_until``: start of the first conversation it did not learn from; None: not known."""

    version: str
    digest: str
    content: bytes
    trained_until: datetime | None


@dataclass(frozen=True, slots=True)
class Decided:
    """A verdict with its evidence, as it goes into ``decisions``; ``version`` is "" where nothing was registered."""

    verdict: GateVerdict
    reason: str
    evidence: Row
    version: str = ""


def lock(tx: Transaction, task: Task) -> None:
    """Wait until nobody else publishes for the task."""
    queries("models").lock_task(tx, name=model_name(task))


def known_until(tx: Transaction) -> datetime:
    """Return until when everything that was learnt is in the facts."""
    moment: datetime = queries("models").known_until(tx)
    return moment


def trusted_spans(tx: Transaction) -> tuple[Interval, ...]:
    """Return the hours that may be read, neighbours joined."""
    return tuple(Interval(**row) for row in queries("models").trusted_spans(tx))


def started_until(tx: Transaction, until: datetime) -> Interval | None:
    """Return the span of starts of the conversations that had begun by then; None without any."""
    row = queries("models").started_between(tx, until=until)
    return Interval(row["first"], just_after(row["last"])) if row["first"] else None


def closed_conversations(tx: Transaction, task: Task, excerpt: Excerpt) -> list[Closed]:
    """Return the conversations of ``excerpt`` in the order of their starts; examples are counted by label told."""
    found = queries("models").closed_conversations(tx, **_bounds(task, excerpt), labels=list(task.labels))
    return [Closed(**row) for row in found]


def labelled_conversations(tx: Transaction, task: Task, excerpt: Excerpt) -> Iterator[LabelledConversation]:
    """Yield the conversations of ``excerpt`` with a known truth of the task, oldest first.

    A derived truth, or one that needs a derived label, counts only ``with_derived``.
    """
    rows = queries("models").labelled_conversations(
        tx, **_bounds(task, excerpt), trusted=_multirange(excerpt.trusted), seen_by=excerpt.seen_by or LONG_AGO
    )
    for chunk in _chunks(rows):
        yield from _read(tx, chunk, _truths(tx, chunk, task, excerpt), excerpt)


def conversations(tx: Transaction, ids: Sequence[str]) -> Iterator[LabelledConversation]:
    """Yield these conversations without truth, oldest first."""
    for chunk in _chunks(queries("models").conversations(tx, ids=list(ids))):
        yield from _read(tx, chunk, {}, None)


def _bounds(task: Task, excerpt: Excerpt) -> Row:
    return {
        "task": task.name,
        "with_derived": excerpt.with_derived,
        "from_at": excerpt.started.start,
        "to_at": excerpt.started.end,
        "as_of": excerpt.as_of,
        "window_days": excerpt.window.days,
        "is_from_start": excerpt.window.is_from_start,
    }


def _multirange(spans: Sequence[Interval]) -> str:
    return "{" + ",".join(f"[{span.start.isoformat()},{span.end.isoformat()})" for span in spans) + "}"


def _chunks(rows: Sequence[Row]) -> Iterator[list[Row]]:
    waiting = iter(rows)
    while chunk := list(islice(waiting, CONVERSATIONS_AT_ONCE)):
        yield chunk


def _reach(chunk: Sequence[Row]) -> Row:
    # A day around: the projection takes turns whose clock ran ahead of the conversation's.
    day = timedelta(days=1)
    return {
        "ids": [row["conversation_id"] for row in chunk],
        "from_at": min(row["started_at"] for row in chunk) - day,
        "to_at": max(row["last_event_at"] for row in chunk) + day,
    }


def _truths(tx: Transaction, chunk: Sequence[Row], task: Task, excerpt: Excerpt) -> dict[str, dict[int | None, Truth]]:
    definition = {"tasks": task_definitions([task]), "task": task.name, "mode": task.mode}
    known = {"with_derived": excerpt.with_derived, "as_of": excerpt.as_of}
    found = queries("models").truths(tx, **_reach(chunk), **definition, **known)
    return {
        row["conversation_id"]: {
            turn: Truth(labels, source, at) for turn, labels, source, at in _TRUTHS.decode(row["truths"])
        }
        for row in found
    }


def _read(
    tx: Transaction,
    chunk: Sequence[Row],
    truths: Mapping[str, Mapping[int | None, Truth]],
    excerpt: Excerpt | None,
) -> Iterator[LabelledConversation]:
    reach = _reach(chunk)
    if excerpt:
        reach["to_at"] = min(reach["to_at"], just_after(excerpt.as_of))
    trusted = _multirange(excerpt.trusted if excerpt else ())
    rows = queries("models").spoken(tx, **reach, revision=REVISION, trusted=trusted)
    spoken = {row["conversation_id"]: row["turns"] for row in rows}
    for row in chunk:
        turns = _TURNS.decode(spoken.get(row["conversation_id"], "[]"))
        yield LabelledConversation(
            row["conversation_id"],
            row["customer_group"],
            row["started_at"],
            tuple(Spoken(*turn) for turn in turns),
            truths.get(row["conversation_id"], {}),
            row["is_trusted"],
            row["is_seen_before"],
            tuple(Arm(experiment, *drawn) for experiment, drawn in row["arms"].items()),
        )


def answers(tx: Transaction, rows: TrainingSet, version: str) -> Numbers:
    """Return what ``version`` answered to each row, rows x labels; nan where it gave none, 0 for a label left out."""
    task = rows.task
    told: dict[tuple[str, int], dict[str, float]] = {}
    for chunk in _chunks(queries("models").conversations(tx, ids=rows.conversation_ids)):
        found = queries("models").answers(tx, **_reach(chunk), task=task.name, mode=task.mode, version=version)
        told |= {(row["conversation_id"], row["turn"]): row["probabilities"] for row in found}
    nothing = [np.nan] * len(task.labels)
    values = [[told[key].get(label, 0.0) for label in task.labels] if key in told else nothing for key in rows.keys]
    return np.array(values, dtype=np.float64).reshape(len(values), len(task.labels))


def champion(tx: Transaction, task: Task) -> Champion | None:
    """Return who serves the task now."""
    row = queries("models").champion(tx, task=task.name, mode=task.mode)
    return Champion(row["version"], row["digest"], bytes(row["content"]), row["trained_until"]) if row else None


def errors_spent(tx: Transaction, task: Task) -> list[float]:
    """Return what each gate of the task spent that tested something, the newest first."""
    return [row["alpha"] for row in queries("models").errors_spent(tx, task=task.name, mode=task.mode)]


def serving_mix(tx: Transaction, rows: TrainingSet) -> dict[str, int]:
    """Return in how many conversations of ``rows`` each version's answers went back to the agent."""
    mix: dict[str, int] = {}
    for chunk in _chunks(queries("models").conversations(tx, ids=rows.conversation_ids)):
        found = queries("models").serving_mix(tx, **_reach(chunk), task=rows.task.name, mode=rows.task.mode)
        mix |= {row["version"]: mix.get(row["version"], 0) + row["conversations"] for row in found}
    return mix


def latest_gate(tx: Transaction, task: Task) -> Row | None:
    """Return the latest judgement of the task: decided_at, version, verdict, reason, evidence."""
    row: Row | None = queries("models").latest_gate(tx, task=task.name, mode=task.mode)
    return row


def latest_decisions(tx: Transaction) -> dict[str, Row]:
    """Return the latest judgement per task name: version, verdict, reason, metrics, baselines, split.

    ``metrics``: {name: {value, low, high}} on the gate block; ``baselines``: {"prior.log_loss": value}.
    """
    return {
        row["task"]: {name: row[name] for name in ("mode", "decided_at", "version", "verdict", "reason")}
        | {name: row["evidence"].get(name, {}) for name in ("metrics", "baselines", "split")}
        for row in queries("models").latest_gates(tx)
    }


def is_version_known(tx: Transaction, version: str) -> bool:
    """Tell whether a decision names this version."""
    return bool(queries("models").is_version_known(tx, version=version))


def record(tx: Transaction, task: Task, decided: Decided) -> str:
    """Write the verdict; return its id."""
    evidence = msgspec.json.encode(decided.evidence).decode()
    decision: str = queries("models").record_decision(
        tx,
        task=task.name,
        mode=task.mode,
        version=decided.version,
        verdict=decided.verdict,
        reason=decided.reason,
        evidence=evidence,
        actor=ACTOR,
    )
    return decision


def refuse_artifact(tx: Transaction, task: Task, *, run_id: str, reason: str) -> None:
    """Record that something MLflow gave was not what had been put there."""
    evidence = msgspec.json.encode({"run_id": run_id}).decode()
    queries("models").record_refusal(tx, task=task.name, mode=task.mode, reason=reason, evidence=evidence, actor=ACTOR)


def reject(tx: Transaction, task: Task, version: str, decision: str) -> None:
    _enter(tx, task, version, decision, state="rejected", traffic_share=0.0, digest=None)


def keep_candidate(tx: Transaction, task: Task, version: str, decision: str, bundle: tuple[str, bytes]) -> None:
    """Let ``version`` wait with its bundle (digest, content) until a person let it in."""
    digest, content = bundle
    queries("models").save_bundle(tx, task=task.name, mode=task.mode, digest=digest, version=version, content=content)
    _enter(tx, task, version, decision, state="candidate", traffic_share=0.0, digest=digest)


def _enter(tx: Transaction, task: Task, version: str, decision: str, **state: Any) -> None:
    queries("models").enter_state(tx, task=task.name, mode=task.mode, version=version, decision=decision, **state)
