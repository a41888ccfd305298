"""What a service and its parts share. The parts hold this and not the service, so that a dropped service is gone."""

import logging
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_pipeline.errors import BatchRefusedError, DatabaseError
from ml_pipeline.online import runtime as runtimes
from ml_pipeline.online.capture import Capture
from ml_pipeline.online.conversations import Conversation
from ml_pipeline.online.figures import read_id
from ml_pipeline.online.predicting.shapes import find_task
from ml_pipeline.online.runtime import Runtime
from ml_pipeline.online.times import read_time, to_millisecond
from ml_pipeline.settings import Settings, load_settings
from ml_pipeline.vocabulary.tasks import Task

log = logging.getLogger(__name__)

Row = dict[str, Any]
Read = Callable[..., dict[str, Any]]
"""A function of ``online.store``: takes a connection and parameters, returns rows by name."""


class Session:
    """Opens nothing until something is asked of it; ``clock`` and ``source`` as the service says."""

    def __init__(
        self, dsn: str | None, spool: str | Path | None, clock: Callable[[], datetime] | None, source: str
    ) -> None:
        self.clock = clock
        self.source = source
        self.runtime: Runtime | None = None
        self._dsn = dsn
        self._spool = spool
        self._releaser: weakref.finalize[Any, Any] | None = None

    @property
    def settings(self) -> Settings:
        return self.started().settings

    def started(self) -> Runtime:
        """Return what the process's services share, starting it if need be."""
        if self.runtime is None or self.runtime.is_foreign():
            settings = load_settings()
            self.runtime = runtimes.acquire(
                settings, Path(self._spool or settings.spool), self._dsn or settings.capture_dsn
            )
            self._releaser = weakref.finalize(self, runtimes.release_later, self.runtime)
            self._releaser.atexit = False
        return self.runtime

    def end(self) -> None:
        """Let go of what was started, and wait for it; a later call starts anew."""
        runtime, self.runtime = self.runtime, None
        if runtime and self._releaser and self._releaser.detach():
            runtimes.release(runtime)

    def now(self) -> datetime:
        """Return the clock's time, to the millisecond; the real time where the clock is broken."""
        try:
            told = self.clock() if self.clock else None
        except Exception:  # noqa: BLE001 - a caller's clock may fail in any way
            told = None
        return read_time(told) or to_millisecond(datetime.now(UTC))

    def capture(self, where: str) -> Capture:
        """Return what records a call named ``where``."""
        runtime = self.started()
        return Capture(runtime, where, self.now(), self.source, runtime.policy.policy)

    def conversation(self, capture: Capture, given: Any) -> Conversation | None:
        """Return the conversation named ``given``; None, and counted, where that names none."""
        name = conversation_name(given)
        if name is None:
            capture.refuse("missing_conversation_id")
            return None
        return capture.runtime.conversations.get(name)

    def task(self, given: Any) -> Task | None:
        """Return the task called ``given``: ``objection``, ``objections``, ``objection.anticipate`` or a version."""
        if isinstance(given, str):
            given = given.partition("/")[0].partition(".")[0]
        return find_task(given, self.settings.tasks)

    async def answer(
        self, where: str, read: Read, shape: Callable[..., dict[str, Any]], **parameters: Any
    ) -> dict[str, Any]:
        """Return ``shape`` of the rows that ``read`` finds; of none, with status ``degraded``, where it cannot."""
        try:
            found = await self.started().facade.read(read, **parameters)
            return {**shape(**found), "status": "ok", "reason": None}
        except BatchRefusedError as error:
            noted, reason = "read_refused", f"Postgres refuses what was asked ({error})"
        except DatabaseError as error:
            noted, reason = "database_away", str(error)
        self.started().recorder.note(noted, where, at=self.now())
        return {**shape(), "status": "degraded", "reason": reason}

    def call_failed(self, where: str, *, is_loss: bool) -> None:
        """Count that a call failed inside; ``is_loss``: with it something offered is lost."""
        recorder = self.started().recorder
        if is_loss:
            recorder.refuse("call_failed", where, None, self.now())
        else:
            recorder.note("call_failed", where, at=self.now())


def conversation_name(given: Any) -> str | None:
    """Return the conversation id in ``given``; None where there is none or it cannot be read."""
    try:
        return read_id(given)
    except Exception:  # noqa: BLE001 - a caller's object may fail in any way while it is read
        return None
