"""``make bench-facts ARGS=ledger``: what it costs to read truths as they were known at a moment, and sales with them.

Ten days of a floor with about 100,000 outcomes and labels, every tenth label a correction.
"""

import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import aiosql

from benchmarks.claims import Claim, at_most, told
from benchmarks.facts_floor import Floor, fill
from benchmarks.server import DATABASE, execute, running_server
from ml_pipeline.database.engine import Transaction, transaction

HOURS = 240
EVENTS = 1_000_000
CORRECTED = 10
RUNS = 15
DAY = timedelta(days=1)


def claims() -> Iterator[Claim]:
    with running_server() as server:
        dsn = server.dsn(DATABASE)
        floor = fill(dsn, hours=HOURS, events=EVENTS)
        with transaction(dsn) as tx:
            _statements().correct(tx, share=CORRECTED)
            _statements().mark_labels(tx)
            _statements().mark_outcomes(tx)
        execute(dsn, "VACUUM ANALYZE labels, outcomes")
        with transaction(dsn) as tx:
            yield from _labels(tx, floor)
            yield _sales(tx, floor)


def _labels(tx: Transaction, floor: Floor) -> Iterator[Claim]:
    named = _statements()
    seconds = _timed(
        {
            "by_rank_s": lambda: named.by_rank_alone(tx),
            "current_s": lambda: named.current(tx),
            "as_of_s": lambda: named.as_of(tx, moment=floor.start + HOURS // 2 * timedelta(hours=1)),
        }
    )
    for read, name in (("current_s", "current labels"), ("as_of_s", "labels as of the middle of the history")):
        yield at_most(
            f"{name} of {named.truths(tx):,} truths beside a ranking that knows no time and no correction",
            [each / peer for each, peer in zip(seconds[read], seconds["by_rank_s"], strict=True)],
            1.5,
            peers={key: sorted(each)[RUNS // 2] for key, each in seconds.items()},
        )


def _sales(tx: Transaction, floor: Floor) -> Claim:
    start = floor.start + HOURS // 48 * DAY
    seconds = _timed({"day_s": lambda: _statements().sales(tx, start=start, end=start + DAY)})["day_s"]
    conversations = floor.conversations * 24 / HOURS
    return told("sales of one day, a conversation", [each / conversations * 1e6 for each in seconds], "us")


def _timed(ways: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Run each way in turn, in another order each time; return the seconds of every run."""
    chance = random.Random(0)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(RUNS):
        for name in chance.sample([*ways], len(ways)):
            begun = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - begun)
    return seconds


@cache
def _statements() -> Any:
    return aiosql.from_path(Path(__file__).with_suffix(".sql"), "psycopg2")
