"""Puts events on disk and keeps their count. One per spool folder and process; the services of a process share it."""

import atexit
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from ml_pipeline.errors import RefusalError
from ml_pipeline.online.ids import fresh_event_id
from ml_pipeline.online.recording.counts import Counts
from ml_pipeline.online.recording.spool import HOLD_SECONDS, Spool
from ml_pipeline.online.recording.writer_figures import FiguresFile, WriterFigures
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


WhenFull = Literal["refuse", "drop_oldest"]


class Recorder:
    """Writes events to the spool at once and makes the disk keep them every ``fsync_seconds``, each at once where 0.

    ``on_tick`` is called about once a second while the recorder is open, from its own thread.
    """

    def __init__(self, folder: Path, max_bytes: int, fsync_seconds: float, when_full: WhenFull = "refuse") -> None:
        self.spool = Spool(folder, max_bytes, drops_oldest=when_full == "drop_oldest")
        self.counts = Counts()
        self.on_tick: Callable[[], None] = lambda: None
        self._encode = msgspec.json.Encoder().encode
        self._fsync_seconds = fsync_seconds
        self._told: WriterFigures | None = None
        self._untold: dict[str, Event] = {}
        self._figures: FiguresFile | None = None
        self._telling = threading.Lock()
        self._syncing = threading.Lock()
        self._is_held = False
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
        """Put ``event`` on disk; False where it was refused, which is counted. Never raises.

        Waits for the disk only where every event is to be synced.
        """
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
        if not self._fsync_seconds:
            self._sync()
        if self._thread is None:
            self.start()
        return True

    def refuse(self, reason: str, where: str, conversation_id: str | None, at: datetime) -> None:
        """Count an event that cannot be recorded; say so in the log, at most once a minute per reason."""
        with self._telling:
            count = self.counts.refuse(reason, where)
            self._tell()
        if count:
            self._say(reason, where, count, conversation_id, at)

    def note(self, reason: str, where: str, *, at: datetime | None = None) -> None:
        """Count a defect that lost nothing, or a failure beside the record; say so as ``refuse`` does."""
        if count := self.counts.note(reason, where):
            self._say(reason, where, count, None, at)

    def close(self) -> None:
        """End the writer: sync, tell its figures, give its segment away. A later ``record`` begins another."""
        thread, self._thread = self._thread, None
        self._stopping.set()
        self._woken.set()
        if thread and thread is not threading.current_thread():
            thread.join()
        self._say_late()
        with self._telling:
            self._tell()
            figures, self._figures, self._told = self._figures, None, None
            self.spool.finish()
            self.counts = Counts()
        self._is_dirty = True
        self._sync()
        if figures:
            figures.close()

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
        with contextlib.suppress(RefusalError):  # a folder that cannot be used is said at the start, not at an event
            self.spool.prepare()
        next_tick = 0.0
        while not stopping.is_set():
            self._woken.wait(TICK_SECONDS)
            self._woken.clear()
            self._sync()
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + TICK_SECONDS
                self._tick()
            stopping.wait(self._fsync_seconds or TICK_SECONDS)

    def _sync(self) -> None:
        try:
            with self._syncing:
                if self._is_dirty:
                    self._is_dirty = False
                    self.spool.sync()
        except OSError as error:
            log.warning("spool.sync_failed error=%s", error.strerror)
            self.note("sync_failed", "recorder")

    def _tick(self) -> None:
        self.spool.measure()
        self._say_late()
        with self._telling:
            self._tell()
        try:
            self.on_tick()
        except Exception as error:  # noqa: BLE001 - the thread that keeps the spool must survive
            log.warning("recorder.tick_failed error=%s", type(error).__name__)

    def _tell(self) -> None:
        """Put the writer's figures beside its segments; at every refusal, for nothing else on disk tells of it."""
        figures = WriterFigures(self.offered, dict(self.counts.refused), self.spool.sequence)
        if figures == self._told or not figures.offered:
            return
        try:
            if self._figures is None:
                self.spool.prepare()
                self._figures = FiguresFile(self.spool.folder, self.spool.writer)
            self._figures.write(figures)
        except (OSError, RefusalError):
            return
        self._told = figures

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
        if not self.record(event, where):
            self._untold[reason] = event

    def _say_late(self) -> None:
        """Record the error events that a full or unusable spool would not have when they happened."""
        for reason, event in list(self._untold.items()):
            count = self.counts.refused[reason] or self.counts.noted[reason]
            try:
                self.spool.write(self._encode(msgspec.structs.replace(event, data={**event.data, "count": count})))
            except RefusalError:
                return
            self._untold.pop(reason, None)
            self._is_dirty = True

    def hold(self) -> None:
        """Before a fork: let no file be half opened."""
        self._is_held = self._telling.acquire(timeout=HOLD_SECONDS)
        self.spool.hold()

    def let_go(self) -> None:
        """After a fork, in the parent."""
        self.spool.let_go()
        if self._is_held:
            self._telling.release()

    def forget(self) -> None:
        """After a fork, in the child: begin as another writer, with figures of its own."""
        self.spool.forget()
        self.counts = Counts()
        self.on_tick = lambda: None
        if self._figures:
            self._figures.close()
        self._told = self._figures = self._thread = None
        self._telling, self._syncing = threading.Lock(), threading.Lock()
        self._woken, self._stopping, self._starting = threading.Event(), threading.Event(), threading.Lock()
        self._is_dirty = False
        self._untold = {}


_recorders: dict[Path, Recorder] = {}
_opening = threading.Lock()


def shared_recorder(folder: Path, max_bytes: int, fsync_seconds: float, when_full: WhenFull = "refuse") -> Recorder:
    """Return the process's recorder of ``folder``; the first caller decides its limits."""
    folder = folder.absolute()
    with _opening:
        if folder not in _recorders:
            if not _recorders:
                atexit.register(_close_all)
                os.register_at_fork(before=_hold_all, after_in_parent=_let_all_go, after_in_child=_forget_all)
            _recorders[folder] = Recorder(folder, max_bytes, fsync_seconds, when_full)
        return _recorders[folder]


def _close_all() -> None:
    """At the end of the process: what no service closed is put on disk, and a shipper takes it from there."""
    for recorder in list(_recorders.values()):
        if recorder.is_open:
            recorder.close()
            recorder.on_tick()


def _hold_all() -> None:
    for recorder in list(_recorders.values()):
        recorder.hold()


def _let_all_go() -> None:
    for recorder in list(_recorders.values()):
        recorder.let_go()


def _forget_all() -> None:
    global _opening  # noqa: PLW0603 - the parent's other threads may have held it
    _opening = threading.Lock()
    for recorder in list(_recorders.values()):
        recorder.forget()
