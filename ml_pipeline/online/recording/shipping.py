"""Moves records from the segments of a spool through a door, each writer's in order, each exactly once."""

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol

from ml_pipeline.errors import BatchRefusedError
from ml_pipeline.online.recording.accounts import Account
from ml_pipeline.online.recording.progress import Progress, progress_file, read_progress, save_progress
from ml_pipeline.online.recording.segments import Scan, SegmentName, is_locked, open_segment, scan, torn_through
from ml_pipeline.online.recording.tombstones import Tombstone, list_spooled
from ml_pipeline.online.recording.writer_figures import WriterFigures, figures_file, read_figures

log = logging.getLogger(__name__)

BATCH_LINES = 1_000
BATCH_BYTES = 8 << 20
REPORT_SECONDS = 5.0
UNBORN_SECONDS = 60.0

Record = tuple[int, bytes, int]
Loss = Literal["quarantined", "dropped"]


class Door(Protocol):
    """Where batches go: Postgres, or what a test puts there. Each call returns the writer's account as it then is."""

    def append(self, lines: list[bytes]) -> Account | None: ...
    def reject(self, writer: str, sequence: int, reason: str, line: bytes) -> Account | None: ...
    def skip(self, writer: str, through: int, loss: Loss) -> Account | None: ...
    def report(self, writer: str, figures: WriterFigures, *, is_gone: bool) -> Account | None: ...


def is_anything_left(folder: Path) -> bool:
    """Tell whether the folder holds something that Postgres has not heard of, or a writer that may add to it."""
    return any(path.suffix in (".seg", ".dropped", ".figures", ".shipped") for path in folder.iterdir())


