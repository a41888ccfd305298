"""The labelled messages of tests/redaction_set: what they hold, and which of it redaction found."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from ml_pipeline.online.redaction import Hint, asked_for, customer_names, redact
from ml_pipeline.vocabulary.dialogue import Message
from ml_pipeline.vocabulary.estimate import Estimate

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "redaction_set"
PARTS = ("dev", "held_out")
_PLACEHOLDER = re.compile(r"<[A-Z_]+>")
_TOKEN = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Row:
    """One message; ``spans``: what must not survive, as (start, end, entity)."""

    language: str
    manner: str
    text: str
    spans: tuple[tuple[int, int, str], ...]
    names: tuple[str, ...]
    asked: str

    def redacted(self, *, language_known: bool) -> str:
        return redact(self.text, Hint(self.language if language_known else "", self.names, self.asked))


@dataclass(frozen=True)
class Found:
    """One span of a row, and whether redaction left no word of it."""

    row: Row
    entity: str
    text: str
    found: bool


def rows(part: str) -> list[Row]:
    with (FOLDER / f"{part}.jsonl").open(encoding="utf-8") as file:
        return [_row(json.loads(line)) for line in file]


def found(row: Row, redacted: str) -> list[Found]:
    """Return every span of ``row``; found is one of which no word or digit group stands in ``redacted``.

    A word that the message also says outside its spans may stand there as often as it is said there.
    """
    survived = Counter(_tokens(_PLACEHOLDER.sub(" ", redacted)))
    allowed = Counter(_tokens(_outside(row)))
    return [
        Found(row, entity, said, all(survived[token] <= allowed[token] for token in _tokens(said)))
        for said, entity in ((row.text[start:end], entity) for start, end, entity in row.spans)
    ]


def all_found(labelled: Iterable[Row], *, language_known: bool) -> list[Found]:
    return [span for row in labelled for span in found(row, row.redacted(language_known=language_known))]


def share(held: Sequence[bool]) -> Estimate:
    """Return the share of ``held`` that is true, with its Wilson interval at 95 %."""
    count, z = len(held), 1.959964
    value = sum(held) / count
    middle = (value + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * sqrt(value * (1 - value) / count + z * z / (4 * count * count))
    return Estimate(value, max(0.0, middle - half), min(1.0, middle + half))


def touched(messages: Sequence[Message], language: str) -> list[bool]:
    """Tell of each message of a dialogue whether redaction changes it, knowing what was said just before it."""
    changed, asked = [], ""
    for message in messages:
        customer = message.role == "user"
        changed.append(redact(message.content, Hint(language, (), asked if customer else "")) != message.content)
        asked = "" if customer else asked_for(message.content)
    return changed


def _row(line: dict[str, Any]) -> Row:
    return Row(
        line["language"],
        line["manner"],
        line["text"],
        tuple((span["start"], span["end"], span["entity"]) for span in line["spans"]),
        customer_names(line["customer_data"]),
        asked_for(line["agent"]) if line["agent"] else "",
    )


def _outside(row: Row) -> str:
    pieces, place = [], 0
    for start, end, _ in row.spans:
        pieces.append(row.text[place:start])
        place = end
    return " ".join([*pieces, row.text[place:]])


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.casefold())
