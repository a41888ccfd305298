"""The shipper: one per spool folder, elected by ``flock``, outside the agent's event loop.

``python -m ml_pipeline.online.recording.shipper FOLDER`` ships until every writer is gone and the folder is empty.
Where the database is away it outlives the last writer by a few seconds only: what is left waits for the next start.
"""

import fcntl
import logging
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from ml_pipeline.errors import BatchRefusedError, DatabaseError
from ml_pipeline.online.recording.accounts import Account, read_account
from ml_pipeline.online.recording.segments import is_locked, list_segments
from ml_pipeline.online.recording.shipping import Door, Loss, Shipper, is_anything_left
from ml_pipeline.online.recording.writer_figures import WriterFigures

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 10.0
ORPHAN_SECONDS = 10.0
"""How long a shipper whose writers are all gone waits for a database that is away."""
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 60.0
LOCK = "shipper.lock"


class PostgresDoor:
    """The door of the database at ``dsn``; connects when needed, and anew after a failure."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: Any = None

    def append(self, lines: list[bytes]) -> Account | None:
        told = self._call("append_events", b"[" + b",".join(lines) + b"]")
        # A batch is one writer's.
        return next((read_account(row) for row in told["writers"].values()), None)

    def reject(self, writer: str, sequence: int, reason: str, line: bytes) -> Account:
        text = line.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
        return read_account(self._call("reject_event", writer=writer, sequence=sequence, reason=reason, line=text))

    def skip(self, writer: str, through: int, loss: Loss) -> Account:
        return read_account(self._call("skip_records", writer=writer, through=through, kind=loss))

    def report(self, writer: str, figures: WriterFigures, *, is_gone: bool) -> Account:
        refused = msgspec.json.encode(figures.refused).decode()
        said = {"offered": figures.offered, "refused": refused, "claimed": figures.accepted, "is_gone": is_gone}
        return read_account(self._call("report_writer", writer=writer, **said))

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _call(self, statement: str, *arguments: Any, **named: Any) -> dict[str, Any]:
        from ml_pipeline.online import store

        if self._connection is None:
            self._connection = store.connect(
                self._dsn, timeout_seconds=CONNECT_SECONDS, statement_seconds=STATEMENT_SECONDS
            )
        try:
            return getattr(store, statement)(self._connection, *arguments, **named)  # type: ignore[no-any-return]
        except BatchRefusedError:
            raise
        except DatabaseError:
            self.close()
            raise


def lock_folder(folder: Path) -> int | None:
    """Return a descriptor that holds the folder's shipper lock; None where another shipper has it."""
    file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def run(folder: Path, door: Door, stopping: threading.Event) -> None:
    """Ship until told to stop or until nobody writes and nothing is left; at once where another shipper is at work."""
    lock = lock_folder(folder)
    if lock is None:
        return
    try:
        _ship_until_done(folder, Shipper(folder, door), stopping)
    finally:
        os.close(lock)


def _ship_until_done(folder: Path, shipper: Shipper, stopping: threading.Event) -> None:
    failures = 0
    last_seen_alive = time.monotonic()
    while not stopping.is_set():
        try:
            shipped = shipper.ship()
            failures = 0
            if not is_anything_left(folder):
                return
            wait = 0.0 if shipped else IDLE_SECONDS
        except (DatabaseError, OSError) as error:
            wait = _backoff(failures)
            failures += 1
            if failures == 1:
                log.warning("shipper.waiting error=%s", error)
            if is_anyone_writing(folder):
                last_seen_alive = time.monotonic()
            elif time.monotonic() - last_seen_alive > ORPHAN_SECONDS:
                log.warning("shipper.left_behind segments=%d", len(list_segments(folder)))
                return
        stopping.wait(wait)


def _backoff(failures: int) -> float:
    """Seconds to wait: doubling from a quarter of a second, a random half of it, so that agents do not come as one."""
    longest = min(LONGEST_WAIT_SECONDS, 0.25 * 2 ** min(failures, 16))
    return random.uniform(longest / 2, longest)


def is_anyone_writing(folder: Path) -> bool:
    """Tell whether some writer is alive: the kernel holds its locks."""
    owned = (*folder.glob("*.seg"), *folder.glob("*.figures"))
    return any(is_locked(path) for path in owned)


def is_shipping(folder: Path) -> bool:
    """Tell whether some process ships the folder."""
    return is_locked(folder / LOCK)


def main(arguments: list[str]) -> int:
    """Ship the folder named by the one argument, to the database of the settings."""
    from ml_pipeline.settings import load_settings

    if len(arguments) != 1:
        sys.stderr.write("usage: python -m ml_pipeline.online.recording.shipper FOLDER\n")
        return 2
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    stopping = threading.Event()
    # Ctrl-C reaches the whole process group; the agent ends of it, and we when it has.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    door = PostgresDoor(load_settings().capture_dsn)
    run(Path(arguments[0]), door, stopping)
    door.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
