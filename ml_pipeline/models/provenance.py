"""Where a version comes from: code revision, library versions, and what would make the same set train otherwise."""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from ml_pipeline.models import split
from ml_pipeline.models.candidates import fit, search
from ml_pipeline.models.candidates.columns import WEIGHTS, ColumnsByKind
from ml_pipeline.models.gate import GateRules
from ml_pipeline.online.predicting.features import REVISION
from ml_pipeline.vocabulary.tasks import Task

LIBRARIES = ("scikit-learn", "numpy", "pandas", "skops", "mlflow")


def libraries() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


def git_revision() -> str | None:
    """Return the commit of the checkout this code runs from; None outside of one."""
    try:
        told = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip()


def origin(run_id: str, dataset: Mapping[str, Any], model_sha256: str) -> dict[str, Any]:
    """Return the part of the evidence that says where a candidate comes from."""
    return {
        "run_id": run_id,
        "model_sha256": model_sha256,
        "dataset": dict(dataset),
        "feature_revision": REVISION,
        "revision": git_revision(),
        "libraries": libraries(),
    }


def recipe_digest(task: Task, rules: GateRules, word_others: int, columns: ColumnsByKind) -> str:
    """Return what names everything but the rows: the same rows under the same digest give the same verdict.

    >>> from ml_pipeline.vocabulary.tasks import NEEDS
    >>> fifty, sixty = (GateRules("macro_ap", 0.01, examples) for examples in (50, 60))
    >>> recipe_digest(NEEDS, fifty, 5, {}) == recipe_digest(NEEDS, sixty, 5, {})
    False
    """
    named = {
        "task": msgspec.to_builtins(task),
        "rules": asdict(rules),
        "feature_revision": REVISION,
        "columns": repr([columns, WEIGHTS]),
        "word_others": word_others,
        "search": [search.STRENGTHS, search.RUNGS, repr(search.TREES), search.MOST_ROWS, fit.MOST_ROWS],
        "shares": [split.GATE_SHARE, split.CALIBRATION_SHARE, split.MOST_CALIBRATE],
        "libraries": libraries(),
    }
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]
