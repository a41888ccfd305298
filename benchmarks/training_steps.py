"""One retraining of every task, step by step as Airflow runs it: tasks two at a time, each in a process of its own.

``python -m benchmarks.training_steps``, where the environment says which Postgres, MLflow and settings. First,
unmeasured, every task gets a champion from the first fifth of the log, for a retraining has somebody to beat. Then one
JSON object goes to stdout: seconds by the clock in all, seconds of the processor by task and step, and the most memory
that all processes held at once.
"""

import json
import logging
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.training_floor import DAYS
from ml_pipeline.jobs import retrain_models as job
from ml_pipeline.stack.components import PARALLELISM

FIRST_ENDS = timedelta(days=4 * DAYS / 5)
"""Before now."""
LOOK_SECONDS = 0.2


def main() -> None:
    _log()
    with _pool() as pool:
        pool.submit(job.run, reason="a champion", end=(datetime.now(UTC) - FIRST_ENDS).isoformat()).result()
    began, cpu_s = time.perf_counter(), {}
    with _most_memory() as peak, _pool() as pool:
        tickets, cpu_s["collect"] = pool.submit(_timed, job.collect, reason="benchmark").result()
        outcomes = {}
        for task, (outcome, seconds) in zip(
            (ticket["task"] for ticket in tickets), pool.map(_way, tickets), strict=True
        ):
            outcomes[task] = outcome
            cpu_s |= {f"{task} {step}": spent for step, spent in seconds.items()}
    wall_s = time.perf_counter() - began
    print(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s, "peak_mib": max(peak), "outcomes": outcomes}))


def _way(ticket: job.Ticket) -> tuple[str, dict[str, float]]:
    seconds: dict[str, float] = {}
    trained, seconds["train"] = _timed(job.train, ticket)
    validated, seconds["validate"] = _timed(job.validate, trained)
    published, seconds["publish"] = _timed(job.publish, validated)
    return published["outcome"], seconds


def _timed(step: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, float]:
    began = time.process_time()
    return step(*args, **kwargs), time.process_time() - began


def _pool() -> ProcessPoolExecutor:
    # A task is a process of its own: what one held is free for the next.
    fresh = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(int(PARALLELISM), mp_context=fresh, initializer=_log, max_tasks_per_child=1)


def _log() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(process)d %(message)s")


@contextmanager
def _most_memory() -> Iterator[list[float]]:
    """Fill a list with what this process and its children hold, in MiB; what they share counts once."""
    seen, is_over = [0.0], threading.Event()

    def look() -> None:
        while not is_over.wait(LOOK_SECONDS):
            seen.append(sum(map(_held_mib, [os.getpid(), *(child.pid for child in multiprocessing.active_children())])))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()


def _held_mib(pid: int | None) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:  # it has ended
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


if __name__ == "__main__":
    main()
