"""How far each writer of a spool is shipped."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ml_pipeline.online.recording.accounts import Account
from ml_pipeline.online.recording.notes import read_note, write_note
from ml_pipeline.online.recording.segments import SegmentName, list_segments


class Progress(msgspec.Struct):
    """How far a writer is shipped: ``<writer>.shipped``. Losing it costs a replay, which changes nothing."""

    sequence: int = 0
    offsets: dict[int, int] = {}
    account: Account | None = None
    """As the door last told it; at ``sequence`` unless a shipper was killed in between."""


def progress_file(folder: Path, writer: str) -> Path:
    return folder / f"{writer}.shipped"


def read_progress(folder: Path, writer: str) -> Progress:
    """Return how far ``writer`` is shipped; nothing yet where no (readable) file says more."""
    try:
        return msgspec.json.decode(read_note(progress_file(folder, writer)) or b"", type=Progress)
    except msgspec.MsgspecError:
        return Progress()


def save_progress(folder: Path, writer: str, progress: Progress) -> None:
    """Note how far ``writer`` is shipped, where the disk lets us: on a full one it is the shipping that makes room."""
    with contextlib.suppress(OSError):
        file = os.open(progress_file(folder, writer), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            write_note(file, msgspec.json.encode(progress))
        finally:
            os.close(file)


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
