from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

MIN_UNITS = 100
"""Conversations either sample needs before anything is tested: below, the tests' tails and PSI are mostly noise."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a detector says of two samples; the p-value is valid when a value is one conversation's.

    ``effect`` is how far they are apart, in the unit of the detector's floors. ``evidence`` is ready for JSON.
    """

    test: str
    statistic: float
    p_value: float
    effect: float
    psi: float
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Detector:
    """A way to compare two samples, and from which effect on a significant difference matters.

    ``warning`` and ``critical`` are floors of ``Comparison.effect``; ``unit`` says what they count.
    """

    compare: Callable[[Sequence[Any], Sequence[Any]], Comparison]
    unit: str
    warning: float
    critical: float

    def __call__(self, reference: Sequence[Any], recent: Sequence[Any]) -> Comparison | None:
        """Compare, or return None where either sample has fewer than ``MIN_UNITS`` values."""
        if min(len(reference), len(recent)) < MIN_UNITS:
            return None
        return self.compare(reference, recent)
