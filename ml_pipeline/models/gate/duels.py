"""The candidate and one opponent on the rows both answered."""

import math
from dataclasses import dataclass

import numpy as np

from ml_pipeline.models.clustered import Figures, Score, figures, improvement
from ml_pipeline.models.gate.values import Answers
from ml_pipeline.models.scores import Block, Numbers

CALLED_FROM = 0.5
"""Where answers are calls and no probabilities (the acts of a turn), 1 is called. No other primary metric needs it."""


@dataclass(frozen=True, slots=True)
class Duel:
    """Both on ``block``, the rows both answered; ``gain``: of the primary metric, None where none can be scored."""

    name: str
    block: Block
    ours: Numbers
    theirs: Numbers
    our_value: float
    their_value: float
    gain: Score | None


def fight(block: Block, ours: Numbers, opponent: Answers, metric: str) -> Duel:
    """Return how the candidate did against ``opponent``."""
    return duel(opponent.name, block, ours, opponent.probabilities, metric)


def duel(name: str, block: Block, ours: Numbers, theirs: Numbers, metric: str) -> Duel:
    """Return the comparison of two tables of answers, rows x labels, nan where nothing was answered."""
    both = np.flatnonzero(~(np.isnan(ours).any(axis=1) | np.isnan(theirs).any(axis=1)))
    common = block.take(both)
    found = [_figure(common, answers[both], metric) for answers in (ours, theirs)]
    if not all(found):
        return Duel(name, common, ours[both], theirs[both], math.nan, math.nan, None)
    our, their = (figure[metric] for figure in found)
    return Duel(name, common, ours[both], theirs[both], our.value, their.value, improvement(metric, our, their))


def _figure(block: Block, answers: Numbers, metric: str) -> Figures:
    return figures(block, answers, np.full(len(block.labels), CALLED_FROM), (metric,))
