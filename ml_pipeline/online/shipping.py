"""Moves records from the segments of a spool through a door, each writer's in order, each exactly once."""

import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from ml_pipeline.errors import BatchRefusedError
from ml_pipeline.online.recorder import WriterFigures, figures_file
from ml_pipeline.online.segments import Scan, SegmentName, list_segments, open_finished, scan
from ml_pipeline.online.spool import FIRST

log = logging.getLogger(__name__)

BATCH_LINES = 1_000
BATCH_BYTES = 8 << 20
REPORT_SECONDS = 5.0

Record = tuple[int, bytes, int]


class Door(Protocol):
    """Where batches go: Postgres, or what a test puts there."""

    def append(self, lines: list[bytes]) -> None: ...
    def reject(self, writer: str, sequence: int, reason: str, line: bytes) -> None: ...
    def report(self, writer: str, figures: WriterFigures, quarantined: int) -> None: ...


class Progress(msgspec.Struct):
    """How far a writer is shipped: ``<writer>.shipped``. Losing it costs a replay, which changes nothing."""

    sequence: int = 0
    quarantined: int = 0
    offsets: dict[int, int] = {}


def progress_file(folder: Path, writer: str) -> Path:
    return folder / f"{writer}.shipped"


def read_progress(folder: Path, writer: str) -> Progress:
    """Return how far ``writer`` is shipped; nothing yet where no (readable) file says more."""
    try:
        return msgspec.json.decode(progress_file(folder, writer).read_bytes(), type=Progress)
    except (OSError, msgspec.MsgspecError):
        return Progress()


@dataclass(frozen=True, slots=True)
class Extent:
    """How many bytes a segment holds, and up to where they are shipped."""

    size: int
    shipped: int


def unshipped(folder: Path) -> dict[SegmentName, Extent]:
    """Return the segments of ``folder`` that hold more than was shipped of them."""
    found: dict[SegmentName, Extent] = {}
    offsets = {name.writer: read_progress(folder, name.writer).offsets for name in list_segments(folder)}
    for name in list_segments(folder):
        try:
            size = (folder / str(name)).stat().st_size
        except FileNotFoundError:
            continue
        shipped = offsets.get(name.writer, {}).get(name.number, 0)
        if shipped < size:
            found[name] = Extent(size, shipped)
    return found


class Shipper:
    """Ships the segments of ``folder`` through ``door``, each writer's in order."""

    def __init__(self, folder: Path, door: Door) -> None:
        self._folder = folder
        self._door = door
        self._reported: dict[str, tuple[WriterFigures, int]] = {}
        self._next_report = 0.0

    def ship(self) -> int:
        """Move what the segments hold now; return how many records.

        Raises:
            DatabaseError: if the database is away; what was committed before stays so.
        """
        shipped = 0
        by_writer: dict[str, list[SegmentName]] = {}
        for name in list_segments(self._folder):
            by_writer.setdefault(name.writer, []).append(name)
        for writer, segments in by_writer.items():
            progress = read_progress(self._folder, writer)
            for name in segments:
                shipped += self._ship_segment(name, progress)
        if not by_writer or time.monotonic() >= self._next_report:
            self.report()
        return shipped

    def report(self) -> None:
        """Tell the door what each writer says of itself; clean up behind writers that are gone and shipped."""
        self._next_report = time.monotonic() + REPORT_SECONDS
        alive = {name.writer for name in list_segments(self._folder)}
        for path in self._folder.glob("*.figures"):
            writer = path.stem
            self._report_writer(writer, is_gone=writer not in alive)

    def _report_writer(self, writer: str, *, is_gone: bool) -> None:
        path = figures_file(self._folder, writer)
        try:
            figures = msgspec.json.decode(path.read_bytes(), type=WriterFigures)
        except (OSError, msgspec.MsgspecError):
            return
        progress = read_progress(self._folder, writer)
        figures.accepted = max(figures.accepted, progress.sequence)
        figures.offered = max(figures.offered, figures.accepted + sum(figures.refused.values()))
        lost = progress.quarantined + (figures.accepted - progress.sequence if is_gone else 0)
        if self._reported.get(writer) != (figures, lost):
            self._door.report(writer, figures, lost)
            self._reported[writer] = (figures, lost)
        if is_gone:
            path.unlink(missing_ok=True)
            progress_file(self._folder, writer).unlink(missing_ok=True)
            self._reported.pop(writer, None)

    def _ship_segment(self, name: SegmentName, progress: Progress) -> int:
        path = self._folder / str(name)
        try:
            file, is_finished = open_finished(path)
        except FileNotFoundError:
            return 0
        try:
            offset = progress.offsets.get(name.number, 0)
            found = scan(_read_from(file, offset), offset)
            if is_finished and found.rest:
                found.damaged.append((found.end, found.end + found.rest))
            self._set_aside(file, name, found.damaged)
            shipped = self._ship_records(name, found, progress)
            if is_finished:
                path.unlink()
                progress.offsets.pop(name.number, None)
                self._save(name.writer, progress)
            return shipped
        finally:
            os.close(file)

    def _ship_records(self, name: SegmentName, found: Scan, progress: Progress) -> int:
        shipped = 0
        for batch in _batches(_follow(found.records, progress)):
            self._send(name.writer, batch)
            progress.sequence = max(progress.sequence, batch[-1][0])
            progress.offsets[name.number] = batch[-1][2]
            self._save(name.writer, progress)
            shipped += len(batch)
        if found.end > progress.offsets.get(name.number, 0):
            progress.offsets[name.number] = found.end
            self._save(name.writer, progress)
        return shipped

    def _send(self, writer: str, batch: list[Record]) -> None:
        try:
            self._door.append([body for _, body, _ in batch])
        except BatchRefusedError as refused:
            if len(batch) == 1:
                sequence, body, _ = batch[0]
                log.warning("shipper.rejected writer=%s sequence=%d reason=%s", writer, sequence, refused)
                self._door.reject(writer, sequence, f"refused by Postgres: {refused}", body)
                return
            middle = len(batch) // 2
            self._send(writer, batch[:middle])
            self._send(writer, batch[middle:])

    def _set_aside(self, file: int, name: SegmentName, damaged: list[tuple[int, int]]) -> None:
        for start, end in damaged:
            folder = self._folder / "quarantine"
            folder.mkdir(exist_ok=True, mode=0o700)
            (folder / f"{name}-{start}.bad").write_bytes(os.pread(file, end - start, start))
            log.warning("shipper.quarantined segment=%s offset=%d bytes=%d", name, start, end - start)

    def _save(self, writer: str, progress: Progress) -> None:
        target = progress_file(self._folder, writer)
        unnamed = target.with_suffix(".shipped.new")
        unnamed.write_bytes(msgspec.json.encode(progress))
        unnamed.replace(target)


def _follow(records: list[Record], progress: Progress) -> Iterator[Record]:
    """Yield the records that carry events; a gap in their sequence is what damage took."""
    last = progress.sequence
    for record in records:
        sequence, body, _ = record
        if sequence == 0:
            first = msgspec.json.decode(body)[FIRST]
            last = first - 1 if last == 0 else last
            continue
        progress.quarantined += max(0, sequence - last - 1)
        last = max(last, sequence)
        yield record


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record[1])
        if len(batch) == BATCH_LINES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read_from(file: int, offset: int) -> bytes:
    return os.pread(file, max(0, os.fstat(file).st_size - offset), offset)
