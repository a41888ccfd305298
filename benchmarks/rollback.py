"""``make bench-rollback``: from the commit of a rollback to the answers of every agent process.

Eight agents answer a turn every 50 ms each and tell when another version serves. Once their connections stand, once
Postgres has just ended them all, so that nobody hears the notice. The clock is the machine's monotonic one, which all
processes share.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.champions import crown
from benchmarks.claims import Claim, at_most, write
from benchmarks.server import DATABASE, capture_dsn, execute, running_server
from ml_pipeline import MLPipelineService
from ml_pipeline.database.engine import engine, transaction
from ml_pipeline.online.predicting.bundle import LinearBundle, Sample, ScaledBlock, encode
from ml_pipeline.online.predicting.features import REVISION
from ml_pipeline.vocabulary.tasks import OBJECTION

AGENTS = 8
ROUNDS = 10
WITHIN_SECONDS = 10.0
EVERY_SECONDS = 0.05
ROLL_BACK = "SELECT rollback_task('objection', 'anticipate', NULL, 'benchmark', 'benchmark')"
CUT_OFF = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ml_capture'"
SAID = [{"role": "user", "content": "It is too expensive."}]
CALLERS = {"objections": {"objections": [{"type": "price", "confidence": 0.7}]}}


def claims() -> Iterator[Claim]:
    """Yield the seconds until the last agent answers with the version before."""
    with running_server() as server, tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        owner = server.dsn(DATABASE)
        agents = [running.enter_context(_Agent(Path(folder, str(one)), capture_dsn(server))) for one in range(AGENTS)]
        number = _promote(owner, 1)
        for name, before in (("connections stand", ""), ("every connection just cut", CUT_OFF)):
            seconds = []
            for _ in range(ROUNDS):
                number = _promote(owner, number + 1)
                for agent in agents:
                    agent.serves(f"objection.anticipate/{number}")
                if before:
                    execute(owner, before)
                execute(owner, ROLL_BACK)
                committed = time.monotonic()
                seconds.append(max(agent.serves("objection.anticipate/1") for agent in agents) - committed)
            yield at_most(f"rollback in force in the last of {AGENTS} agents, {name}", seconds, WITHIN_SECONDS, "s",
                          {"slowest_round_s": max(seconds)})  # fmt: skip
        engine(owner).dispose()


class _Agent:
    """An agent process; it tells each change of who serves."""

    def __init__(self, folder: Path, dsn: str) -> None:
        environment = {
            "ML_PIPELINE_CAPTURE_DSN": dsn, "ML_PIPELINE_SPOOL": str(folder), "ML_PIPELINE_SHIPPER": "none",
            "ML_PIPELINE_PREDICT_BUDGET_MS": "5000",
        }  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.rollback", "agent"],
            env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> "_Agent":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def serves(self, version: str) -> float:
        """Return when ``version`` was first seen to serve after what was read before."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            seen, at = line.split()
            if seen == version:
                return float(at)
        raise RuntimeError(f"an agent ended before {version} served")


async def _answer() -> None:
    async with MLPipelineService() as service:
        serving = ""
        while True:
            answered = await service.process_conversation_predictions(f"call {time.monotonic()}", SAID, {}, CALLERS)
            if (now := _server_of(answered["served_by"])) != serving:
                serving = now
                print(serving, time.monotonic(), flush=True)
            await asyncio.sleep(EVERY_SECONDS)


def _server_of(served_by: Mapping[str, str]) -> str:
    return served_by.get("objection", "caller")


def _promote(dsn: str, number: int) -> int:
    version = f"objection.anticipate/{number}"
    with transaction(dsn) as tx:
        crown(tx, OBJECTION, version, encode(_bundle(version)))
    return number


def _bundle(version: str) -> LinearBundle:
    """Return a model that always says even chances."""
    labels = list(OBJECTION.labels)
    return LinearBundle(
        task="objection", mode="anticipate", version=version, feature_revision=REVISION, labels=labels,
        thresholds=dict.fromkeys(labels, 0.5), blocks=[ScaledBlock(["turn"], [0.0], [1.0])],
        coefficients={label: [0.0] for label in labels}, intercepts=dict.fromkeys(labels, 0.0), calibration={},
        samples=[Sample({"turn": 0.0}, dict.fromkeys(labels, 0.5))],
    )  # fmt: skip


def main(arguments: Sequence[str]) -> None:
    if arguments:
        asyncio.run(_answer())
    else:
        write("rollback", claims())


if __name__ == "__main__":
    main(sys.argv[1:])
