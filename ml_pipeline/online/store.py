"""The island's statements on Postgres, as role ``ml_capture``. Imported only where a thread may wait for a network."""

import os
import selectors
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg2
from psycopg2.extras import RealDictCursor

from ml_pipeline.database.named_sql import queries
from ml_pipeline.errors import BatchRefusedError, DatabaseError
from ml_pipeline.online.recording.accounts import Account, read_account

_ENVIRONMENT = frozenset({"08", "25", "28", "3D", "3F", "40", "42", "53", "55", "57", "58", "F0", "XX"})
"""Classes of SQLSTATE that blame the server or the schema; every other class blames the batch."""


class _Verbatim:
    """Bytes that go into a statement as they are, between marks that nobody can guess: a megabyte is not escaped."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    def __conform__(self, _: object) -> "_Verbatim":
        return self

    def getquoted(self) -> bytes:
        mark = b"$b%s$" % os.urandom(12).hex().encode()
        return mark + self._text + mark


Row = dict[str, Any]
Found = dict[str, Any]
"""Rows by what they are."""

PIECE_BYTES = 512 * 1024
MOST_ROWS = 100
MOST_FINDINGS = 100
MOST_POINTS = 5_000
MOST_ERROR_LABELS = 50
MOST_DECISIONS = 20


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
            client_encoding="UTF8",
            cursor_factory=RealDictCursor,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )
        connection.autocommit = True
        return connection


def append_events(connection: Any, batch: bytes) -> dict[str, Any]:
    """Send ``batch``, a JSON array of lines, through the door; return what it says: counts, and the writers' rows.

    Raises:
        BatchRefusedError: if a line in it cannot be read by Postgres; nothing of the batch is stored.
        DatabaseError: if Postgres is away or not ready; sending again later is right.
    """
    if b"\0" in batch:
        raise BatchRefusedError("22021")  # libpq would end the statement there
    with _translated():
        return dict(_statements().append_events(connection, batch=_Verbatim(batch)))


def reject_event(connection: Any, **record: Any) -> Row:
    """Reject one record: writer, sequence, reason, line. Return the writer's row."""
    with _translated():
        return dict(_statements().reject_event(connection, **record))


def skip_records(connection: Any, **records: Any) -> Row:
    """Count a writer's records up to ``through`` as lost in the way of ``kind``. Return the writer's row."""
    with _translated():
        return dict(_statements().skip_records(connection, **records))


def report_writer(connection: Any, **said: Any) -> Row:
    """Report what a writer says: offered, refused (JSON text), claimed, is_gone. Return the writer's row."""
    with _translated():
        return dict(_statements().report_writer(connection, **said))


def changed_policy(connection: Any, seen: tuple[int, int] | None, *, most_bytes: int) -> dict[str, Any] | None:
    """Return epoch, n, bytes and document (JSON text) of the policy; None where it is the one at ``seen``, or none.

    ``document`` is None where it has more than ``most_bytes``.
    """
    epoch, n = seen or (None, None)
    with _translated():
        return _statements().changed_policy(connection, epoch=epoch, n=n, most_bytes=most_bytes)  # type: ignore[no-any-return]


def bundle_content(connection: Any, digest: str, rest: Callable[[], None]) -> bytes | None:
    """Return a bundle; None where there is none. ``rest`` is called after each piece.

    The driver holds the interpreter while it reads a value: 19 ms for 8 MB at once.
    """
    pieces: list[bytes] = []
    with _translated():
        while len(pieces) == 0 or len(pieces[-1]) == PIECE_BYTES:
            start = 1 + PIECE_BYTES * len(pieces)
            piece = _statements().bundle_piece(connection, digest=digest, start=start, size=PIECE_BYTES)
            if piece is None:
                return None
            pieces.append(bytes(piece))
            rest()
    return b"".join(pieces)


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


def event_stream(connection: Any, **wanted: Any) -> Found:
    return {"events": _rows(connection, "event_stream", **wanted)}


def drift(connection: Any, *, since: datetime) -> Found:
    return {
        "counts": _rows(connection, "drift_counts", since=since),
        "findings": _rows(connection, "drift_findings", since=since, most=MOST_FINDINGS),
    }


