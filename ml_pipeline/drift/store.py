import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.drift.comparison import MIN_UNITS
from ml_pipeline.drift.detectors import DETECTORS
from ml_pipeline.drift.subjects import (
    DATA,
    LABEL,
    PERFORMANCE,
    PREDICTION,
    Observations,
    feature_observations,
    label_observations,
    performance_observations,
    prediction_observations,
)
from ml_pipeline.drift.verdicts import NO_SEVERITY, Check
from ml_pipeline.drift.windows import WIDTHS, due_windows, training_reference
from ml_pipeline.metrics.maturity.delay_findings import DelayFinding
from ml_pipeline.metrics.truth import task_definitions
from ml_pipeline.vocabulary.interval import Interval
from ml_pipeline.vocabulary.tasks import Task

MAX_CONVERSATIONS = 5_000
"""Conversations read per window: 5,000 against 5,000 show a shift of .1 standard deviations, a third of the floor."""


DELAY = "delay"
"""Kind of the checks of the delay of sales, which are judged in their own room."""
NOT_ENOUGH_DATA = "not_enough_data"
"""Stands where a test's name would, when there was none."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The conversations of an interval that are looked at."""

    interval: Interval
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Samples:
    """A recent window and what it is compared with.

    What came in is compared with what the champion was trained on, where it says so; what was answered with the
    window before, for a version answers nothing before it was trained.
    """

    recent: Sample
    inputs_reference: Sample
    answers_reference: Sample

    def references(self) -> dict[str, Interval]:
        """Return the reference interval of each kind of check."""
        return {
            DATA: self.inputs_reference.interval,
            LABEL: self.inputs_reference.interval,
            PREDICTION: self.answers_reference.interval,
            PERFORMANCE: self.answers_reference.interval,
        }


def lock(tx: Transaction) -> None:
    """Wait until no other transaction checks drift."""
    queries("drift").lock(tx)


def due_samples(tx: Transaction) -> Samples | None:
    """Return the newest window to judge with its references; None where no width of it has enough conversations."""
    newest: datetime | None = queries("drift").newest_trusted_time(tx)
    if newest is None:
        return None
    last_end: datetime | None = queries("drift").last_window_end(tx)
    for width in WIDTHS:
        windows = due_windows(newest, last_end, width)
        recent, before = _sample(tx, windows.recent), _sample(tx, windows.reference)
        if min(len(recent.ids), len(before.ids)) >= MIN_UNITS:
            return Samples(recent, _trained_sample(tx, windows.recent) or before, before)
    return None


def _trained_sample(tx: Transaction, recent: Interval) -> Sample | None:
    row = queries("drift").trained_interval(tx)
    trained = Interval(row["trained_from"], row["trained_until"]) if row else None
    reference = training_reference(trained, recent)
    sample = _sample(tx, reference) if reference else None
    return sample if sample and len(sample.ids) >= MIN_UNITS else None


def _sample(tx: Transaction, interval: Interval) -> Sample:
    rows = queries("drift").sample_conversations(tx, start=interval.start, end=interval.end, limit=MAX_CONVERSATIONS)
    return Sample(interval, tuple(row["conversation_id"] for row in rows))


def inputs(tx: Transaction, chosen: Sample, tasks: Sequence[Task]) -> Observations:
    """Return what came in: features and labels."""
    sql = queries("drift")
    turns = sql.predicted_turns(tx, ids=list(chosen.ids), start=chosen.interval.start, end=chosen.interval.end)
    labels = sql.label_occurrences(tx, ids=list(chosen.ids), tasks=task_definitions(tasks))
    return feature_observations(turns) | label_observations(labels)


def answers(tx: Transaction, chosen: Sample, tasks: Sequence[Task]) -> Observations:
    """Return what was answered: probabilities, and losses where the truth is known."""
    sql = queries("drift")
    window: dict[str, Any] = {
        "ids": list(chosen.ids),
        "start": chosen.interval.start,
        "end": chosen.interval.end,
        "tasks": task_definitions(tasks),
    }
    return prediction_observations(sql.mean_probabilities(tx, **window)) | performance_observations(
        sql.mean_losses(tx, **window)
    )


def replace(tx: Transaction, samples: Samples, checks: Sequence[Check]) -> None:
    """Record the checks of the recent window in place of those it had."""
    window, references = samples.recent.interval, samples.references()
    queries("drift").forget(tx, window_end=window.end)
    queries("drift").record(tx, [_row(check, window, references[check.subject.kind]) for check in checks])


def replace_delays(tx: Transaction, window: Interval, reference: Interval, findings: Sequence[DelayFinding]) -> None:
    """Record what was found of the delay of sales as of the window's end, in place of what was there."""
    queries("drift").forget_delays(tx, window_end=window.end)
    queries("drift").record(tx, [_delay_row(finding, window, reference) for finding in findings])


def _delay_row(finding: DelayFinding, window: Interval, reference: Interval) -> dict[str, Any]:
    change = finding.change
    evidence: dict[str, Any] = {"slice": finding.slice_name, "reference_end": reference.end.isoformat()}
    if change:
        evidence |= {"recent_sales": change.sales, "effect": change.factor, "effect_unit": "times as long"}
    return {
        "window_start": window.start,
        "window_end": window.end,
        "reference_start": reference.start,
        "kind": DELAY,
        "subject": "delay of sales" + (f", {finding.slice_name}" if finding.slice_name else ""),
        "psi": None,
        "test": "truncated_delays" if change else NOT_ENOUGH_DATA,
        "statistic": change.statistic if change else None,
        "p_value": change.p_value if change else None,
        "has_drifted": finding.severity is not None,
        "severity": finding.severity or NO_SEVERITY,
        "headline": finding.headline,
        "evidence": json.dumps(evidence),
    }


def _row(check: Check, window: Interval, reference: Interval) -> dict[str, Any]:
    comparison = check.comparison
    return {
        "window_start": window.start,
        "window_end": window.end,
        "reference_start": reference.start,
        "kind": check.subject.kind,
        "subject": check.subject.name,
        "psi": comparison.psi if comparison else None,
        "test": comparison.test if comparison else NOT_ENOUGH_DATA,
        "statistic": comparison.statistic if comparison else None,
        "p_value": comparison.p_value if comparison else None,
        "has_drifted": check.has_drifted,
        "severity": check.severity,
        "headline": check.headline,
        "evidence": json.dumps(_evidence(check, reference)),
    }


def _evidence(check: Check, reference: Interval) -> dict[str, Any]:
    facets = {name: value for name, value in asdict(check.subject).items() if value and name != "kind"}
    evidence = {
        **facets,
        "reference_end": reference.end.isoformat(),
        "reference_conversations": check.reference,
        "recent_conversations": check.recent,
    }
    if check.comparison:
        unit = DETECTORS[check.subject.values].unit
        evidence |= {"effect": check.comparison.effect, "effect_unit": unit, **check.comparison.evidence}
    return evidence
