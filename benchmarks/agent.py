"""An agent process that records with one contender. Started by the benchmarks; prints what it measured as JSON."""

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Literal

import msgspec

from benchmarks.contenders import CONTENDERS, Contender, Place
from benchmarks.said import Said, said

CONVERSATIONS = 200
PROBE_SECONDS = 0.002
DISTINCT = 256
SETTLING_SECONDS = 1.5
"""Left out of the measurement: what the first event starts and loads."""


class Order(msgspec.Struct):
    """``burst``: ``events`` as fast as they are taken. ``killed``: ``events`` at ``rate`` a second, then kill -9.

    ``talk``: ``rate`` events a second from 200 conversations on one event loop, for ``seconds``.
    """

    contender: str
    work: Literal["burst", "killed", "talk"]
    place: Place
    events: int = 0
    rate: int = 2_000
    seconds: float = 0.0


class Talked(msgspec.Struct):
    """``lag_ms``: how late the loop came back to who had asked to be woken, sorted. ``cpu_points``: of one core."""

    lag_ms: list[float]
    cpu_points: float
    events: int


def run(order: Order) -> bytes:
    """Run an agent to its end; return what it printed, nothing where it was killed."""
    command = [sys.executable, "-m", "benchmarks.agent", msgspec.json.encode(order, enc_hook=str).decode()]
    environment = {**os.environ, "ML_PIPELINE_SHIPPER": "process"}
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=order.work != "killed").stdout


def main() -> None:
    order = msgspec.json.decode(sys.argv[1], type=Order, dec_hook=lambda kind, text: kind(text))
    order.place.folder.mkdir(parents=True, exist_ok=True)
    contender = CONTENDERS[order.contender](order.place)
    events = [said(number) for number in range(DISTINCT)]
    if order.work == "talk":
        print(msgspec.json.encode(asyncio.run(_talk(contender, events, order))).decode())
    elif order.work == "burst":
        print(asyncio.run(_burst(contender, events, order.events)))
    else:
        asyncio.run(_offer(contender, events, order))
        os.kill(os.getpid(), signal.SIGKILL)


async def _record(contender: Contender, event: Said) -> None:
    recorded = contender.record(contender.prepare(event))
    if inspect.isawaitable(recorded):
        await recorded


async def _burst(contender: Contender, events: Sequence[Said], count: int) -> float:
    """Return the seconds until ``count`` events had left the process."""
    await _record(contender, events[0])
    contender.settle()
    started = time.perf_counter()
    for number in range(1, count):
        await _record(contender, events[number % DISTINCT])
    contender.settle()
    return time.perf_counter() - started


async def _offer(contender: Contender, events: Sequence[Said], order: Order) -> None:
    started = time.perf_counter()
    for number in range(order.events):
        await _record(contender, events[number % DISTINCT])
        ahead = number / order.rate - (time.perf_counter() - started)
        if ahead > 0.005:
            await asyncio.sleep(ahead)


async def _talk(contender: Contender, events: Sequence[Said], order: Order) -> Talked:
    conversations = [
        asyncio.create_task(_converse(contender, events, place, CONVERSATIONS / order.rate))
        for place in range(CONVERSATIONS)
    ]
    await asyncio.sleep(SETTLING_SECONDS)
    started, cpu = time.perf_counter(), time.process_time()
    lag_ms = await probe(order.seconds)
    points = 100 * (time.process_time() - cpu) / (time.perf_counter() - started)
    for conversation in conversations:
        conversation.cancel()
    told = await asyncio.gather(*conversations)
    return Talked(sorted(lag_ms), points, sum(told))


async def _converse(contender: Contender, events: Sequence[Said], place: int, every_seconds: float) -> int:
    """Record an event every so often; return how many, when cancelled."""
    recorded = 0
    due = time.perf_counter() + every_seconds * place / CONVERSATIONS
    try:
        while True:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await _record(contender, events[(place + recorded) % DISTINCT])
            recorded += 1
            due += every_seconds
    except asyncio.CancelledError:
        return recorded


async def probe(seconds: float) -> list[float]:
    lag_ms = []
    end = time.perf_counter() + seconds
    while (asked := time.perf_counter()) < end:
        await asyncio.sleep(PROBE_SECONDS)
        lag_ms.append(1000 * (time.perf_counter() - asked - PROBE_SECONDS))
    return lag_ms


if __name__ == "__main__":
    main()
