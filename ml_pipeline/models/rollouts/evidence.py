"""What one look at a rollout rests on: everything since the rollout began, as arrays in the order of start.

A look is a pure function of it, so that the same evidence gives the same verdict whenever it is replayed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Booleans = NDArray[np.bool_]
Counts = NDArray[np.int64]
Numbers = NDArray[np.float64]

Phase = Literal["shadow", "canary", "holdback"]


def _no_booleans() -> Booleans:
    return np.zeros(0, dtype=np.bool_)


def _no_counts() -> Counts:
    return np.zeros(0, dtype=np.int64)


def _no_numbers() -> Numbers:
    return np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class Started:
    """Conversations assigned while the canary or the holdback ran, in order of start, one element each.

    Each enters once, at the age of the task's window: ``is_sold`` is what was known then. All count where they were
    assigned, whoever answered in the end. A unit (the customer, where it is known) counts by its first conversation
    alone: the later ones follow it to its version, so that their assignment is no draw.

    ``share``: the chance this conversation had of the challenger when it was assigned. In a holdback the challenger is
    the new champion, and the version held back stands for the champion.
    """

    is_challenger: Booleans = field(default_factory=_no_booleans)
    share: Numbers = field(default_factory=_no_numbers)
    is_sold: Booleans = field(default_factory=_no_booleans)


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Labelled rows that both versions answered, in the order of start of their conversations, one element each.

    ``cluster``: a number per customer, or per conversation where the customer is not known. ``weight``: one over the
    propensity of the version that acted, times the row's own weight (a conversation counts once); 1 in shadow.
    ``ours``, ``theirs``: log loss of challenger and champion in nats, the mean over the labels of the task.
    """

    cluster: Counts = field(default_factory=_no_counts)
    weight: Numbers = field(default_factory=_no_numbers)
    ours: Numbers = field(default_factory=_no_numbers)
    theirs: Numbers = field(default_factory=_no_numbers)


@dataclass(frozen=True, slots=True, eq=False)
class Faults:
    """Conversations in which something went wrong, counted once each: an element per stretch of time, in order.

    ``chance``: how likely it is that such a conversation is the challenger's while the versions are equal. Where both
    ran it is 1/2, and conversations in which both went wrong are left out: they say nothing of either. Where only the
    version ran that acted it is the challenger's share then.
    """

    challenger: Counts = field(default_factory=_no_counts)
    champion: Counts = field(default_factory=_no_counts)
    chance: Numbers = field(default_factory=_no_numbers)


@dataclass(frozen=True, slots=True, eq=False)
class Differences:
    """By how much the challenger's score of a conversation lies above the champion's: an element per stretch of time.

    A conversation's score is its mean probability of one label over the turns both versions answered; ``total`` and
    ``squares`` are sums over ``calls`` conversations. ``champion_total`` and ``champion_squares`` are those of the
    champion's own scores.
    """

    calls: Counts = field(default_factory=_no_counts)
    total: Numbers = field(default_factory=_no_numbers)
    squares: Numbers = field(default_factory=_no_numbers)
    champion_total: Numbers = field(default_factory=_no_numbers)
    champion_squares: Numbers = field(default_factory=_no_numbers)


@dataclass(frozen=True, slots=True, eq=False)
class Shifts:
    """Scores of one label: ``in_shadow``, of conversations nobody was drawn for, and ``since``, of those drawn."""

    in_shadow: Differences = field(default_factory=Differences)
    since: Differences = field(default_factory=Differences)


@dataclass(frozen=True, slots=True, eq=False)
class Pulse:
    """What needs no label. Stretches of any length do: the tests hold at every one.

    ``errors``: the version failed or answered nothing usable. ``fallbacks``: the caller's answer stood in for it.
    ``slow``: it took longer than a bound that was fixed before, the champion's 99th percentile of the week before the
    rollout. ``shifts``: per label of the task.
    """

    errors: Faults = field(default_factory=Faults)
    fallbacks: Faults = field(default_factory=Faults)
    slow: Faults = field(default_factory=Faults)
    shifts: Mapping[str, Shifts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """``step``: which step of the canary runs, from 0. ``calls``: conversations the challenger scored, shown or not."""

    phase: Phase
    step: int = 0
    calls: int = 0
    started: Started = field(default_factory=Started)
    scored: Scored = field(default_factory=Scored)
    pulse: Pulse = field(default_factory=Pulse)