def metric_totals(connection: Any, *, tasks: Sequence[str] | None, since: datetime, until: datetime) -> Found:
    """Return the figures of these tasks, of everything where ``tasks`` is None, and who runs."""
    wanted = {"tasks": tasks, "since": since, "until": until}
    return {"totals": _rows(connection, "metric_totals", **wanted), "serving": _serving(connection, tasks)}


def metric_hours(connection: Any, **wanted: Any) -> Found:
    return {"points": _rows(connection, "metric_hours", most=MOST_POINTS, **wanted)}


def experiments(connection: Any, *, experiment: str | None) -> Found:
    return {"experiments": _rows(connection, "experiments", experiment=experiment, most=MOST_ROWS)}


def metrics_report(connection: Any, *, learnt_since: datetime, since: datetime, until: datetime) -> Found:
    return {
        **metric_totals(connection, tasks=None, since=since, until=until),
        **drift(connection, since=learnt_since),
        **experiments(connection, experiment=None),
    }


def error_kinds(connection: Any, *, tasks: Sequence[str] | None, since: datetime, until: datetime) -> Found:
    return {"kinds": _rows(connection, "error_kinds", tasks=tasks, since=since, until=until)}


def learning(connection: Any, *, tasks: Sequence[str], since: datetime, until: datetime) -> Found:
    wanted: dict[str, Any] = {"tasks": tasks, "since": since, "until": until}
    return {
        **error_kinds(connection, **wanted),
        "labels": _rows(connection, "error_labels", **wanted, most=MOST_ERROR_LABELS),
        **metric_totals(connection, **wanted),
    }


def updates(connection: Any) -> Found:
    return {
        "requests": _rows(connection, "request_counts"),
        "waiting": _rows(connection, "open_requests", most=MOST_ROWS),
        "serving": _serving(connection, None),
        "decisions": _rows(connection, "latest_decisions", most=MOST_DECISIONS),
    }


def pattern_insights(connection: Any, *, learnt_since: datetime, since: datetime, until: datetime) -> Found:
    wanted = {"since": since, "until": until}
    return {
        "types": _rows(connection, "pattern_types", **wanted, most=MOST_ROWS),
        "patterns": _rows(connection, "patterns", **wanted, most=MOST_ROWS),
        "findings": _rows(connection, "drift_findings", since=learnt_since, most=MOST_FINDINGS),
    }


def conversation_insights(connection: Any, *, conversation_id: str) -> Found:
    span = _rows(connection, "conversation_span", conversation_id=conversation_id)
    if not span:
        return {}
    return {
        "answers": _rows(connection, "conversation_answers", conversation_id=conversation_id, **span[0]),
        "actions": _rows(connection, "conversation_actions", conversation_id=conversation_id, **span[0]),
        "arms": _rows(connection, "conversation_arms", conversation_id=conversation_id, most=MOST_ROWS),
    }


def rollback_task(connection: Any, *, task: str, mode: str, to_version: str | None) -> dict[str, Any]:
    """Roll a task back, in one transaction; return what was done."""
    with _translated():
        return dict(_statements().rollback_task(connection, task=task, mode=mode, to_version=to_version))


def accounts(connection: Any, *, ids: Sequence[str]) -> Found:
    """Return the accounts of these writers, and the sum over all writers as one row."""
    with _translated():
        writers = [read_account(row) for row in _statements().writers(connection, ids=list(ids))]
        return {"writers": writers, "total": dict(_statements().all_writers(connection))}


def accounts_of_all(connection: Any) -> list[Account]:
    with _translated():
        return [read_account(row) for row in _statements().writers(connection, ids=None)]


def _serving(connection: Any, tasks: Sequence[str] | None) -> list[Row]:
    return _rows(connection, "serving", tasks=tasks, most=MOST_ROWS)


def _rows(connection: Any, name: str, **parameters: Any) -> list[Row]:
    """Return what a statement finds, times as ISO text in UTC."""
    with _translated():
        found = getattr(_statements(), name)(connection, **parameters)
        return [{key: _shown(value) for key, value in row.items()} for row in found]


def _shown(value: Any) -> Any:
    return value.astimezone(UTC).isoformat(timespec="milliseconds") if isinstance(value, datetime) else value


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
