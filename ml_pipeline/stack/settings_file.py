"""The settings the agent, the jobs and Airflow's processes read, written by the stack."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from ml_pipeline.stack.state import write_private
from ml_pipeline.vocabulary.dialogue import Source

HEAD = "# Written by `make run`. Values of the stack are written anew at each start; others stay.\n"


def write_settings(file: Path, values: dict[str, Any], source: Source | None) -> None:
    """Write ``values``, and of ``source`` its tasks and how soon their truths are final.

    Everything else a person set in the file stays, and without a source all of it.
    """
    standing = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    chosen = _of_source(source) if source else {}
    write_private(file, HEAD + tomli_w.dumps({**standing, **values, **chosen}))


def _of_source(source: Source) -> dict[str, Any]:
    return {
        "tasks": [msgspec.to_builtins(task) for task in source.tasks],
        "attribution_days": source.outcome_days,
        "label_days": source.label_days,
    }
