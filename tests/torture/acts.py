"""What goes wrong in a round: the acts of a plan, under the names it calls them by."""

import contextlib
import fcntl
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg2

from ml_pipeline.online.ids import fresh_event_id
from ml_pipeline.online.recording.recorder import Event, Recorder
from ml_pipeline.online.recording.segments import list_segments
from ml_pipeline.stack.processes import working_in
from tests.torture.checker import Offer
from tests.torture.crew import Crew
from tests.torture.damage import Destroyed, damage
from tests.torture.stand import Stand

WAITERS = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
TABLES = ("capture_writers", "ml_tracking_events", "log_ledger", "rejected_events")


class Acts:
    """Acts on the crew, its spool and the server; ``destroyed`` tells which records they cost."""

    def __init__(self, crew: Crew, stand: Stand, owner_dsn: str, rng: random.Random) -> None:
        self.destroyed: set[Destroyed] = set()
        self._crew = crew
        self._stand = stand
        self._owner_dsn = owner_dsn
        self._rng = rng

    def mend(self) -> None:
        """Undo what still holds."""
        for process in self._crew.shippers():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
        self._stand.start()

    def kill_agent(self) -> None:
        if living := self._crew.living():
            process = self._rng.choice(living).process
            process.kill()
            process.wait()

    def kill_shipper(self) -> None:
        self._crew.kill_shippers()

    def kill_agent_and_shipper(self) -> None:
        self.kill_agent()
        self.kill_shipper()

    def kill_everything(self) -> None:
        for agent in self._crew.living():
            agent.process.kill()
        self.kill_shipper()
        self._stand.kill()

    def kill_server(self) -> None:
        self._stand.kill()
        time.sleep(self._rng.uniform(0, 0.3))
        self._stand.start()

    def stop_server(self) -> None:
        self._stand.stop()

    def bounce_server(self) -> None:
        self._stand.stop()
        self._stand.start()

    def freeze_server(self) -> None:
        """Let the server hang for a moment."""
        with _standing_still(working_in(self._stand.server.data)):
            time.sleep(self._rng.uniform(0.1, 0.5))

    def freeze_shipper(self) -> None:
        """Stop the shipper where it is; every second time it never goes on."""
        for process in self._crew.shippers():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        if self._rng.random() < 0.5:
            threading.Timer(0.3, self.kill_shipper).start()

    def doom_shipper_after_commit(self) -> None:
        self.kill_shipper()
        self._crew.start_shipper("tests.torture.doom", "commit", str(self._rng.randint(1, 4)))

    def doom_shipper_at_step(self) -> None:
        self.kill_shipper()
        self._crew.start_shipper("tests.torture.doom", "step", str(self._rng.randint(1, 12)))

    def hold_batch(self) -> None:
        """Hold a table that a batch needs; kill the shipper that waits for it, and let another come to wait too."""
        with contextlib.suppress(psycopg2.Error), contextlib.closing(self._connect()) as holder:
            cursor = holder.cursor()
            cursor.execute("SET lock_timeout = '2s'")
            cursor.execute(f"LOCK TABLE {self._rng.choice(TABLES)} IN ACCESS EXCLUSIVE MODE")
            _wait_for_waiters(cursor, 1)
            # Its server process waits on, and will commit what nobody asks for any more.
            self.kill_shipper()
            self._crew.start_shipper()
            _wait_for_waiters(cursor, 2)

    def damage_dead(self) -> None:
        """Kill an agent, and damage segments that nobody writes."""
        self.kill_agent()
        for path in self._some_segments():
            with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                self.destroyed.update(damage(path, self._rng))

    def damage_living(self) -> None:
        """Damage segments while their writers stand still; the shipper reads on."""
        with _standing_still(self._crew.families()):
            for path in self._some_segments():
                with contextlib.suppress(FileNotFoundError):
                    self.destroyed.update(damage(path, self._rng))

    def poison(self) -> None:
        """Leave a dead writer's segment of which Postgres will not have some records."""
        recorder = Recorder(self._crew.spool, 1 << 30, 0.05)
        now = datetime.now(UTC)
        for number in range(self._rng.randint(1, 60)):
            is_broken = self._rng.random() < 0.3
            event = Event(
                id=fresh_event_id(now), event_type="seen", event_category="agent", timestamp=now,
                data={"agent": "poison", "n": number, "pad": "\0" if is_broken else ""},
            )  # fmt: skip
            if recorder.record(event, "chamber"):
                offer = Offer((f"seen poison {number}",), event.id, is_rejected=is_broken)
                self._crew.told.offers["poison", number] = offer
        recorder.close()

    def _some_segments(self) -> list[Path]:
        names = list_segments(self._crew.spool)
        self._rng.shuffle(names)
        return [self._crew.spool / str(name) for name in names[: self._rng.randint(1, 3)]]

    def _connect(self) -> psycopg2.extensions.connection:
        return psycopg2.connect(self._owner_dsn, connect_timeout=2)


@contextmanager
def _standing_still(processes: list[psutil.Process]) -> Iterator[None]:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


def _wait_for_waiters(cursor: psycopg2.extensions.cursor, number: int) -> None:
    """Return once so many batches wait for a lock; after a second and a half in any case."""
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        cursor.execute(WAITERS)
        (waiting,) = cursor.fetchone() or (0,)
        if waiting >= number:
            return
        time.sleep(0.01)
