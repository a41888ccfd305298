"""``make bench-facts ARGS=quality``: the gate of one day of a million events, beside plain passes over the same rows.

Three earlier weeks have the same day, so that volume has what to be compared with.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from statistics import median

from benchmarks.claims import Claim, at_most, told
from benchmarks.facts_floor import Floor, fill
from benchmarks.server import DATABASE, execute, running_server, value

EVENTS = 1_000_000
EARLIER_EVENTS = 300_000
"""Of each earlier week: few enough to be made quickly, and not so few that the day would be unusual."""
EARLIER_WEEKS = 3
RUNS = 3
SECONDS = 60.0
JOBS = ("ml_jobs", "benchmark")
GATE = "import json; from ml_pipeline.jobs import check_data_quality as job; print(json.dumps(job.run()))"
IMPORT = "import great_expectations"
FACTS = ("conversations", "turns", "predictions", "outcomes", "labels", "assignments", "acts", "ml_tracking_events")


def claims(events: int = EVENTS, runs: int = RUNS) -> Iterator[Claim]:
    with running_server() as server:
        dsn = server.dsn(DATABASE)
        day = fill(dsn, hours=24, events=events)
        for week in range(1, EARLIER_WEEKS + 1):
            fill(dsn, hours=24, events=EARLIER_EVENTS, end=day.end - week * timedelta(days=7))
        execute(dsn, f"ALTER ROLE {JOBS[0]} PASSWORD '{JOBS[1]}'")
        environment = {**os.environ, "ML_PIPELINE_JOBS_DSN": server.dsn(DATABASE, role=JOBS[0], password=JOBS[1])}
        gates, imports, passes = [], [], []
        for _ in range(runs):
            execute(dsn, f"UPDATE quality_verdicts SET state = 'pending' WHERE hour >= '{day.start}'")  # noqa: S608
            gates.append(_seconds(lambda: _judge(environment)))
            imports.append(_seconds(lambda: _python(IMPORT, environment)))
            passes.append(_seconds(lambda: _read(dsn, day)))
        peers = {"import_s": median(imports), "plain_pass_s": median(passes)}
        yield at_most("quality gate of one day of 1 M events, process and import included", gates, SECONDS, "s", peers)
        beside = [(gate - load) / plain for gate, load, plain in zip(gates, imports, passes, strict=True)]
        yield told("quality gate beside one plain pass over the same rows, import left out", beside, "x")


def _judge(environment: dict[str, str]) -> None:
    counts = json.loads(_python(GATE, environment))
    if counts["failed"] or counts["hours_trusted"] != 24:
        raise RuntimeError(f"the day is fine, the gate says {counts}")


def _python(code: str, environment: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def _read(dsn: str, day: Floor) -> None:
    """Read every row of the day once, its columns included."""
    for table in FACTS:
        at = "started_at" if table == "conversations" else "at"
        bounds = f"{at} >= '{day.start}' AND {at} < '{day.end}'"
        if table == "ml_tracking_events":
            bounds = f"id >= uuid_floor('{day.start}') AND id < uuid_floor('{day.end}')"
        value(dsn, f"SELECT sum(length(t::text)) FROM {table} AS t WHERE {bounds}")  # noqa: S608


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
