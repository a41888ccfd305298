"""Whose events are they? An anytime-valid test that rests on nothing but the draw of versions.

Of a sale, an error, a slow answer it is known who had been drawn for the conversation and with what chance. If the
challenger brings such an event ``ratio`` times as often as the champion would have at the same moment, an event is the
challenger's with probability

    chance * ratio / (chance * ratio + 1 - chance)

whatever the rate is then: it may double, have its days and hours, and differ from customer to customer. So every event
is a stratum of its own, and nothing is pooled over steps. The likelihood ratio of two values of ``ratio``, multiplied
over the events and averaged over alternatives, is an e-process: under the null its expectation is at most 1 at any time
one may choose to look, so that it ever reaches 1 / alpha with a chance of alpha at most (Ville 1939).

The test on the sum of two counts is Przyborowski and Wilenski's (Biometrika 1940); as an e-process for two samples it
is Turner, Ly and Gruenwald's (Generic E-variables for exact sequential k-sample tests, 2024) and, for events in time,
ter Schure, Perez-Ortiz, Ly and Gruenwald's (The safe logrank test, 2024).
"""

from collections.abc import Mapping

import numpy as np

from ml_pipeline.models.rollouts.evidence import Numbers

LATER_SHARE, LATER_HALF_LIFE = 0.2, 1_000
"""What is staked on changes that begin later, and within how many events half of it is."""


def log_evidence(
    challenger: Numbers, champion: Numbers, chance: Numbers, *, null: float, alternatives: Mapping[float, float]
) -> Numbers:
    """Return the log e-value after each element, of how many events were whose; elements are the last axis.

    ``null``: the ratio to be refuted; the test is one-sided, towards the ``alternatives``, ratios with weights that
    sum to 1. An element without a draw (``chance`` 0 or 1) says nothing.
    """
    paths = [
        np.log(weight) + _path(challenger, champion, chance, null, ratio) for ratio, weight in alternatives.items()
    ]
    return np.asarray(np.logaddexp.reduce(paths, axis=0))


def log_evidence_of_change(
    challenger: Numbers, champion: Numbers, chance: Numbers, *, null: float, alternatives: Mapping[float, float]
) -> Numbers:
    """Return the same, with ``LATER_SHARE`` of the stake on a ratio that changes later.

    A test that has seen good months would need as many bad ones. Each later beginning is an e-process too, and so is
    their average. A harm of the first day costs -log(1 - LATER_SHARE) more to prove.
    """
    paths = [
        np.log(weight) + with_later_starts(_path(challenger, champion, chance, null, ratio), challenger + champion)
        for ratio, weight in alternatives.items()
    ]
    return np.asarray(np.logaddexp.reduce(paths, axis=0))


def with_later_starts(path: Numbers, events: Numbers) -> Numbers:
    """Return the average of the e-process ``path`` with those that begin before each of its elements."""
    seen = LATER_HALF_LIFE + np.cumsum(events, axis=-1)
    earlier = np.concatenate([np.zeros_like(path[..., :1]), path[..., :-1]], axis=-1)
    with np.errstate(divide="ignore"):  # an element without events begins nothing
        stake = np.log(LATER_SHARE * LATER_HALF_LIFE * events / (seen * (seen - events)))
    later = path + np.logaddexp.accumulate(stake - earlier, axis=-1)
    unstaked = np.log(LATER_SHARE * LATER_HALF_LIFE / seen)
    return np.asarray(np.logaddexp.reduce([np.log1p(-LATER_SHARE) + path, later, unstaked], axis=0))


def observed_ratio(challenger: Numbers, champion: Numbers, chance: Numbers) -> float | None:
    """Return how many times as often events came with the challenger, over strata (Mantel and Haenszel).

    None where the champion had none.

    >>> observed_ratio(np.array([5.0, 30.0]), np.array([190.0, 60.0]), np.array([0.05, 0.5]))
    0.5
    """
    expected = float(np.sum(champion * chance))
    return float(np.sum(challenger * (1 - chance))) / expected if expected else None


def _path(challenger: Numbers, champion: Numbers, chance: Numbers, null: float, ratio: float) -> Numbers:
    both = np.log((chance * ratio + 1 - chance) / (chance * null + 1 - chance))
    gained = challenger * np.log(ratio / null) - (challenger + champion) * both
    return np.cumsum(np.where((chance > 0) & (chance < 1), gained, 0.0), axis=-1)
