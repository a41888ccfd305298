"""Message times for sources that carry none. Synthetic: nothing may be learnt from them about real timing."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from ml_pipeline.vocabulary.dialogue import Message

READ_WORDS_PER_SECOND = 4.0
TYPE_WORDS_PER_SECOND = 0.75
PAUSE_SECONDS = 2.0


def paced(start: datetime, utterances: Iterable[tuple[str, str]]) -> tuple[Message, ...]:
    """Return ``(role, text)`` pairs as messages: the first at ``start``, each later one read, thought of and typed.

    Depends on word counts alone, so the same words give the same times.

    >>> from datetime import UTC
    >>> said = [("assistant", "Hello there"), ("user", "Hi, who is it?")]
    >>> [message.at.second for message in paced(datetime(2024, 1, 1, tzinfo=UTC), said)]
    [0, 7]
    """
    messages: list[Message] = []
    at = start
    for role, text in utterances:
        if messages:
            read = len(messages[-1].content.split()) / READ_WORDS_PER_SECOND
            typed = len(text.split()) / TYPE_WORDS_PER_SECOND
            at += timedelta(seconds=round(read + PAUSE_SECONDS + typed, 1))
        messages.append(Message(role, text, at))
    return tuple(messages)
