from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Unit(StrEnum):
    """What a value counts. ``SHARE`` lies in [0, 1], ``POINTS`` (a difference of shares) in [-1, 1]."""

    SHARE = "share"
    POINTS = "difference of shares"
    NATS = "nats"
    MILLISECONDS = "ms"
    PER_HOUR = "per hour"
    TURNS = "turns"
    MONEY = "currency per conversation"
    SCORE = "score as given"


class Better(StrEnum):
    """Which way is up."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class Owner(StrEnum):
    """Who answers for a metric: who trains the models, who runs the agent, or who sells."""

    MODELS = "models"
    AGENT = "agent"
    SALES = "sales"


class Dimension(StrEnum):
    """What a metric is sliced by, one dimension at a time. A slice reads ``<dimension>=<value>``.

    ``ARM``: ``arm=<experiment>/<arm>``. ``PROBABILITY``: a tenth of [0, 1], by its lower end.
    ``CURRENCY``: money has no figure without one, so its other slices are ``currency=<currency>,<dimension>=<value>``.
    """

    LABEL = "label"
    LABEL_SOURCE = "label_source"
    LANGUAGE = "language"
    PROGRAM = "program"
    PLATFORM = "platform"
    SOURCE = "source"
    PHASE = "phase"
    ARM = "arm"
    PROBABILITY = "probability"
    CURRENCY = "currency"


@dataclass(frozen=True, slots=True)
class Mean:
    """Hours merge as sum(value * n) / sum(n), their mean squares likewise."""


@dataclass(frozen=True, slots=True)
class MeanOverAll:
    """As ``Mean``, but an hour that has no row of a currency, or of a label source, counts there with 0.

    n is of all there was, the same in each row of an hour that differs in this value only.
    """


@dataclass(frozen=True, slots=True)
class Quantile:
    """Exact in its hour, and does not merge: days and weeks take it from the histogram of ``of``."""

    share: float
    of: str


Merge: TypeAlias = Mean | MeanOverAll | Quantile


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure per hour, computed by the statement ``rollup`` in ``sql/rollups/<rollup>.sql``.

    ``definition`` says what is divided by what, so that anyone can count it again. It has a row for all there is and
    rows for each value of its ``dimensions``; with ``is_only_sliced`` it has none for all.
    """

    name: str
    unit: Unit
    better: Better
    owner: Owner
    definition: str
    rollup: str
    dimensions: tuple[Dimension, ...] = ()
    merge: Merge = Mean()
    is_only_sliced: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure merged from hours: the mean of ``n`` values. ``mean_square``: theirs, where they are not 0 and 1."""

    value: float
    n: int
    mean_square: float | None = None


@dataclass(frozen=True, slots=True)
class Bounded:
    """A figure of ``n`` values with its 95 % interval, None where nothing says how it varies."""

    value: float
    n: int
    low: float | None = None
    high: float | None = None


Slices: TypeAlias = Mapping[str, Figure]
Controls: TypeAlias = Mapping[str, str]
"""The control arm of each experiment, by their names."""


@dataclass(frozen=True, slots=True)
class Compound:
    """A figure of a day or week that is made of the merged slices of the metric ``of``, for it does not merge itself.

    ``measure`` takes these slices of one period, task, mode and version, and returns the slices of the compound.
    """

    name: str
    unit: Unit
    better: Better
    owner: Owner
    definition: str
    of: str
    measure: Callable[[Slices, Controls], dict[str, Bounded]]
    dimensions: tuple[Dimension, ...] = ()
    is_only_sliced: bool = False
