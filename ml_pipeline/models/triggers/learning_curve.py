from collections.abc import Sequence

from ml_pipeline.models.triggers.standing import CurvePoint

WIDEST = 0.1
"""A point whose 95 % are wider than that says nothing of its neighbours."""


def is_flat(curve: Sequence[CurvePoint]) -> bool:
    """Tell whether twice as many conversations moved the primary metric by no more than its uncertainty.

    False also where the curve cannot say: too short, or too unsure.

    >>> is_flat([CurvePoint(500, 0.70, 0.68, 0.72), CurvePoint(1000, 0.71, 0.69, 0.73)])
    True
    >>> is_flat([CurvePoint(500, 0.60, 0.58, 0.62), CurvePoint(1000, 0.71, 0.69, 0.73)])
    False
    """
    if len(curve) < 2:
        return False
    points = sorted(curve, key=lambda point: point.conversations)
    whole = points[-1]
    halves = [point for point in points if 2 * point.conversations <= whole.conversations]
    if not halves or halves[-1].high - halves[-1].low > WIDEST:
        return False
    return halves[-1].low <= whole.value <= halves[-1].high
