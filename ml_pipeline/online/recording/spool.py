"""The spool: a folder on a local disk where records wait until Postgres has them. This is its writing side."""

import errno
import logging
import os
import threading
import time
import uuid
from pathlib import Path

from ml_pipeline.errors import RefusalError
from ml_pipeline.online.recording.mounts import NETWORKED, file_system
from ml_pipeline.online.recording.segments import LONGEST_BODY, SegmentName, SegmentWriter, frame
from ml_pipeline.online.recording.tombstones import drop_oldest

log = logging.getLogger(__name__)

SEGMENT_BYTES = 4 << 20
RETRY_SECONDS = 1.0
"""How long a spool that could not be opened is left alone."""
HOLD_SECONDS = 1.0
"""How long a fork waits for a write under way; one that a signal handler interrupted never ends."""


class Spool:
    """The process's writer in ``folder``. Nothing is opened before the first ``write``.

    ``write`` may be called from any thread; ``sync`` and ``close`` from one at a time. ``drops_oldest``: a full spool
    makes room instead of refusing.
    """

    def __init__(self, folder: Path, max_bytes: int, *, drops_oldest: bool = False) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._drops_oldest = drops_oldest
        self._segment_bytes = min(SEGMENT_BYTES, max(max_bytes // 8, 4096))
        self._retired: list[SegmentWriter] = []
        self._used_bytes = 0
        self._can_drop = True
        self._is_held = False
        self._refusal = ""
        self._unusable_until = 0.0
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        """Be another writer from here on."""
        self.writer = str(uuid.uuid4())
        self._signature = f',"writer":"{self.writer}","sequence":'.encode()
        self.sequence = 0
        """Of the last record on disk: how many this writer has accepted."""
        self._segment: SegmentWriter | None = None
        self._number = 0

    @property
    def is_usable(self) -> bool:
        """False from when the folder could not be used until a segment is opened in it."""
        return not self._refusal

    @property
    def used_bytes(self) -> int:
        """Of all writers in the folder, as last measured, and ours since."""
        return self._used_bytes

    def prepare(self) -> None:
        """Make the folder, and see whether it can be trusted.

        Raises:
            RefusalError: ``spool_unusable``, ``spool_on_network``.
        """
        if time.monotonic() < self._unusable_until:
            raise RefusalError(self._refusal)
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            kind = file_system(self.folder)
        except OSError as error:
            raise self._unusable(_reason(error), error.strerror or str(error)) from error
        if kind in NETWORKED:
            raise self._unusable("spool_on_network", f"{kind} is a network file system; name a folder on a local disk")

    def write(self, line: bytes) -> None:
        """Put ``line``, a JSON object, on disk with its writer and sequence; it has left the process at return.

        Raises:
            RefusalError: ``spool_full``, ``disk_full``, ``spool_unusable``, ``spool_on_network``, ``record_too_large``.
        """
        if len(line) > LONGEST_BODY - 128:
            raise RefusalError("record_too_large")
        with self._lock:
            segment = self._segment
            if segment is None or segment.size >= self._segment_bytes:
                segment = self._next_segment()
            sequence = self.sequence + 1
            record = frame(sequence, line[:-1] + self._signature + b"%d}" % sequence)
            if self._used_bytes + len(record) > self.max_bytes and not self._make_room(len(record)):
                raise RefusalError("spool_full")
            try:
                segment.append(record)
            except OSError:
                self._append_to_another(record)
            self._used_bytes += len(record)
            self.sequence = sequence

    def sync(self) -> None:
        """Wait until the disk has everything written so far, and give finished segments away."""
        with self._lock:
            retired = list(self._retired)
            segment = self._segment
        for open_segment in (*retired, *([segment] if segment else [])):
            open_segment.sync()
        with self._lock:
            for old in retired:
                self._retired.remove(old)
                old.close()
                self._can_drop = True

    def finish(self) -> None:
        """Let this writer end; the next ``write`` is another's. ``sync`` gives its last segment away."""
        with self._lock:
            if self._segment:
                self._retired.append(self._segment)
            self._begin()

    def close(self) -> None:
        """Finish, and sync."""
        self.finish()
        self.sync()

    def measure(self) -> None:
        """See how many bytes the folder holds, of which the shipper takes away, and whether our segment is there."""
        used = _folder_bytes(self.folder)
        with self._lock:
            self._used_bytes = self._used_bytes if used is None else used
            self._can_drop = True
            if self._segment and self._segment.is_removed():
                log.error("spool.removed segment=%s: somebody else deleted what was written", self._segment.name)
                self._retired.append(self._segment)
                self._segment = None

    def hold(self) -> None:
        """Before a fork: let no segment be half opened, the child could not close it."""
        self._is_held = self._lock.acquire(timeout=HOLD_SECONDS)

    def let_go(self) -> None:
        """After a fork, in the parent."""
        if self._is_held:
            self._lock.release()

    def forget(self) -> None:
        """After a fork, in the child: begin as a new writer; the parent's segments are not ours."""
        for segment in (*self._retired, *([self._segment] if self._segment else [])):
            segment.close()
        self._retired = []
        self._lock = threading.Lock()
        self._begin()

    def _make_room(self, needed: int) -> bool:
        """Drop the oldest segments until ``needed`` bytes fit.

        Once there is none left to drop, none is looked for until one was given away or the folder was measured.
        """
        if not (self._drops_oldest and self._can_drop):
            return False
        self._used_bytes = _folder_bytes(self.folder) or self._used_bytes
        while self._used_bytes + needed > self.max_bytes:
            try:
                freed = drop_oldest(self.folder)
            except OSError:
                freed = 0
            if not freed:
                self._can_drop = False
                return False
            self._used_bytes -= freed
        return True

    def _next_segment(self) -> SegmentWriter:
        try:
            return self._open_another()
        except RefusalError:
            if self._segment is None:
                raise
            return self._segment  # without descriptors to spare, a longer segment is better than none

    def _open_another(self) -> SegmentWriter:
        self.prepare()
        try:
            fresh = SegmentWriter(self.folder, SegmentName(self.writer, self._number + 1))
        except OSError as error:
            raise self._unusable(_reason(error), error.strerror or str(error)) from error
        self._refusal = ""
        if self._segment:
            self._retired.append(self._segment)
        self._number += 1
        self._segment = fresh
        return fresh

    def _append_to_another(self, record: bytes) -> None:
        """Append where a segment just failed: a fresh one may have the room, or the sound disk, that it had not.

        One that holds nothing yet is kept, so that a full disk is not filled with empty files.
        """
        segment = self._segment
        if segment is None or segment.size:
            segment = self._open_another()
        try:
            segment.append(record)
        except OSError as error:
            raise RefusalError(_reason(error)) from error

    def _unusable(self, reason: str, why: str) -> RefusalError:
        """Leave the folder alone for a while. Said once here, and by the count of what is refused."""
        if self._refusal != reason:
            log.error("spool.unusable folder=%s reason=%s why=%s", self.folder, reason, why)
        self._refusal = reason
        self._unusable_until = time.monotonic() + RETRY_SECONDS
        return RefusalError(reason)


def _reason(error: OSError) -> str:
    return "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "spool_unusable"


def _folder_bytes(folder: Path) -> int | None:
    """Return how many bytes the segments of ``folder`` take; None where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sum(_size(entry) for entry in entries if entry.name.endswith(".seg"))
    except OSError:
        return None


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return 0
