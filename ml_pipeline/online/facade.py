"""Reads of Postgres for the agent: on two threads, with a statement timeout, and none while Postgres is away."""

import asyncio
import contextlib
import queue
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ml_pipeline.errors import DatabaseError

T = TypeVar("T")

THREADS = 2
CONNECT_SECONDS = 2
STATEMENT_SECONDS = 2.0
AWAY_SECONDS = 2.0
"""How long Postgres is not asked again after it failed: callers are answered at once instead."""


class Facade:
    """Runs functions of ``online.store`` off the event loop."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._away_until = 0.0
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._pool: ThreadPoolExecutor | None = None

    async def read(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Return ``function(connection, *arguments, **named)``.

        Raises:
            DatabaseError: if Postgres is away or slow.
        """
        if time.monotonic() < self._away_until:
            raise DatabaseError("Postgres was away a moment ago; ask again in a few seconds")
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="facade")
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._pool, lambda: self._run(function, arguments, named))
        try:
            return await asyncio.wait_for(work, CONNECT_SECONDS + 2 * STATEMENT_SECONDS)
        except TimeoutError as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            raise DatabaseError("Postgres did not answer in time; ask again in a few seconds") from error

    def close(self) -> None:
        """Close idle connections and end the threads."""
        pool, self._pool = self._pool, None
        if pool:
            pool.shutdown(wait=False, cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().close()

    def _run(self, function: Callable[..., T], arguments: tuple[Any, ...], named: dict[str, Any]) -> T:
        with contextlib.suppress(queue.Empty, DatabaseError):
            # A connection that idled through a restart of the server fails once; a fresh one decides.
            return self._use(self._idle.get_nowait(), function, arguments, named)
        try:
            return self._use(self._connect(), function, arguments, named)
        except DatabaseError:
            self._away_until = time.monotonic() + AWAY_SECONDS
            raise

    def _use(self, connection: Any, function: Callable[..., T], arguments: tuple[Any, ...], named: dict[str, Any]) -> T:
        try:
            found = function(connection, *arguments, **named)
        except BaseException:
            with contextlib.suppress(Exception):
                connection.close()
            raise
        self._idle.put(connection)
        return found

    def _connect(self) -> Any:
        from ml_pipeline.online import store

        return store.connect(self._dsn, timeout_seconds=CONNECT_SECONDS, statement_seconds=STATEMENT_SECONDS)
