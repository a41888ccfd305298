"""``make bench-shipping``: how fast a spool is shipped, beside a raw COPY of the same rows into the same table.

Each run ships 20,000 events of 1 kB from segments on disk, ships the same segments once more, as after a shipper that
lost its notes, and copies the same rows, in an order that changes from run to run and into an emptied table. COPY gets
its text made beforehand, and commits every 1,000 rows as the shipper does, or once.
"""

import io
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psycopg2

from benchmarks.claims import FOLDER, Claim, at_least, write
from benchmarks.said import EVENT_TYPE, said
from benchmarks.server import DATABASE, capture_dsn, execute, running_server, value
from ml_pipeline.online.ids import fresh_event_id
from ml_pipeline.online.recording.recorder import Event
from ml_pipeline.online.recording.segments import list_segments, scan
from ml_pipeline.online.recording.shipper import PostgresDoor
from ml_pipeline.online.recording.shipping import BATCH_LINES, Shipper
from ml_pipeline.online.recording.spool import Spool

EVENTS = 20_000
RUNS = 7
COLUMNS = (
    "id", "conversation_id", "event_type", "event_category", "timestamp", "data", "client_id", "source", "writer",
    "sequence",
)  # fmt: skip
COPY = f"COPY ml_tracking_events ({', '.join(COLUMNS)}) FROM STDIN"
EMPTY = "TRUNCATE ml_tracking_events, log_ledger, capture_writers, rejected_events"
COUNTED = "SELECT (SELECT count(*) FROM ml_tracking_events) || ' ' || (SELECT sum(stored) FROM capture_writers)"

Ways = dict[str, list[float]]


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with running_server() as server, tempfile.TemporaryDirectory(dir=FOLDER, prefix="shipping-") as folder:
        write("shipping", _claims(server.dsn(DATABASE), capture_dsn(server), Path(folder)))


def _claims(owner: str, capture: str, folder: Path) -> Iterator[Claim]:
    seconds: Ways = {"shipped": [], "replayed": [], "copied": [], "copied_at_once": []}
    for run in range(RUNS):
        _run(owner, capture, folder / str(run), seconds)
    speeds = {f"{way}_events_per_s": EVENTS / sorted(taken)[RUNS // 2] for way, taken in seconds.items()}
    for peer, what in (("copied", "committed every 1,000 rows"), ("copied_at_once", "committed once")):
        shares = [copied / shipped for copied, shipped in zip(seconds[peer], seconds["shipped"], strict=True)]
        yield at_least(f"shipping: share of the speed of a raw COPY, {what}", shares, 0.5, peers=speeds)
    shares = [first / again for first, again in zip(seconds["shipped"], seconds["replayed"], strict=True)]
    yield at_least("shipping a spool again: speed beside the first time; no row and no counter moves", shares, 1.0)


def _run(owner: str, capture: str, folder: Path, seconds: Ways) -> None:
    kept = _spool(folder / "kept")
    rows = _copy_text(kept)
    ways: list[Callable[[], None]] = [
        lambda: _ship(owner, capture, kept, folder / "spool", seconds),
        lambda: seconds["copied"].append(_copy(owner, rows, BATCH_LINES)),
        lambda: seconds["copied_at_once"].append(_copy(owner, rows, EVENTS)),
    ]
    random.Random(str(folder)).shuffle(ways)
    for way in ways:
        execute(owner, EMPTY)
        execute(owner, "CHECKPOINT")
        way()
    shutil.rmtree(folder)


def _spool(folder: Path) -> Path:
    spool = Spool(folder, 1 << 30)
    for number in range(EVENTS):
        at = datetime.now(UTC)
        event = Event(
            id=fresh_event_id(at),
            event_type=EVENT_TYPE,
            event_category="agent",
            timestamp=at,
            conversation_id=f"{number // 20:08d}-0000-5000-8000-000000000000",
            client_id=f"call-{number // 20}",
            data=dict(said(number)),
        )
        spool.write(msgspec.json.encode(event))
    spool.close()
    return folder


def _ship(owner: str, capture: str, kept: Path, spool: Path, seconds: Ways) -> None:
    door = PostgresDoor(capture)
    found = []
    for way in ("shipped", "replayed"):
        shutil.copytree(kept, spool)
        began = time.perf_counter()
        Shipper(spool, door).ship()
        seconds[way].append(time.perf_counter() - began)
        found.append(value(owner, COUNTED))
        shutil.rmtree(spool)
    door.close()
    assert found == [f"{EVENTS} {EVENTS}"] * 2, found


def _copy_text(kept: Path) -> list[str]:
    """Return the rows of a spool as COPY reads them."""
    texts = []
    for name in list_segments(kept):
        for _, body, _ in scan((kept / str(name)).read_bytes()).records:
            line = msgspec.json.decode(body)
            line["data"] = msgspec.json.encode(line["data"]).decode()
            cells = (str(line.get(column, "agent")).replace("\\", "\\\\") for column in COLUMNS)
            texts.append("\t".join(cells) + "\n")
    return texts


def _copy(owner: str, rows: list[str], rows_per_commit: int) -> float:
    parts = ["".join(rows[start : start + rows_per_commit]) for start in range(0, EVENTS, rows_per_commit)]
    connection = psycopg2.connect(owner)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SELECT ensure_day_partition('ml_tracking_events', (now() AT TIME ZONE 'UTC')::date)")
    began = time.perf_counter()
    for part in parts:
        cursor.copy_expert(COPY, io.StringIO(part))
    taken = time.perf_counter() - began
    connection.close()
    return taken


if __name__ == "__main__":
    main()
