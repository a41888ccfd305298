"""Labels of the lowest rank, derived from acts: what goes into the log of a tagged turn."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ml_pipeline.online.ids import event_id
from ml_pipeline.vocabulary.acts import ACT_PREFIX, Act
from ml_pipeline.vocabulary.events import CATEGORIES, LABEL
from ml_pipeline.vocabulary.tasks import LabelSource, Task

WRITER = uuid.uuid5(uuid.NAMESPACE_URL, "ml_pipeline/tag_acts")
"""Under whom derived labels are counted."""

Line = dict[str, Any]
"""What ``append_events`` takes, all but writer and sequence."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """The acts of a customer turn and the tagger that read them; ``event_id`` is the turn's own event."""

    conversation_id: str
    turn: int
    at: datetime
    event_id: str
    source: str
    tagger: str
    acts: frozenset[Act] = frozenset()

    @property
    def key(self) -> tuple[str, int]:
        return self.conversation_id, self.turn


def derivable(tasks: Sequence[Task]) -> list[Task]:
    """Return the tasks whose every label is an act: only of these a turn without any has none.

    >>> from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS
    >>> [task.name for task in derivable(DEFAULT_TASKS)]
    ['objection', 'needs']
    """
    known = frozenset(map(str, Act))
    return [
        task
        for task in tasks
        if task.name in ACT_PREFIX
        and task.scope == "turn"
        and all(ACT_PREFIX[task.name] + label in known for label in task.labels)
    ]


def label_lines(tagged: Tagged, before: Tagged | None, tasks: Sequence[Task]) -> Iterator[Line]:
    """Yield the label events of a turn; ``before`` is how it was tagged last.

    Equal turn, task, tagger and labels, equal id. What says nothing new is left out, what says otherwise names the
    event it supersedes.
    """
    for task in derivable(tasks):
        line = _line(tagged, task)
        earlier = _line(before, task) if before else None
        if earlier is None:
            yield line
        elif earlier["id"] != line["id"]:
            yield line | {"data": line["data"] | {"supersedes": earlier["id"]}}


def _line(tagged: Tagged, task: Task) -> Line:
    prefix = ACT_PREFIX[task.name]
    labels = [label for label in task.labels if prefix + label in tagged.acts]
    at = tagged.at
    return {
        "id": event_id(at, "derived", tagged.event_id, task.name, tagged.tagger, *labels),
        "conversation_id": tagged.conversation_id,
        "event_type": LABEL,
        "event_category": CATEGORIES[LABEL],
        "timestamp": at.isoformat(),
        "data": {
            "task": task.name,
            "labels": labels,
            "source": LabelSource.DERIVED,
            "turn": tagged.turn,
            "tagger": tagged.tagger,
        },
        "source": tagged.source,
    }
