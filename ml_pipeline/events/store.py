"""The statements of the projection. Nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.vocabulary.acts import TELLING_EVENTS
from ml_pipeline.vocabulary.events import SCHEMA


@dataclass(frozen=True, slots=True)
class Batch:
    """What ``arrived`` holds. ``low`` and ``high`` lie a day around its events' times."""

    events: int
    unprojectable: int
    low: datetime
    high: datetime


def lock(tx: Transaction) -> None:
    """Wait until no other projector runs."""
    queries("events").lock(tx)


def newest_entry(tx: Transaction) -> int | None:
    """Return the newest entry of the ledger, None when it is empty."""
    entry: int | None = queries("events").newest_entry(tx)
    return entry


def consume(tx: Transaction, *, newest: int, events: int) -> str | None:
    """Take about ``events`` ids off the ledger, as Postgres writes an array; None when nothing waits."""
    taken: str | None = queries("events").consume(tx, newest=newest, events=events)["ids"]
    return taken


def read_batch(tx: Transaction, ids: str) -> Batch | None:
    """Read these events once, for all statements that follow; None when the log holds none of them any more."""
    named = queries("events")
    named.open_batch(tx)
    named.read_batch(tx, ids=ids, schema=SCHEMA)
    found = named.describe_batch(tx)
    return Batch(**found) if found["events"] else None


def ensure_partitions(tx: Transaction) -> None:
    """Make the day partitions that the batch's facts need."""
    queries("events").ensure_partitions(tx)


def count_faults(tx: Transaction) -> dict[str, int]:
    """Return how many events of the batch cannot be projected, by what is wrong with them."""
    return {row["fault"]: row["events"] for row in queries("events").count_faults(tx)}


def project(tx: Transaction, batch: Batch, sold_tiers: Sequence[str]) -> dict[str, int]:
    """Write the batch's facts; return how many rows of each table it changed.

    ``unmatched`` truths came before their conversation, ``matched_late`` ones waited for it until now, and
    ``currency_new.<currency>`` was never told before.
    """
    named = queries("events")
    bounds = {"low": batch.low, "high": batch.high}
    named.record_unprojected(tx)
    named.drop_replaced(tx, **bounds)
    told = {f"currency_new.{row['currency']}": 1 for row in named.new_currencies(tx)}
    changed = {
        "conversations": named.project_conversations(tx),
        "turns": named.project_turns(tx, **bounds),
        "predictions": named.project_predictions(tx, **bounds),
        "outcomes": named.project_outcomes(tx, sold_tiers=list(sold_tiers)),
        "labels": named.project_labels(tx),
        "assignments": named.project_assignments(tx),
    }
    named.mark_superseded(tx)
    return {**changed, **named.count_unmatched(tx), **told}


def record_requests(tx: Transaction) -> int:
    """Write the retraining requests of the batch; return how many were new."""
    made: int = queries("events").record_requests(tx)
    return made


def announce(tx: Transaction) -> int:
    """Name every hour the batch changed to every consumer and reopen its verdict; return how many hours."""
    queries("events").touch_logged(tx, telling=list(TELLING_EVENTS))
    return name_hours(tx)


def name_hours(tx: Transaction) -> int:
    """Name the hours of all rows in ``touched``, and those they reach; return how many hours."""
    named = queries("events")
    named.gather_reached(tx)
    span = named.reached_span(tx)
    if span["low"] is not None:
        named.touch_reached(tx, low=span["low"], high=span["high"])
    named.record_changed_hours(tx)
    reopened: int = named.reopen_hours(tx)
    return reopened


def judgement_is_due(tx: Transaction, now: datetime) -> bool:
    """Tell whether hours wait for judgement and the last judgement is ten minutes old, or an hour closed since."""
    due: bool = queries("events").judgement_is_due(tx, now=now)
    return due
