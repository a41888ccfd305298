"""What every trigger holds. Each kind adds its own fields (``ml_pipeline/models/triggers/kinds``)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from ml_pipeline.models.triggers.standing import Standing
from ml_pipeline.vocabulary.tasks import Task

Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,59}$")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
# Bounded, so that neither nan nor inf passes: with either, a trigger would be silent for ever.
Figure = Annotated[float, msgspec.Meta(ge=0, lt=1e9)]
Count = Annotated[int, msgspec.Meta(ge=1, lt=1_000_000_000)]
Priority = Literal["low", "normal", "high"]


class State(StrEnum):
    """``UNKNOWN``: too little is known to say. ``UNREADABLE``: the trigger itself is broken."""

    FIRED = "fired"
    QUIET = "quiet"
    UNKNOWN = "unknown"
    UNREADABLE = "unreadable"


class Hope(StrEnum):
    """What retraining would bring: ``MORE_DATA`` of the same kind, what came of a ``CHANGE``, or only a ``WISH``."""

    MORE_DATA = "more data"
    CHANGE = "change"
    WISH = "wish"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a trigger says. ``known_at``: since when that could be known; None: only now, and anew at every look."""

    state: State
    headline: str
    known_at: datetime | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


class Trigger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """One trigger. For ``cool_down_hours`` after a gate of the task it asks for nothing.

    ``tasks``: names, or names with their mode; ``*`` is every task.
    """

    hope: ClassVar[Hope]

    name: Name
    description: Text
    tasks: tuple[str, ...] = ("*",)
    cool_down_hours: Figure = 24.0
    priority: Priority = "normal"
    disabled: bool = False

    def is_about(self, task: Task) -> bool:
        return bool({"*", task.name, f"{task.name}.{task.mode}"} & set(self.tasks))

    def judge(self, standing: Standing) -> Finding:
        raise NotImplementedError
