from dataclasses import dataclass
from datetime import datetime, timedelta

from ml_pipeline.vocabulary.interval import Interval

WIDTHS = (timedelta(days=7), timedelta(days=28))
"""Widths of the recent window, the shortest with enough conversations is taken. Whole weeks: every day weighs alike."""
REFERENCE_WIDTHS = 4
"""The reference before a recent window is this many times as long."""


@dataclass(frozen=True, slots=True)
class Windows:
    reference: Interval
    recent: Interval


def due_windows(newest: datetime, last_end: datetime | None, width: timedelta) -> Windows:
    """Return the window to judge: trusted facts reach to ``newest``, the last judged window ended at ``last_end``.

    Recent windows of one width never overlap, so that each is one chance of a false alarm and not one per run: until
    the next is over, the last one is due again, for its labels may still arrive. The first window ever ends at
    ``newest``. Windows that nobody looked at while the job was down are skipped.
    """
    end = newest
    if last_end is not None:
        end = last_end + max((newest - last_end) // width, 0) * width
    recent = Interval(end - width, end)
    return Windows(reference=Interval(recent.start - REFERENCE_WIDTHS * width, recent.start), recent=recent)


def training_reference(trained: Interval | None, recent: Interval) -> Interval | None:
    """Return the part of the champion's training interval that lies before the recent window, None where nothing does.

    >>> from datetime import UTC
    >>> day = lambda n: datetime(2026, 3, n, tzinfo=UTC)
    >>> training_reference(Interval(day(1), day(20)), recent=Interval(day(15), day(22))).end == day(15)
    True
    >>> training_reference(Interval(day(16), day(20)), recent=Interval(day(15), day(22)))
    """
    if trained is None or trained.start >= recent.start:
        return None
    return Interval(trained.start, min(trained.end, recent.start))
