"""Runs one step of a retraining in a process of its own that is killed on the way. Started by test_retraining_faults.

``forkserver`` has imported what the steps need and holds no connection, so that a death costs half a second.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

PRELOADED = ["ml_pipeline.jobs.retrain_models", "mlflow.sklearn", "tests.integration.retraining"]
DEADLINE_SECONDS = 60


def die_in(step: str, argument: Any, owner: str, function: str, *, before: bool) -> int:
    """Run ``step`` of the job in another process, which kills itself around ``owner.function``; return how it ended."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    surroundings = dict(os.environ), str(Path.cwd())
    worker = context.Process(target=_run, args=(*surroundings, step, argument, owner, function, before))
    worker.start()
    worker.join(DEADLINE_SECONDS)
    assert worker.exitcode is not None, f"{step} lives on"
    return worker.exitcode


def _run(environment: dict[str, str], folder: str, *of: Any) -> None:
    from ml_pipeline.jobs import retrain_models as job
    from ml_pipeline.models.candidates import search

    step, argument, owner, function, before = of
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    vars(search)["STRENGTHS"] = (3.0,)
    holder: Any = job
    for name in filter(None, owner.split(".")):
        holder = getattr(holder, name)
    setattr(holder, function, _deadly(getattr(holder, function), before=before))
    getattr(job, step)(argument)


def _deadly(call: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
    def dying(*args: Any, **named: Any) -> Any:
        if not before:
            call(*args, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    return dying
