"""What one look at a rollout rests on, read from the facts.

Paired scores are read where the truth is trusted. Sales and what needs no label are read as they come, unjudged: harm
must not wait for a verdict on the hour it was done in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.metrics.truth import task_definitions
from ml_pipeline.models.rollouts import store
from ml_pipeline.models.rollouts.evidence import Differences, Evidence, Faults, Phase, Pulse, Scored, Shifts, Started
from ml_pipeline.models.rollouts.terms import Terms
from ml_pipeline.models.specification import Window
from ml_pipeline.online.policy.routing import rollout_id
from ml_pipeline.vocabulary.tasks import Task

EVEN = 0.5
"""The chance that a fault is the challenger's where both versions ran."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """The challenger and the champion it is judged against; in a holdback the new champion and who is held back."""

    phase: Phase
    ours: str
    theirs: str
    step: int = 0


def read_evidence(tx: Transaction, task: Task, pair: Pair, terms: Terms, *, window: Window, now: datetime) -> Evidence:
    """Return everything since the challenger was first tried, as known at ``now``.

    ``window``: when the truth of a conversation is taken to be known.
    """
    named = queries("rollouts")
    begun = store.begun_at(tx, pair.ours) or now
    of_task, span = {"task": task.name, "mode": task.mode}, {"from_at": begun, "to_at": now}
    named.read_turns(tx, **of_task, ours=pair.ours, theirs=pair.theirs, **span)
    named.read_assigned(tx, rollout_id=rollout_id(pair.ours), ours=pair.ours, **span)
    named.analyze(tx)
    slow_ms = named.slow_bound(tx, **of_task, version=pair.theirs, from_at=begun)
    definitions = {"tasks": task_definitions([task]), "labels": list(task.labels)}
    scored = named.scored(
        tx, **of_task, **definitions, **span, window_days=window.days, is_from_start=window.is_from_start
    )
    started = named.started(tx, to_at=now, age=terms.sale_age)
    return Evidence(
        pair.phase,
        pair.step,
        named.count_scored(tx),
        Started(_booleans(started["is_challenger"]), _numbers(started["share"]), _booleans(started["is_sold"])),
        Scored(_counts(scored["cluster"]), *(_numbers(scored[name]) for name in ("weight", "ours", "theirs"))),
        _pulse(tx, task, slow_ms),
    )


def _pulse(tx: Transaction, task: Task, slow_ms: float | None) -> Pulse:
    named = queries("rollouts")
    failures = list(named.failures(tx, slow_ms=slow_ms))
    fallbacks = list(named.fallbacks(tx))
    shifts = list(named.shifts(tx, labels=list(task.labels)))
    return Pulse(
        _paired_faults(failures, "failed"),
        Faults(_counts(_column(fallbacks, "ours")), _counts(_column(fallbacks, "theirs")),
               _numbers(_column(fallbacks, "share"))),
        _paired_faults(failures, "slow"),
        {label: _shifts([row for row in shifts if row["label"] == label]) for label in task.labels},
    )  # fmt: skip


def _paired_faults(rows: Sequence[Row], kind: str) -> Faults:
    ours, theirs = _column(rows, f"ours_{kind}"), _column(rows, f"theirs_{kind}")
    return Faults(_counts(ours), _counts(theirs), np.full(len(rows), EVEN))


def _shifts(rows: Sequence[Row]) -> Shifts:
    in_shadow, since = ([row for row in rows if row["is_drawn"] is is_drawn] for is_drawn in (False, True))
    return Shifts(_differences(in_shadow), _differences(since))


def _differences(rows: Sequence[Row]) -> Differences:
    return Differences(
        _counts(_column(rows, "calls")),
        total=_numbers(_column(rows, "total")),
        squares=_numbers(_column(rows, "squares")),
        champion_total=_numbers(_column(rows, "champion_total")),
        champion_squares=_numbers(_column(rows, "champion_squares")),
    )


def _column(rows: Sequence[Row], name: str) -> list[Any]:
    return [row[name] for row in rows]


def _booleans(values: Sequence[bool]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.array(values, dtype=np.bool_)


def _counts(values: Sequence[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def _numbers(values: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)
