"""Tombstones: empty files in the place of segments that were dropped for newer events.

A tombstone's name tells the sequences that went with the segment: one rename both drops them and says so. The shipper
has the door count them, in their turn, and removes it.
"""

import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.online.recording.segments import SegmentName, list_segments, open_segment, read_bounds

log = logging.getLogger(__name__)

_NAME = re.compile(r"([0-9a-f\-]{36})-(\d{8})\.(\d+)-(\d+)\.dropped")


@dataclass(frozen=True, slots=True, order=True)
class Tombstone:
    """Stands for a writer's ``number``-th segment, or a run that ends there: records ``first`` to ``last``."""

    writer: str
    number: int
    first: int
    last: int

    @classmethod
    def read(cls, name: str) -> "Tombstone | None":
        """Return what a file name says; None where it names no tombstone."""
        if found := _NAME.fullmatch(name):
            return cls(found[1], int(found[2]), int(found[3]), int(found[4]))
        return None

    def __str__(self) -> str:
        return f"{self.writer}-{self.number:08d}.{self.first}-{self.last}.dropped"


def list_tombstones(folder: Path) -> list[Tombstone]:
    """Return the tombstones in ``folder``, per writer in order; none where there is no folder."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(found for name in names if (found := Tombstone.read(name)))


def list_spooled(folder: Path) -> dict[str, list[SegmentName | Tombstone]]:
    """Return what stands in ``folder`` for each writer's records, in their order."""
    spooled: dict[str, list[SegmentName | Tombstone]] = {}
    names: list[SegmentName | Tombstone] = [*list_segments(folder), *list_tombstones(folder)]
    for name in sorted(names, key=lambda name: name.number):
        spooled.setdefault(name.writer, []).append(name)
    return spooled


def count_dropped(tombstones: list[Tombstone], shipped: int) -> int:
    """Return how many records above ``shipped`` went with one writer's tombstones."""
    dropped = 0
    for tombstone in sorted(tombstones):
        dropped += max(0, tombstone.last - max(tombstone.first - 1, shipped))
        shipped = max(shipped, tombstone.last)
    return dropped


def drop_oldest(folder: Path) -> int:
    """Drop the oldest segment that nobody writes or ships; return how many bytes that freed, 0 where there is none."""
    for name in _oldest_first(folder):
        try:
            if freed := _drop(folder, name):
                return freed
        except FileNotFoundError:
            continue
    return 0


def _oldest_first(folder: Path) -> Iterator[SegmentName]:
    aged = []
    for name in list_segments(folder):
        try:
            aged.append(((folder / str(name)).stat().st_mtime_ns, name))
        except FileNotFoundError:
            continue
    return (name for _, name in sorted(aged))


def _drop(folder: Path, name: SegmentName) -> int:
    path = folder / str(name)
    file, is_finished = open_segment(path)
    try:
        size = os.fstat(file).st_size
        bounds = read_bounds(file) if is_finished else None
        if not bounds:
            return 0
        before = [
            each for each in list_tombstones(folder) if (each.writer, each.number + 1) == (name.writer, name.number)
        ]
        first = before[0].first if before else bounds[0]
        tombstone = Tombstone(name.writer, name.number, first, bounds[1])
        path.rename(folder / str(tombstone))
        os.truncate(folder / str(tombstone), 0)
    finally:
        os.close(file)
    for each in before:
        (folder / str(each)).unlink(missing_ok=True)
    log.warning("spool.dropped segment=%s first=%d last=%d", name, tombstone.first, tombstone.last)
    return size
