"""Facts about processes, and how one is ended with everything it started."""

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

GONE = (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError)
CLOCK_STEP_SECONDS = 2.0
"""A process's age is counted from the boot time, which moves when the clock is set."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process we started as the leader of a session of its own; ``created`` tells it from a later one of its id."""

    name: str
    pid: int
    created: float


def created(pid: int) -> float | None:
    """Return when a process began, None where there is none; a zombie counts as gone."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except GONE:
        return None


def describe(name: str, pid: int) -> Child:
    """Return the process as it can be told from a later one of its id; ``created`` is 0 where it ended already."""
    return Child(name, pid, created(pid) or 0.0)


def is_running(pid: int) -> bool:
    return created(pid) is not None


def is_same(pid: int, began: float) -> bool:
    """Tell whether the process that began then still runs under this id."""
    now = created(pid)
    return now is not None and abs(now - began) < CLOCK_STEP_SECONDS


def working_in(folder: Path) -> list[psutil.Process]:
    """Return the processes whose working folder is ``folder``: of a PostgreSQL data folder, its server's."""
    wanted = str(folder.resolve())
    return [process for process in psutil.process_iter() if _cwd(process) == wanted]


def _cwd(process: psutil.Process) -> str | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else process.cwd()
    except GONE:
        return None


def family(children: Iterable[Child]) -> list[psutil.Process]:
    """Return the living processes that descend from ``children`` or belong to their sessions.

    A session outlives its leader, so what a killed leader left behind is found too.
    """
    leaders = {child.pid for child in children if not _is_stranger(child)}
    living = {process.pid: process for process in psutil.process_iter() if is_running(process.pid)}
    parents = {pid: _parent(process) for pid, process in living.items()}
    found = {pid for pid in living if pid in leaders or _session(pid) in leaders}
    while below := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= below
    return [living[pid] for pid in found]


def _is_stranger(child: Child) -> bool:
    """Tell whether the id now belongs to another process: the system keeps it free while the session lives."""
    now = created(child.pid)
    return now is not None and abs(now - child.created) >= CLOCK_STEP_SECONDS


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except GONE:
        return None


def end(children: Iterable[Child], *, ask_seconds: float = 3.0, wait_seconds: float = 3.0) -> None:
    """End every process of ``children``'s families.

    The leaders are asked first, for they tell their own workers; whoever is left after ``ask_seconds`` is asked
    itself, and killed ``wait_seconds`` later.
    """
    known = tuple(children)
    members = family(known)
    alive = {process.pid for process in members}
    for process in members:
        if process.pid in {child.pid for child in known} or _session(process.pid) not in alive:
            _send(process, signal.SIGTERM)
    if _wait(members, ask_seconds):
        return
    for process in (members := _still(members, known)):
        _send(process, signal.SIGTERM)
    _wait(members, wait_seconds)
    for process in _still(members, known):
        _send(process, signal.SIGKILL)
    _wait(members, 5.0)


def _still(members: list[psutil.Process], children: tuple[Child, ...]) -> list[psutil.Process]:
    """Return who is left of ``members``, and who joined the families meanwhile."""
    left = {process.pid: process for process in members if process.is_running() and is_running(process.pid)}
    left.update({process.pid: process for process in family(children)})
    return list(left.values())


def _wait(members: list[psutil.Process], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive := [process for process in members if process.is_running() and is_running(process.pid)]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1 if len(alive) > 3 else 0.05)
    return True


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except GONE:
        return


def last_lines(log: Path, count: int) -> list[str]:
    """Return what a process wrote last, nothing where its log cannot be read."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - 8_192))
            return stream.read().decode(errors="replace").splitlines()[-count:]
    except OSError:
        return []
