"""What is known of experiments, as the agent may ask for it."""

from collections.abc import Sequence
from typing import Any

from ml_pipeline.online.session import Row

RUNNING = "running"


def experiment_metrics(*, experiments: Sequence[Row] = ()) -> dict[str, Any]:
    """Return ``experiments``, the newest 100, and how many run: ``active_experiments``.

    Each has ``id``, ``name``, ``experiment_type``, ``status``, ``config``, ``metrics``, ``results``, ``created_at``
    and ``completed_at``.
    """
    active = sum(row["status"] == RUNNING for row in experiments)
    return {"active_experiments": active, "experiments": list(experiments)}
