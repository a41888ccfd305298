"""Which conversations are looked at, as of a moment."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ml_pipeline.vocabulary.interval import Interval

WEEK = timedelta(days=7)
RECENT = 2 * WEEK
"""The least that is compared: fewer days say too little of how days vary."""
LAST = (WEEK, 4 * WEEK)
"""Widths of the windows that end now."""


@dataclass(frozen=True, slots=True)
class Terms:
    """``attribution_days``: a sale learnt later than that after the start of its conversation does not count.

    ``refund_days``: a refund learnt later than that after the sale is not waited for. ``reference_weeks``: how much
    mature history the delays are learnt from.
    """

    attribution_days: int
    refund_days: int
    reference_weeks: int

    @property
    def attribution_hours(self) -> int:
        return 24 * self.attribution_days

    @property
    def refund_hours(self) -> int:
        return 24 * self.refund_days

    def reference(self, as_of: datetime) -> Interval:
        """Return the mature history: its last conversation is as old as the attribution window."""
        return self._history(as_of - timedelta(days=self.attribution_days))

    def refund_reference(self, as_of: datetime) -> Interval:
        """Return the history whose sales are all beyond their refund window."""
        return self.reference(as_of - timedelta(days=self.refund_days))

    def compared(self, as_of: datetime) -> tuple[Interval, Interval]:
        """Return the recent conversations whose delay is compared, those not mature, and the history before them."""
        recent = Interval(as_of - max(timedelta(days=self.attribution_days), RECENT), as_of)
        return recent, self._history(recent.start)

    def oldest(self, as_of: datetime) -> datetime:
        """Return the start of all that is looked at."""
        return min(
            self.refund_reference(as_of).start, self.compared(as_of)[1].start, *(w.start for w in self.windows(as_of))
        )

    def _history(self, end: datetime) -> Interval:
        return Interval(end - self.reference_weeks * WEEK, end)

    def windows(self, as_of: datetime) -> tuple[Interval, ...]:
        """Return the last 7 and 28 days, and every week from Monday until a week after both its windows have closed.

        The running week ends at ``as_of``, which is a whole hour.
        """
        closed = as_of - timedelta(days=self.attribution_days + self.refund_days) - WEEK
        monday = start_of_week(as_of)
        weeks = []
        while monday + WEEK > closed:
            weeks.append(Interval(monday, min(monday + WEEK, as_of)))
            monday -= WEEK
        last = [Interval(as_of - width, as_of) for width in LAST]
        return tuple(dict.fromkeys([*last, *(week for week in weeks if week.start < week.end)]))


def whole_hour(at: datetime) -> datetime:
    """Return the beginning of the hour of ``at``, in UTC.

    Raises:
        ValueError: if ``at`` has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError(f"a moment needs a time zone: {at!r}; pass UTC datetimes")
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def start_of_week(at: datetime) -> datetime:
    """Return the Monday, 0:00 UTC, that begins the week of ``at``, a time in UTC.

    >>> from datetime import UTC
    >>> start_of_week(datetime(2026, 3, 5, 17, tzinfo=UTC)).isoformat()
    '2026-03-02T00:00:00+00:00'
    """
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=midnight.weekday())
