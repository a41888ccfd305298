"""Puts events on disk and keeps their count. One per spool folder and process; the services of a process share it."""

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from ml_pipeline.errors import RefusalError
from ml_pipeline.online.counts import Counts
from ml_pipeline.online.ids import fresh_event_id
from ml_pipeline.online.spool import Spool
from ml_pipeline.vocabulary.events import CATEGORIES, ERROR

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0


class Event(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A line of the log, but for its writer and sequence. ``data`` is plain JSON data, already masked."""

    id: str
    event_type: str
    event_category: str
    timestamp: datetime
    data: dict[str, Any]
    conversation_id: str | None = None
    client_id: str | None = None
    source: str = "agent"


class WriterFigures(msgspec.Struct):
    """What a writer leaves beside its segments for the shipper to report: ``<writer>.figures``."""

    offered: int
    refused: dict[str, int]
    accepted: int


def figures_file(folder: Path, writer: str) -> Path:
    return folder / f"{writer}.figures"


class Recorder:
    """Writes events to the spool at once and makes the disk keep them every ``fsync_seconds``.

    ``on_tick`` is called about once a second while the recorder is open, from its own thread.
    """

    def __init__(self, folder: Path, max_bytes: int, fsync_seconds: float) -> None:
        self.spool = Spool(folder, max_bytes)
        self.counts = Counts()
        self.on_tick: Callable[[], None] = lambda: None
        self._encode = msgspec.json.Encoder().encode
        self._fsync_seconds = fsync_seconds
        self._reported: WriterFigures | None = None
        self._thread: threading.Thread | None = None
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._is_dirty = False

    @property
    def is_open(self) -> bool:
        return self._thread is not None

    @property
    def offered(self) -> int:
        return self.spool.sequence + self.counts.refused.total()

    def record(self, event: Event, where: str) -> bool:
        """Put ``event`` on disk; False where it was refused, which is counted. Never raises, never waits for fsync."""
        try:
            self.spool.write(self._encode(event))
        except RefusalError as refusal:
            self.refuse(str(refusal), where, event.conversation_id, event.timestamp)
            return False
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError):
            self.refuse("unwritable_event", where, event.conversation_id, event.timestamp)
            return False
        if not self._is_dirty:
            self._is_dirty = True
            self._woken.set()
        if self._thread is None:
            self.start()
        return True

    def refuse(self, reason: str, where: str, conversation_id: str | None, at: datetime) -> None:
        """Count an event that cannot be recorded; say so in the log, at most once a minute per reason."""
        if count := self.counts.refuse(reason, where):
            self._say(reason, where, count, conversation_id, at)

    def note(self, reason: str, where: str, *, at: datetime | None = None) -> None:
        """Count a defect that lost nothing, or a failure beside the record; say so as ``refuse`` does."""
        if count := self.counts.note(reason, where):
            self._say(reason, where, count, None, at)

    def close(self) -> None:
        """Sync, write the figures, give the segment away, end the thread. A later ``record`` opens anew."""
        thread, self._thread = self._thread, None
        self._stopping.set()
        self._woken.set()
        if thread and thread is not threading.current_thread():
            thread.join()
        try:
            self.spool.close()
        except OSError as error:
            log.warning("spool.sync_failed error=%s", error.strerror)
        self._write_figures()

    def start(self) -> None:
        """Start the thread that syncs and ticks, unless it runs."""
        with self._starting:
            if self._thread is None:
                self._woken.set()
                self._stopping = threading.Event()
                thread = threading.Thread(target=self._keep, args=(self._stopping,), name="spool", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    return  # the interpreter ends and has no threads any more; what is written stays written
                self._thread = thread

    def _keep(self, stopping: threading.Event) -> None:
        next_tick = 0.0
        while not stopping.is_set():
            self._woken.wait(TICK_SECONDS)
            self._woken.clear()
            self._sync()
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + TICK_SECONDS
                self._tick()
            stopping.wait(self._fsync_seconds)

    def _sync(self) -> None:
        if not self._is_dirty:
            return
        self._is_dirty = False
        try:
            self.spool.sync()
        except OSError as error:
            log.warning("spool.sync_failed error=%s", error.strerror)
            self.note("sync_failed", "recorder")

    def _tick(self) -> None:
        self.spool.measure()
        self._write_figures()
        try:
            self.on_tick()
        except Exception as error:  # noqa: BLE001 - the thread that keeps the spool must survive
            log.warning("recorder.tick_failed error=%s", type(error).__name__)

    def _write_figures(self) -> None:
        figures = WriterFigures(self.offered, dict(self.counts.refused), self.spool.sequence)
        if figures == self._reported or not figures.offered:
            return
        target = figures_file(self.spool.folder, self.spool.writer)
        try:
            unnamed = target.with_suffix(".figures.new")
            unnamed.write_bytes(msgspec.json.encode(figures))
            unnamed.replace(target)
        except OSError:
            return
        self._reported = figures

    def _say(self, reason: str, where: str, count: int, conversation_id: str | None, at: datetime | None) -> None:
        at = at or datetime.now(UTC)
        event = Event(
            id=fresh_event_id(at),
            event_type=ERROR,
            event_category=CATEGORIES[ERROR],
            timestamp=at,
            conversation_id=conversation_id,
            data={"reason": reason, "where": where, "count": count},
        )
        self.record(event, where)

    def forget(self) -> None:
        """After a fork, in the child: begin as another writer, with figures of its own."""
        self.spool.forget()
        self.counts = Counts()
        self.on_tick = lambda: None
        self._reported = self._thread = None
        self._woken, self._stopping, self._starting = threading.Event(), threading.Event(), threading.Lock()
        self._is_dirty = False


_recorders: dict[Path, Recorder] = {}
_opening = threading.Lock()


def shared_recorder(folder: Path, max_bytes: int, fsync_seconds: float) -> Recorder:
    """Return the process's recorder of ``folder``; the first caller decides its limits."""
    folder = folder.absolute()
    with _opening:
        if folder not in _recorders:
            if not _recorders:
                atexit.register(_close_all)
                os.register_at_fork(after_in_child=_forget_all)
            _recorders[folder] = Recorder(folder, max_bytes, fsync_seconds)
        return _recorders[folder]


def _close_all() -> None:
    """At the end of the process: what no service closed is put on disk, and a shipper takes it from there."""
    for recorder in list(_recorders.values()):
        if recorder.is_open:
            recorder.close()
            recorder.on_tick()


def _forget_all() -> None:
    global _opening  # noqa: PLW0603 - the parent's other threads may have held it
    _opening = threading.Lock()
    for recorder in list(_recorders.values()):
        recorder.forget()
