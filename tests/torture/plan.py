"""What a seed draws: the agents of a round, what their disk is like, and what goes wrong when."""

import random
from dataclasses import dataclass
from typing import Literal

KILLS = ("kill_agent", "kill_shipper", "kill_agent_and_shipper", "kill_server", "bounce_server", "freeze_server")

FAULTS: dict[str, tuple[str, ...]] = {
    "an agent is killed": ("kill_agent",),
    "the shipper is killed": ("kill_shipper",),
    "an agent and the shipper are killed at once": ("kill_agent_and_shipper",),
    "the database server is killed": ("kill_server",),
    "the database server is stopped at once and started": ("bounce_server",),
    "the database is away": ("stop_server", "kill_agent"),
    "everything is killed": ("kill_everything",),
    "the shipper is killed between commit and its note of it": ("doom_shipper_after_commit",),
    "the shipper is killed before a step on its files": ("doom_shipper_at_step",),
    "an agent is killed before a step on its files": (),
    "the shipper is stopped in the middle": ("freeze_shipper",),
    "the database holds a batch up, and its shipper is killed": ("hold_batch",),
    "the disk is full": (),
    "the disk refuses now and then": (),
    "files may not grow": (),
    "bytes of dead writers are damaged": ("damage_dead",),
    "bytes of living writers are damaged": ("damage_living",),
    "the spool is full and refuses": ("stop_server",),
    "the spool is full and drops the oldest": ("stop_server",),
    "the database refuses records": ("poison",),
}
"""Every fault with the acts that make it; a fault without acts is how the round's disk or agents are."""

Disk = Literal["sound", "small", "refusing", "limited"]
Kind = Literal["loop", "threads", "fork"]
Ending = Literal["cleanup", "exit", "os._exit"]


@dataclass(frozen=True, slots=True)
class Act:
    """``at``: seconds after the agents are up."""

    at: float
    name: str


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """``dies_at_step``: before which of its steps on files in the spool it kills itself; 0: never."""

    name: str
    seed: int
    kind: Kind
    ending: Ending
    pause_seconds: float
    dies_at_step: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    fault: str
    agents: tuple[AgentPlan, ...]
    acts: tuple[Act, ...]
    seconds: float
    disk: Disk
    spool_max_bytes: int
    when_full: Literal["refuse", "drop_oldest"]
    is_database_up: bool

    def __str__(self) -> str:
        acts = " ".join(f"{act.name}@{act.at:.2f}" for act in self.acts)
        agents = "+".join(f"{agent.kind}/{agent.ending}" for agent in self.agents)
        return f"{self.fault} [{agents}; disk {self.disk}; {acts}]"


def draw(seed: int) -> Plan:
    """Return the round of ``seed``; of any ``len(FAULTS)`` seeds in a row each fault leads once."""
    rng = random.Random(seed)
    fault = list(FAULTS)[seed % len(FAULTS)]
    seconds = rng.uniform(0.7, 1.1)
    names = [*FAULTS[fault], *rng.choices(KILLS, k=rng.choice((0, 0, 1, 2)))]
    acts = tuple(sorted((Act(rng.uniform(0.05, seconds), name) for name in names), key=lambda act: act.at))
    return Plan(
        seed,
        fault,
        tuple(_agent(rng, fault, number) for number in range(rng.choice((1, 2, 2, 3)))),
        acts,
        seconds,
        _DISKS.get(fault, "sound"),
        _spool_max_bytes(rng, fault),
        "drop_oldest" if fault == "the spool is full and drops the oldest" else "refuse",
        is_database_up=rng.random() < _CHANCE_OF_DATABASE.get(fault, 0.85),
    )


_CHANCE_OF_DATABASE = {
    "the database is away": 0.0,
    "the database holds a batch up, and its shipper is killed": 1.0,
    # Damage finds more where nothing is shipped yet.
    "bytes of dead writers are damaged": 0.1,
    "bytes of living writers are damaged": 0.3,
}
_DISKS: dict[str, Disk] = {
    "the disk is full": "small",
    "the disk refuses now and then": "refusing",
    "files may not grow": "limited",
}


def _agent(rng: random.Random, fault: str, number: int) -> AgentPlan:
    dies = fault == "an agent is killed before a step on its files" and number == 0
    return AgentPlan(
        f"agent{'abc'[number]}",
        rng.randrange(1 << 30),
        rng.choice(("loop", "loop", "threads", "fork")),
        rng.choice(("cleanup", "exit", "os._exit")),
        rng.choice((0.0, 0.0005, 0.003)),
        rng.randint(1, 30) if dies else 0,
    )


def _spool_max_bytes(rng: random.Random, fault: str) -> int:
    """Small ones make many segments, for a segment is an eighth of them; they overflow too."""
    if fault.startswith("the spool is full"):
        return rng.choice((60_000, 200_000))
    return rng.choice((1 << 30, 16 << 20, 2 << 20))
