"""PersuasionForGood (Wang et al., ACL 2019): one person asks another for a donation. Mapping: docs/sources.md."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

from ml_pipeline.errors import DialogueError
from ml_pipeline.samples.files import Row, csv_rows, find, required
from ml_pipeline.samples.pacing import paced
from ml_pipeline.vocabulary.acts import Act
from ml_pipeline.vocabulary.dialogue import Dialogue, LateLabel, Message, Source, oldest_first
from ml_pipeline.vocabulary.tasks import CONVERSION, NEEDS, Mode, Task, TaskKind

NAME = "persuasionforgood"
DIALOGS, INFO, ANNOTATED = "full_dialog.csv", "full_info.csv", "300_dialog.csv"

OBJECTION = Task(
    "objection",
    TaskKind.MULTI_LABEL,
    ("disagreement", "negative_reaction", "neutral_reaction"),
    Mode.DETECT,
    scope="turn",
    primary_metric="macro_ap",
)
LABEL_OF_ACT = {
    "disagree-donation": "disagreement",
    "disagree-donation-more": "disagreement",
    "negative-reaction-to-donation": "negative_reaction",
    "neutral-reaction-to-donation": "neutral_reaction",
}
ACT_OF = {
    "agree-donation": Act.AGREEMENT,
    "confirm-donation": Act.AGREEMENT,
    "provide-donation-amount": Act.AGREEMENT,
    "positive-reaction-to-donation": Act.INTEREST,
    "neutral-reaction-to-donation": Act.HESITATION,
    "negative-reaction-to-donation": Act.HESITATION,
    "disagree-donation": Act.REFUSAL,
    "disagree-donation-more": Act.REFUSAL,
    "ask-org-info": Act.QUESTION,
    "ask-donation-procedure": Act.QUESTION,
    "ask-persuader-donation-intention": Act.QUESTION,
    "task-related-inquiry": Act.QUESTION,
    "personal-related-inquiry": Act.QUESTION,
    "greeting": Act.GREETING,
    "thank": Act.THANKS,
}
ROLES = {"0": "assistant", "1": "user"}  # persuader, persuadee
CUSTOMER = "1"

VALUE_CAP_USD = 2.0
"""The task paid $2 and the paper's means only come out at $2 or less: larger gifts are typing or bravado."""
LABELLED_AFTER = timedelta(hours=6)
"""When annotators are taken to have finished; the set does not say."""
LABEL_DAYS = 0.25

Key = tuple[str, str]  # turn, role


@dataclass(frozen=True, slots=True)
class Annotation:
    """What the annotated file holds for one customer turn."""

    text: str
    marks: frozenset[str]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(sorted({LABEL_OF_ACT[mark] for mark in self.marks if mark in LABEL_OF_ACT}))

    @property
    def acts(self) -> tuple[Act, ...]:
        return tuple(sorted({ACT_OF[mark] for mark in self.marks if mark in ACT_OF}))


def recognises(folder: Path) -> bool:
    """Tell whether ``folder`` looks like this set."""
    return find(folder, DIALOGS) is not None


def read(folder: Path) -> Source:
    """Return the set in ``folder``.

    Raises:
        SourceError: if a file is missing, truncated or no CSV of this set.
    """
    malformed: list[tuple[str, str]] = []
    said = _by_dialogue(folder, DIALOGS, ("B2", "B4", "Turn", "Unit"), malformed)
    people = _by_dialogue(folder, INFO, ("B2", "B4", "B6", "B7", "age.x"), malformed)
    acts = _by_dialogue(folder, ANNOTATED, ("B2", "B4", "Turn", "Unit", "ee_label_1", "ee_label_2"), malformed)
    dialogues: list[Dialogue] = []
    annotated = kept = 0
    for dialogue_id, rows in said.items():
        try:
            marks = dict(_annotations(acts.get(dialogue_id, [])))
            dialogue = _dialogue(dialogue_id, rows, people.get(dialogue_id, []), marks)
        except DialogueError as error:
            malformed.append((dialogue_id, str(error)))
            continue
        annotated += sum(len(runs) for runs in marks.values())
        kept += len(dialogue.late_labels)
        dialogues.append(dialogue)
    note = (
        f"{annotated - kept:,} of {annotated:,} annotated customer turns read otherwise in {ANNOTATED} than in "
        f"{DIALOGS} and carry no label"
    )
    tasks = (OBJECTION, NEEDS, CONVERSION)
    return Source(NAME, False, tasks, oldest_first(dialogues), tuple(malformed), (note,), label_days=LABEL_DAYS)


