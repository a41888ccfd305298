"""Dialogues of a source as training takes them: what the online module would have recorded, and what is true."""

from collections.abc import Iterable, Iterator, Mapping

from ml_pipeline.models.conversations import LabelledConversation, Spoken, Truth
from ml_pipeline.online.context import read_context
from ml_pipeline.vocabulary.dialogue import Dialogue, Source
from ml_pipeline.vocabulary.tasks import Mode, Task


def labelled_conversations(source: Source, task: Task) -> Iterator[LabelledConversation]:
    return labelled(source.dialogues, task)


def labelled(dialogues: Iterable[Dialogue], task: Task, suffix: str = "") -> Iterator[LabelledConversation]:
    """Yield those with a truth; ``suffix`` makes another conversation of the same customer out of each."""
    for dialogue in dialogues:
        context = read_context(dialogue.context, "").features
        spoken = tuple(
            Spoken(turn, said.role, said.content, context=context) for turn, said in enumerate(dialogue.messages)
        )
        truths = dict(_truths(dialogue, task))
        if task.mode is Mode.ANTICIPATE and task.scope == "turn":
            turns = [said.turn for said in spoken if said.role == "user"]
            truths = dict(_to_come(truths, turns, task.horizon))
        if truths:
            name = dialogue.conversation_id
            yield LabelledConversation(name + suffix, name, dialogue.started_at, spoken, truths)


def _truths(dialogue: Dialogue, task: Task) -> Iterator[tuple[int | None, Truth]]:
    if task.name == "conversion":
        yield None, Truth(("sold",) if dialogue.outcome == "converted" else (), "agent", dialogue.ended_at)
    for label in dialogue.late_labels:
        if label.task == task.name:
            yield label.turn, Truth(label.labels, label.source, label.at)


def _to_come(truths: Mapping[int | None, Truth], turns: list[int], horizon: int) -> Iterator[tuple[int | None, Truth]]:
    """Yield what is said in the next ``horizon`` customer turns after each, where all of them are labelled."""
    for place, turn in enumerate(turns):
        ahead = [truths.get(later) for later in turns[place + 1 : place + 1 + horizon]]
        if ahead and all(ahead):
            known = [truth for truth in ahead if truth]
            labels = tuple(sorted({label for truth in known for label in truth.labels}))
            yield turn, Truth(labels, known[0].source, known[-1].learnt_at)
