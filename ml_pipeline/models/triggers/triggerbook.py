"""The shipped triggers and the operator's own, from documents."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from ml_pipeline.errors import RuleError
from ml_pipeline.models.triggers.decision import Said
from ml_pipeline.models.triggers.kinds.age import Age
from ml_pipeline.models.triggers.kinds.asked import Asked
from ml_pipeline.models.triggers.kinds.calibration import Calibration
from ml_pipeline.models.triggers.kinds.change_point import ChangePoint
from ml_pipeline.models.triggers.kinds.drift import DriftFound
from ml_pipeline.models.triggers.kinds.labels import Labels
from ml_pipeline.models.triggers.kinds.performance import Performance
from ml_pipeline.models.triggers.kinds.schedule import Schedule
from ml_pipeline.models.triggers.standing import Standing

AnyTrigger: TypeAlias = Schedule | Labels | Age | Performance | Calibration | ChangePoint | DriftFound | Asked
Document: TypeAlias = Mapping[str, Any]

SHIPPED = Path(__file__).with_name("triggers.toml")


@dataclass(frozen=True, slots=True)
class Triggerbook:
    """The triggers in force, by name, and why each of the others cannot be read."""

    triggers: Mapping[str, AnyTrigger]
    unreadable: Mapping[str, str]

    def judge(self, standing: Standing) -> Said:
        """Return what every trigger that is about the task says of it."""
        about = [trigger for trigger in self.triggers.values() if trigger.is_about(standing.task)]
        return [(trigger, trigger.judge(standing)) for trigger in about]


def read_triggers(own: Iterable[Document] = ()) -> Triggerbook:
    """Return the shipped triggers with the operator's ``own`` over them.

    One with the name of a shipped trigger replaces the fields it gives; ``disabled = true`` takes a trigger out.
    """
    documents = {document["name"]: document for document in shipped_documents()}
    for place, document in enumerate(own):
        name = str(document.get("name", f"retraining_triggers[{place}]"))
        documents[name] = {**documents.get(name, {}), **document}
    triggers: dict[str, AnyTrigger] = {}
    unreadable: dict[str, str] = {}
    for name, document in documents.items():
        try:
            trigger = read_trigger(name, document)
        except RuleError as error:
            unreadable[name] = str(error)
        else:
            if not trigger.disabled:
                triggers[name] = trigger
    return Triggerbook(triggers, unreadable)


def shipped_documents() -> list[dict[str, Any]]:
    triggers: list[dict[str, Any]] = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))["triggers"]
    return triggers


def read_trigger(name: str, document: Document) -> AnyTrigger:
    """Return the trigger that a document holds.

    Raises:
        RuleError: naming trigger, field and value, if it holds none.
    """
    try:
        trigger: AnyTrigger = msgspec.convert(document, AnyTrigger)
    except msgspec.ValidationError as error:
        field = re.search(r"at `\$\.(\w+)", str(error))
        given = f" is {document[field.group(1)]!r}" if field else ""
        raise RuleError(f"retraining trigger {name}: {error}{given}; see docs/retraining.md") from error
    return trigger
