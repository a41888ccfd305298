"""The statements of the act tagger. Nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ml_pipeline.acts.agent_events import Told, read_event
from ml_pipeline.acts.derived import WRITER, Line, Tagged
from ml_pipeline.acts.document import TaggerDocument, decode, encode, rules_only
from ml_pipeline.acts.tagger import Reading, Said
from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.vocabulary.acts import TELLING_EVENTS, Act
from ml_pipeline.vocabulary.verdicts import GateVerdict

HOUR = timedelta(hours=1)
EVENTS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class ToRead:
    """A customer turn that waits; ``before``: how it was read last."""

    said: Said
    tagged: Tagged
    before: Tagged | None


@dataclass(frozen=True, slots=True)
class Read:
    """A turn that was read; ``told_by``: the event of the agent that told an act of it."""

    tagged: Tagged
    readings: dict[Act, Reading]
    told_by: dict[Act, str]


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of one day, in order, that are read in one transaction; ``low`` and ``high`` lie an hour around."""

    hours: tuple[datetime, ...]

    @property
    def bounds(self) -> dict[str, datetime]:
        return {"low": self.hours[0] - HOUR, "high": self.hours[-1] + 2 * HOUR}


def lock(tx: Transaction, name: str = "tag_acts") -> None:
    """Wait until no other transaction tags, or trains."""
    queries("acts").lock(tx, name=name)


def take_hours(tx: Transaction) -> tuple[int, Hours | None]:
    """Take the trusted hours of a day off the list; return how many, and those in which turns may have changed."""
    rows = list(queries("acts").take_hours(tx))
    changed = tuple(row["hour"] for row in rows if row["is_read_again"])
    return len(rows), Hours(changed) if changed else None


def untrusted_hours(tx: Transaction) -> int:
    """Return how many changed hours wait for their verdict."""
    return int(queries("acts").untrusted_hours(tx))


def retag_hours(tx: Transaction, tagger: str, from_at: datetime) -> Hours | None:
    """Return the trusted hours that another tagger read, of the first day from ``from_at`` on; None without any."""
    hours = tuple(row["hour"] for row in queries("acts").retag_hours(tx, tagger=tagger, from_at=from_at))
    return Hours(hours) if hours else None


def told(tx: Transaction, hours: Hours) -> list[Told]:
    """Return what the agent told of acts in and around these hours."""
    rows = queries("acts").told(tx, **hours.bounds, event_types=list(TELLING_EVENTS))
    return [
        Told(row["event_id"], row["conversation_id"], row["turn"], row["is_heeded"], acts)
        for row in rows
        if row["turn"] is not None and (acts := read_event(row["event_type"], row["data"]))
    ]


def turns_to_read(
    tx: Transaction, hours: Hours, telling: Sequence[Told], tagger: str, *, is_retag: bool = False
) -> list[ToRead]:
    """Return the customer turns that nobody has read as they are, and those of which something new was told."""
    named = queries("acts")
    these = {**hours.bounds, "hours": list(hours.hours)}
    moved = {(row["conversation_id"], row["turn"]): row for row in named.forget_orphans(tx, **these)}
    news = [each for each in telling if not each.is_heeded]
    rows = named.turns_to_read(
        tx,
        **these,
        told_in=[each.conversation_id for each in news],
        told_turns=[each.turn for each in news],
        tagger=tagger,
        is_retag=is_retag,
    )
    return [_to_read(row, moved.get((row["conversation_id"], row["turn"])), tagger) for row in rows]


def _to_read(row: dict[str, Any], moved: dict[str, Any] | None, tagger: str) -> ToRead:
    now = Tagged(row["conversation_id"], row["turn"], row["at"], row["event_id"], row["source"], tagger)
    earlier = row if row["tagger"] else moved
    before = _earlier(now, earlier) if earlier else None
    return ToRead(Said(row["content"], row["previous"], row["language"]), now, before)


def _earlier(now: Tagged, row: dict[str, Any]) -> Tagged:
    acts = frozenset(map(Act, row["acts"]))
    return replace(now, at=row["at"], event_id=row["event_id"], tagger=row["tagger"], acts=acts)


def replace_acts(tx: Transaction, hours: Hours, read: Sequence[Read]) -> int:
    """Write the acts of these turns in place of those they had, and name the hours concerned; return how many rows."""
    named = queries("acts")
    touched = sorted({each.tagged.at.replace(minute=0, second=0, microsecond=0) for each in read})
    conversations = [each.tagged.conversation_id for each in read]
    rows = [_row(each, act, reading) for each in read for act, reading in each.readings.items()]
    named.ensure_partitions(tx, hours=touched)
    named.forget_acts(tx, **hours.bounds, conversations=conversations, turns=[each.tagged.turn for each in read])
    named.record_acts(tx, rows=msgspec.json.encode(rows).decode())
    named.announce(tx, hours=touched, conversations=list(set(conversations)))
    return len(rows)


def _row(read: Read, act: Act, reading: Reading) -> dict[str, Any]:
    tagged = read.tagged
    return {
        "conversation_id": tagged.conversation_id,
        "turn": tagged.turn,
        "act": act,
        "at": tagged.at,
        "source": reading.source,
        "probability": reading.probability,
        "tagger": tagged.tagger,
        "event_id": read.told_by.get(act, tagged.event_id),
        "turn_event_id": tagged.event_id,
    }


def append(tx: Transaction, lines: Sequence[Line]) -> int:
    """Send label events through the door, numbered on from the last; return how many the log did not hold yet."""
    named = queries("acts")
    stored = 0
    for start in range(0, len(lines), EVENTS_AT_ONCE):
        first = int(named.shipped_sequence(tx, writer=str(WRITER))) + 1
        batch = [
            line | {"writer": str(WRITER), "sequence": first + place}
            for place, line in enumerate(lines[start : start + EVENTS_AT_ONCE])
        ]
        stored += named.append(tx, batch=msgspec.json.encode(batch).decode())["stored"]
    return stored


def languages(tx: Transaction, conversations: Sequence[str]) -> dict[str, str]:
    """Return the language of each conversation of which it is known."""
    rows = queries("acts").languages(tx, ids=list(conversations))
    return {row["conversation_id"]: row["language"] for row in rows}


def current_tagger(tx: Transaction) -> TaggerDocument:
    """Return the document of the tagger that reads, the rules alone where no other was promoted."""
    row = queries("acts").current_tagger(tx)
    return decode(bytes(row["document"]), row["digest"]) if row else rules_only()


def next_version(tx: Transaction) -> str:
    """Return the name of the next tagger. The caller holds the lock of the training."""
    return f"acts/{queries('acts').next_number(tx)}"


def save(
    tx: Transaction, document: TaggerDocument, verdict: GateVerdict, reason: str, evidence: dict[str, Any]
) -> None:
    """Keep a tagger and what was decided about it."""
    digest, content = encode(document)
    named = queries("acts")
    named.save_tagger(tx, version=document.version, digest=digest, document=content)
    named.record_decision(
        tx,
        version=document.version,
        verdict=verdict,
        reason=reason,
        evidence=msgspec.json.encode(evidence | {"digest": digest}).decode(),
        actor="acts train",
    )


def taggers(tx: Transaction) -> list[dict[str, Any]]:
    """Return every tagger kept: version, digest, made_at, and verdict and reason of the latest decision about it."""
    return [dict(row) for row in queries("acts").taggers(tx)]
