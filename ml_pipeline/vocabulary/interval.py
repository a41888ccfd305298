from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Interval:
    """A half-open span of time in UTC: ``start`` belongs to it, ``end`` does not.

    Raises:
        ValueError: if a bound has no time zone, or ``end`` lies before ``start``.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError(f"interval bounds need a time zone: {self.start!r}, {self.end!r}; pass UTC datetimes")
        if self.end < self.start:
            raise ValueError(f"interval ends before it starts: {self.start} > {self.end}; swap the bounds")

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end
