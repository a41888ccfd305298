"""The online half of the Event Tracker: the agent's own events in, the event stream out."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from ml_pipeline.errors import DatabaseError
from ml_pipeline.online.capture import Capture
from ml_pipeline.online.conversations import Conversation, read_conversation_id
from ml_pipeline.online.harmless import harmless, nothing
from ml_pipeline.online.ids import EPOCH, conversation_uuid
from ml_pipeline.online.runtime import Runtime
from ml_pipeline.online.times import read_time
from ml_pipeline.vocabulary.events import ASSIGNMENT, LABEL, OUTCOME, PREDICTION, TURN

if TYPE_CHECKING:
    from collections.abc import Mapping

EVENT_TYPE_CHARACTERS = 50
MOST_EVENTS = 1_000
_OURS = frozenset({TURN, PREDICTION, OUTCOME, LABEL, ASSIGNMENT})
"""Types that become facts: an agent's own event of such a name is recorded as ``agent.<name>``."""


class Host(Protocol):
    """What the tracker needs of the service it belongs to."""

    def started(self) -> Runtime: ...
    def capture(self, where: str) -> Capture: ...
    def conversation(self, capture: Capture, given: Any) -> Conversation | None: ...
    def call_failed(self, where: str) -> None: ...


class EventTracker:
    def __init__(self, host: Host) -> None:
        self._host = host

    @harmless(nothing)
    async def track_event(self, event_type: Any, event_data: Any = None, conversation_id: Any = None) -> str | None:
        """Record an event of the agent's own; return its id. The conversation's id may stand inside ``event_data``.

        Its time is ``event_data``'s ``timestamp`` or ``at``, else the clock.
        """
        capture = self._host.capture("track_event")
        fields = capture.fields(event_data)
        given = conversation_id if read_conversation_id(conversation_id) else fields.get("conversation_id")
        conversation = self._host.conversation(capture, given) if read_conversation_id(given) else None
        name = _event_type(capture.raw(event_type))
        if not name:
            capture.refuse("missing_event_type", conversation)
            return None
        data = capture.plain(event_data, conversation)
        if data is None:
            return None
        return capture.emit(conversation, name, data, _time(fields) or capture.now)

    @harmless(lambda *_, **__: [])
    async def get_event_stream(
        self, conversation_id: Any = None, event_types: Any = None, since: Any = None, limit: Any = 100
    ) -> list[dict[str, Any]]:
        """Return the newest events, newest first; [] where Postgres is away, which is counted.

        Each has ``id``, ``conversation_id``, ``event_type``, ``event_category``, ``timestamp`` (ISO, UTC), ``data``
        (a dict) and ``client_id``. ``limit`` is at most 1,000.
        """
        from ml_pipeline.online import store

        name = read_conversation_id(conversation_id)
        types = _event_types(event_types)
        try:
            rows = await self._host.started().facade.read(
                store.event_stream,
                conversation_uuid(name) if name else None,
                types,
                since=read_time(since) or EPOCH,
                most=min(max(int(limit), 1), MOST_EVENTS),
            )
        except DatabaseError:
            self._host.capture("get_event_stream").note("database_away")
            return []
        return [_shown(row) for row in rows]

    def call_failed(self, where: str) -> None:
        """Count that a call failed inside."""
        self._host.call_failed(where)


def _event_type(given: object) -> str:
    name = given.strip()[:EVENT_TYPE_CHARACTERS] if isinstance(given, str) else ""
    return f"agent.{name}" if name in _OURS else name


def _event_types(given: Any) -> list[str] | None:
    if given is None:
        return None
    return [given] if isinstance(given, str) else [str(item) for item in given]


def _time(fields: "Mapping[str, Any]") -> datetime | None:
    return read_time(fields.get("timestamp")) or read_time(fields.get("at"))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    at: datetime = row["timestamp"]
    return {**row, "timestamp": at.astimezone(UTC).isoformat(timespec="milliseconds")}
