"""What is known of a task when somebody looks whether it needs retraining."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ml_pipeline.vocabulary.estimate import Estimate
from ml_pipeline.vocabulary.tasks import Task


@dataclass(frozen=True, slots=True)
class Serving:
    """The champion. ``learnt_until``: start of the first conversation it did not learn from; None: not known.

    ``figures``: of the gate that promoted it, with their 95 %.
    """

    version: str
    since: datetime
    learnt_until: datetime | None
    figures: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The primary metric after training on so many conversations, with its 95 %."""

    conversations: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Judged:
    """The latest gate of the task. ``conversations``: how many its rows came from; ``known_until``: as of when."""

    at: datetime
    verdict: str
    conversations: int
    known_until: datetime | None = None
    curve: tuple[CurvePoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """The champion's own answers to conversations it did not learn from, all of them closed by now.

    ``figures`` as the gate makes them, and ``slope``, the calibration slope; with their 95 %.
    """

    conversations: int
    figures: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """A metric of the champion that is at another level since ``at``, known since ``detected_at``."""

    metric: str
    at: datetime
    detected_at: datetime
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Drift:
    """A finding of the newest drift check that is about this task; ``impact``: nats a label, None: nothing tells.

    ``because``: what the impact was estimated from.
    """

    kind: str
    subject: str
    severity: str
    window_end: datetime
    headline: str
    impact: float | None
    because: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that no run has answered. ``is_accepted``: it starts one."""

    request: str
    source: str
    actor: str
    reason: str
    requested_at: datetime
    is_accepted: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """``known_since``: when somebody first looked; ``retrained``: its gates of the last weeks, the newest first.

    ``new_labels``: closed conversations with a known truth that no gate has seen.
    """

    task: Task
    now: datetime
    known_since: datetime
    champion: Serving | None = None
    judged: Judged | None = None
    retrained: tuple[datetime, ...] = ()
    measured: Measured | None = None
    new_labels: int = 0
    changes: tuple[Change, ...] = ()
    drifts: tuple[Drift, ...] = ()
    waiting: tuple[Waiting, ...] = ()

    @property
    def last_retrained(self) -> datetime | None:
        return self.judged.at if self.judged else None

    def as_document(self) -> dict[str, Any]:
        """Return what is kept of it: all but the task and the time, which stand beside."""
        import msgspec

        known: dict[str, Any] = msgspec.to_builtins(self)
        return {name: value for name, value in known.items() if name not in ("task", "now")}
