"""What this process remembers of running conversations, so that only what is new costs."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from ml_pipeline.online.acquaintance import Acquaintance
from ml_pipeline.online.context import Context
from ml_pipeline.online.ids import conversation_uuid
from ml_pipeline.online.plain import fields_of, mend_text
from ml_pipeline.online.policy.routing import Route
from ml_pipeline.online.predicting.features import FeatureRow, Heard, feature_row
from ml_pipeline.online.predicting.shapes import Answer
from ml_pipeline.online.redaction import redact, redact_key
from ml_pipeline.online.times import read_time

MOST_CONVERSATIONS = 5_000
MOST_REMEMBERED_EVENTS = 64
MOST_REMEMBERED_PREDICTIONS = 64
CLIENT_ID_CHARACTERS = 200

_ROLES = {
    "human": "user",
    "customer": "user",
    "client": "user",
    "agent": "assistant",
    "ai": "assistant",
    "bot": "assistant",
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One message as it is recorded. ``noted``: what had to be mended to read it."""

    role: str
    content: str
    at: datetime
    noted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reported:
    """A caller's prediction that came without its turn; ``turn`` is the likely one."""

    turn: int
    probabilities: dict[str, float]
    event_id: str


@dataclass(slots=True)
class Conversation:
    """``client_id`` is the agent's own id, masked, where that was no UUID."""

    uuid: str
    client_id: str | None
    turns: list[Turn] = field(default_factory=list)
    about: dict[str, str | float] = field(default_factory=dict)
    told: dict[str, str | float] = field(default_factory=dict)
    """What of ``about`` some recorded event has told."""
    predicted: dict[tuple[object, ...], str] = field(default_factory=dict)
    """Event id per (conversation, turn, task, mode, version), of the latest turns: made again, it is the same id."""
    reported: dict[str, Reported] = field(default_factory=dict)
    """Per task, what waits for the call that tells its turn."""
    arms: dict[str, str] = field(default_factory=dict)
    """Per experiment's id, the arm that was recorded."""
    routes: dict[tuple[str, str], Route] = field(default_factory=dict)
    """Per task and mode, who is to answer."""
    served: dict[str, tuple[str, Answer]] = field(default_factory=dict)
    """Per task, the version that answered last and what it said."""
    recommended_actions: list[Any] = field(default_factory=list)
    """As the caller gave them last, masked."""
    acquaintance: Acquaintance = field(default_factory=Acquaintance)
    _events: OrderedDict[str, str] = field(default_factory=OrderedDict)
    _heard: Heard = field(default_factory=Heard)

    def learn(self, context: Context) -> None:
        """Take in what a caller's context tells of the conversation; names stay in memory."""
        self.about.update(context.about)
        self.acquaintance.given_language = context.features.get("language", self.acquaintance.given_language)
        self.acquaintance.meet(context.names)

    def note_language(self) -> None:
        """Tell of the language that was heard, where the caller gave none."""
        heard = self.acquaintance.heard
        if heard.language and "language" not in self.about:
            self.about |= {"language": heard.language, "language_confidence": round(heard.confidence, 3)}

    def dialogue(self, length: int) -> list[tuple[str, str]]:
        """The first ``length`` turns as the feature function takes them."""
        return [(turn.role, turn.content) for turn in self.turns[:length]]

    def features(self, turn: int, context: Mapping[str, str]) -> FeatureRow:
        """Return the features of ``turn``; only turns never asked for before cost."""
        if turn < self._heard.turns - 1:
            return feature_row(self.dialogue(turn + 1), context)
        for said in self.turns[self._heard.turns : turn + 1]:
            self._heard.add(said.role, said.content)
        return self._heard.row(context)

    def remember_prediction(self, name: tuple[object, ...], event_id: str) -> None:
        self.predicted[name] = event_id
        while len(self.predicted) > MOST_REMEMBERED_PREDICTIONS:
            del self.predicted[next(iter(self.predicted))]

    def is_answered(self, turn: int, until: int) -> bool:
        """Whether the customer spoke at ``turn`` and the agent after it, up to ``until``."""
        roles = [turn.role for turn in self.turns[turn : until + 1]]
        return roles[:1] == ["user"] and any(role != "user" for role in roles)

    def known_event(self, content: str) -> str | None:
        """The id under which an event of this content was recorded lately."""
        return self._events.get(content)

    def remember_event(self, content: str, event_id: str) -> None:
        self._events[content] = event_id
        if len(self._events) > MOST_REMEMBERED_EVENTS:
            self._events.popitem(last=False)


class Conversations:
    """The running conversations, the longest untouched forgotten first."""

    def __init__(self, most: int = MOST_CONVERSATIONS) -> None:
        self._most = most
        self._by_uuid: OrderedDict[str, Conversation] = OrderedDict()

    def known(self, given: str) -> Conversation | None:
        """Return the conversation the agent calls ``given`` where it is remembered."""
        return self._by_uuid.get(conversation_uuid(given))

    def get(self, given: str) -> Conversation:
        """Return the conversation the agent calls ``given``."""
        uuid = conversation_uuid(given)
        known = self._by_uuid.get(uuid)
        if known is None:
            is_uuid = given.lower().replace("-", "") == uuid.replace("-", "")
            client_id = None if is_uuid else redact_key(mend_text(given[:CLIENT_ID_CHARACTERS])[0])
            known = self._by_uuid[uuid] = Conversation(uuid, client_id)
            if len(self._by_uuid) > self._most:
                self._by_uuid.popitem(last=False)
        self._by_uuid.move_to_end(uuid)
        return known


def read_message(given: object, now: datetime, acquaintance: Acquaintance) -> Turn:
    """Return the turn that ``given`` is; every message counts, so a broken one becomes an empty turn.

    What it says of the customer, ``acquaintance`` hears before it is masked.
    """
    if isinstance(given, str):
        given = {"role": "user", "content": given}
    message = fields_of(given)
    if message is None:
        message = {name: getattr(given, name, None) for name in ("role", "content", "timestamp")}
    noted: list[str] = []
    content, is_cut = mend_text(_content(message.get("content")))
    role = _role(message.get("role"))
    stamp = message.get("timestamp")
    at = read_time(stamp)
    if is_cut:
        noted.append("text_truncated")
    if role == "unknown":
        noted.append("malformed_message")
    if stamp is not None and at is None:
        noted.append("unreadable_timestamp")
    return Turn(role, _masked(content, role, acquaintance), at or now, tuple(noted))


def _masked(content: str, role: str, acquaintance: Acquaintance) -> str:
    if role == "user":
        acquaintance.hear_customer(content)
        return redact(content, acquaintance.answer_hint())
    acquaintance.hear_agent(content)
    return redact(content, acquaintance.hint())


def _role(given: object) -> str:
    if isinstance(given, Enum):
        given = given.value
    if not isinstance(given, str) or not given.strip():
        return "unknown"
    role = given.strip().lower()[:20]
    return _ROLES.get(role, role)


def _content(given: object, depth: int = 2) -> str:
    """The text of a message: a string, or the parts of one as chat services send them."""
    if isinstance(given, str):
        return given
    if isinstance(given, bytes):
        return given.decode("utf-8", "replace")
    if isinstance(given, (int, float)):
        return str(given)
    if depth and isinstance(given, (list, tuple)):
        return " ".join(_content(part, depth - 1) for part in given[:100])
    if depth and (fields := fields_of(given)):
        return _content(fields.get("text") or fields.get("content"), depth - 1)
    return ""
