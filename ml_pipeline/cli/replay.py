"""``ml-pipeline replay``: plays a source of conversations through the online module."""

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ml_pipeline.errors import PipelineError, SourceError
from ml_pipeline.settings import load_settings

if TYPE_CHECKING:
    from ml_pipeline.samples.replay import Plan, ReplayReport
    from ml_pipeline.vocabulary.dialogue import Source
    from ml_pipeline.vocabulary.tasks import Task

TRUTH_FILE = Path(".local/simulation_truth.jsonl")
DRAIN_SECONDS = 120.0
FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def replay(
    path: Annotated[Path | None, typer.Argument(help="Folder of a dialogue set; without one, simulated calls.")] = None,
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="1 is real time, 60 a minute a second; default: as fast as it goes.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the oldest N conversations.")] = None,
) -> None:
    """Play conversations through the online module, as their agent would have called it."""
    from ml_pipeline.samples.replay import Plan

    console = Console()
    try:
        source = choose_source(path)
        require_tasks(source, load_settings().tasks)
        report, is_stored = asyncio.run(_play(source, Plan(limit=limit, speed=speed), console))
    except PipelineError as error:
        typer.echo(f"ml-pipeline: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(BAD_INPUT) from None
    _show(source, report, console)
    if not is_stored:
        console.print(f"[yellow]Not all of it reached Postgres within {DRAIN_SECONDS:.0f} s; shipping goes on.")
    if report.is_interrupted:
        console.print("Interrupted. The same command goes on: what is recorded keeps its ids.")
        raise typer.Exit(INTERRUPTED)
    if report.raised:
        raise typer.Exit(FAILED)


def choose_source(path: Path | None) -> "Source":
    """Return the source at ``path``; without one a simulated floor, whose truth goes to a file of its own.

    Raises:
        SourceError: if there is no readable source at ``path``.
    """
    if path is not None:
        from ml_pipeline.samples.sources import open_source

        return open_source(path)
    from ml_pipeline.simulation.floor import simulated_floor

    floor = simulated_floor()
    floor.write_truth(TRUTH_FILE)
    return floor.source


def require_tasks(source: "Source", tasks: "tuple[Task, ...]") -> None:
    """Check that the pipeline predicts what ``source`` can teach.

    Raises:
        SourceError: if a task of the source is missing from ``tasks`` or differs.
    """
    for task in source.tasks:
        if task not in tasks:
            raise SourceError(
                f"the settings lack {source.name}'s task {task.name!r} with the labels {', '.join(task.labels)};"
                " start the stack with that source (SOURCE=… make run) or set its tasks in the settings file"
            )


async def _play(source: "Source", plan: "Plan", console: Console) -> "tuple[ReplayReport, bool]":
    from ml_pipeline.online.service import MLPipelineService
    from ml_pipeline.samples.clock import open_clock
    from ml_pipeline.samples.replay import replay as replay_source

    clock = open_clock(source)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    columns = (TextColumn("Replaying"), BarColumn(), MofNCompleteColumn(), TextColumn("ended"), TimeRemainingColumn())
    async with MLPipelineService(clock=clock, source=source.name) as service:
        with Progress(*columns, console=console) as bar:
            shown = bar.add_task("conversations", total=len(plan.dialogues(source)))
            report = await replay_source(
                source,
                service,
                clock,
                plan=plan,
                on_progress=lambda done, _: bar.update(shown, completed=done),
                stop=stop,
            )
        return report, await service.drain(DRAIN_SECONDS)


def _show(source: "Source", report: "ReplayReport", console: Console) -> None:
    kind = "simulated" if source.is_simulated else "real conversations"
    console.print(f"[bold]{source.name}[/] ({kind}): {report.conversations:,} conversations in {report.seconds:.0f} s")
    console.print(f"Turns         {report.turns:,}, of which {report.predictions:,} of the customer were predicted on")
    console.print(f"Outcomes      {report.outcomes:,}, late labels {report.labels:,}")
    for task, versions in report.served_by.items():
        answered = ", ".join(f"{version} {count:,}" for version, count in versions.most_common())
        console.print(f"Answered by   {task}: {answered}")
    console.print(f"Malformed     {report.malformed:,} conversations left out")
    for name, reason in source.malformed[:5]:
        console.print(f"              {name}: {reason}", markup=False)
    for note in source.notes:
        console.print(f"Note          {note}", markup=False)
    if report.raised:
        console.print(f"[red]Calls that raised: {report.raised:,}; none ever should, see the log.")
