"""One round: agents talk, things go wrong, everything is started again and drained, and the evidence is gathered."""

import contextlib
import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psutil
import psycopg2

from ml_pipeline.online.ids import fresh_event_id
from ml_pipeline.online.recorder import Event, Recorder
from ml_pipeline.online.segments import SegmentName, list_segments
from ml_pipeline.stack.processes import last_lines, working_in
from tests.torture.agent import Orders
from tests.torture.checker import Evidence, Offer
from tests.torture.damage import Destroyed, damage
from tests.torture.evidence import Told, read_ledger, read_rejected, read_rows, read_writers
from tests.torture.plan import AgentPlan, Plan
from tests.torture.spool_disk import can_mount, small_disk
from tests.torture.stand import Stand
from tests.torture.waiting import StuckError, wait_until

ROOT = Path(__file__).resolve().parents[2]
ALWAYS_THERE = {"quarantine", "shipper.lock", "shipper.log"}
WAITERS = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
TABLES = ("capture_writers", "ml_tracking_events", "log_ledger", "rejected_events")


@dataclass(slots=True)
class Agent:
    """An agent process, and the thread that hears what it tells."""

    plan: AgentPlan
    generation: int
    process: subprocess.Popen[bytes]
    hearing: threading.Thread
    is_up: threading.Event = field(default_factory=threading.Event)

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None


