from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Literal

import msgspec

from ml_pipeline.models.triggers.standing import Standing
from ml_pipeline.models.triggers.trigger import Finding, Hope, State, Trigger

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Schedule(Trigger, frozen=True, kw_only=True, tag="schedule"):
    """Once a week, on ``weekday`` from ``hour`` (UTC) on, unless the task was retrained since."""

    hope: ClassVar[Hope] = Hope.MORE_DATA

    weekday: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    hour: Annotated[int, msgspec.Meta(ge=0, le=23)]

    def judge(self, standing: Standing) -> Finding:
        due = last_due(standing.now, WEEKDAYS.index(self.weekday), self.hour)
        # A task that nobody had looked at by then has missed nothing.
        since = max(filter(None, (standing.known_since, standing.last_retrained)))
        if since >= due:
            return Finding(State.QUIET, f"next on {due + timedelta(days=7):%A %Y-%m-%d %H:%M} UTC")
        return Finding(State.FIRED, f"due since {due:%A %Y-%m-%d %H:%M} UTC")


def last_due(now: datetime, weekday: int, hour: int) -> datetime:
    """Return the last such hour of a week, at or before ``now``; ``weekday`` 0 is Monday.

    >>> last_due(datetime(2026, 3, 4, 12, tzinfo=UTC), weekday=0, hour=3)
    datetime.datetime(2026, 3, 2, 3, 0, tzinfo=datetime.timezone.utc)
    """
    start_of_day = now.astimezone(UTC).replace(hour=hour, minute=0, second=0, microsecond=0)
    due = start_of_day - timedelta(days=(start_of_day.weekday() - weekday) % 7)
    return due if due <= now else due - timedelta(days=7)
