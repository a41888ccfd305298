"""CaSiNo (Chawla et al., NAACL 2021): two campers bargain over food, water and firewood. Mapping: docs/sources.md."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ml_pipeline.errors import DialogueError, SourceError
from ml_pipeline.samples.files import find, json_document, required
from ml_pipeline.samples.pacing import paced
from ml_pipeline.vocabulary.dialogue import Dialogue, LateLabel, Message, Source, oldest_first
from ml_pipeline.vocabulary.tasks import CONVERSION, OBJECTION, Mode, Task, TaskKind

NAME = "casino"
SPLITS = ("casino_train.json", "casino_valid.json", "casino_test.json")

STRATEGIES = (
    "small-talk",
    "self-need",
    "other-need",
    "no-need",
    "elicit-pref",
    "uv-part",
    "vouch-fair",
    "promote-coordination",
    "showing-empathy",
)
NEEDS = Task("needs", TaskKind.MULTI_LABEL, STRATEGIES, Mode.DETECT, scope="turn", primary_metric="macro_ap")
VALUED_ITEM = Task(
    "valued_item",
    TaskKind.MULTI_LABEL,
    ("food", "water", "firewood"),
    Mode.DETECT,
    scope="conversation",
    primary_metric="macro_ap",
)
BUTTONS = ("Submit-Deal", "Accept-Deal", "Reject-Deal", "Walk-Away")
SATISFACTION = {
    "Extremely dissatisfied": 1,
    "Slightly dissatisfied": 2,
    "Undecided": 3,
    "Slightly satisfied": 4,
    "Extremely satisfied": 5,
}

MOST_POINTS = 36  # three items each at 5, 4 and 3

FIRST_DAY = datetime(2020, 6, 1, tzinfo=UTC)  # a Monday; the set carries no time at all
DAYS = 60
OPENS_AT = timedelta(hours=9)
OPEN_FOR = timedelta(hours=9)
LABELLED_AFTER = timedelta(hours=6)
LABEL_DAYS = 0.25


def recognises(folder: Path) -> bool:
    """Tell whether ``folder`` looks like this set."""
    return any(find(folder, name) for name in SPLITS)


def read(folder: Path) -> Source:
    """Return the set in ``folder``: train, valid, test, each by dialogue id, spread over 60 days of working hours.

    Raises:
        SourceError: if a file is missing, truncated or no JSON of this set.
    """
    entries = [entry for name in SPLITS for entry in _entries(required(folder, name))]
    read: dict[str, Dialogue] = {}
    malformed: list[tuple[str, str]] = []
    for place, entry in enumerate(entries):
        name = _name(entry)
        if name in read:
            malformed.append((name, "its dialogue_id stands there twice; the first one counts"))
            continue
        try:
            read[name] = _dialogue(entry, _start(place, len(entries)))
        except DialogueError as error:
            malformed.append((name, str(error)))
    dialogues = list(read.values())
    labelled = [sum(label.task == NEEDS.name for label in dialogue.late_labels) for dialogue in dialogues]
    tasks = (OBJECTION, NEEDS, VALUED_ITEM, CONVERSION)
    notes = (
        "the set carries no times: days and hours are synthetic",
        f"{sum(map(bool, labelled)):,} dialogues are annotated: {sum(labelled):,} customer turns carry strategies",
    )
    return Source(NAME, False, tasks, oldest_first(dialogues), tuple(malformed), notes, label_days=LABEL_DAYS)


def other_side(folder: Path) -> list[Dialogue]:
    """Return the dialogues in ``folder`` as whoever opened them hears them: the other one is the agent.

    Both bargain alike and both are annotated. What is known of the person, and how it ended, is left out.

    Raises:
        SourceError: if a file is missing, truncated or no JSON of this set.
    """
    entries = [entry for name in SPLITS for entry in _entries(required(folder, name))]
    annotations = {_name(entry): entry["annotations"] for entry in reversed(entries)}
    return [_mirrored(dialogue, annotations[dialogue.conversation_id]) for dialogue in read(folder).dialogues]


def _mirrored(dialogue: Dialogue, annotations: Sequence[tuple[str, str]]) -> Dialogue:
    other = {"user": "assistant", "assistant": "user"}
    messages = tuple(replace(message, role=other[message.role]) for message in dialogue.messages)
    needs = tuple(_needs(annotations, messages))
    return replace(dialogue, messages=messages, context={"platform": "web", "language": "en"}, late_labels=needs)


def _entries(path: Path) -> list[Any]:
    document = json_document(path)
    if not isinstance(document, list):
        raise SourceError(f"{path} holds no list of dialogues; is it the right file?")
    return sorted(document, key=_order)


def _order(entry: Any) -> tuple[bool, int]:
    number = entry.get("dialogue_id") if isinstance(entry, dict) else None
    return (False, number) if isinstance(number, int) else (True, 0)


def _name(entry: Any) -> str:
    return f"casino-{entry.get('dialogue_id')}" if isinstance(entry, dict) else f"casino: {type(entry).__name__}"


def _start(place: int, total: int) -> datetime:
    """Return when the dialogue at ``place`` starts: the same number a day, evenly over the open hours."""
    day, within = divmod(place * DAYS / total, 1)
    return FIRST_DAY + timedelta(days=day) + OPENS_AT + timedelta(seconds=round(OPEN_FOR.total_seconds() * within))


def _dialogue(entry: Any, start: datetime) -> Dialogue:
    try:
        return _mapped(entry, start)
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise DialogueError(f"a field is missing or has another type ({type(error).__name__}: {error})") from error


def _mapped(entry: Mapping[str, Any], start: datetime) -> Dialogue:
    log: Sequence[Mapping[str, Any]] = entry["chat_logs"]
    said = [line for line in log if line["text"] not in BUTTONS]
    agent = said[0]["id"]
    customer = next((name for name in entry["participant_info"] if name != agent), None)
    if customer is None or {line["id"] for line in said} != {agent, customer}:
        raise DialogueError("it does not have two participants who both speak")
    if log[-1]["text"] not in ("Accept-Deal", "Walk-Away"):
        raise DialogueError(f"it ends neither in a deal nor in a walk-away but in {log[-1]['text'][:40]!r}")
    is_deal = log[-1]["text"] == "Accept-Deal"
    seller, buyer = (entry["participant_info"][name] for name in (agent, customer))
    messages = paced(start, (("assistant" if line["id"] == agent else "user", line["text"]) for line in said))
    return Dialogue(
        conversation_id=_name(entry),
        messages=messages,
        outcome="converted" if is_deal else "abandoned",
        metrics={
            "conversion_value": _points(seller) if is_deal else 0,
            "satisfaction": SATISFACTION[buyer["outcomes"]["satisfaction"]],
            "duration_seconds": (messages[-1].at - messages[0].at).total_seconds(),
            "message_count": len(messages),
        },
        context={"platform": "web", "language": "en", "customer_data": {"age": int(buyer["demographics"]["age"])}},
        late_labels=(*_needs(entry["annotations"], messages), _valued_item(buyer, messages)),
    )


def _points(participant: Mapping[str, Any]) -> int:
    points = int(participant["outcomes"]["points_scored"])
    if not 0 < points <= MOST_POINTS:
        raise DialogueError(f"a deal gave {points} points; it gives 1 to {MOST_POINTS}")
    return points


def _needs(annotations: Sequence[tuple[str, str]], messages: Sequence[Message]) -> Iterator[LateLabel]:
    """Yield the strategies of each annotated customer turn, none of them included; annotations follow the text's order.

    Three dialogues miss the annotation of one message, so an annotation belongs to the next message that reads so.
    """
    index = -1
    for text, strategies in annotations:
        index = next((turn for turn in range(index + 1, len(messages)) if messages[turn].content == text), -1)
        if index < 0:
            raise DialogueError(f"its annotation {text[:40]!r} stands at no message in this order")
        if messages[index].role == "user":
            named = set(strategies.split(","))
            labels = tuple(name for name in STRATEGIES if name in named)
            yield LateLabel(NEEDS.name, labels, "human", messages[-1].at + LABELLED_AFTER, turn=index)


def _valued_item(buyer: Mapping[str, Any], messages: Sequence[Message]) -> LateLabel:
    item = buyer["value2issue"]["High"].lower()
    if item not in VALUED_ITEM.labels:
        raise DialogueError(f"its customer values {item[:40]!r} most, which is none of {', '.join(VALUED_ITEM.labels)}")
    return LateLabel(VALUED_ITEM.name, (item,), "human", messages[-1].at + LABELLED_AFTER)
