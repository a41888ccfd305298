"""An agent of the chamber: it offers events and tells, before its next call, what each call returned.

It tells through a pipe, its standard output: what is in a pipe outlives who wrote it.
"""

import asyncio
import errno
import os
import random
import resource
import stat
import sys
import threading
import time
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from ml_pipeline import MLPipelineService
from tests.torture.doom import die_at_step
from tests.torture.plan import AgentPlan, Disk

T = TypeVar("T")

TOLD = 1
LIMIT_BYTES = 150_000
CONVERSATIONS = ("north", "south", "east")
"""Shared by the agents of a round: what two of them say of one is the same event."""
MOST_TURNS = 40
ANSWER = {"objections": {"objections": [{"type": "price", "confidence": 0.7}]}, "conversion": {"probability": 0.8}}


class Orders(msgspec.Struct):
    """``began``: when the round's conversations began, in ISO form. ``stop``: a file; once it exists, it is over."""

    plan: AgentPlan
    generation: int
    disk: Disk
    stop: str
    began: datetime


def main(orders: Orders) -> None:
    plan = orders.plan
    if orders.disk == "limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES))
    if plan.dies_at_step and orders.generation == 0:
        die_at_step(os.environ["ML_PIPELINE_SPOOL"], plan.dies_at_step)
    service = MLPipelineService()
    _run(service.initialize())
    if orders.disk == "refusing":
        asyncio.run(Talk(service, f"{plan.name}.{orders.generation}.first", orders).times(20))
        _refuse_now_and_then(random.Random(plan.seed))
    _tell("up")
    name = f"{plan.name}.{orders.generation}"
    if plan.kind == "threads":
        _talk_in_threads(service, name, orders)
    elif plan.kind == "fork":
        _talk_in_two_processes(service, name, orders)
    else:
        _talk(service, name, orders)
    _end(service, orders)


def _talk(service: MLPipelineService, name: str, orders: Orders) -> None:
    asyncio.run(Talk(service, name, orders).until_stopped())


def _talk_in_threads(service: MLPipelineService, name: str, orders: Orders) -> None:
    threads = [threading.Thread(target=_talk, args=(service, f"{name}.{number}", orders)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _talk_in_two_processes(service: MLPipelineService, name: str, orders: Orders) -> None:
    first = Talk(service, name, orders)
    asyncio.run(first.times(20))
    child = os.fork()
    if child == 0:
        _talk(service, f"{name}.child", orders)
        _run(service.cleanup())
        os._exit(0)
    asyncio.run(first.until_stopped())
    os.waitpid(child, 0)


def _end(service: MLPipelineService, orders: Orders) -> None:
    if orders.plan.ending == "cleanup":
        buffers = _run(service.get_ml_pipeline_metrics())["buffers"]
        _tell("figures", buffers["writer"], buffers["offered"], buffers["accepted"], sum(buffers["refused"].values()))
        _run(service.cleanup())
    if orders.plan.ending == "os._exit":
        os._exit(0)


class Talk:
    """One stream of calls, numbered."""

    def __init__(self, service: MLPipelineService, name: str, orders: Orders) -> None:
        self._service = service
        self._name = name
        self._orders = orders
        self._rng = random.Random(f"{orders.plan.seed} {name}")
        self._number = 0
        self._turns = dict.fromkeys(CONVERSATIONS, 0)

    async def until_stopped(self) -> None:
        while not os.path.exists(self._orders.stop):  # noqa: ASYNC240, PTH110 - quick, and nothing else is to be served
            await self._offer()
            await asyncio.sleep(self._orders.plan.pause_seconds)

    async def times(self, calls: int) -> None:
        for _ in range(calls):
            await self._offer()

    async def _offer(self) -> None:
        self._number += 1
        kind = self._rng.choices(("event", "turn", "label", "old", "unnamed", "large"), (80, 8, 4, 3, 3, 2))[0]
        # What may become a row by the call, and whether Postgres will reject it.
        expected = [f"seen {self._name} {self._number}"]
        call: Any = None
        if kind == "turn":
            conversation = self._rng.choice(CONVERSATIONS)
            self._turns[conversation] = min(self._turns[conversation] + 1, MOST_TURNS)
            said = self._messages(self._turns[conversation])
            turn = len(said) - 1
            expected = [f"turn {conversation} {index}" for index in range(turn + 1)]
            expected += [f"prediction {conversation} {turn} {task}" for task in ("objection", "conversion")]
            call = self._service.process_conversation_predictions(conversation, said, {}, ANSWER)
        elif kind == "label":
            conversation, turn = self._rng.choice(CONVERSATIONS), self._rng.randrange(6)
            expected = [f"label {conversation} {turn}"]
            call = self._service.record_feedback(
                conversation, "objection", ["price"], "human", self._orders.began, turn=turn
            )
        else:
            data: dict[str, Any] = {"agent": self._name, "n": self._number}
            data["pad"] = "pad " * (25_000 if kind == "large" else self._rng.randrange(100))
            if kind == "old":
                data["timestamp"] = "1999-01-01"
            call = self._service.track_event("plain", "" if kind == "unnamed" else "seen", data)
        _tell("offer", self._name, self._number, expected, kind == "old")
        try:
            told = await call
        except BaseException as error:
            _tell("raised", self._name, self._number, repr(error))
            raise
        if kind == "turn":
            _tell("done", self._name, self._number)
        else:
            _tell("told", self._name, self._number, told)

    def _messages(self, turns: int) -> list[dict[str, Any]]:
        return [
            {
                "role": "assistant" if turn % 2 else "user",
                "content": "how much is it" if turn % 2 else "let me see",
                "timestamp": (self._orders.began + timedelta(seconds=10 * turn)).isoformat(),
            }
            for turn in range(turns)
        ]


def _run(call: Awaitable[T]) -> T:
    async def wait() -> T:
        return await call

    return asyncio.run(wait())


def _tell(*what: object) -> None:
    # One write below PIPE_BUF (4,096 bytes) is never mixed with another thread's or process's.
    os.write(TOLD, msgspec.json.encode(what) + b"\n")


def _refuse_now_and_then(rng: random.Random) -> None:
    """Make writes to files fail as a full disk does: not at all, or half of it, for a while."""
    real = os.write
    state = {"until": 0.0, "next": time.monotonic() + rng.uniform(0.1, 0.4)}

    def write(file: int, data: bytes) -> int:
        now = time.monotonic()
        if now >= state["next"]:
            state["until"] = now + rng.uniform(0.05, 0.3)
            state["next"] = state["until"] + rng.uniform(0.1, 0.4)
        if now < state["until"] and stat.S_ISREG(os.fstat(file).st_mode):
            if rng.random() < 0.5:
                return real(file, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data)

    os.write = write  # type: ignore[assignment]


def read_orders(arguments: Sequence[str]) -> Orders:
    return msgspec.json.decode(arguments[1], type=Orders)


if __name__ == "__main__":
    main(read_orders(sys.argv))
