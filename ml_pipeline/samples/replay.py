"""Plays the conversations of a source through the online module, all interleaved in the order of time."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from ml_pipeline.samples.clock import ReplayClock
from ml_pipeline.samples.player import Player, ReplayReport, Service
from ml_pipeline.vocabulary.dialogue import Dialogue, LateLabel, Source

__all__ = ["Plan", "ReplayReport", "replay"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to replay and how fast.

    ``limit`` keeps the oldest conversations, ``share`` then takes the part of them between two shares in time order:
    (0.0, 0.9) is the oldest 90 %, (0.9, 1.0) the rest. ``speed`` 1.0 is as fast as it happened, 60 a minute a second,
    None as fast as it goes.
    """

    share: tuple[float, float] = (0.0, 1.0)
    limit: int | None = None
    speed: float | None = None

    def dialogues(self, source: Source) -> tuple[Dialogue, ...]:
        kept = source.dialogues[: self.limit]
        first, last = (round(share * len(kept)) for share in self.share)
        return kept[first:last]


@dataclass(frozen=True, slots=True)
class Step:
    """One call, or the few of one turn, at a time of the source. ``turn`` None and no ``label``: the outcome."""

    at: datetime
    dialogue: Dialogue
    turn: int | None = None
    label: LateLabel | None = None


async def replay(
    source: Source,
    service: Service,
    clock: ReplayClock,
    *,
    plan: Plan | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    stop: asyncio.Event | None = None,
) -> ReplayReport:
    """Play ``source`` through ``service``, all conversations interleaved in the order of time.

    ``clock`` must be the service's own. ``on_progress`` is told (conversations ended, conversations in all). When
    ``stop`` is set the replay ends before its next call; another replay of the same source repeats what was
    recorded under the same ids, and goes on.
    """
    plan = plan or Plan()
    stop = stop or asyncio.Event()
    player = Player(source.tasks, service, clock)
    player.report.malformed = len(source.malformed)
    dialogues = plan.dialogues(source)
    pace = _Pace(plan.speed)
    started = time.monotonic()
    for step in sorted((step for dialogue in dialogues for step in _steps(dialogue)), key=lambda step: step.at):
        await pace.wait_for(step.at, stop)
        if stop.is_set():
            player.report.is_interrupted = True
            break
        clock.move_to(step.at)
        await _take(player, step)
        if on_progress and step.turn is None and step.label is None:
            on_progress(player.report.conversations, len(dialogues))
    player.report.seconds = time.monotonic() - started
    return player.report


def _steps(dialogue: Dialogue) -> Iterator[Step]:
    for turn, message in enumerate(dialogue.messages):
        if message.role == "user":
            yield Step(message.at, dialogue, turn)
    yield Step(dialogue.ended_at, dialogue)
    for label in dialogue.late_labels:
        yield Step(label.at, dialogue, label=label)


async def _take(player: Player, step: Step) -> None:
    if step.turn is not None:
        await player.predict(step.dialogue, step.turn)
    elif step.label is not None:
        await player.feed_back(step.dialogue, step.label)
    else:
        await player.end(step.dialogue)


class _Pace:
    """Lets source time pass: a second of it takes ``1 / speed`` seconds, or none at all."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._first: datetime | None = None
        self._started = time.monotonic()

    async def wait_for(self, at: datetime, stop: asyncio.Event) -> None:
        await asyncio.sleep(0)
        if self._speed is None:
            return
        self._first = self._first or at
        due = self._started + (at - self._first).total_seconds() / self._speed
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), max(0.0, due - time.monotonic()))
