"""Reads of Postgres for the agent: on two threads, bounded in time and number; none waits while Postgres is away."""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from ml_pipeline.errors import DatabaseError

T = TypeVar("T")

THREADS = 2
MOST_WAITING = 16
"""Reads under way at once; a further one is answered at once."""
CONNECT_SECONDS = 2
STATEMENT_SECONDS = 2.0
READ_SECONDS = 3.0
"""How long a caller waits at most; a read may take several statements."""
PAUSE_SECONDS = 2.0
"""How long Postgres is left alone after it failed."""


class Facade:
    """Runs functions of ``online.store`` off the event loop.

    Once Postgres has failed, no read waits for it: a thread finds out whether it is back.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._is_away = False
        self._is_closed = False
        self._not_before = 0.0
        self._room = threading.Semaphore(MOST_WAITING)
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._pool: ThreadPoolExecutor | None = None
        self._trial: Future[None] | None = None

    async def read(self, function: Callable[..., T], **named: Any) -> T:
        """Return ``function(connection, **named)``.

        Raises:
            DatabaseError: if Postgres is away or slow, or too many reads are under way.
        """
        if self._is_closed:
            raise DatabaseError("the service was closed; its next call starts anew")
        if self._is_away:
            self._try_again()
            raise DatabaseError("Postgres is away; ask again in a few seconds")
        if not self._room.acquire(blocking=False):
            raise DatabaseError(f"{MOST_WAITING} reads are under way already; ask again in a few seconds")
        work = self._threads().submit(self._run, function, named)
        work.add_done_callback(lambda _: self._room.release())
        try:
            return await asyncio.wait_for(asyncio.wrap_future(work), READ_SECONDS)
        except TimeoutError as error:
            self._fail()
            raise DatabaseError("Postgres did not answer in time; ask again in a few seconds") from error

    def close(self) -> None:
        """Close idle connections and end the threads; reads under way fail."""
        self._is_closed = True
        if self._pool:
            self._pool.shutdown(wait=False)
        self._drop_idle()

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="facade")
        return self._pool

    def _fail(self) -> None:
        self._is_away, self._not_before = True, time.monotonic() + PAUSE_SECONDS

    def _try_again(self) -> None:
        """Have a thread connect, unless one does or Postgres is to be left alone."""
        if time.monotonic() >= self._not_before and (self._trial is None or self._trial.done()):
            self._trial = self._threads().submit(self._find_back)

    def _find_back(self) -> None:
        self._drop_idle()
        with contextlib.suppress(DatabaseError):
            self._keep(self._connect())
            self._is_away = False

    def _run(self, function: Callable[..., T], named: dict[str, Any]) -> T:
        idle = None
        with contextlib.suppress(queue.Empty):
            idle = self._idle.get_nowait()
        if idle is not None:
            try:
                return self._use(idle, function, named)
            except DatabaseError:
                # One that idled through a restart of the server is lost; a fresh one decides.
                if not _is_lost(idle):
                    raise
        found = self._use(self._connect(), function, named)
        self._is_away = False
        return found

    def _use(self, connection: Any, function: Callable[..., T], named: dict[str, Any]) -> T:
        try:
            found = function(connection, **named)
        except BaseException:  # whatever ended the read, its connection must go back or be given up
            if _is_lost(connection):
                self._fail()
            else:
                self._keep(connection)
            raise
        self._keep(connection)
        return found

    def _connect(self) -> Any:
        from ml_pipeline.online import store

        try:
            return store.connect(self._dsn, timeout_seconds=CONNECT_SECONDS, statement_seconds=STATEMENT_SECONDS)
        except DatabaseError:
            self._fail()
            raise

    def _keep(self, connection: Any) -> None:
        if self._is_closed:
            connection.close()
        else:
            self._idle.put(connection)

    def _drop_idle(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()


def _is_lost(connection: Any) -> bool:
    return bool(connection.closed)
