"""Once round the loop: replay, let Airflow learn, replay the rest with what was learnt."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from ml_pipeline.errors import PipelineError
from ml_pipeline.online.ids import conversation_uuid
from ml_pipeline.online.service import MLPipelineService
from ml_pipeline.samples.clock import ReplayClock
from ml_pipeline.samples.replay import Plan, ReplayReport, replay
from ml_pipeline.stack.airflow_api import DagRun
from ml_pipeline.vocabulary.dialogue import Source

LEARN_SHARE = 0.9
"""The oldest 90 % of a source are learnt from; the champion meets the rest as new conversations."""

LEARN = (
    ("ingest_events",),
    ("check_data_quality",),
    ("roll_up_metrics", "analyze_feedback", "check_drift"),
    ("retrain_models",),
)
SERVE = (
    ("ingest_events",),
    ("check_data_quality",),
    ("roll_up_metrics", "analyze_feedback"),
    # Last: what it tells goes through the log, and changes hours that are judged again.
    ("tag_acts",),
)

DRAIN_SECONDS = 300.0
DAG_SECONDS = 1_800.0
PICK_UP_SECONDS = 10.0


class Scheduler(Protocol):
    """What the loop asks of Airflow."""

    def trigger(self, dag_id: str) -> DagRun: ...

    def follow(
        self,
        runs: list[DagRun],
        on_change: Callable[[DagRun], None],
        *,
        timeout_seconds: float,
        sleep: Callable[[float], None],
    ) -> list[DagRun]: ...


@dataclass
class Loop:
    """One round over ``source``; conversations whose UUID is in ``captured`` went round before and are left out.

    ``say`` takes a line for the person who watches; ``progress`` is told (what, done, of how many).
    """

    source: Source
    captured: frozenset[str]
    clock: ReplayClock
    airflow: Scheduler
    say: Callable[[str], None]
    progress: Callable[[str, int, int], None]
    dag_runs: dict[str, str] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def served_since(self) -> datetime:
        """When the first conversation of the second replay started, on the shifted clock."""
        dialogues = self.source.dialogues
        first = min(round(LEARN_SHARE * len(dialogues)), len(dialogues) - 1)
        return dialogues[first].started_at + self.clock.shift

    async def go(self, service: MLPipelineService, expected: Callable[[], set[str]]) -> None:
        """Go round once. ``expected`` reads which versions the service should serve after training.

        Raises:
            PipelineError: if events do not reach Postgres, or the service does not pick up the champions.
        """
        try:
            await self._replay(service, "learning from", (0.0, LEARN_SHARE))
            await asyncio.to_thread(self._run_dags, LEARN)
            await self._pick_up(service, await asyncio.to_thread(expected))
            await self._replay(service, "serving", (LEARN_SHARE, 1.0))
            await asyncio.to_thread(self._run_dags, SERVE)
        finally:
            # Ctrl-C cancels us, not the thread that follows Airflow; it would be waited for until its DAG ends.
            self.stopping.set()

    async def _replay(self, service: MLPipelineService, verb: str, share: tuple[float, float]) -> None:
        part = Plan(share=share).dialogues(self.source)
        fresh = tuple(dialogue for dialogue in part if conversation_uuid(dialogue.conversation_id) not in self.captured)
        if not fresh:
            self.say(f"{verb}: all {len(part):,} conversations went round before; nothing to replay")
            return
        report = await replay(
            replace(self.source, dialogues=fresh),
            service,
            self.clock,
            on_progress=lambda done, total: self.progress(f"{verb} conversations", done, total),
        )
        self.say(f"{verb} {_words(report)}")
        if not await service.drain(DRAIN_SECONDS):
            raise PipelineError(
                f"events did not reach Postgres within {DRAIN_SECONDS:.0f} s; they are safe in the spool,"
                " see .local/logs/ and run again"
            )

    def _run_dags(self, waves: tuple[tuple[str, ...], ...]) -> None:
        for wave in waves:
            began = time.monotonic()
            self.say(f"Airflow runs {', '.join(wave)}")
            runs = [self.airflow.trigger(dag_id) for dag_id in wave]
            for ended in self.airflow.follow(runs, self._tell, timeout_seconds=DAG_SECONDS, sleep=self._sleep):
                worse = self.dag_runs.get(ended.dag_id) == "failed"
                self.dag_runs[ended.dag_id] = "failed" if worse else ended.state
            self.say(f"  done in {time.monotonic() - began:.0f} s")

    def _sleep(self, seconds: float) -> None:
        if self.stopping.wait(seconds):
            raise InterruptedError

    def _tell(self, run: DagRun) -> None:
        self.say(f"  {run.dag_id}: {run.state}")

    async def _pick_up(self, service: MLPipelineService, expected: set[str]) -> None:
        if not expected:
            self.say("no champion: the agent's own predictions stand")
            return
        began = time.monotonic()
        while not expected <= await _serving(service):
            if time.monotonic() - began > PICK_UP_SECONDS:
                raise PipelineError(
                    f"the online module did not pick up {', '.join(sorted(expected))} within {PICK_UP_SECONDS:.0f} s;"
                    " see get_ml_pipeline_metrics()['model_updates']"
                )
            await asyncio.sleep(0.1)
        self.say(f"the running service serves {', '.join(sorted(expected))} after {time.monotonic() - began:.1f} s")


async def _serving(service: MLPipelineService) -> set[str]:
    metrics = await service.get_ml_pipeline_metrics()
    return {model["version"] for model in metrics["model_updates"]["models"] if model["state"] == "champion"}


def _words(report: ReplayReport) -> str:
    words = (
        f"{report.conversations:,} conversations, {report.turns:,} turns in {report.seconds:.0f} s"
        f" ({report.outcomes:,} outcomes, {report.labels:,} late labels)"
    )
    return words if not report.raised else f"{words}; {report.raised:,} calls raised"
