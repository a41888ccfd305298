"""``make bench-outage``: an agent offers 120,000 events of 1 kB while its database is stopped; then it returns.

The agent is a process of its own with everything on: masking, the spool, the policy reader and a shipper that backs
off. It warms up on 2,000 events with the database there, so that what it grows by is the outage's.
"""

import asyncio
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.claims import FOLDER, Claim, at_least, at_most, write
from benchmarks.percentiles import percentile
from benchmarks.said import EVENT_TYPE, said
from benchmarks.server import DATABASE, capture_dsn, running_server, value
from ml_pipeline import MLPipelineService
from ml_pipeline.stack.postgres import Postgres

EVENTS = 120_000
WARMING_EVENTS = 2_000
CONVERSATIONS = 200
DRAIN_SECONDS = 300.0
STORED = "SELECT count(*) FROM ml_tracking_events WHERE event_type = %s"


class Outage(msgspec.Struct):
    """What an agent saw: event ids it got, calls that raised, the longest calls, memory, and how the end came."""

    kept: int
    raised: int
    worst_ms: float
    p999_ms: float
    grown_mb: float
    is_drained: bool
    drain_seconds: float


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with running_server() as server, tempfile.TemporaryDirectory(dir=FOLDER, prefix="outage-") as folder:
        write("outage", _claims(server, Path(folder).absolute()))


def _claims(server: Postgres, folder: Path) -> Iterator[Claim]:
    seen = _watch(server, folder)
    arrived = value(server.dsn(DATABASE), STORED, EVENT_TYPE) - WARMING_EVENTS
    speed = {"drained_events_per_s": EVENTS / seen.drain_seconds}
    yield at_least("database down, 120,000 events offered: kept", [100 * seen.kept / EVENTS], 100.0, "%")
    yield at_most("database down: calls that raised", [seen.raised], 0, "calls")
    yield at_most("database down: worst call", [seen.worst_ms], 20.0, "ms", {"p99.9_ms": seen.p999_ms})
    yield at_most("database down: memory the agent grew by", [seen.grown_mb], 10.0, "MB")
    yield at_most("database back: events lost or doubled", [abs(EVENTS - arrived)], 0, "events", speed)


def _watch(server: Postgres, folder: Path) -> Outage:
    """Run an agent; stop the server once it is warm, and start it again once it has offered everything."""
    environment = {
        **os.environ,
        "ML_PIPELINE_CAPTURE_DSN": capture_dsn(server),
        "ML_PIPELINE_SPOOL": str(folder / "spool"),
        "ML_PIPELINE_CACHE": str(folder / "cache"),
    }
    agent = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.online_outage", "agent"],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert agent.stdin is not None
    assert agent.stdout is not None
    agent.stdout.readline()
    server.stop()
    _go_on(agent)
    agent.stdout.readline()
    server.start()
    _go_on(agent)
    seen = msgspec.json.decode(agent.stdout.readline(), type=Outage)
    agent.wait()
    return seen


def _go_on(agent: "subprocess.Popen[str]") -> None:
    assert agent.stdin is not None
    agent.stdin.write("\n")
    agent.stdin.flush()


async def _agent() -> None:
    async with MLPipelineService() as service:
        await _offer(service, 0, WARMING_EVENTS)
        await service.drain(DRAIN_SECONDS)
        gc.collect()
        _tell_and_wait("warm")
        before = _resident_mb()
        taken, kept, raised = await _offer(service, WARMING_EVENTS, EVENTS)
        grown = _resident_mb() - before
        _tell_and_wait("offered")
        began = time.perf_counter()
        is_drained = await service.drain(DRAIN_SECONDS)
        seconds = time.perf_counter() - began
    taken.sort()
    worst, p999 = taken[-1] * 1e3, percentile(taken, 0.999) * 1e3
    print(msgspec.json.encode(Outage(kept, raised, worst, p999, grown, is_drained, seconds)).decode(), flush=True)


async def _offer(service: MLPipelineService, first: int, count: int) -> tuple[list[float], int, int]:
    """Offer ``count`` events; return what each call took, how many were taken, and how many calls raised."""
    events = [said(number) for number in range(first, first + 1_000)]
    taken, kept, raised = [0.0] * count, 0, 0
    for place in range(count):
        event = {**events[place % len(events)], "number": first + place}
        began = time.perf_counter()
        try:
            kept += await service.track_event(f"call-{place % CONVERSATIONS}", EVENT_TYPE, event) is not None
        except Exception:  # noqa: BLE001 - that none is raised is the claim
            raised += 1
        taken[place] = time.perf_counter() - began
    return taken, kept, raised


def _tell_and_wait(word: str) -> None:
    print(word, flush=True)
    sys.stdin.readline()


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    if sys.argv[1:] == ["agent"]:
        asyncio.run(_agent())
    else:
        main()
