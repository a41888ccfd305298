"""Times as callers give them: datetimes with and without zone, ISO text, seconds or milliseconds since 1970."""

from datetime import UTC, datetime

LATEST_SECONDS = 1e11
"""Numbers above are milliseconds: 1e11 seconds lie in the year 5138."""


def read_time(given: object) -> datetime | None:
    """Return ``given`` as UTC, to the millisecond; None where it says no time. Without a zone it is UTC.

    >>> read_time("2025-01-02T03:04:05Z"), read_time(1735787045.0004), read_time("soon")
    (datetime.datetime(2025, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), \
datetime.datetime(2025, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), None)
    """
    try:
        at = _parse(given)
        if at is None:
            return None
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        return None
    return to_millisecond(at) if at.year >= 1970 else None


def to_millisecond(at: datetime) -> datetime:
    """Cut ``at`` to the millisecond, which is what an event's id can carry."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _parse(given: object) -> datetime | None:
    if isinstance(given, datetime):
        return given
    if isinstance(given, str):
        return datetime.fromisoformat(given.strip())
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        seconds = given / 1000 if abs(given) > LATEST_SECONDS else given
        return datetime.fromtimestamp(seconds, tz=UTC)
    return None
