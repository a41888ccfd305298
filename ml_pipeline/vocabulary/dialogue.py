from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """One turn as the agent saw it. ``role``: ``user`` is the customer, ``assistant`` the agent."""

    role: str
    content: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LateLabel:
    """Truth learnt ``at`` some time, about ``turn`` (None: the whole conversation)."""

    task: str
    labels: tuple[str, ...]
    source: str
    at: datetime
    turn: int | None = None
    value: float | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One conversation of a source, in the source's own time; ``predictions`` are what its agent answered, by turn."""

    conversation_id: str
    messages: tuple[Message, ...]
    outcome: str
    metrics: dict[str, Any]
    context: dict[str, Any] = field(default_factory=dict)
    phases: tuple[str, ...] = ()
    late_labels: tuple[LateLabel, ...] = ()
    predictions: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def started_at(self) -> datetime:
        return self.messages[0].at
