"""The disk that a round's spool lies on."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SMALL_KB = 400


def can_mount(trial: Path) -> bool:
    """Tell whether this process may mount, by trying it at ``trial``."""
    trial.mkdir(parents=True)
    may = _run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(trial)) and _run("umount", str(trial))
    trial.rmdir()
    return may


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Lay a disk of ``SMALL_KB`` at ``folder``."""
    folder.mkdir(parents=True)
    if not _run("mount", "-t", "tmpfs", "-o", f"size={SMALL_KB}k,mode=0700", "tmpfs", str(folder)):
        raise OSError(f"cannot mount at {folder}")
    try:
        yield
    finally:
        _run("umount", "--lazy", str(folder))


def _run(*command: str) -> bool:
    try:
        return (
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
        )
    except FileNotFoundError:
        return False
