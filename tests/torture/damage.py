"""Damages segments, and knows exactly which records that destroyed."""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ml_pipeline.online.recording.segments import FRAME, MAGIC, SegmentName, scan


@dataclass(frozen=True, slots=True)
class Destroyed:
    """A record that was whole on disk until the chamber damaged it."""

    id: str
    writer: str
    sequence: int


def damage(path: Path, rng: random.Random) -> list[Destroyed]:
    """Damage the segment at ``path`` in place, once to four times; return the records that were hit."""
    return [record for _ in range(rng.randint(1, 4)) for record in _hit(path, rng)]


def _hit(path: Path, rng: random.Random) -> list[Destroyed]:
    before = path.read_bytes()
    if not before:
        return []
    start = rng.randrange(len(before))
    how = rng.choice(("flip", "zero", "truncate", "insert"))
    end = start + 1
    if how == "truncate":
        os.truncate(path, start)
        end = len(before)
    elif how == "insert":
        _write(path, start, _garbage(rng) + before[start:])
    else:
        end = start + 1 if how == "flip" else min(len(before), start + rng.choice((16, 300, 4_000)))
        changed = bytes([before[start] ^ (1 << rng.randrange(8))]) if how == "flip" else bytes(end - start)
        _write(path, start, changed)
    name = SegmentName.read(path.name)
    assert name is not None
    if how == "insert":
        return [record for record, begins, ends in _records(before, name) if begins < start < ends]
    return [record for record, begins, ends in _records(before, name) if begins < end and start < ends]


def _records(data: bytes, name: SegmentName) -> Iterator[tuple[Destroyed, int, int]]:
    for sequence, body, end in scan(data).records:
        if sequence:
            known = Destroyed(msgspec.json.decode(body)["id"], name.writer, sequence)
            yield known, end - len(body) - FRAME.size, end


def _garbage(rng: random.Random) -> bytes:
    """Return bytes that are no record, though they may begin as one does."""
    return rng.choice((b"", MAGIC, MAGIC + bytes(16))) + rng.randbytes(rng.choice((1, 50, 2_000)))


def _write(path: Path, at: int, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(file, data, at)
    finally:
        os.close(file)
