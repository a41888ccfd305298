"""Makes events of what a call brought and records them."""

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from ml_pipeline.errors import RefusalError
from ml_pipeline.online.context import Context, read_context
from ml_pipeline.online.conversations import Conversation, Turn, read_message
from ml_pipeline.online.ids import event_id, fresh_event_id
from ml_pipeline.online.plain import Plain, fields_of
from ml_pipeline.online.policy.document import Policy
from ml_pipeline.online.recording.recorder import Event
from ml_pipeline.online.redaction import NO_HINT
from ml_pipeline.online.runtime import Runtime
from ml_pipeline.vocabulary.events import AGENT_CATEGORY, CATEGORIES, TURN

MOST_TURNS = 10_000
"""Messages of one conversation that are recorded."""

_digest_encoder = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True)
class Capture:
    """One call at work. ``where`` names it in counts, ``now`` is the clock's time, ``source`` the log's column.

    ``policy`` is the one in force when the call began: it sees no other until its end.
    """

    runtime: Runtime
    where: str
    now: datetime
    source: str
    policy: Policy

    def note(self, reason: str) -> None:
        self.runtime.recorder.note(reason, self.where, at=self.now)

    def refuse(self, reason: str, conversation: Conversation | None = None) -> None:
        uuid = conversation.uuid if conversation else None
        self.runtime.recorder.refuse(reason, self.where, uuid, self.now)

    def fields(self, given: object) -> Mapping[str, Any]:
        """Return the named fields of ``given``, read once, so that an object that lies can do so here only.

        None where it has none; none, noted, where it cannot be read.
        """
        try:
            fields = fields_of(given) or {}
            return {str.__str__(key) if isinstance(key, str) else key: value for key, value in fields.items()}
        except Exception:  # noqa: BLE001 - a caller's object may fail in any way while it is read
            self.note("unreadable_object")
            return {}

    def context(self, given: object, conversation: Conversation) -> Context:
        """Return what may go on of a caller's context, and let ``conversation`` learn from it.

        A broken one costs nothing else.
        """
        settings = self.runtime.settings
        try:
            known = read_context(given, settings.customer_key, settings.customer_fields)
        except Exception:  # noqa: BLE001 - a caller's object may fail in any way while it is read
            self.note("unreadable_context")
            return Context({}, {})
        conversation.learn(known)
        return known

    def plain(self, given: object, conversation: Conversation | None = None) -> dict[str, Any] | None:
        """Return ``given`` as a JSON object fit for the disk; None, counted as refused, where it cannot become one."""
        walk = self._walk(conversation)
        try:
            found = walk.record(given)
        except Exception as error:  # noqa: BLE001 - a caller's object may fail in any way while it is read
            self.refuse(_reason(error), conversation)
            return None
        self._note_all(walk)
        return found

    def raw(self, given: object, conversation: Conversation | None = None) -> Any:
        """Return a part of an event as JSON data; None, noted, where it cannot become any: the event goes on."""
        walk = self._walk(conversation)
        try:
            found = walk.value(given)
        except Exception as error:  # noqa: BLE001 - a caller's object may fail in any way while it is read
            self.note(_reason(error))
            return None
        self._note_all(walk)
        return found

    def _walk(self, conversation: Conversation | None) -> Plain:
        hint = conversation.acquaintance.hint() if conversation else NO_HINT
        return Plain(hint, self.runtime.settings.customer_fields)

    def _note_all(self, walk: Plain) -> None:
        for reason in walk.noted:
            self.note(reason)

    def emit(
        self,
        conversation: Conversation | None,
        event_type: str,
        data: dict[str, Any],
        at: datetime,
        name: Sequence[object] = (),
    ) -> str | None:
        """Record an event; return its id, None where it was refused. ``name`` makes the id the same ever again."""
        if conversation and conversation.about != conversation.told:
            data = {**data, "conversation": conversation.about}
        event = Event(
            id=event_id(at, event_type, *name) if name else fresh_event_id(at),
            event_type=event_type,
            event_category=CATEGORIES.get(event_type, AGENT_CATEGORY),
            timestamp=at,
            data=data,
            conversation_id=conversation.uuid if conversation else None,
            client_id=conversation.client_id if conversation else None,
            source=self.source,
        )
        if not self.runtime.recorder.record(event, self.where):
            return None
        if conversation:
            conversation.told = dict(conversation.about)
        self.runtime.activity.events[event_type] += 1
        return event.id

    def emit_once(self, conversation: Conversation, event_type: str, data: dict[str, Any], at: datetime) -> str | None:
        """Record an event named by its content: offered again, it is the same event."""
        content = hashlib.sha256(_digest_encoder.encode([event_type, data])).hexdigest()
        if known := conversation.known_event(content):
            return known
        event = self.emit(conversation, event_type, data, at, (conversation.uuid, content))
        if event:
            conversation.remember_event(content, event)
        return event

    def turns(self, conversation: Conversation, messages: object) -> int:
        """Record the turns that are new; return the index of the last message, -1 without any."""
        given = self._as_list(messages)
        if given is None:
            return len(conversation.turns) - 1
        for index in range(len(conversation.turns), len(given)):
            turn = self._read_message(given[index], conversation)
            conversation.turns.append(turn)
            conversation.note_language()
            language = conversation.about.get("language")
            data = {"turn": index, "role": turn.role, "content": turn.content, "language": language}
            self.emit(conversation, TURN, data, turn.at, (conversation.uuid, index))
        return len(given) - 1

    def _as_list(self, messages: object) -> Sequence[object] | None:
        """Return the first 10,000 messages; None where there are none to read, which is noted."""
        if messages is None:
            return None
        try:
            given = list(messages) if isinstance(messages, (list, tuple, deque)) else None
        except Exception:  # noqa: BLE001 - a caller's object may fail in any way while it is read
            given = None
        if given is None:
            self.note("unreadable_messages")
        elif len(given) > MOST_TURNS:
            self.note("too_many_messages")
            given = given[:MOST_TURNS]
        return given

    def _read_message(self, given: object, conversation: Conversation) -> Turn:
        try:
            turn = read_message(given, self.now, conversation.acquaintance)
        except Exception:  # noqa: BLE001 - a caller's object may fail in any way while it is read
            turn = Turn("unknown", "", self.now, ("malformed_message",))
        for reason in turn.noted:
            self.note(reason)
        return turn


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, RefusalError) else "unreadable_object"
