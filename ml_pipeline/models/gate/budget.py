"""How much error a task's gates may spend: at most ``error`` on promoting equal models, in ``gates`` in a row."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """What this gate may spend. ``number``: of the task's gates, from 1. ``spent``: by the ``gates`` - 1 before it."""

    error: float
    gates: int
    number: int
    alpha: float
    spent: float


def allow(error: float, gates: int, earlier: Sequence[float]) -> Allowance:
    """Return the allowance of the next gate; ``earlier``: what the others of the task spent, the newest first.

    Each gets an equal part, so that any ``gates`` in a row stay within ``error`` however they hang together (the sum of
    the chances bounds the chance of any). Where earlier ones spent more, under other settings, only what they left.

    >>> allow(0.10, 26, []).alpha == 0.10 / 26
    True
    >>> allow(0.10, 10, [0.05, 0.046]).alpha
    0.004
    >>> allow(0.10, 2, [0.01, 0.09]).alpha
    0.05
    """
    spent = float(sum(earlier[: gates - 1]))
    alpha = round(max(0.0, min(error / gates, error - spent)), 12)
    return Allowance(error, gates, len(earlier) + 1, alpha if alpha < error / gates - 1e-9 else error / gates, spent)
