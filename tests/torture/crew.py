"""The processes of a round: agents, what they tell, and shippers."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psutil

from tests.torture.agent import Orders
from tests.torture.evidence import Told
from tests.torture.plan import AgentPlan, Disk
from tests.torture.waiting import StuckError, wait_until

ROOT = Path(__file__).resolve().parents[2]
SHIPPERS = ("ml_pipeline.online.recording.shipper", "tests.torture.doom")


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


class Crew:
    """Everybody who works on ``folder/spool``; what they say beside what they tell goes to ``folder/said.log``."""

    def __init__(self, folder: Path, disk: Disk, settings: dict[str, str]) -> None:
        self.spool = folder / "spool"
        self.said = folder / "said.log"
        self.told = Told()
        self._stop = folder / "stop"
        self._disk = disk
        self._began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        named = {"SPOOL": str(self.spool), "CACHE": str(folder / "cache"), **settings}
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            **{f"ML_PIPELINE_{name}": value for name, value in named.items()},
        }
        self._agents: list[Agent] = []
        self._shippers: list[subprocess.Popen[bytes]] = []
        self._hearing = threading.Lock()

    def start_agents(self, plans: tuple[AgentPlan, ...]) -> None:
        """Start them, and return once each talks or has killed itself."""
        self._start_all([(plan, 0) for plan in plans])

    def restart_agents(self) -> None:
        """Start again those that died."""
        self._start_all([(agent.plan, agent.generation + 1) for agent in self._agents if not agent.is_alive])

    def let_agents_end(self) -> None:
        """Tell the living agents to end, and hear them out."""
        self._stop.touch()
        for agent in self._agents:
            try:
                code = agent.process.wait(30)
            except subprocess.TimeoutExpired as error:
                raise StuckError(f"{agent.plan} does not end") from error
            agent.hearing.join(30)
            if code not in (0, -signal.SIGKILL):
                self.told.raised.append(f"{agent.plan.name} ended with code {code}")

    def start_shipper(self, module: str = SHIPPERS[0], *arguments: str) -> None:
        self._shippers.append(self._start(module, str(self.spool), *arguments, stdout=subprocess.DEVNULL))

    def living(self) -> list[Agent]:
        return [agent for agent in self._agents if agent.is_alive]

    def families(self) -> list[psutil.Process]:
        """Return the living agents and the children they forked; their shippers are none of them."""
        return [process for agent in self.living() for process in _family(agent)]

    def shippers(self) -> list[psutil.Process]:
        """Return the living shippers, whoever started them."""
        for started in self._shippers:
            started.poll()
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            command = process.info["cmdline"] or []
            is_ours = str(self.spool) in command and any(module in command for module in SHIPPERS)
            if is_ours and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def kill_shippers(self) -> None:
        for process in self.shippers():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def end(self) -> None:
        """Kill whoever is left."""
        for agent in self._agents:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(agent.process.pid, signal.SIGKILL)
            agent.process.wait()
            agent.hearing.join(10)
            assert agent.process.stdout is not None
            agent.process.stdout.close()
        self.kill_shippers()
        for process in self._shippers:
            process.wait()

    def _start_all(self, wanted: list[tuple[AgentPlan, int]]) -> None:
        fresh = [self._start_agent(plan, generation) for plan, generation in wanted]
        for agent in fresh:
            _wait_until_up(agent)

    def _start_agent(self, plan: AgentPlan, generation: int) -> Agent:
        orders = Orders(plan, generation, self._disk, str(self._stop), self._began)
        process = self._start("tests.torture.agent", msgspec.json.encode(orders).decode(), stdout=subprocess.PIPE)
        agent = Agent(plan, generation, process, threading.Thread(target=lambda: self._hear(agent), daemon=True))
        agent.hearing.start()
        self._agents.append(agent)
        return agent

    def _hear(self, agent: Agent) -> None:
        assert agent.process.stdout is not None
        for line in agent.process.stdout:
            if line.startswith(b'["up"'):
                agent.is_up.set()
            with self._hearing:
                self.told.hear(line)

    def _start(self, module: str, *arguments: str, stdout: int) -> subprocess.Popen[bytes]:
        with self.said.open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=self._environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=said,
                start_new_session=True,
            )


def _wait_until_up(agent: Agent) -> None:
    wait_until(lambda: agent.is_up.is_set() or not agent.is_alive, f"{agent.plan} does not start")


def _family(agent: Agent) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(agent.process.pid)
        yield leader
        yield from (child for child in leader.children() if "tests.torture.agent" in child.cmdline())
