"""``ml-pipeline run``: the whole loop on this machine, then keeps serving."""

from pathlib import Path
from typing import Annotated

import typer


def run(
    source: Annotated[
        Path | None, typer.Option(envvar="SOURCE", help="Folder of a dialogue set; none: a simulated sales floor.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", envvar="ONCE", help="End after the summary.")] = False,
    conversations: Annotated[int, typer.Option(min=50, help="Size of the simulated floor.")] = 1_200,
    state: Annotated[Path, typer.Option(help="Folder for everything that is kept.")] = Path(".local"),
) -> None:
    """Start the stack, take conversations once round the loop, print the summary, keep serving."""
    from ml_pipeline.cli.rounds import run_stack

    is_closed = run_stack(source, state, conversations=conversations, is_once=once)
    if once and not is_closed:
        raise typer.Exit(1)
