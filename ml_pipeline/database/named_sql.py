from functools import cache
from typing import Any

from ml_pipeline.database.resources import sql_root


@cache
def queries(package: str) -> Any:
    """Return the statements of ``sql/queries/<package>.sql``, one method each.

    ``queries("events").consume(tx, limit=9)`` runs one on a transaction.

    Syntax is aiosql's: ``-- name: consume(limit)`` above a statement, ``:limit`` in it; ``!`` after the list returns
    the row count, ``^`` one row, ``$`` one value, nothing all rows.
    """
    import aiosql

    return aiosql.from_path(sql_root() / "queries" / f"{package}.sql", "psycopg2")


@cache
def rollups() -> Any:
    """Return the statements of all files in ``sql/rollups``, one method each; syntax as in ``queries``."""
    import aiosql

    return aiosql.from_path(sql_root() / "rollups", "psycopg2")
