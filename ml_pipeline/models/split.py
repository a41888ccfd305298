"""Who trains, who calibrates, who judges. Parts are whole conversations; no conversation stands in two."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TRAIN, CALIBRATION, GATE = "train", "calibration", "gate"
PARTS = (TRAIN, CALIBRATION, GATE)
SHARES = (0.60, 0.15, 0.25)

Parts = NDArray[np.object_]


def split_in_time(started_at: Sequence[float]) -> Parts:
    """Return the part of each conversation: the oldest train, the newest judge.

    >>> [str(part) for part in split_in_time([8, 1, 2, 3, 4, 5, 6, 7])]
    ['gate', 'train', 'train', 'train', 'train', 'train', 'calibration', 'gate']
    """
    return _cut(np.argsort(np.asarray(started_at), kind="stable"))


def split_at_random(groups: Sequence[str], seed: int) -> Parts:
    """Return the part of each conversation; those of one group (a customer) stay together. For comparison only."""
    names, codes = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
    return _cut(np.random.default_rng(seed).permutation(len(names)))[codes]


def _cut(order: NDArray[np.int64]) -> Parts:
    train_end, calibration_end = (round(len(order) * share) for share in np.cumsum(SHARES)[:2])
    parts = np.empty(len(order), dtype=object)
    parts[order[:train_end]] = TRAIN
    parts[order[train_end:calibration_end]] = CALIBRATION
    parts[order[calibration_end:]] = GATE
    return parts
