"""The champion's own answers against what came true of them, by the gate's own figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ml_pipeline.models.clustered import figures
from ml_pipeline.models.scores import Block
from ml_pipeline.models.triggers.recalibration import calibration_slope
from ml_pipeline.models.triggers.standing import Measured
from ml_pipeline.vocabulary.tasks import Task

Row = Mapping[str, Any]


def measured(task: Task, answers: Sequence[Row]) -> Measured | None:
    """Return the figures of ``answers``, rows of conversation_id, turn, label, probability, is_true; None of none."""
    if not answers:
        return None
    keys = sorted({(row["conversation_id"], row["turn"]) for row in answers})
    places, labels = {key: place for place, key in enumerate(keys)}, {each: n for n, each in enumerate(task.labels)}
    probabilities, truth = np.zeros((len(keys), len(labels))), np.zeros((len(keys), len(labels)), dtype=bool)
    for row in answers:
        place = places[row["conversation_id"], row["turn"]], labels[row["label"]]
        probabilities[place], truth[place] = row["probability"], row["is_true"]
    clusters = np.unique([conversation for conversation, _ in keys], return_inverse=True)[1]
    # One truth for a whole conversation counts once, however long it talked.
    weights = np.ones(len(keys)) if task.scope == "turn" else 1 / np.bincount(clusters)[clusters]
    block = Block(task.labels, truth, weights, clusters)
    unused = np.full(len(labels), 0.5)  # none of these figures needs a threshold
    found = figures(block, probabilities, unused, {task.primary_metric, "log_loss", "ece"})
    estimates = {name: score.estimate() for name, score in found.items()}
    scored = block.scored()
    slope = (
        calibration_slope(
            probabilities[:, scored].ravel(),
            truth[:, scored].ravel(),
            np.repeat(weights, len(scored)),
            np.repeat(clusters, len(scored)),
        )
        if scored
        else None
    )
    return Measured(int(clusters.max()) + 1, estimates | ({"slope": slope} if slope else {}))