def annotated_acts(folder: Path) -> list[tuple[Dialogue, dict[int, tuple[Act, ...]]]]:
    """Return the annotated dialogues in ``folder``, each with the acts of its annotated turns.

    Raises:
        SourceError: if a file is missing, truncated or no CSV of this set.
    """
    said = _by_dialogue(folder, DIALOGS, ("B2", "B4", "Turn", "Unit"), [])
    marked = _by_dialogue(folder, ANNOTATED, ("B2", "B4", "Turn", "Unit", "ee_label_1", "ee_label_2"), [])
    return [
        (dialogue, {turn: mark.acts for turn, mark in _annotated(runs, dialogue.messages, marks)})
        for dialogue in read(folder).dialogues
        if (marks := dict(_annotations(marked.get(dialogue.conversation_id, []))))
        and (runs := list(_runs(said[dialogue.conversation_id])))
    ]


def _by_dialogue(
    folder: Path, name: str, columns: tuple[str, ...], malformed: list[tuple[str, str]]
) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for line, row in csv_rows(required(folder, name), columns):
        if row["B2"]:
            found[row["B2"]].append(row)
        else:
            malformed.append((f"{name} line {line}", "the row names no dialogue (B2 is empty)"))
    return found


def _dialogue(
    dialogue_id: str, rows: Sequence[Row], people: Sequence[Row], marks: dict[Key, list[Annotation]]
) -> Dialogue:
    runs = list(_runs(rows))
    customer = next((row for row in people if row["B4"] == CUSTOMER), None)
    if customer is None:
        raise DialogueError(f"{INFO} has no persuadee (B4 = {CUSTOMER}) for it")
    turns = len({turn for (turn, _), _ in runs})
    if turns < _number(customer, "B7"):
        raise DialogueError(f"it has {turns} turns where {INFO} counts {customer['B7']}")
    messages = paced(_started_at(dialogue_id), ((ROLES[role], _text(units)) for (_, role), units in runs))
    given = _number(customer, "B6")
    return Dialogue(
        conversation_id=dialogue_id,
        messages=messages,
        outcome="converted" if given > 0 else "completed",
        metrics={
            "conversion_value": min(given, VALUE_CAP_USD),
            "currency": "USD",
            "duration_seconds": (messages[-1].at - messages[0].at).total_seconds(),
            "message_count": len(messages),
        },
        context={"platform": "web", "language": "en"} | _age(customer),
        late_labels=tuple(_labels(runs, messages, marks)),
    )


def _runs(rows: Sequence[Row]) -> Iterator[tuple[Key, list[Row]]]:
    """Yield the units that one role said within one turn."""
    for row in rows:
        if row["B4"] not in ROLES or row["Unit"] is None:
            raise DialogueError(f"a row has role B4 = {row['B4']!r} and text {row['Unit']!r}; known roles are 0 and 1")
        _number(row, "Turn")
    for key, units in groupby(rows, key=lambda row: (row["Turn"], row["B4"])):
        yield key, list(units)


def _started_at(dialogue_id: str) -> datetime:
    try:
        return datetime.strptime(dialogue_id.removeprefix("BAD_")[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise DialogueError("its id does not start with a time (yyyymmdd-hhmmss)") from error


def _number(row: Row, column: str) -> float:
    try:
        number = float(row[column])
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise DialogueError(f"{column} is {row[column]!r}, no number")
    return number


def _age(customer: Row) -> dict[str, dict[str, int]]:
    return {"customer_data": {"age": int(_number(customer, "age.x"))}} if customer["age.x"] else {}


def _text(units: Sequence[Row]) -> str:
    return " ".join(unit["Unit"].strip() for unit in units)


def _annotations(rows: Sequence[Row]) -> Iterator[tuple[Key, list[Annotation]]]:
    """Yield what annotators read and marked per customer turn; some turns are split into several runs there."""
    runs: dict[Key, list[Annotation]] = defaultdict(list)
    for key, units in _runs(rows):
        if key[1] == CUSTOMER:
            marks = {unit[column] for unit in units for column in ("ee_label_1", "ee_label_2") if unit[column]}
            runs[key].append(Annotation(_text(units), frozenset(marks)))
    yield from runs.items()


def _labels(
    runs: Sequence[tuple[Key, list[Row]]], messages: Sequence[Message], marks: dict[Key, list[Annotation]]
) -> Iterator[LateLabel]:
    for index, annotation in _annotated(runs, messages, marks):
        yield LateLabel("objection", annotation.labels, "human", messages[-1].at + LABELLED_AFTER, turn=index)


def _annotated(
    runs: Sequence[tuple[Key, list[Row]]], messages: Sequence[Message], marks: dict[Key, list[Annotation]]
) -> Iterator[tuple[int, Annotation]]:
    """Yield the turns whose annotated text is this text, letter by letter: no other turn index is exact."""
    for index, (key, _) in enumerate(runs):
        spoken = _letters(messages[index].content)
        match = next((mark for mark in marks.get(key, ()) if _letters(mark.text) == spoken), None)
        if match is not None:
            yield index, match


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())
