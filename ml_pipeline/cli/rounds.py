"""One round of the whole loop on this machine: the stack, the replays, the DAGs, the summary."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ml_pipeline.cli import store, terminal
from ml_pipeline.cli.loop import Loop
from ml_pipeline.cli.summary import Round, as_document, show
from ml_pipeline.database.engine import transaction
from ml_pipeline.errors import SourceError
from ml_pipeline.models.store import latest_decisions
from ml_pipeline.online.service import MLPipelineService
from ml_pipeline.samples.clock import open_clock
from ml_pipeline.samples.sources import open_source
from ml_pipeline.simulation.floor import SimulatedFloor, simulated_floor
from ml_pipeline.stack.airflow_api import AirflowApi
from ml_pipeline.stack.embedded import Stack
from ml_pipeline.vocabulary.dialogue import Source

PROJECT = Path(__file__).resolve().parents[2]


def run_stack(path: Path | None, state: Path, *, conversations: int, is_once: bool) -> bool:
    """Start the stack, go round once, tell it, and serve until stopped unless ``is_once``.

    Returns whether the loop closed.

    Raises:
        PipelineError: if the source, the stack or the loop fails; nothing is left running.
    """
    began = time.monotonic()
    console = terminal.console(log_path=False, soft_wrap=True)
    source, floor = _open(path, conversations)
    _tell_source(source, console)
    with Stack(state=state, project=PROJECT, say=console.log) as stack:
        # Only now is the state folder ours: another run may have been at work in it.
        summary = state / "summary.json"
        summary.unlink(missing_ok=True)
        if floor:
            floor.write_truth(state / "simulation_truth.jsonl")
        stack.start(source)
        os.environ["ML_PIPELINE_SETTINGS"] = str(stack.settings_file)
        _refuse_mixture(source)
        done = _go_round(source, stack, console, began)
        document = as_document(done)
        summary.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2))
        show(document, done, console)
        if not is_once:
            console.print("Serving until Ctrl-C or `make stop`.")
            stack.watch()
    return bool(document["ok"])


def _open(path: Path | None, conversations: int) -> tuple[Source, SimulatedFloor | None]:
    """Return the source at ``path``; without one a simulated floor's, and the floor, which knows its truth."""
    if path is not None:
        return open_source(path), None
    floor = simulated_floor(conversations=conversations)
    return floor.source, floor


def _tell_source(source: Source, console: Console) -> None:
    kind = "SIMULATED conversations, no customer ever said this" if source.is_simulated else "real conversations"
    console.log(f"source {source.name}: {len(source.dialogues):,} {kind}")
    for identifier, reason in source.malformed[:10]:
        console.log(f"  left out {identifier}: {reason}")
    if len(source.malformed) > 10:
        console.log(f"  and {len(source.malformed) - 10:,} more")


def _refuse_mixture(source: Source) -> None:
    """Refuse a second source: its label sets would be read as those of the first."""
    with transaction() as tx:
        others = store.other_sources(tx, source.name)
    if others:
        held = ", ".join(f"{count:,} conversations of {name}" for name, count in others.items())
        raise SourceError(
            f"the database holds {held}; {source.name} brings other label sets:"
            " `make reset` first, or use another checkout"
        )


def _go_round(source: Source, stack: Stack, console: Console, began: float) -> Round:
    with transaction() as tx:
        captured = store.captured_conversations(tx, source.name)
    clock = open_clock(source)
    with _progress(console) as bars:
        loop = Loop(
            source,
            captured,
            clock,
            AirflowApi(stack.airflow_url, stack.airflow_user, stack.airflow_password),
            say=bars.console.log,
            progress=_Bars(bars).advance,
        )
        asyncio.run(_serve(loop, source.name))
    with transaction() as tx:
        figures = store.read_all(tx, source.name, loop.served_since)
        decisions = latest_decisions(tx)
    return Round(
        source=source.name,
        is_simulated=source.is_simulated,
        seconds=time.monotonic() - began,
        figures=figures,
        dag_runs=loop.dag_runs,
        decisions=decisions,
        malformed=len(source.malformed),
        urls={
            "airflow": stack.airflow_url,
            "airflow_login": f"{stack.airflow_user} / {stack.airflow_password}",
            "mlflow": stack.mlflow_url,
        },
    )


async def _serve(loop: Loop, source: str) -> None:
    async with MLPipelineService(clock=loop.clock, source=source) as service:
        await loop.go(service, _champions)


def _champions() -> set[str]:
    with transaction() as tx:
        return store.champions(tx)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


class _Bars:
    """One bar per thing that takes long."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._known: dict[str, Any] = {}

    def advance(self, what: str, done: int, total: int) -> None:
        if what not in self._known:
            self._known[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._known[what], completed=done)
