"""Where in a conversation predictions are made."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ml_pipeline.online.capture import Capture
from ml_pipeline.online.context import Context
from ml_pipeline.online.conversations import Conversation
from ml_pipeline.online.figures import read_whole
from ml_pipeline.online.times import read_time


@dataclass(frozen=True, slots=True)
class Moment:
    """Predictions are made after turn ``turn``, at ``at``, knowing ``context``.

    ``is_guess``: the turn is the likely one, nobody named it.
    """

    conversation: Conversation
    turn: int
    at: datetime
    context: Context
    is_guess: bool = False


def reported_moment(capture: Capture, conversation: Conversation, context: Any) -> Moment:
    """Return where a prediction stands that came without its messages."""
    fields = capture.fields(context)
    known = capture.context(fields, conversation).spoken_in(conversation.acquaintance.language)
    named = _named_turn(fields)
    turn = _likely_turn(conversation) if named is None else named
    told = read_time(fields.get("timestamp") or fields.get("at"))
    at = conversation.turns[turn].at if turn < len(conversation.turns) else told or capture.now
    return Moment(conversation, turn, at, known, is_guess=named is None)


def _named_turn(fields: Mapping[str, Any]) -> int | None:
    turn = read_whole(fields.get("turn"))
    count = read_whole(fields.get("message_count"))
    return turn if turn is not None or not count else count - 1


def _likely_turn(conversation: Conversation) -> int:
    """The customer's turn being answered: the last known where nothing was predicted on it yet, else the next."""
    last = len(conversation.turns) - 1
    if last < 0:
        return 0
    if conversation.turns[last].role != "user":
        return last + 1
    has_answer = any(turn == last for _, turn, *_ in conversation.predicted)
    return last + 2 if has_answer else last
