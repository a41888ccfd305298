"""Owns every process of the stack: starts them, notices when one dies, ends them all however this process ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from ml_pipeline.errors import StackError
from ml_pipeline.stack.components import Component, inherited
from ml_pipeline.stack.guardian import clean_up
from ml_pipeline.stack.postgres import Postgres
from ml_pipeline.stack.processes import Child, describe, end, is_same, last_lines
from ml_pipeline.stack.state import Lock, State

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CHECK_SECONDS = 0.5
LOG_LINES = 12

GATE = 'read -r go && exec "$@" </dev/null'
"""A child waits for one line before it becomes its program, so that it is on record before it can outlive us."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process of ours and where it writes; ``process`` is None where it is not our child: Postgres."""

    child: Child
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    ends_by_itself: bool = False

    def has_died(self) -> bool:
        if self.process is None:
            return not is_same(self.child.pid, self.child.created)
        return self.process.poll() is not None

    def obituary(self) -> str:
        """Say how it ended and what it wrote last."""
        code = self.process.returncode if self.process else None
        how = "ended" if code is None else f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return "\n  ".join((f"{self.child.name} {how}; the end of {self.log}:", *last_lines(self.log, LOG_LINES)))


class Supervisor:
    """Use as a context manager in the main thread.

    While it is open, SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt in the main thread, and so does the death of a
    child; leaving then ends everything, and raises StackError if a death was the reason.
    """

    def __init__(self, state: State, project: Path) -> None:
        self._state = state
        self._project = project
        self._lock = Lock(state)
        self._running: list[Running] = []
        self._guardian: Running | None = None
        self._server: Postgres | None = None
        self._handlers: dict[int, Any] = {}
        self._closing = threading.Event()
        self._death: str | None = None
        self._parent = os.getppid()

    def __enter__(self) -> "Supervisor":
        self._state.prepare()
        self._take_lock()
        try:
            # A supervisor and its guardian may have been killed both, by a power cut say.
            clean_up(self._state)
            # Under nohup, a hang-up is ignored and stays so.
            heeded = [
                number for number in SIGNALS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
            ]
            self._handlers = {number: signal.signal(number, self._interrupt) for number in heeded}
            self._start_guardian()
            threading.Thread(target=self._monitor, name="stack-monitor", daemon=True).start()
        except BaseException:  # Ctrl-C too: what was started must end
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if self._death:
            raise StackError(self._death)

    def start(self, component: Component, *, ends_by_itself: bool = False) -> Running:
        """Start a component in a session of its own; its output goes to its log, the last one's is kept beside it."""
        log = self._state.logs / f"{component.name}.log"
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["/bin/sh", "-c", GATE, "sh", *component.command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(component.environment),
                cwd=self._project,
                start_new_session=True,
            )
        running = Running(describe(component.name, process.pid), log, process, ends_by_itself)
        self._running.append(running)
        self._record()
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin as gate:
            gate.write(b"go\n")
        return running

    def finish(self, component: Component) -> None:
        """Run a component that ends by itself.

        Raises:
            StackError: if it fails.
        """
        running = self.start(component, ends_by_itself=True)
        assert running.process is not None
        code = running.process.wait()
        self._running.remove(running)
        self._record()
        if code:
            raise StackError(running.obituary())

    def start_postgres(self, server: Postgres, **configuration: str) -> None:
        """Start the database server, which makes a session of its own and is ended last."""
        self._server = server
        server.start(**configuration)
        pid = server.pid()
        if pid is None:
            raise StackError(f"Postgres ended right after its start; see {server.log}")
        self._running.append(Running(describe("postgres", pid), server.log))

    def wait(self) -> None:
        """Block until a signal comes or a child dies, which both raise KeyboardInterrupt here."""
        while True:
            # signal.pause() would sleep through a signal that comes just before it.
            time.sleep(CHECK_SECONDS)

    def close(self) -> None:
        """End every child, Postgres last; signals wait meanwhile."""
        self._closing.set()
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)
        children = [running for running in self._running if running.process]
        end(running.child for running in children)
        for running in children:
            assert running.process is not None
            running.process.wait()
        if self._server:
            self._server.stop()
        self._running = []
        # The folder may have been removed under us; what was to be ended is ended.
        with suppress(OSError):
            self._record()
        self._dismiss_guardian()
        self._lock.release()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def _record(self) -> None:
        self._state.remember_children(running.child for running in self._running if running.process)

    def _take_lock(self) -> None:
        # A guardian that still cleans up holds the lock without a living supervisor.
        patience = 0.0 if self._lock.holder() else 30.0
        if not self._lock.take(wait_seconds=patience):
            holder = self._lock.holder()
            who = f"pid {holder.pid}" if holder else "another process"
            raise StackError(f"the stack of {self._state.root} runs already ({who}); end it with `make stop`")
        self._lock.sign(describe("supervisor", os.getpid()))

    def _start_guardian(self) -> None:
        log = self._state.logs / "guardian.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "ml_pipeline.stack.guardian", self._state.root],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # The lock stays taken until the guardian is done.
                pass_fds=(self._lock.descriptor,),
                env={**inherited(), "PYTHONPATH": str(self._project.resolve())},
            )
        self._guardian = Running(describe("guardian", process.pid), log, process)

    def _dismiss_guardian(self) -> None:
        if self._guardian and self._guardian.process and self._guardian.process.stdin:
            self._guardian.process.stdin.close()
            self._guardian.process.wait()
        self._guardian = None

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if not self._closing.is_set():
            self._closing.set()
            raise KeyboardInterrupt

    def _monitor(self) -> None:
        while not self._closing.wait(CHECK_SECONDS):
            dead = next((running for running in self._watched() if running.has_died()), None)
            if self._closing.is_set() or (dead is None and not self._is_orphan()):
                continue
            self._death = dead.obituary() if dead else None
            os.kill(os.getpid(), signal.SIGTERM)
            return

    def _watched(self) -> list[Running]:
        running = [running for running in self._running if not running.ends_by_itself]
        return [*running, self._guardian] if self._guardian else running

    def _is_orphan(self) -> bool:
        """Tell whether the `make` that started us is gone: it does not hand its own kill -9 on."""
        return "MAKELEVEL" in os.environ and os.getppid() != self._parent
