"""The settings the agent, the jobs and Airflow's processes read, written by the stack."""

import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from ml_pipeline.stack.state import write_private
from ml_pipeline.vocabulary.tasks import Task


def write_settings(file: Path, values: dict[str, Any], tasks: tuple[Task, ...] | None) -> None:
    """Write ``values`` and ``tasks``; None keeps the tasks and everything else a person set in the file."""
    standing = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    chosen = standing.get("tasks", []) if tasks is None else [msgspec.to_builtins(task) for task in tasks]
    plain = {**standing, **values}
    plain.pop("tasks", None)
    lines = ["# Written by `make run`. Values of the stack are written anew at each start; others stay."]
    lines += [f"{name} = {toml(value)}" for name, value in plain.items()]
    for task in chosen:
        lines += ["", "[[tasks]]", *(f"{name} = {toml(value)}" for name, value in task.items())]
    write_private(file, "\n".join(lines) + "\n")


def toml(value: Any) -> str:
    r"""Return a string, number, truth value or list of them as TOML writes it.

    >>> toml(["50 %", 'a "b"'])
    '["50 %", "a \\"b\\""]'
    """
    # JSON's strings are TOML's basic strings once nothing beyond ASCII is escaped; DEL alone differs.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
