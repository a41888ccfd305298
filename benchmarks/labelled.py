"""Dialogues of a source as training takes them: what the online module would have recorded, and what is true."""

from collections.abc import Iterator

from ml_pipeline.models.conversations import LabelledConversation, Spoken, Truth
from ml_pipeline.online.context import read_context
from ml_pipeline.vocabulary.dialogue import Dialogue, Source
from ml_pipeline.vocabulary.tasks import Task


def labelled_conversations(source: Source, task: Task) -> Iterator[LabelledConversation]:
    for dialogue in source.dialogues:
        context = read_context(dialogue.context, "").features
        spoken = tuple(
            Spoken(turn, said.role, said.content, context=context) for turn, said in enumerate(dialogue.messages)
        )
        if truths := dict(_truths(dialogue, task)):
            yield LabelledConversation(
                dialogue.conversation_id, dialogue.conversation_id, dialogue.started_at, spoken, truths
            )


def _truths(dialogue: Dialogue, task: Task) -> Iterator[tuple[int | None, Truth]]:
    if task.name == "conversion":
        yield None, Truth(("sold",) if dialogue.outcome == "converted" else (), "agent", dialogue.ended_at)
    for label in dialogue.late_labels:
        if label.task == task.name:
            yield label.turn, Truth(label.labels, label.source, label.at)
