"""Where this process's events are: on disk, in Postgres, or given up; ``get_ml_pipeline_metrics()["buffers"]``."""

from datetime import UTC, datetime
from typing import Any

from ml_pipeline.errors import DatabaseError
from ml_pipeline.online.reading.facade import Facade
from ml_pipeline.online.recording.accounts import FATES, Account
from ml_pipeline.online.recording.progress import read_progress, unshipped
from ml_pipeline.online.recording.recorder import Recorder
from ml_pipeline.online.recording.tombstones import count_dropped, list_tombstones


class KnownAccounts:
    """What Postgres last said of the writers, and when; it stands while Postgres is away."""

    def __init__(self) -> None:
        self.own: Account | None = None
        self.total: dict[str, Any] | None = None
        self.as_of: datetime | None = None

    async def refresh(self, facade: Facade, writer: str) -> bool:
        """Ask Postgres for ``writer``'s account and the sum over all; False where it does not answer."""
        from ml_pipeline.online import store

        try:
            found = await facade.read(store.accounts, ids=[writer])
        except DatabaseError:
            return False
        self.own = next(iter(found["writers"]), None)
        self.total = found["total"]
        self.as_of = datetime.now(UTC)
        return True

    def of(self, writer: str, told_shipper: Account | None) -> Account:
        """Return the latest account of ``writer``; the shipper may have heard of it since."""
        heard = [account for account in (self.own, told_shipper) if account and account.writer == writer]
        return max(heard, key=lambda account: account.shipped, default=Account(writer=writer))


def measure_buffers(recorder: Recorder, known: KnownAccounts) -> dict[str, Any]:
    """Return the figures of this process's writer, both equations closed. Reads the spool folder."""
    spool = recorder.spool
    writer = spool.writer
    try:
        progress = read_progress(spool.folder, writer)
        tombstones = [each for each in list_tombstones(spool.folder) if each.writer == writer]
        waiting = sum(extent.size - extent.shipped for extent in unshipped(spool.folder).values())
    except OSError:
        progress, tombstones, waiting = read_progress(spool.folder, writer), [], 0
    told = known.of(writer, progress.account)
    accepted = spool.sequence
    account = told.known_to(
        refused=recorder.counts.refused,
        claimed=accepted,
        on_disk=accepted,
        dropped=count_dropped(tombstones, told.shipped),
    )
    balance = account.balance()
    return {
        "writer": writer,
        **balance,
        "noted": dict(recorder.counts.noted),
        "shipped": sum(balance[fate] for fate in FATES),
        "spool_bytes": spool.used_bytes,
        "spool_max_bytes": spool.max_bytes,
        "bytes_waiting": waiting,
        "as_of": _shown(max((at for at in (known.as_of, told.as_of) if at), default=None)),
        "all_writers": known.total and {**known.total, "as_of": _shown(known.as_of)},
    }


def _shown(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at else None
