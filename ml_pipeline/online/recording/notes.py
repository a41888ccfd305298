"""Notes: small files that are overwritten in place, under a checksum.

Not written anew and renamed: a rename over a file makes ext4 flush it, 2 ms each time. A note cut off by a power cut,
or read while it is written, is no note.
"""

import os
from pathlib import Path

from ml_pipeline.online.recording.segments import frame, scan


def write_note(file: int, content: bytes) -> None:
    """Overwrite the note in an open file; a longer one before it leaves a tail, which nobody reads."""
    os.pwrite(file, frame(0, content), 0)


def read_note(path: Path) -> bytes | None:
    """Return what a note says; None where there is none, or none that is whole."""
    try:
        found = scan(path.read_bytes())
    except OSError:
        return None
    return found.records[0][1] if found.records and not found.damaged else None
