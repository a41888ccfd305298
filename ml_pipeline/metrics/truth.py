"""Truth lives in the schema (``conversation_truths``, ``labelled_predictions``); here is how tasks are told to it."""

import json
from collections.abc import Sequence

from ml_pipeline.vocabulary.tasks import Task


def task_definitions(tasks: Sequence[Task]) -> str:
    """Return the JSON that ``conversation_truths`` and ``labelled_predictions`` take as ``tasks``.

    >>> from ml_pipeline.vocabulary.tasks import CONVERSION
    >>> task_definitions([CONVERSION])
    '[{"name": "conversion", "scope": "conversation", "horizon": 0, "labels": ["sold"]}]'
    """
    return json.dumps(
        [
            {"name": task.name, "scope": task.scope, "horizon": task.horizon, "labels": list(task.labels)}
            for task in tasks
        ]
    )
