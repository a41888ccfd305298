from dataclasses import dataclass
from enum import StrEnum


class TaskKind(StrEnum):
    """What an answer looks like."""

    BINARY = "binary"
    MULTI_LABEL = "multi-label"


class Mode(StrEnum):
    """When the label holds.

    ``DETECT``: the label of this turn, from turns up to and including it.
    ``ANTICIPATE``: the label occurs later, from turns so far.
    """

    DETECT = "detect"
    ANTICIPATE = "anticipate"


class LabelSource(StrEnum):
    """Who says what is true; ``rank`` 1 wins over 4."""

    HUMAN = "human"
    CRM = "crm"
    AGENT = "agent"
    DERIVED = "derived"

    @property
    def rank(self) -> int:
        return list(LabelSource).index(self) + 1


CALLER = "caller"
"""The version under which the agent's own predictions are stored."""

SOLD = "sold"
"""The one label of a conversion task."""


@dataclass(frozen=True, slots=True)
class Task:
    """Something the agent predicts.

    ``labels``: the closed label set; a binary task has exactly one.
    ``horizon``: customer turns after the prediction within which an anticipated label counts; 0 means until the end
    of the conversation.
    ``scope``: ``turn`` where truth is given per turn, ``conversation`` where one label holds for all its turns.
    ``primary_metric``: what the gate judges, ``macro_ap`` or ``log_loss``.
    ``min_gain``: what a candidate's measured improvement of it must reach, beside being sure.
    ``hit_value``, ``act_cost``: what acting on a label is worth where it holds, and what it costs; in one currency.
    """

    name: str
    kind: TaskKind
    labels: tuple[str, ...]
    mode: Mode
    scope: str
    primary_metric: str
    horizon: int = 0
    min_gain: float = 0.0
    hit_value: float = 1.0
    act_cost: float = 0.1


OBJECTION = Task(
    "objection",
    TaskKind.MULTI_LABEL,
    ("price", "need", "urgency", "trust", "features", "competition"),
    Mode.ANTICIPATE,
    scope="turn",
    primary_metric="macro_ap",
    horizon=3,
)
NEEDS = Task(
    "needs",
    TaskKind.MULTI_LABEL,
    ("information", "pricing", "features", "support", "integration", "roi"),
    Mode.DETECT,
    scope="turn",
    primary_metric="macro_ap",
)
CONVERSION = Task(
    "conversion", TaskKind.BINARY, (SOLD,), Mode.ANTICIPATE, scope="conversation", primary_metric="log_loss"
)

DEFAULT_TASKS = (OBJECTION, NEEDS, CONVERSION)
