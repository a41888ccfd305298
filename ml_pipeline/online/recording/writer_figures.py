"""What a writer says of itself, beside its segments: ``<writer>.figures``, locked for as long as the writer lives."""

import fcntl
import os
from pathlib import Path

import msgspec

from ml_pipeline.online.recording.notes import read_note, write_note
from ml_pipeline.online.recording.segments import is_locked


class WriterFigures(msgspec.Struct, frozen=True):
    """Calls that offered an event, those refused, by reason, and records put on disk."""

    offered: int
    refused: dict[str, int]
    accepted: int


def figures_file(folder: Path, writer: str) -> Path:
    return folder / f"{writer}.figures"


def read_figures(folder: Path, writer: str) -> tuple[WriterFigures | None, bool]:
    """Return what ``writer`` says, None where nothing readable, and whether it is alive; if not, that was its last."""
    path = figures_file(folder, writer)
    is_alive = is_locked(path)
    try:
        return msgspec.json.decode(read_note(path) or b"", type=WriterFigures), is_alive
    except msgspec.MsgspecError:
        return None, is_alive


class FiguresFile:
    """Where a writer puts its figures."""

    def __init__(self, folder: Path, writer: str) -> None:
        path = figures_file(folder, writer)
        unnamed = path.with_suffix(".figures.new")
        self._file = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unnamed.rename(path)
        except OSError:
            self.close()
            unnamed.unlink(missing_ok=True)
            raise

    def write(self, figures: WriterFigures) -> None:
        write_note(self._file, msgspec.json.encode(figures))

    def close(self) -> None:
        """Say that these were the last."""
        os.close(self._file)
