"""Ids made in the island: UUIDv7 that carry the event's millisecond, the same for the same event in any process."""

import hashlib
import os
import uuid
from datetime import UTC, datetime, timedelta
from functools import lru_cache

CONVERSATIONS = uuid.UUID("6f1d7a52-0c9e-5b1f-9c55-2f0f6e0f4d10")
"""The namespace in which ids that are no UUIDs become one."""

CONVERSATIONS_AT_HAND = 4_096

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


@lru_cache(CONVERSATIONS_AT_HAND)
def conversation_uuid(given: str) -> str:
    """Return the UUID of the conversation that the agent calls ``given``.

    >>> conversation_uuid("6F1D7A52-0C9E-5B1F-9C55-2F0F6E0F4D10")
    '6f1d7a52-0c9e-5b1f-9c55-2f0f6e0f4d10'
    >>> conversation_uuid("conv-123") == conversation_uuid("conv-123")
    True
    """
    try:
        return str(uuid.UUID(given))
    except ValueError:
        return str(uuid.uuid5(CONVERSATIONS, given))


def event_id(at: datetime, *identity: object) -> str:
    """Return the id of the event that ``identity`` names, at ``at``: equal arguments, equal id.

    >>> at = datetime(2025, 1, 2, tzinfo=UTC)
    >>> event_id(at, "turn", "c", 1) == event_id(at, "turn", "c", 1) != event_id(at, "turn", "c", 2)
    True
    """
    name = "\x1f".join(map(str, identity)).encode("utf-8", "replace")
    return _uuid7(at, hashlib.sha256(name).digest())


def fresh_event_id(at: datetime) -> str:
    """Return an id at ``at`` that nobody else has."""
    return _uuid7(at, os.urandom(10))


def _uuid7(at: datetime, entropy: bytes) -> str:
    milliseconds = (at - EPOCH) // MILLISECOND
    digits = (milliseconds.to_bytes(6, "big") + entropy[:10]).hex()
    variant = "89ab"[entropy[2] >> 4 & 3]
    return f"{digits[:8]}-{digits[8:12]}-7{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
