"""The statements of the rebuild of facts. Nothing here commits."""

from datetime import datetime

from ml_pipeline.database import rebuilt
from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries

TABLES = (
    "conversations",
    "turns",
    "predictions",
    "outcomes",
    "labels",
    "assignments",
    "unprojected_events",
    "log_ledger",
)


def first_complete_day(tx: Transaction) -> datetime | None:
    """Return the start of the first day whose events are all in the log, None while there is no log."""
    day: datetime | None = queries("rebuild_facts").first_complete_day(tx)
    return day


def seed(tx: Transaction, edge: datetime) -> None:
    """Take over what the live facts hold of the time before ``edge``."""
    named = queries("rebuild_facts")
    named.open_reading(tx)
    named.see_frozen(tx, edge=edge)
    named.seed(tx, edge=edge)


def enter_unread(tx: Transaction, edge: datetime) -> int:
    """Put the events of the log from ``edge`` on that were not read yet into the ledger beside; return how many."""
    entered: int = queries("rebuild_facts").enter_unread(tx, edge=edge)
    return entered


def close_batch(tx: Transaction) -> None:
    """Forget the batch, so that this transaction can read another one."""
    queries("rebuild_facts").close_batch(tx)


def suspect_batch(tx: Transaction) -> None:
    """Have the conversations of the batch compared."""
    queries("rebuild_facts").suspect_batch(tx)


def find_suspects(tx: Transaction, since: datetime) -> dict[str, int]:
    """Compare all facts from ``since`` on, as they stand this moment; return how many rows per table."""
    named = queries("rebuild_facts")
    named.weigh(tx)
    compared = _compare(tx, since, among_suspects=False)
    named.suspect_differing(tx)
    named.forget_differing(tx)
    return compared


def compare_suspects(tx: Transaction, since: datetime) -> None:
    """Note what differs of the suspects' facts. The caller holds the projector's lock and has read every event."""
    queries("rebuild_facts").acquit_moved(tx)
    _compare(tx, since, among_suspects=True)


def _compare(tx: Transaction, since: datetime, *, among_suspects: bool) -> dict[str, int]:
    found = queries("rebuild_facts").compare_facts(tx, since=since, among_suspects=among_suspects)
    return {row["table_name"]: row["compared"] for row in found}


def swap(tx: Transaction) -> None:
    """Put what differs in the place of the live rows."""
    queries("rebuild_facts").ensure_partitions(tx)
    rebuilt.swap(tx)


def touch_swapped(tx: Transaction) -> None:
    """Note what differed as touched. Looks at the live tables, as ``name_hours`` does."""
    queries("events").open_batch(tx)
    queries("rebuild_facts").touch_swapped(tx)
