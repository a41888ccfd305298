"""Candidate and opponents on the same rows, under the same draws."""

import math
from dataclasses import dataclass

import numpy as np

from ml_pipeline.models.scores import Figures, Numbers, draws, figures, improvement
from ml_pipeline.models.training_set import TrainingSet

RESAMPLES = 2_000
SEED = 20_240_229


@dataclass(frozen=True, slots=True)
class Opponent:
    """Someone to be better than. ``probabilities``: rows x labels of the gate block, nan where it gave no answer."""

    name: str
    probabilities: Numbers


@dataclass(frozen=True, slots=True)
class Duel:
    """How the candidate did against one opponent on the rows both answered.

    ``gain``: the paired improvement of the primary metric, the first as it is, the others resampled; empty where
    nothing could be scored.
    ``positives``: examples among those rows, see ``count_positives``.
    """

    name: str
    rows: int
    positives: int
    clusters: int
    ours: float
    theirs: float
    gain: Numbers


def measure(rows: TrainingSet, probabilities: Numbers, thresholds: Numbers, resamples: int = RESAMPLES) -> Figures:
    """Return every metric on ``rows``; empty if no label has examples enough."""
    block = rows.block()
    return figures(block, probabilities, thresholds, draws(block.clusters, resamples, SEED))


def count_positives(rows: TrainingSet) -> int:
    """Return how many examples the judgement rests on: those with a label; of a binary task, of the rarer class."""
    cases = rows.cases()
    positives = int(cases.any(axis=1).sum())
    return min(positives, len(cases) - positives) if len(rows.task.labels) == 1 else positives


def fight(gate: TrainingSet, candidate: Numbers, opponent: Opponent, resamples: int = RESAMPLES) -> Duel:
    """Return how the candidate did against ``opponent``; with no rows where none it answered can be scored."""
    answered = np.flatnonzero(~np.isnan(opponent.probabilities).any(axis=1))
    common = gate.take(answered)
    metric = gate.task.primary_metric
    block = common.block()
    if not block.scored():
        return Duel(opponent.name, len(answered), 0, 0, math.nan, math.nan, np.zeros(0))
    drawn = draws(block.clusters, resamples, SEED)
    unused = np.full(len(gate.task.labels), 0.5)  # the primary metrics need no threshold
    ours, theirs = (
        figures(block, probabilities[answered], unused, drawn, (metric,))[metric]
        for probabilities in (candidate, opponent.probabilities)
    )
    return Duel(
        opponent.name,
        len(answered),
        count_positives(common),
        drawn.shape[1],
        float(ours[0]),
        float(theirs[0]),
        improvement(metric, ours, theirs),
    )
