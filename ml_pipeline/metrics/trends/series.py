from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

DAY = timedelta(days=1)
WEEK = timedelta(days=7)


class Series(NamedTuple):
    """One metric of one task, mode and version, of one slice."""

    metric: str
    task: str
    mode: str
    version: str
    slice: str


@dataclass(frozen=True, slots=True)
class Day:
    """What a series was on the UTC day that begins at ``at``: a mean over ``n``."""

    at: datetime
    value: float
    n: int
