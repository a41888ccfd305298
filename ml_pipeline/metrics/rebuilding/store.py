"""The statements of the rebuild of rollups. Nothing here commits."""

from datetime import datetime

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries

TABLES = ("metric_rollups", "metric_periods", "changed_hours")


def trusted_days(tx: Transaction, since: datetime | None) -> list[datetime]:
    """Return the starts of all days from ``since`` on with hours that may be read."""
    return [row["day"] for row in queries("rebuild_rollups").trusted_days(tx, since=since)]


def seed(tx: Transaction, day: datetime) -> None:
    """Take over what the live rollups hold of the week of ``day``."""
    queries("rebuild_rollups").seed(tx, day=day)


def compare(tx: Transaction) -> dict[str, int]:
    """Note what differs of the hours and periods that were made again; return how many rows per table were compared."""
    return {row["table_name"]: row["compared"] for row in queries("rebuild_rollups").compare_rollups(tx)}
