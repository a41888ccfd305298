from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeAlias, cast

from ml_pipeline.errors import DatabaseError
from ml_pipeline.settings import load_settings

if TYPE_CHECKING:
    from psycopg2.extensions import connection
    from sqlalchemy import Engine

Transaction: TypeAlias = "connection"
"""An open transaction: a psycopg2 connection whose commit belongs to the job."""


@cache
def engine(dsn: str) -> "Engine":
    """Return the pooled engine of ``dsn``, one per process; connections speak UTC."""
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url

    url = make_url(dsn).set(drivername="postgresql+psycopg2")
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=2,
        connect_args={
            "connect_timeout": 10,
            "options": "-c timezone=UTC",
            "application_name": "ml-pipeline",
        },
    )


@contextmanager
def transaction(dsn: str | None = None) -> Iterator[Transaction]:
    """Open a transaction as the jobs role, rows as dicts; commit at the end, roll back on any error.

    Raises:
        DatabaseError: if Postgres cannot be reached, or cut the connection: nothing of the transaction is kept then.
    """
    from psycopg2 import InterfaceError, OperationalError
    from psycopg2.extras import RealDictCursor
    from sqlalchemy.exc import DBAPIError

    target = dsn or load_settings().jobs_dsn
    try:
        pooled = engine(target).raw_connection()
    except (OperationalError, DBAPIError) as error:  # the second from the pool's own questions to a new connection
        reason = " ".join(str(error).split())
        raise DatabaseError(f"cannot reach Postgres: {reason}; start the stack with `make run`") from error
    tx = cast("Transaction", pooled.driver_connection)
    tx.cursor_factory = RealDictCursor  # only now: SQLAlchemy reads the server's version by position
    try:
        yield tx
        pooled.commit()
    except BaseException as error:  # Ctrl-C too must not leave half a transaction in the pool
        if not tx.closed:
            pooled.rollback()
            raise
        pooled.invalidate()
        if isinstance(error, OperationalError | InterfaceError):
            reason = " ".join(str(error).split())
            raise DatabaseError(
                f"Postgres ended the connection: {reason}; nothing is half done, run this again"
            ) from error
        raise
    finally:
        pooled.close()
