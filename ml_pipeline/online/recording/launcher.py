"""Sees to it that a shipper is at work on the spool: its own process by default, or a thread, or none."""

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO, Literal

from ml_pipeline.online.recording.shipper import PostgresDoor, is_anyone_writing, is_shipping, run
from ml_pipeline.online.recording.shipping import is_anything_left

log = logging.getLogger(__name__)

PAUSE_SECONDS = 30.0
"""How long a shipper that failed to run at all is not tried again."""

LOG = "shipper.log"
"""What the shipper says, in the spool's folder; begun anew once it is longer than ``LOG_BYTES``."""
LOG_BYTES = 1 << 20

ShipperKind = Literal["process", "thread", "none"]


class ShipperLauncher:
    """Starts a shipper for ``folder`` whenever nobody holds its lock. Call ``ensure`` from a background thread."""

    def __init__(self, folder: Path, dsn: str, kind: ShipperKind) -> None:
        self._folder = folder
        self._dsn = dsn
        self._kind = kind
        self._not_before = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    def is_running(self) -> bool:
        """Tell whether some process ships the folder."""
        try:
            return is_shipping(self._folder)
        except OSError:
            return False

    def ensure(self) -> None:
        """Start a shipper where there is something to ship and none is at work; safe to call ever again."""
        self._reap()
        try:
            if not is_anything_left(self._folder):
                return
        except OSError:
            return  # the spool says so at the next write
        if self._kind == "none" or self._is_ours_alive() or time.monotonic() < self._not_before or self.is_running():
            return
        if self._kind == "process" and self._start_process():
            return
        self._start_thread()

    def wait(self, timeout_seconds: float) -> None:
        """Wait until the shipper that this process started has ended, so that none is left a zombie.

        Returns at once where other writers keep it at work.
        """
        if self._process and not is_anyone_writing(self._folder):
            try:
                self._process.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                return
            self._process = None

    def _reap(self) -> None:
        if self._process and (code := self._process.poll()) is not None:
            self._process = None
            if code > 0:
                self._not_before = time.monotonic() + PAUSE_SECONDS
                log.warning("shipper.failed code=%d", code)

    def _is_ours_alive(self) -> bool:
        return self._process is not None or (self._thread is not None and self._thread.is_alive())

    def _start_process(self) -> bool:
        if not sys.executable:
            return False
        environment = {**os.environ, "ML_PIPELINE_CAPTURE_DSN": self._dsn}
        try:
            # Not the agent's own streams: whoever reads those to their end would wait for the shipper too.
            with self._open_log() as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "ml_pipeline.online.recording.shipper", str(self._folder)],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
        except OSError as error:
            log.warning("shipper.not_started error=%s; a thread ships instead", error.strerror)
            return False
        return True

    def _open_log(self) -> BinaryIO:
        path = self._folder / LOG
        is_long = path.exists() and path.stat().st_size > LOG_BYTES
        return path.open("wb" if is_long else "ab")

    def _start_thread(self) -> None:
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        door = PostgresDoor(self._dsn)
        try:
            run(self._folder, door, threading.Event())
        finally:
            door.close()