class Shipper:
    """Ships the segments of ``folder`` through ``door``, each writer's in order."""

    def __init__(self, folder: Path, door: Door) -> None:
        self._folder = folder
        self._door = door
        self._reported: dict[str, WriterFigures] = {}
        self._next_report = 0.0
        self._unreadable: set[str] = set()

    def ship(self) -> int:
        """Move what the segments hold now; return how many records.

        Raises:
            DatabaseError: if the database is away; what was committed before stays so.
        """
        shipped = 0
        waiting = list_spooled(self._folder)
        for writer, names in waiting.items():
            shipped += self._ship_writer(writer, names)
        if not waiting or time.monotonic() >= self._next_report:
            self.report()
        return shipped

    def report(self) -> None:
        """Tell the door what each writer says of itself; clean up behind writers that are gone and shipped."""
        self._next_report = time.monotonic() + REPORT_SECONDS
        known = (*self._folder.glob("*.figures"), *self._folder.glob("*.shipped"))
        for writer in sorted({path.stem for path in known}):
            self._report_writer(writer)
        self._clear_unborn()

    def _clear_unborn(self) -> None:
        """Remove files whose maker died before it could name them."""
        for path in self._folder.glob("*.new"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > UNBORN_SECONDS and not is_locked(path):
                    path.unlink()

    def _report_writer(self, writer: str) -> None:
        figures, is_alive = read_figures(self._folder, writer)
        # Looked for after the figures: what a writer that is gone put on disk was there before.
        is_gone = not is_alive and writer not in list_spooled(self._folder)
        progress = read_progress(self._folder, writer)
        if figures is None:
            figures = WriterFigures(0, progress.account.refused if progress.account else {}, progress.sequence)
        if is_gone or self._reported.get(writer) != figures:
            told = self._door.report(writer, figures, is_gone=is_gone)
            self._reported[writer] = figures
            self._advance(writer, progress, 0, told)
        if is_gone:
            figures_file(self._folder, writer).unlink(missing_ok=True)
            progress_file(self._folder, writer).unlink(missing_ok=True)
            self._reported.pop(writer, None)

    def _ship_writer(self, writer: str, names: list[SegmentName | Tombstone]) -> int:
        """Ship one writer's segments; one that cannot be read holds up no other writer's."""
        progress = read_progress(self._folder, writer)
        shipped = 0
        try:
            for name in names:
                if isinstance(name, Tombstone):
                    self._bury(name, progress)
                else:
                    shipped += self._ship_segment(name, progress, is_last=name == names[-1])
        except FileNotFoundError:
            pass  # dropped since it was listed: its tombstone comes next time, and nothing may come before it
        except OSError as error:
            if writer not in self._unreadable:
                log.warning("shipper.unreadable writer=%s error=%s", writer, error)
            self._unreadable.add(writer)
        return shipped

    def _bury(self, tombstone: Tombstone, progress: Progress) -> None:
        if progress.sequence < tombstone.first - 1:
            self._skip(tombstone.writer, tombstone.first - 1, "quarantined", progress)
        self._skip(tombstone.writer, tombstone.last, "dropped", progress)
        (self._folder / str(tombstone)).unlink(missing_ok=True)

    def _skip(self, writer: str, through: int, loss: Loss, progress: Progress) -> None:
        told = self._door.skip(writer, through, loss)
        self._advance(writer, progress, through, told)

    def _ship_segment(self, name: SegmentName, progress: Progress, *, is_last: bool) -> int:
        path = self._folder / str(name)
        file, is_finished = open_segment(path)
        try:
            offset, data, found = _read_on(file, progress.offsets.get(name.number, 0), progress.sequence)
            torn = data[len(data) - found.rest :] if is_finished else b""
            self._set_aside(name, {start: data[start - offset : end - offset] for start, end in found.damaged})
            shipped = self._ship_records(name, found.records, progress)
            if torn:
                self._set_aside(name, {found.end: torn})
                through = torn_through(torn, progress.sequence) if is_last else 0
                if through > progress.sequence:
                    self._skip(name.writer, through, "quarantined", progress)
            if is_finished:
                path.unlink()
                progress.offsets.pop(name.number, None)
                save_progress(self._folder, name.writer, progress)
            return shipped
        finally:
            os.close(file)

    def _ship_records(self, name: SegmentName, records: list[Record], progress: Progress) -> int:
        shipped = 0
        for batch in _batches(_in_order(records, progress.sequence)):
            told = self._send(name.writer, batch)
            progress.offsets[name.number] = batch[-1][2]
            self._advance(name.writer, progress, batch[-1][0], told)
            shipped += len(batch)
        return shipped

    def _send(self, writer: str, batch: list[Record]) -> Account | None:
        try:
            return self._door.append([body for _, body, _ in batch])
        except BatchRefusedError as refused:
            if len(batch) == 1:
                sequence, body, _ = batch[0]
                log.warning("shipper.rejected writer=%s sequence=%d reason=%s", writer, sequence, refused)
                return self._door.reject(writer, sequence, f"refused by Postgres: {refused}", body)
            middle = len(batch) // 2
            self._send(writer, batch[:middle])
            return self._send(writer, batch[middle:])

    def _set_aside(self, name: SegmentName, damaged: dict[int, bytes]) -> None:
        """Keep damaged bytes, by their offset, before anything passes over them."""
        for offset, data in damaged.items():
            kept = self._folder / "quarantine" / f"{name}-{offset}.bad"
            if kept.exists() and kept.stat().st_size == len(data):
                continue
            kept.parent.mkdir(exist_ok=True, mode=0o700)
            kept.write_bytes(data)
            log.warning("shipper.quarantined segment=%s offset=%d bytes=%d", name, offset, len(data))

    def _advance(self, writer: str, progress: Progress, sequence: int, told: Account | None) -> None:
        progress.sequence = max(progress.sequence, sequence)
        progress.account = told or progress.account
        save_progress(self._folder, writer, progress)


def _in_order(records: list[Record], last: int) -> list[Record]:
    """Return the records behind ``last``; one that comes a second time is damage that happens to be sound."""
    ordered = []
    for record in records:
        if record[0] > last:
            last = record[0]
            ordered.append(record)
    return ordered


def _batches(records: list[Record]) -> Iterator[list[Record]]:
    start = 0
    while start < len(records):
        batch = records[start : start + BATCH_LINES]
        while len(batch) > 1 and sum(len(body) for _, body, _ in batch) > BATCH_BYTES:
            batch = batch[: len(batch) // 2]
        yield batch
        start += len(batch)


def _read_on(file: int, offset: int, last: int) -> tuple[int, bytes, Scan]:
    """Read a segment on from ``offset``, where the record ``last`` ended; return where what was read begins, and it.

    Where something else than the next record follows, the file was changed under us, and is read whole: sound records
    may stand before ``offset`` that were not there when it was noted.
    """
    data = _read_from(file, offset)
    found = scan(data, offset)
    is_cut = os.fstat(file).st_size < offset
    if offset and (is_cut or found.damaged or (found.records and found.records[0][0] != last + 1)):
        data = _read_from(file, 0)
        return 0, data, scan(data)
    return offset, data, found


def _read_from(file: int, offset: int) -> bytes:
    return os.pread(file, max(0, os.fstat(file).st_size - offset), offset)
