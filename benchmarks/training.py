"""``make bench-training``: what retraining every task costs on 50,000 conversations, and how it grows with them.

A quarter as many and then all of them; each time a Postgres of its own, filled by ``training_floor``, and one
retraining as Airflow runs it (``training_steps``), MLflow's database beside it. By the clock it waits for Postgres on
the same two cores: nothing else should run. Ten minutes; ``ML_PIPELINE_BENCH_CONVERSATIONS`` makes fewer.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.claims import Claim, at_most, told, write
from benchmarks.server import DATABASE, execute, running_server
from benchmarks.training_floor import fill

CONVERSATIONS = int(os.environ.get("ML_PIPELINE_BENCH_CONVERSATIONS", "50000"))
JOBS = ("ml_jobs", "benchmark")
MOST_SECONDS, MOST_GIB = 300, 4
GROWTH = 4
SUPERLINEAR = 1.1
"""By so much runs differ."""


@dataclass(frozen=True)
class Cost:
    """``cpu_s``: by step; without Postgres."""

    wall_s: float
    cpu_s: dict[str, float]
    peak_mib: float
    outcomes: dict[str, str]


def claims() -> Iterator[Claim]:
    few, whole = _cost(CONVERSATIONS // GROWTH), _cost(CONVERSATIONS)
    name = f"retraining every task on {CONVERSATIONS:,} conversations"
    cpu, cpu_few = sum(whole.cpu_s.values()), sum(few.cpu_s.values())
    yield at_most(f"{name}, by the clock", [whole.wall_s], MOST_SECONDS, "s")
    yield told(f"{name}, of the processor", [cpu], "s", {f"{step} s": spent for step, spent in whole.cpu_s.items()})
    yield at_most(f"{name}, most memory of all processes", [whole.peak_mib / 1024], MOST_GIB, "GiB")
    growth = {f"{step} x": spent / few.cpu_s[step] for step, spent in whole.cpu_s.items() if few.cpu_s.get(step)}
    yield at_most(f"{name} beside a quarter of them, of the processor", [cpu / cpu_few], GROWTH * SUPERLINEAR,
                  peers=growth)  # fmt: skip
    yield told(f"{name} beside a quarter of them, by the clock", [whole.wall_s / few.wall_s], "x")


def _cost(conversations: int) -> Cost:
    with running_server() as server, tempfile.TemporaryDirectory() as folder:
        fill(server.dsn(DATABASE), conversations)
        execute(server.dsn(), f"ALTER ROLE {JOBS[0]} PASSWORD '{JOBS[1]}'")
        (Path(folder) / "settings.toml").touch()
        environment = {
            "PYTHONPATH": str(Path.cwd()),
            "ML_PIPELINE_SETTINGS": f"{folder}/settings.toml",
            "ML_PIPELINE_JOBS_DSN": server.dsn(DATABASE, role=JOBS[0], password=JOBS[1]),
            "ML_PIPELINE_MLFLOW_URI": f"sqlite:///{folder}/mlflow.db",
        }
        command = [sys.executable, "-m", "benchmarks.training_steps"]
        done = subprocess.run(
            command, cwd=folder, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
        )
    return msgspec.convert(json.loads(done.stdout), Cost)


if __name__ == "__main__":
    write("training", claims())
