"""How a process of the chamber comes to die at an exact place: ``python -m tests.torture.doom FOLDER HOW N``."""

import os
import signal
import sys
import threading
from pathlib import Path

from ml_pipeline.online.recording import shipper
from ml_pipeline.settings import load_settings

_WRITING = os.O_WRONLY | os.O_RDWR


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_step(folder: str, step: int) -> None:
    """Die before the ``step``-th file in ``folder`` is opened for writing, renamed or removed."""
    left = step

    def see(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if not _is_step(event, arguments) or not str(arguments[0]).startswith(folder):
            return
        left -= 1
        if left == 0:
            die()

    sys.addaudithook(see)


def _is_step(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "open":
        flags = arguments[2]
        return isinstance(flags, int) and bool(flags & _WRITING)
    return event in ("os.rename", "os.remove")


class DoomedDoor(shipper.PostgresDoor):
    """Dies when a batch is committed and nobody else knows of it yet."""

    def __init__(self, dsn: str, commits: int) -> None:
        super().__init__(dsn)
        self._commits = commits

    def append(self, lines: list[bytes]) -> None:
        super().append(lines)
        self._commits -= 1
        if self._commits <= 0:
            die()


def main(folder: str, how: str, number: int) -> None:
    dsn = load_settings().capture_dsn
    door = DoomedDoor(dsn, number) if how == "commit" else shipper.PostgresDoor(dsn)
    if how == "step":
        die_at_step(folder, number)
    shipper.run(Path(folder), door, threading.Event())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
