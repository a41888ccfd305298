"""From the log to facts: each event exactly once, whatever the order, the repeats and the crashes."""

from collections import Counter
from collections.abc import Sequence

from ml_pipeline.database.engine import Transaction
from ml_pipeline.events import store

BATCH_EVENTS = 10_000
"""Events of one transaction: large enough for sets, small enough that a crash repeats about a second of work."""


def project_next(tx: Transaction, *, newest: int, sold_tiers: Sequence[str]) -> Counter[str] | None:
    """Project the next events of the ledger up to entry ``newest``, in this transaction; None when none are left."""
    store.lock(tx)
    ids = store.consume(tx, newest=newest, events=BATCH_EVENTS)
    if ids is None:
        return None
    counts = Counter({"batches": 1})
    batch = store.read_batch(tx, ids)
    if batch is not None:
        counts.update(events=batch.events, unprojectable=batch.unprojectable)
        counts.update({f"unprojectable.{fault}": events for fault, events in store.count_faults(tx).items()})
        store.ensure_partitions(tx)
        counts.update(store.project(tx, batch, sold_tiers))
        counts.update(requests=store.record_requests(tx))
        counts.update(hours_changed=store.announce(tx))
    return counts
