"""Whom a candidate meets: the prior, a simple rule, the agent itself, and the champion."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from ml_pipeline.database.engine import Transaction
from ml_pipeline.models import export, store
from ml_pipeline.models.candidates.columns import number_columns
from ml_pipeline.models.candidates.fit import answers, fit
from ml_pipeline.models.candidates.recipe import LinearRecipe
from ml_pipeline.models.gate import Answers
from ml_pipeline.models.gate.budget import Allowance, allow
from ml_pipeline.models.scores import Numbers
from ml_pipeline.models.split import CALIBRATION, GATE, TRAIN
from ml_pipeline.models.store import Champion
from ml_pipeline.models.stress import STRESSES, stressed
from ml_pipeline.models.training_set import TrainingSet
from ml_pipeline.online.predicting.bundle import Bundle, decode
from ml_pipeline.online.predicting.features import REVISION
from ml_pipeline.vocabulary.tasks import CALLER

PRIOR, RULE = "prior", "rule"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a candidate finds when it is judged.

    ``serving_mix``: in how many conversations of the gate block each version's answers went back to the agent.
    """

    judged_at: datetime
    allowance: Allowance
    caller: Answers
    champion: Answers | None
    serving_mix: Mapping[str, int]


def meet(tx: Transaction, gate: TrainingSet, *, judged_at: datetime, error: float, gates: int) -> Standing:
    """Return what a candidate meets on the gate block; ``error``, ``gates``: see ``allow``."""
    serving = store.champion(tx, gate.task)
    return Standing(
        judged_at,
        allow(error, gates, store.errors_spent(tx, gate.task)),
        caller(tx, gate),
        champion(tx, gate, serving) if serving else None,
        store.serving_mix(tx, gate),
    )


def prior(whole: TrainingSet) -> Answers:
    """Return who always answers each label's share in the training part."""
    train, gate = whole.part(TRAIN), whole.part(GATE)
    shares = np.tile(np.average(train.truth, axis=0, weights=train.weights), (len(gate.rows), 1))
    return Answers(PRIOR, shares, dict.fromkeys(STRESSES, shares), is_baseline=True)


def rule(whole: TrainingSet) -> Answers:
    """Return the simple rule: logistic regression on how far the conversation is and how much was said, no words."""
    fitted = fit(whole.part(TRAIN), whole.part(CALIBRATION), LinearRecipe(1.0, None, 0), number_columns())
    rows = whole.part(GATE).rows
    return Answers(RULE, answers(fitted, rows), stressed(rows, lambda table: answers(fitted, table)), is_baseline=True)


def caller(tx: Transaction, gate: TrainingSet) -> Answers:
    """Return the agent's own predictions on the gate block."""
    return Answers(CALLER, store.answers(tx, gate, CALLER), is_baseline=True)


def champion(tx: Transaction, gate: TrainingSet, serving: Champion) -> Answers:
    """Return the champion on the rows it did not learn from, by the bundle that serves.

    A bundle of another feature revision cannot read these rows; then its stored predictions stand for it.

    Raises:
        BundleError: if the stored bundle is altered.
    """
    bundle = decode(serving.content, serving.digest)
    if bundle.model.feature_revision != REVISION:
        return Answers(serving.version, _unlearnt(store.answers(tx, gate, serving.version), gate, serving))

    def told(rows: pd.DataFrame) -> Numbers:
        return _columns(gate, bundle, export.run(bundle, rows))

    worse = {name: _unlearnt(found, gate, serving) for name, found in stressed(gate.rows, told).items()}
    return Answers(serving.version, _unlearnt(told(gate.rows), gate, serving), worse)


def _unlearnt(answers: Numbers, gate: TrainingSet, serving: Champion) -> Numbers:
    if serving.trained_until is not None:
        answers[np.asarray(gate.rows["started_at"] < serving.trained_until)] = np.nan
    return answers


def _columns(gate: TrainingSet, bundle: Bundle, found: Numbers) -> Numbers:
    # A label that the champion does not know has probability 0 with it.
    known = dict(zip(bundle.model.labels, found.T, strict=True))
    nothing = np.zeros(len(found))
    return np.stack([known.get(label, nothing) for label in gate.task.labels], axis=1)
