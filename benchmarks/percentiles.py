from collections.abc import Sequence


def percentile(known: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of ``known``, sorted, do not exceed.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5), percentile([1.0, 2.0, 3.0, 4.0], 0.99)
    (2.0, 4.0)
    """
    return known[min(len(known) - 1, max(0, -int(-share * len(known) // 1) - 1))]
