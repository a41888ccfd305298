from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What a value counts. ``SHARE`` lies in [0, 1]."""

    SHARE = "share"
    NATS = "nats"
    MILLISECONDS = "ms"
    PER_HOUR = "per hour"
    MONEY = "currency per conversation"
    SCORE = "score as given"


class Better(StrEnum):
    """Which way is up."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure per hour. ``definition`` says what is divided by what, so that anyone can count it again."""

    name: str
    unit: Unit
    better: Better
    definition: str


@dataclass(frozen=True, slots=True)
class Family:
    """Metrics that one pass over the facts computes, by the statement ``name`` in ``sql/rollups/<name>.sql``."""

    name: str
    metrics: tuple[Metric, ...]
