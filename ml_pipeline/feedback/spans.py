from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ml_pipeline.vocabulary.interval import Interval

HOUR = timedelta(hours=1)
MAX_GAP = timedelta(hours=24)
"""Unchanged hours that are cheaper to read along than to go round."""
MAX_WIDTH = timedelta(days=7)
"""Bounds what one statement holds."""


@dataclass(frozen=True, slots=True)
class Span:
    """Hours that are looked at in one statement; ``interval`` reaches from the first to the end of the last."""

    hours: tuple[datetime, ...]

    @property
    def interval(self) -> Interval:
        return Interval(self.hours[0], self.hours[-1] + HOUR)


def spans(hours: Sequence[datetime]) -> list[Span]:
    """Group hours, each given by its start, so that hundreds of them cost a few statements.

    >>> from datetime import UTC
    >>> day = lambda n: datetime(2026, 3, n, tzinfo=UTC)
    >>> [len(span.hours) for span in spans([day(1), day(2), day(9)])]
    [2, 1]
    """
    groups: list[list[datetime]] = []
    for hour in sorted(set(hours)):
        group = groups[-1] if groups else None
        if group and hour - group[-1] <= MAX_GAP and hour + HOUR - group[0] <= MAX_WIDTH:
            group.append(hour)
        else:
            groups.append([hour])
    return [Span(tuple(group)) for group in groups]
