from datetime import timedelta

from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.vocabulary.dialogue import Source


def lock(tx: Transaction) -> None:
    """Wait until no other replay decides on a shift."""
    queries("samples").lock(tx)


def shift_of(tx: Transaction, source: str) -> timedelta | None:
    """Return how far the times of ``source`` were shifted when it was last replayed; None where it never was."""
    shift: timedelta | None = queries("samples").shift_of(tx, source=source)
    return shift


def record(tx: Transaction, source: Source, shift: timedelta) -> None:
    """Write down that ``source`` is replayed with ``shift``."""
    queries("samples").record(
        tx,
        source=source.name,
        is_simulated=source.is_simulated,
        shift=shift,
        first_at=source.dialogues[0].started_at + shift,
        last_at=source.last_event_at + shift,
    )
