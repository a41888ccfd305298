"""How far back a read looks."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ml_pipeline.online.figures import read_number

LONGEST_HOURS = 24.0 * 400
"""As far as the log reaches by default."""


@dataclass(frozen=True, slots=True)
class Timeframe:
    """The last ``hours`` before ``end``."""

    hours: float
    end: datetime

    @property
    def since(self) -> datetime:
        return self.end - timedelta(hours=self.hours)

    @property
    def bounds(self) -> dict[str, datetime]:
        """The half-open interval, as statements take it."""
        return {"since": self.since, "until": self.end}


def read_hours(given: Any, default: float) -> float:
    """Return ``given`` as hours, at most 400 days; ``default`` where it is no positive number.

    >>> read_hours("168", 24.0), read_hours(-1, 24.0), read_hours(1e9, 24.0)
    (168.0, 24.0, 9600.0)
    """
    hours = given / timedelta(hours=1) if isinstance(given, timedelta) else read_number(given)
    return min(hours, LONGEST_HOURS) if hours is not None and hours > 0 else default


def learnt_in(hours: float) -> datetime:
    """Return since when something was learnt that was learnt in the last hours: real time, whatever the clock says."""
    return datetime.now(UTC) - timedelta(hours=hours)
