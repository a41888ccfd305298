"""The spool: a folder on a local disk where records wait until Postgres has them. This is its writing side."""

import logging
import os
import threading
import time
import uuid
from pathlib import Path

import msgspec

from ml_pipeline.errors import RefusalError
from ml_pipeline.online.segments import LONGEST_BODY, SegmentName, SegmentWriter, frame

log = logging.getLogger(__name__)

SEGMENT_BYTES = 4 << 20
RETRY_SECONDS = 1.0
"""How long a spool that could not be opened is left alone."""

FIRST = "first"
"""The key in a segment's head (its record of sequence 0): the sequence of the first record that follows."""


class Spool:
    """The process's writer in ``folder``. Nothing is opened before the first ``write``.

    ``write`` may be called from any thread; ``sync`` and ``close`` from one other.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._segment_bytes = min(SEGMENT_BYTES, max(max_bytes // 8, 4096))
        self._begin()

    def _begin(self) -> None:
        self.writer = str(uuid.uuid4())
        self._signature = f',"writer":"{self.writer}","sequence":'.encode()
        self.sequence = 0
        """Of the last record on disk: how many this writer has accepted."""
        self._segment: SegmentWriter | None = None
        self._number = 0
        self._retired: list[SegmentWriter] = []
        self._used_bytes = 0
        self._unusable_until = 0.0
        self._lock = threading.Lock()

    @property
    def is_usable(self) -> bool:
        """False where the folder could not be written when last tried."""
        return self._segment is not None or self._unusable_until == 0.0

    @property
    def used_bytes(self) -> int:
        """Of all writers in the folder, as last measured, and ours since."""
        return self._used_bytes

    def write(self, line: bytes) -> None:
        """Put ``line``, a JSON object, on disk with its writer and sequence; it has left the process at return.

        Raises:
            RefusalError: ``spool_full``, ``disk_full``, ``spool_unusable``, ``record_too_large``.
        """
        if len(line) > LONGEST_BODY - 128:
            raise RefusalError("record_too_large")
        with self._lock:
            segment = self._writable()
            sequence = self.sequence + 1
            record = frame(sequence, line[:-1] + self._signature + b"%d}" % sequence)
            if self._used_bytes + len(record) > self.max_bytes:
                raise RefusalError("spool_full")
            try:
                segment.append(record)
            except OSError as error:
                raise RefusalError("disk_full" if error.errno == 28 else "spool_unusable") from error
            self._used_bytes += len(record)
            self.sequence = sequence

    def sync(self) -> None:
        """Wait until the disk has everything written so far, and give finished segments away."""
        with self._lock:
            retired, self._retired = self._retired, []
            segment = self._segment
        for old in retired:
            old.sync()
            old.close()
        if segment:
            segment.sync()

    def close(self) -> None:
        """Sync, and give every segment away; the next ``write`` opens another."""
        with self._lock:
            if self._segment:
                self._retired.append(self._segment)
                self._segment = None
        self.sync()

    def measure(self) -> None:
        """See how many bytes the folder holds; the shipper takes some away."""
        used = 0
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name.endswith(".seg"):
                        used += _size(entry)
        except OSError:
            return
        with self._lock:
            self._used_bytes = used

    def forget(self) -> None:
        """After a fork, in the child: begin as a new writer; the parent's segments are not ours."""
        for segment in (*self._retired, *([self._segment] if self._segment else [])):
            segment.close()
        self._begin()

    def _writable(self) -> SegmentWriter:
        if self._segment and self._segment.size < self._segment_bytes:
            return self._segment
        if time.monotonic() < self._unusable_until:
            raise RefusalError("spool_unusable")
        try:
            fresh = self._open()
        except OSError as error:
            self._unusable_until = time.monotonic() + RETRY_SECONDS
            log.warning("spool.unusable folder=%s error=%s", self.folder, error.strerror)
            raise RefusalError("spool_unusable") from error
        if self._segment:
            self._retired.append(self._segment)
        self._segment = fresh
        return fresh

    def _open(self) -> SegmentWriter:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = SegmentWriter(self.folder, SegmentName(self.writer, self._number + 1))
        self._number += 1
        fresh.append(frame(0, msgspec.json.encode({FIRST: self.sequence + 1})))
        return fresh


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return 0