class Round:
    """The round of ``plan`` on a database of ``stand``; ``folder`` is its own."""

    def __init__(self, stand: Stand, database: str, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.told = Told()
        self.destroyed: set[Destroyed] = set()
        self._stand = stand
        self._owner_dsn = stand.server.dsn(database)
        self._spool = folder / "spool"
        self._said = folder / "said.log"
        self._stop = folder / "stop"
        self._rng = random.Random(f"acts {plan.seed}")
        self._began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "ML_PIPELINE_CAPTURE_DSN": stand.server.dsn(database, role="ml_capture", password="ml_capture"),
            "ML_PIPELINE_SPOOL": str(self._spool),
            "ML_PIPELINE_CACHE": str(folder / "cache"),
            "ML_PIPELINE_SPOOL_MAX_BYTES": str(plan.spool_max_bytes),
            "ML_PIPELINE_SPOOL_WHEN_FULL": plan.when_full,
        }
        self._agents: list[Agent] = []
        self._shippers: list[subprocess.Popen[bytes]] = []
        self._holders: list[psycopg2.extensions.connection] = []
        self._hearing = threading.Lock()

    def run(self) -> Evidence:
        """Play the round; return what is to be judged."""
        try:
            self._talk_and_suffer()
            self._recover()
            return self._evidence()
        except StuckError as error:
            raise StuckError("\n      ".join([str(error), "last said:", *last_lines(self._said, 8)])) from error
        finally:
            self._end_all()

    def _talk_and_suffer(self) -> None:
        if not self.plan.is_database_up:
            self._stand.stop()
        for plan in self.plan.agents:
            self._start_agent(plan, 0)
        for agent in self._agents:
            _wait_until_up(agent)
        wait_until(lambda: list_segments(self._spool) or not self._living(), "agents write nothing")
        self.start_shipper()
        start = time.monotonic()
        for act in self.plan.acts:
            time.sleep(max(0.0, start + act.at - time.monotonic()))
            getattr(self, act.name)()
        time.sleep(max(0.0, start + self.plan.seconds - time.monotonic()))

    def _recover(self) -> None:
        """Mend what is broken, start again what died, let it end in order, and ship what is left."""
        self.release_batch()
        self.thaw_shipper()
        self._stand.start()
        for agent in [agent for agent in self._agents if not agent.is_alive]:
            self._start_agent(agent.plan, agent.generation + 1)
        living = self._living()
        for agent in living:
            _wait_until_up(agent)
        time.sleep(0.2)
        self._stop.touch()
        for agent in living:
            try:
                agent.process.wait(30)
            except subprocess.TimeoutExpired as error:
                raise StuckError(f"{agent.plan} does not end") from error
        for agent in self._agents:
            agent.hearing.join(30)
            if agent.process.returncode not in (0, -signal.SIGKILL):
                self.told.raised.append(f"{agent.plan.name} ended with code {agent.process.returncode}")
        wait_until(self._is_drained, f"the spool is not drained: {self._files()}", 40)
        wait_until(lambda: not self._shipper_processes(), "a shipper does not end")

    def _is_drained(self) -> bool:
        if not list_segments(self._spool) and not list(self._spool.glob("*.figures")):
            return True
        if not self._shipper_processes():
            self.start_shipper()
        time.sleep(0.05)
        return False

    def _evidence(self) -> Evidence:
        return Evidence(
            offers=tuple(self.told.offers.values()),
            rows=read_rows(self._owner_dsn),
            rejected=read_rejected(self._owner_dsn),
            writers=read_writers(self._owner_dsn),
            ledger=read_ledger(self._owner_dsn),
            destroyed=frozenset(self.destroyed),
            figures=tuple(self.told.figures),
            raised=tuple(self.told.raised),
            # A file whose maker died before it could name it is removed a minute later.
            left=tuple(name for name in self._files() if name not in ALWAYS_THERE and not name.endswith(".new")),
            may_drop=self.plan.when_full == "drop_oldest",
            keeps_all=self.plan.disk == "sound" and not self.destroyed and self.plan.spool_max_bytes == 1 << 30,
        )

    # What a plan's acts are called.

    def kill_agent(self) -> None:
        if living := self._living():
            process = self._rng.choice(living).process
            process.kill()
            process.wait()

    def kill_shipper(self) -> None:
        for process in self._shipper_processes():
            process.kill()

    def kill_agent_and_shipper(self) -> None:
        self.kill_agent()
        self.kill_shipper()

    def kill_everything(self) -> None:
        for agent in self._living():
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

    def start_shipper(self) -> None:
        self._start_shipper("ml_pipeline.online.shipper")

    def doom_shipper_after_commit(self) -> None:
        self.kill_shipper()
        self._start_shipper("tests.torture.doom", "commit", str(self._rng.randint(1, 4)))

    def doom_shipper_at_step(self) -> None:
        self.kill_shipper()
        self._start_shipper("tests.torture.doom", "step", str(self._rng.randint(1, 12)))

    def freeze_server(self) -> None:
        """Let the server hang for a moment; nobody may wait for it."""
        hanging = working_in(self._stand.server.data)
        for process in hanging:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        time.sleep(self._rng.uniform(0.1, 0.5))
        for process in hanging:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def freeze_shipper(self) -> None:
        for process in self._shipper_processes():
            process.suspend()
        if self._rng.random() < 0.5:
            threading.Timer(0.3, self.kill_shipper).start()

    def thaw_shipper(self) -> None:
        for process in self._shipper_processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def hold_batch(self) -> None:
        """Hold a table that a batch needs; kill the shipper that waits for it, and let another come to wait too."""
        with contextlib.suppress(psycopg2.Error):
            holder = psycopg2.connect(self._owner_dsn, connect_timeout=2)
            self._holders.append(holder)
            cursor = holder.cursor()
            cursor.execute("SET lock_timeout = '2s'")
            cursor.execute(f"LOCK TABLE {self._rng.choice(TABLES)} IN ACCESS EXCLUSIVE MODE")
            _wait_for_waiters(cursor, 1)
            # Its server process waits on, and will commit what nobody asks for any more.
            self.kill_shipper()
            self.start_shipper()
            _wait_for_waiters(cursor, 2)
        self.release_batch()

    def release_batch(self) -> None:
        for holder in self._holders:
            holder.close()
        self._holders.clear()

    def damage_dead(self) -> None:
        """Kill an agent, and damage segments that nobody writes."""
        self.kill_agent()
        for name in self._segments():
            with contextlib.suppress(FileNotFoundError, BlockingIOError), (self._spool / str(name)).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                self.destroyed.update(damage(self._spool / str(name), self._rng))

    def damage_living(self) -> None:
        """Damage segments while their writers stand still; the shipper reads on."""
        living = self._living()
        family = [process for agent in living for process in self._processes_of(agent)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        try:
            for name in self._segments():
                with contextlib.suppress(FileNotFoundError):
                    self.destroyed.update(damage(self._spool / str(name), self._rng))
        finally:
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def poison(self) -> None:
        """Leave a dead writer's segment of which Postgres will not have some records."""
        recorder = Recorder(self._spool, 1 << 30, 0.05)
        now = datetime.now(UTC)
        for number in range(self._rng.randint(1, 60)):
            is_broken = self._rng.random() < 0.3
            event = Event(
                id=fresh_event_id(now), event_type="seen", event_category="agent", timestamp=now,
                data={"agent": "poison", "n": number, "pad": "\0" if is_broken else ""},
            )  # fmt: skip
            if recorder.record(event, "chamber"):
                key = f"seen poison {number}"
                self.told.offers["poison", number] = Offer((key,), event.id, is_rejected=is_broken)
        recorder.close()

    # Processes

    def _start_agent(self, plan: AgentPlan, generation: int) -> None:
        orders = Orders(plan, generation, self.plan.disk, str(self._stop), self._began)
        process = self._start("tests.torture.agent", msgspec.json.encode(orders).decode(), stdout=subprocess.PIPE)
        agent = Agent(plan, generation, process, threading.Thread(target=lambda: self._hear(agent), daemon=True))
        agent.hearing.start()
        self._agents.append(agent)

    def _hear(self, agent: Agent) -> None:
        assert agent.process.stdout is not None
        for line in agent.process.stdout:
            if line.startswith(b'["up"'):
                agent.is_up.set()
            with self._hearing:
                self.told.hear(line)

    def _start_shipper(self, module: str, *arguments: str) -> None:
        self._shippers.append(self._start(module, str(self._spool), *arguments, stdout=subprocess.DEVNULL))

    def _start(self, module: str, *arguments: str, stdout: int) -> subprocess.Popen[bytes]:
        with self._said.open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=self._environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=said,
                start_new_session=True,
            )

    def _living(self) -> list[Agent]:
        return [agent for agent in self._agents if agent.is_alive]

    def _processes_of(self, agent: Agent) -> Iterator[psutil.Process]:
        """Yield the agent and the children it forked; its shipper is none of them."""
        with contextlib.suppress(psutil.NoSuchProcess):
            leader = psutil.Process(agent.process.pid)
            yield leader
            yield from (child for child in leader.children() if "tests.torture.agent" in child.cmdline())

    def _shipper_processes(self) -> list[psutil.Process]:
        for started in self._shippers:
            started.poll()
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            command = process.info["cmdline"] or []
            is_shipper = "ml_pipeline.online.shipper" in command or "tests.torture.doom" in command
            if is_shipper and str(self._spool) in command and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def _segments(self) -> list[SegmentName]:
        names = list_segments(self._spool)
        self._rng.shuffle(names)
        return names[: self._rng.randint(1, 3)]

    def _files(self) -> list[str]:
        return sorted(path.name for path in self._spool.iterdir()) if self._spool.is_dir() else []

    def _end_all(self) -> None:
        self.release_batch()
        for agent in self._agents:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(agent.process.pid, signal.SIGKILL)
            agent.process.wait()
            agent.hearing.join(10)
            assert agent.process.stdout is not None
            agent.process.stdout.close()
        self.kill_shipper()
        for process in self._shippers:
            process.wait()


def _wait_for_waiters(cursor: psycopg2.extensions.cursor, number: int) -> None:
    """Return once so many batches wait for a lock; after a second and a half in any case."""
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        cursor.execute(WAITERS)
        (waiting,) = cursor.fetchone() or (0,)
        if waiting >= number:
            return
        time.sleep(0.01)


def _wait_until_up(agent: Agent) -> None:
    """Return once the agent talks, or has killed itself before it could."""
    wait_until(lambda: agent.is_up.is_set() or not agent.is_alive, f"{agent.plan} does not start")


def play(stand: Stand, plan: Plan) -> Evidence:
    """Play the round of ``plan`` on a database and in a folder of its own; return what is to be judged."""
    folder = Path(tempfile.mkdtemp(prefix="mlp-round-"))
    try:
        is_small = plan.disk == "small" and can_mount(folder / "mount")
        if plan.disk == "small" and not is_small:
            plan = replace(plan, disk="limited")
        with stand.database() as database, small_disk(folder / "spool") if is_small else contextlib.nullcontext():
            return Round(stand, database, plan, folder).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
