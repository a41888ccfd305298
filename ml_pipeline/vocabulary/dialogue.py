from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ml_pipeline.vocabulary.tasks import Task


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
    """One conversation of a source, in the source's own time; ``predictions`` are what its agent answered, by turn.

    ``phases`` holds the agent's phase at each message, or nothing where the source knows none.
    """

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

    @property
    def ended_at(self) -> datetime:
        return self.messages[-1].at

    @property
    def last_event_at(self) -> datetime:
        """The time of the last thing known of it, late labels included."""
        return max([self.ended_at, *(label.at for label in self.late_labels)])


@dataclass(frozen=True, slots=True)
class Source:
    """Conversations to replay, oldest first, with the tasks they can teach.

    ``malformed``: (id, reason) of each conversation left out. ``notes``: what a reader of figures should know.
    ``outcome_days``: so long after its start how a conversation ended is final; ``label_days``: so long after its last
    turn nobody labels it any more.
    """

    name: str
    is_simulated: bool
    tasks: tuple[Task, ...]
    dialogues: tuple[Dialogue, ...]
    malformed: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    outcome_days: int = 1
    label_days: float = 1.0

    @property
    def last_event_at(self) -> datetime:
        return max(dialogue.last_event_at for dialogue in self.dialogues)


def oldest_first(dialogues: list[Dialogue]) -> tuple[Dialogue, ...]:
    """Return the dialogues in order of their start, ties by id."""
    return tuple(sorted(dialogues, key=lambda dialogue: (dialogue.started_at, dialogue.conversation_id)))
