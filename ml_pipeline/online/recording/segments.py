"""A segment: one append-only file of numbered, checksummed records of one writer.

A record is a frame of 20 bytes (magic, body length, sequence, CRC-32 of the rest) and its body. The magic holds a byte
that no UTF-8 text has, so a reader that lost its place finds the next record. Whoever writes a segment holds its
``flock``; the kernel gives it back when the writer dies, so no pid is ever trusted.
"""

import contextlib
import errno
import fcntl
import os
import re
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

MAGIC = b"\xf5MLP"
FRAME = struct.Struct(">4sIQI")
_HEAD = struct.Struct(">IQ")
LONGEST_BODY = 4 << 20
"""No record is longer: a length beyond it is a damaged one."""
SHORTEST_RECORD = FRAME.size + 60
"""No record is shorter: its body names at least its writer and its sequence."""
END_BYTES = 64 << 10
"""How much of each end of a segment is read to learn which sequences it holds."""

_NAME = re.compile(r"([0-9a-f\-]{36})-(\d{8})\.seg")


@dataclass(frozen=True, slots=True, order=True)
class SegmentName:
    """Which writer, and its how-manieth segment, from 1."""

    writer: str
    number: int

    @classmethod
    def read(cls, name: str) -> "SegmentName | None":
        """Return what a file name says; None where it names no segment."""
        if found := _NAME.fullmatch(name):
            return cls(found[1], int(found[2]))
        return None

    def __str__(self) -> str:
        return f"{self.writer}-{self.number:08d}.seg"


def list_segments(folder: Path) -> list[SegmentName]:
    """Return the segments in ``folder``, per writer in order; none where there is no folder."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(found for name in names if (found := SegmentName.read(name)))


def frame(sequence: int, body: bytes) -> bytes:
    """Return the record of ``body`` as it stands in a segment."""
    length = len(body)
    checksum = zlib.crc32(body, zlib.crc32(_HEAD.pack(length, sequence)))
    return FRAME.pack(MAGIC, length, sequence, checksum) + body


@dataclass(slots=True)
class Scan:
    """What a stretch of a segment holds.

    ``records``: (sequence, body, end offset); ``damaged``: (start, end) of bytes that are no record and have a record
    behind them; ``end``: where reading stopped, ``rest`` bytes short of the end of what was read.
    """

    records: list[tuple[int, bytes, int]] = field(default_factory=list)
    damaged: list[tuple[int, int]] = field(default_factory=list)
    end: int = 0
    rest: int = 0


def scan(data: bytes, start: int = 0) -> Scan:
    """Read the records in ``data``, which begins at offset ``start`` of its segment."""
    found = Scan(end=start)
    # All that is done for each record there is: a second a million counts, so names are looked up once.
    view, unpack, head, crc32, records = memoryview(data), FRAME.unpack_from, FRAME.size, zlib.crc32, found.records
    position = at = 0
    while 0 <= at <= len(data) - head:
        magic, length, sequence, checksum = unpack(data, at)
        body = at + head
        end = body + length
        if (
            magic == MAGIC
            and length <= LONGEST_BODY
            and end <= len(data)
            and checksum == crc32(view[body:end], crc32(view[at + 4 : at + 16]))
        ):
            if at > position:
                found.damaged.append((start + position, start + at))
            records.append((sequence, data[body:end], start + end))
            position = at = end
        else:
            at = data.find(MAGIC, at + 1)
    found.end, found.rest = start + position, len(data) - position
    return found


def read_bounds(file: int) -> tuple[int, int] | None:
    """Return the first and the last sequence in an open segment; None where it holds no whole record.

    Where both its ends are sound no more than those is read: a writer that has to make room waits for this.
    """
    size = os.fstat(file).st_size
    head = scan(os.pread(file, END_BYTES, 0))
    tail = scan(os.pread(file, END_BYTES, max(0, size - END_BYTES)))
    if not head.records or not tail.records or tail.rest:
        head = tail = scan(os.pread(file, size, 0))
    return (head.records[0][0], tail.records[-1][0]) if head.records else None


def torn_through(data: bytes, last: int) -> int:
    """Return the highest sequence that a frame in torn bytes names; ``last``, of the record before, where none does.

    A sequence that could not have come so early in ``data`` is damage itself.

    >>> torn_through(frame(7, b"cut off" * 20)[:30], last=6), torn_through(frame(9, b"cut off" * 20)[:30], last=6)
    (7, 6)
    """
    highest = last
    at = data.find(MAGIC)
    while 0 <= at <= len(data) - FRAME.size:
        _, length, sequence, _ = FRAME.unpack_from(data, at)
        end = at + FRAME.size + length
        if sequence <= last + 1 + at // SHORTEST_RECORD:
            highest = max(highest, sequence)
        at = data.find(MAGIC, end if end <= len(data) else at + 1)
    return highest


class SegmentWriter:
    """The one writer of a segment. Appends whole records or nothing."""

    def __init__(self, folder: Path, name: SegmentName) -> None:
        self.name = name
        self.size = 0
        self._folder = folder
        self._is_named_on_disk = False
        # Locked before it has its name: a shipper never sees a segment of ours without our lock.
        unnamed = folder / f"{name}.new"
        self._file = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unnamed.rename(folder / str(name))
        except OSError:
            self.close()
            unnamed.unlink(missing_ok=True)
            raise

    def append(self, record: bytes) -> None:
        """Write ``record`` whole.

        Raises:
            OSError: if it cannot be written; nothing of it stays behind.
        """
        try:
            written = os.write(self._file, record)
        except OSError:
            self._cut_back()
            raise
        if written != len(record):
            self._cut_back()
            raise OSError(errno.ENOSPC, f"wrote {written} of {len(record)} bytes")
        self.size += written

    def sync(self) -> None:
        """Wait until the disk has what was written."""
        os.fsync(self._file)
        if not self._is_named_on_disk:
            _sync_folder(self._folder)
            self._is_named_on_disk = True

    def is_removed(self) -> bool:
        """Tell whether somebody unlinked the file; what is written then goes nowhere."""
        return os.fstat(self._file).st_nlink == 0

    def close(self) -> None:
        """Give the segment and its lock away."""
        os.close(self._file)

    def _cut_back(self) -> None:
        os.ftruncate(self._file, self.size)


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems sync no folders, and keep names by themselves
            os.fsync(file)
    finally:
        os.close(file)


def open_segment(path: Path) -> tuple[int, bool]:
    """Open a segment for reading; return the descriptor, and whether its writer is gone (then we hold its lock).

    Raises:
        FileNotFoundError: if it was shipped or dropped meanwhile.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        is_finished = try_lock(file)
        # Between open and lock another process may have finished with it.
        if path.stat().st_ino != os.fstat(file).st_ino:
            raise FileNotFoundError(path)
    except OSError:
        os.close(file)
        raise
    return file, is_finished


def try_lock(file: int) -> bool:
    """Lock an open file for us alone, and tell whether that worked; never waits."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(path: Path) -> bool:
    """Tell whether somebody holds the lock of ``path``: its writer is alive. False where there is no such file."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
