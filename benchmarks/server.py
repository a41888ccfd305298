"""A Postgres of a benchmark's own, with the schema, as an operator would have it: every commit is on disk first."""

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from ml_pipeline.database.migrations import upgrade
from ml_pipeline.stack.ports import choose_ports
from ml_pipeline.stack.postgres import Postgres

DATABASE = "benchmark"
CAPTURE = ("ml_capture", "benchmark")


@contextmanager
def running_server() -> Iterator[Postgres]:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as Ctrl-C: the server must not stay behind
    folder = Path(tempfile.mkdtemp(prefix="mlp-bench-"))
    folder.chmod(0o755)  # as root the server runs as another user
    server = Postgres(folder / "cluster", choose_ports({})["postgres"])
    server.initialize()
    server.start()
    try:
        execute(server.dsn(), f"CREATE DATABASE {DATABASE}")
        upgrade(server.dsn(DATABASE))
        execute(server.dsn(), f"ALTER ROLE {CAPTURE[0]} PASSWORD '{CAPTURE[1]}'")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def capture_dsn(server: Postgres) -> str:
    return server.dsn(DATABASE, role=CAPTURE[0], password=CAPTURE[1])


def execute(dsn: str, statement: str) -> None:
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    connection.cursor().execute(statement)
    connection.close()


def value(dsn: str, query: str, *arguments: Any) -> Any:
    """Return the one value that ``query`` finds."""
    connection = psycopg2.connect(dsn)
    try:
        cursor = connection.cursor()
        cursor.execute(query, arguments)
        return cursor.fetchone()[0]
    finally:
        connection.close()
