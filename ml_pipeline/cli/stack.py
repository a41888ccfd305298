"""``stop`` and ``reset``: end the stack of this checkout, wherever it runs; forget what it kept."""

import signal
import time
from pathlib import Path
from typing import Annotated

import psutil
import typer

from ml_pipeline.errors import StackError
from ml_pipeline.stack.guardian import clean_up
from ml_pipeline.stack.processes import is_same
from ml_pipeline.stack.state import Lock, State

STOP_SECONDS = 60.0

StateFolder = Annotated[Path, typer.Option("--state", help="Where the stack keeps what it keeps.")]
LOCAL = Path(".local")


def stop(state: StateFolder = LOCAL) -> None:
    """End the running stack and whatever an earlier one left behind."""
    stopped = _stop(State(state.resolve()))
    typer.echo("stopped" if stopped else "nothing was running")


def reset(state: StateFolder = LOCAL) -> None:
    """End the stack and remove all it kept: databases, models, settings, secrets."""
    kept = State(state.resolve())
    _stop(kept)
    existed = kept.root.exists()
    kept.remove()
    typer.echo(f"removed {kept.root}" if existed else f"{kept.root} did not exist")


def _stop(state: State) -> bool:
    """End the supervisor, or do its work where it is gone; tell whether anything ran.

    Raises:
        StackError: if it does not end.
    """
    if not state.root.is_dir():
        return False
    lock = Lock(state)
    holder = lock.holder()
    if holder:
        psutil.Process(holder.pid).send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while is_same(holder.pid, holder.created) and time.monotonic() < deadline:
            time.sleep(0.1)
        if is_same(holder.pid, holder.created):
            # Its guardian ends the rest.
            psutil.Process(holder.pid).kill()
    if not lock.take(wait_seconds=STOP_SECONDS):
        raise StackError(f"the stack of {state.root} does not end; see {state.logs / 'guardian.log'}")
    left = clean_up(state)
    lock.release()
    return bool(holder or left)
