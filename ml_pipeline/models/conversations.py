"""What facts hold of a conversation, as far as training needs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Spoken:
    """One message; ``context`` is what features saw of it, where a prediction was made there."""

    turn: int
    role: str
    content: str
    is_trusted: bool = True
    context: Mapping[str, str] = field(default_factory=dict)
    stored_digest: str | None = None  # of the features a prediction was made from, if of this revision


@dataclass(frozen=True, slots=True)
class Truth:
    labels: tuple[str, ...]
    source: str
    learnt_at: datetime


@dataclass(frozen=True, slots=True)
class Arm:
    """What a conversation got of an experiment, and how likely that was."""

    experiment: str
    name: str
    propensity: float


@dataclass(frozen=True, slots=True)
class LabelledConversation:
    """What facts hold of one conversation; ``truths`` by turn, under None where one holds for all of it.

    ``is_seen_before``: its customer was known at the cut-off.
    """

    conversation_id: str
    customer_group: str
    started_at: datetime
    spoken: tuple[Spoken, ...]
    truths: Mapping[int | None, Truth] = field(default_factory=dict)
    is_truth_trusted: bool = True
    is_seen_before: bool = False
    arms: tuple[Arm, ...] = ()
