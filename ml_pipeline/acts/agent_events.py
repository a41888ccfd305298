"""Acts that the agent tells by events of its own, such as ``track_event(c, "objection_detected", {"type": "price"})``.

Which words mean which act stands in docs/acts.md. What cannot be read tells nothing: the tagger reads the turn then.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ml_pipeline.online.figures import read_probability
from ml_pipeline.online.predicting.shapes import read_section
from ml_pipeline.vocabulary.acts import ACT_PREFIX, TELLS_ACT, TELLS_LABELS, Act
from ml_pipeline.vocabulary.tasks import CALLER, NEEDS, OBJECTION, Task

_TASKS = {task.name: task for task in (OBJECTION, NEEDS)}
_VERSION = ("version", "model_version")


@dataclass(frozen=True, slots=True)
class Told:
    """What one event of the agent says of a customer turn; ``is_heeded``: an act was read from it before."""

    event_id: str
    conversation_id: str
    turn: int
    is_heeded: bool
    acts: Mapping[Act, float]

    @property
    def key(self) -> tuple[str, int]:
        return self.conversation_id, self.turn


def read_event(event_type: str, data: Any) -> dict[Act, float]:
    """Return the acts that one of the telling events tells, each with the agent's confidence, 1 where it gives none.

    What a version of ours found is no word of the agent's: a model is not to be judged by what it said itself.

    >>> read_event("objection_detected", {"objection_type": "Price", "confidence": 0.8})
    {<Act.OBJECTION_PRICE: 'objection_price'>: 0.8}
    >>> read_event("objection_detected", {"type": "price", "version": "objection.detect/3"})
    {}
    """
    fields = data if isinstance(data, dict) else {}
    if any(fields.get(key) not in (None, CALLER) for key in _VERSION):
        return {}
    confidence = read_probability(fields.get("confidence"))
    if event_type in TELLS_ACT:
        return {TELLS_ACT[event_type]: 1.0 if confidence is None else confidence}
    return dict(_labelled(fields, _TASKS[TELLS_LABELS[event_type]], confidence))


def _labelled(fields: Mapping[str, Any], task: Task, confidence: float | None) -> Iterator[tuple[Act, float]]:
    singular = task.name.removesuffix("s")
    for key in (f"{singular}s", singular, f"{singular}_type", "type", "label", "labels"):
        if fields.get(key) is not None:
            answer = read_section(fields[key], task, _unheard, confidence)
            held = answer.labels if answer else ()
            yield from ((Act(ACT_PREFIX[task.name] + label), answer.probabilities[label]) for label in held if answer)
            return


def _unheard(_reason: str) -> None:
    """Take no note: the event stays in the log as it is."""
