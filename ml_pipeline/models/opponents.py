"""Who a candidate meets besides the prior and the rule: the agent itself, and the champion."""

import numpy as np

from ml_pipeline.database.engine import Transaction
from ml_pipeline.models import export, store
from ml_pipeline.models.evaluation import Opponent
from ml_pipeline.models.scores import Numbers
from ml_pipeline.models.store import Champion
from ml_pipeline.models.training_set import TrainingSet
from ml_pipeline.online.predicting.bundle import Bundle, decode
from ml_pipeline.online.predicting.features import REVISION
from ml_pipeline.vocabulary.tasks import CALLER


def caller(tx: Transaction, gate: TrainingSet) -> Opponent:
    """Return the agent's own predictions on the gate block."""
    return Opponent(CALLER, store.answers(tx, gate, CALLER))


def champion(tx: Transaction, gate: TrainingSet, serving: Champion) -> Opponent:
    """Return the champion on the rows it did not learn from, by the bundle that serves.

    A bundle of another feature revision cannot read these rows; then its stored predictions stand for it.

    Raises:
        BundleError: if the stored bundle is altered.
    """
    bundle = decode(serving.content, serving.digest)
    if bundle.model.feature_revision == REVISION:
        answers = _columns(gate, bundle, export.run(bundle, gate.rows))
    else:
        answers = store.answers(tx, gate, serving.version)
    if serving.trained_until is not None:
        answers[np.asarray(gate.rows["started_at"] < serving.trained_until)] = np.nan
    return Opponent(serving.version, answers)


def _columns(gate: TrainingSet, bundle: Bundle, found: Numbers) -> Numbers:
    # A label that the champion does not know has probability 0 with it.
    known = dict(zip(bundle.model.labels, found.T, strict=True))
    nothing = np.zeros(len(gate.rows))
    return np.stack([known.get(label, nothing) for label in gate.task.labels], axis=1)
