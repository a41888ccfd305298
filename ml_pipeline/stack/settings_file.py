"""The settings the agent, the jobs and Airflow's processes read, written by the stack."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from ml_pipeline.stack.state import write_private
from ml_pipeline.vocabulary.tasks import Task

HEAD = "# Written by `make run`. Values of the stack are written anew at each start; others stay.\n"


def write_settings(file: Path, values: dict[str, Any], tasks: tuple[Task, ...] | None) -> None:
    """Write ``values`` and ``tasks``; None keeps the tasks and everything else a person set in the file."""
    standing = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    chosen = {} if tasks is None else {"tasks": [msgspec.to_builtins(task) for task in tasks]}
    write_private(file, HEAD + tomli_w.dumps({**standing, **values, **chosen}))
