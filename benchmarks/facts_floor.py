"""A history for the benchmarks of facts, made inside Postgres: millions of events and their facts in a minute or two.

``python -m benchmarks.facts_floor DSN HOURS EVENTS`` fills a database of the current schema, given by its owner's URL.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import aiosql
import psycopg2

from ml_pipeline.vocabulary.interval import Interval

EVENTS_PER_CALL = 72
SESSIONS = 2


@dataclass(frozen=True)
class Floor:
    """What was made: whole hours ``[start, end)``, all of them trusted, none of them changed."""

    start: datetime
    end: datetime
    conversations: int


def fill(dsn: str, *, hours: int, events: int, end: datetime | None = None) -> Floor:
    """Fill the empty database at ``dsn`` (its owner's URL) with about ``events`` events, evenly over ``hours`` hours.

    ``end`` is where they end, a whole hour in UTC; the last one passed by default.
    """
    until = end or datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start = until - timedelta(hours=hours)
    calls = max(events // EVENTS_PER_CALL // hours, 1)
    with _transaction(dsn) as tx:
        _statements().make_partitions(tx, first=start.replace(hour=0), last=until)
        _statements().make_experiment(tx, at=start)
    with ThreadPoolExecutor(SESSIONS) as sessions:
        for filled in [sessions.submit(_fill, dsn, span, calls, until) for span in _days(start, until)]:
            filled.result()
    with _transaction(dsn) as tx:
        _statements().settle(tx)
    return Floor(start, until, calls * hours)


def _days(start: datetime, until: datetime) -> Iterator[Interval]:
    low = start
    while low < until:
        high = min(low.replace(hour=0) + timedelta(days=1), until)
        yield Interval(low, high)
        low = high


def _fill(dsn: str, span: Interval, calls_per_hour: int, until: datetime) -> None:
    named = _statements()
    bounds = {"low": span.start, "high": span.end}
    hours = (span.end - span.start) // timedelta(hours=1)
    with _transaction(dsn) as tx:
        named.open_day(tx)
        named.draw(tx, seed=span.start.timetuple().tm_yday / 366)
        named.make_calls(tx, calls=calls_per_hour * hours, **bounds)
        named.make_turns(tx)
        named.make_answers(tx)
        named.make_labels(tx)
        named.make_events(tx, low=span.start, until=until)
        named.fill_log(tx)
        named.fill_conversations(tx)
        named.fill_turns(tx)
        named.fill_predictions(tx)
        named.fill_outcomes(tx)
        named.fill_labels(tx)
        named.fill_assignments(tx)
        named.fill_acts(tx)
        named.trust(tx, **bounds)


@cache
def _statements() -> Any:
    return aiosql.from_path(Path(__file__).with_suffix(".sql"), "psycopg2")


@contextmanager
def _transaction(dsn: str) -> Iterator[Any]:
    connection = psycopg2.connect(dsn, options="-c timezone=UTC")
    try:
        with connection:
            yield connection
    finally:
        connection.close()


if __name__ == "__main__":
    print(fill(sys.argv[1], hours=int(sys.argv[2]), events=int(sys.argv[3])))
