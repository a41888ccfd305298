"""Who trains, who calibrates, who judges. Parts are whole conversations; no conversation stands in two."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TRAIN, CALIBRATION, GATE = "train", "calibration", "gate"
PARTS = (TRAIN, CALIBRATION, GATE)
GATE_SHARE = 0.25
CALIBRATION_SHARE = 0.20
MOST_CALIBRATE = 1_000
"""Of those that do not judge, the newest fifth, and no more than so many: two parameters are known by then, older
conversations tell them less well, and what calibrates teaches nothing else (docs/decisions/0029)."""

Parts = NDArray[np.object_]


def split_at(started_at: Sequence[float], cut_off: float) -> Parts:
    """Return the part of each conversation: from ``cut_off`` on they judge, of the others the newest calibrate.

    >>> [str(part) for part in split_at([8, 1, 2, 3, 4, 5, 6, 7], 6)]
    ['gate', 'train', 'train', 'train', 'train', 'calibration', 'gate', 'gate']
    """
    starts = np.asarray(started_at, dtype=np.float64)
    return _cut(np.argsort(starts, kind="stable"), int((starts >= cut_off).sum()))


def split_in_time(started_at: Sequence[float]) -> Parts:
    """Return the part of each conversation of a set that was never in the log: the newest quarter judge.

    >>> [str(part) for part in split_in_time([8, 1, 2, 3, 4, 5, 6, 7])]
    ['gate', 'train', 'train', 'train', 'train', 'train', 'calibration', 'gate']
    """
    order = np.argsort(np.asarray(started_at), kind="stable")
    return _cut(order, _gate_size(len(order)))


def split_at_random(groups: Sequence[str], seed: int) -> Parts:
    """Return the part of each conversation; those of one group (a customer) stay together. For comparison only."""
    names, codes = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
    return _cut(np.random.default_rng(seed).permutation(len(names)), _gate_size(len(names)))[codes]


def _gate_size(count: int) -> int:
    return count - round((1 - GATE_SHARE) * count)


def _cut(order: NDArray[np.int64], judging: int) -> Parts:
    learning = len(order) - judging
    train_end = max(round(learning * (1 - CALIBRATION_SHARE)), learning - MOST_CALIBRATE)
    parts = np.empty(len(order), dtype=object)
    parts[order[:train_end]] = TRAIN
    parts[order[train_end:learning]] = CALIBRATION
    parts[order[learning:]] = GATE
    return parts
