"""The island's statements on Postgres, as role ``ml_capture``. Imported only where a thread may wait for a network."""

import selectors
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg2
from psycopg2.extras import RealDictCursor

from ml_pipeline.database.named_sql import queries
from ml_pipeline.errors import BatchRefusedError, DatabaseError

_ENVIRONMENT = frozenset({"08", "25", "28", "3D", "3F", "40", "42", "53", "55", "57", "58", "F0", "XX"})
"""Classes of SQLSTATE that blame the server or the schema; every other class blames the batch."""


def connect(dsn: str, *, timeout_seconds: int, statement_seconds: float) -> Any:
    """Open a connection in autocommit: each statement of the island is a transaction of its own.

    Raises:
        DatabaseError: if Postgres cannot be reached.
    """
    with _translated():
        connection = psycopg2.connect(
            dsn,
            connect_timeout=timeout_seconds,
            # What is committed leaves the disk here: a server that commits before its own disk has it would lose it.
            options=f"-c timezone=UTC -c synchronous_commit=on -c statement_timeout={int(statement_seconds * 1000)}",
            application_name="ml-pipeline-online",
            cursor_factory=RealDictCursor,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )
        connection.autocommit = True
        return connection


def append_events(connection: Any, batch: str) -> dict[str, int]:
    """Send ``batch``, a JSON array of lines, through the door; return how many were stored, duplicate, rejected.

    Raises:
        BatchRefusedError: if a line in it cannot be read by Postgres; nothing of the batch is stored.
        DatabaseError: if Postgres is away or not ready; sending again later is right.
    """
    with _translated():
        return dict(_statements().append_events(connection, batch=batch))


def reject_event(connection: Any, writer: str, sequence: int, *, reason: str, line: str) -> None:
    with _translated():
        _statements().reject_event(connection, writer=writer, sequence=sequence, reason=reason, line=line)


def report_writer(connection: Any, writer: str, figures: dict[str, Any]) -> None:
    """Report ``figures``: offered, refused (JSON text), accepted, quarantined, dropped."""
    with _translated():
        _statements().report_writer(connection, writer=writer, **figures)


def changed_policy(connection: Any, seen: tuple[int, int] | None, *, most_bytes: int) -> dict[str, Any] | None:
    """Return epoch, n, bytes and document (JSON text) of the policy; None where it is the one at ``seen``, or none.

    ``document`` is None where it has more than ``most_bytes``.
    """
    epoch, n = seen or (None, None)
    with _translated():
        return _statements().changed_policy(connection, epoch=epoch, n=n, most_bytes=most_bytes)  # type: ignore[no-any-return]


def bundle_content(connection: Any, digest: str) -> bytes | None:
    with _translated():
        content = _statements().bundle_content(connection, digest=digest)
        return None if content is None else bytes(content)


def listen_to_policy(connection: Any) -> None:
    with _translated():
        _statements().listen_to_policy(connection)


def wait_for_notice(connection: Any, waker: int, timeout_seconds: float) -> None:
    """Return when the server says something, ``waker`` becomes readable, or the time is over."""
    with _translated(), selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(waker, selectors.EVENT_READ)
        # A notice that came with the answer to a query is already read off the socket.
        selector.select(0 if connection.notifies else timeout_seconds)
        connection.poll()
        connection.notifies.clear()


def event_stream(
    connection: Any, conversation_id: str | None, event_types: Sequence[str] | None, *, since: datetime, most: int
) -> list[dict[str, Any]]:
    with _translated():
        types = None if event_types is None else list(event_types)
        return list(
            _statements().event_stream(
                connection, conversation_id=conversation_id, event_types=types, since=since, most=most
            )
        )


def writers(connection: Any, ids: Sequence[str]) -> list[dict[str, Any]]:
    with _translated():
        return list(_statements().writers(connection, ids=list(ids)))


def _statements() -> Any:
    return queries("online")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as error:
        state = getattr(error, "pgcode", None)
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if state is None or state[:2] in _ENVIRONMENT:
            raise DatabaseError(
                f"Postgres is away ({state or 'no connection'}): {said}; events wait on disk"
            ) from error
        raise BatchRefusedError(state) from error
