"""Where else the candidate is looked at: in slices of the gate block, and on its rows told worse."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml_pipeline.models.clustered import Score
from ml_pipeline.models.gate.duels import Duel, duel
from ml_pipeline.models.gate.values import Answers, Place
from ml_pipeline.models.scores import Block, Numbers

PLACES_ALPHA = 0.05
"""Chance that an equal model is said to be worse anywhere among the slices; and so among the stresses."""
MIN_CLUSTERS = 10
"""From fewer customers or conversations nothing can be told about the next one."""

Slices = Mapping[str, NDArray[np.str_]]
"""By what rows are divided (``language``), and the value of each row; "" where it is not known."""


class _Look(NamedTuple):
    name: str
    duel: Duel
    gain: Score


def in_slices(
    block: Block, ours: Numbers, opponents: Sequence[Answers], slices: Slices, metric: str
) -> tuple[Place, ...]:
    """Return how the candidate did in every slice that can be scored, against each opponent."""

    def looks() -> Iterator[tuple[str, Duel]]:
        for opponent in opponents:
            for dimension, values in slices.items():
                for value in np.unique(values[values != ""]).tolist():
                    rows = np.flatnonzero(values == value)
                    theirs = opponent.probabilities[rows]
                    yield f"{dimension}={value}", duel(opponent.name, block.take(rows), ours[rows], theirs, metric)

    return _judged(looks())


def under_stress(block: Block, candidate: Answers, opponents: Sequence[Answers], metric: str) -> tuple[Place, ...]:
    """Return how the candidate did where both answered to rows told worse, against each opponent."""
    return _judged(
        (stress, duel(opponent.name, block, ours, opponent.stressed[stress], metric))
        for opponent in opponents
        for stress, ours in candidate.stressed.items()
        if stress in opponent.stressed
    )


def _judged(duels: Iterator[tuple[str, Duel]]) -> tuple[Place, ...]:
    looks = [
        _Look(name, found, found.gain)
        for name, found in duels
        if found.gain is not None and found.block.cluster_count >= MIN_CLUSTERS
    ]
    worse = holm([look.gain.chance_below() for look in looks], PLACES_ALPHA)
    return tuple(
        Place(
            look.name,
            look.duel.name,
            look.duel.block.examples(),
            look.duel.our_value,
            look.duel.their_value,
            look.gain.estimate(),
            is_worse,
        )
        for look, is_worse in zip(looks, worse, strict=True)
    )


def holm(chances: Sequence[float], alpha: float) -> list[bool]:
    """Return which p-values are significant, none of the others with chance ``alpha`` (Holm, 1979).

    >>> holm([0.04, 0.001, 0.02], 0.05)
    [True, True, True]
    >>> holm([0.04, 0.001, 0.03], 0.05)
    [False, True, False]
    """
    significant = [False] * len(chances)
    for rank, place in enumerate(np.argsort(chances, kind="stable").tolist()):
        if chances[place] > alpha / (len(chances) - rank):
            break
        significant[place] = True
    return significant
