"""How many events a second reach where they should, and how many are lost when their agent is killed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.agent import Order, run
from benchmarks.claims import Claim, at_most, told
from benchmarks.contenders import Place
from benchmarks.said import EVENT_TYPE
from benchmarks.sink import taken_by

OFFERED = {"recorder": 20_000, "track_event": 5_000, "insert": 2_000} | dict.fromkeys(
    ("otel_log", "otel_span", "posthog", "langfuse"), 10_000
)
KILLED_AFTER = 6_100
SHIPPING_SECONDS = 60.0
IN_DATABASE = {"recorder": "recorder", "track_event": "service", "insert": None}
"""Who does not send to the sink, and where in its folder what it recorded waits for a shipper."""


def claims(place: Place) -> Iterator[Claim]:
    yield from _sustained(place)
    yield from _lost(place)


def _sustained(place: Place) -> Iterator[Claim]:
    per_second, lost = {}, {}
    for name, offered in OFFERED.items():
        before = _stored(place)
        mine = replace(place, folder=place.folder / f"burst-{name}")
        seconds = float(run(Order(name, "burst", mine, events=offered)))
        arrived = _arrived(name, mine, before)
        per_second[f"{name}_per_s"] = arrived / seconds
        lost[f"{name}_lost_pct"] = 100 * (1 - arrived / offered)
    ours = per_second.pop("recorder_per_s")
    yield told("recorder alone, offered without pause: events/s that arrive", [ours], "events/s", per_second)
    ours = lost.pop("recorder_lost_pct")
    yield at_most("recorder alone, offered without pause: share of events that never arrive", [ours], 0.0, "%", lost)


def _lost(place: Place) -> Iterator[Claim]:
    lost = {}
    for name in OFFERED:
        before = _stored(place)
        mine = replace(place, folder=place.folder / f"killed-{name}")
        run(Order(name, "killed", mine, events=KILLED_AFTER))
        lost[name] = float(KILLED_AFTER - _arrived(name, mine, before))
    ours = lost.pop("track_event")
    claim = f"track_event, kill -9 after {KILLED_AFTER:,} events at 2,000/s: lost"
    yield at_most(claim, [ours], 0.0, "events", {f"{name}_events": count for name, count in lost.items()})


def _arrived(name: str, place: Place, before: int) -> int:
    """Return how many events are where they should be: in the sink, or, after a new shipper, in the database."""
    if name not in IN_DATABASE:
        return taken_by(place.sink)
    if spool := IN_DATABASE[name]:
        _ship(place.folder / spool, place)
    return _stored(place) - before


def _ship(folder: Path, place: Place) -> None:
    """Run shippers until nothing is left; the killed agent's own may still be at work, and then ours ends at once."""
    environment = {**os.environ, "ML_PIPELINE_CAPTURE_DSN": place.capture_dsn}
    command = [sys.executable, "-m", "ml_pipeline.online.recording.shipper", str(folder)]
    deadline = time.monotonic() + SHIPPING_SECONDS
    while any(folder.glob("*.seg")) and time.monotonic() < deadline:
        subprocess.run(command, env=environment, check=True)
        time.sleep(0.2)


def _stored(place: Place) -> int:
    import psycopg2

    connection = psycopg2.connect(place.owner_dsn)
    cursor = connection.cursor()
    cursor.execute("SELECT count(*) FROM ml_tracking_events WHERE event_type = %s", (EVENT_TYPE,))
    count = int(cursor.fetchone()[0])
    connection.close()
    return count
